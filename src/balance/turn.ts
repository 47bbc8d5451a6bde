/**
 * Whose turn it is in a service that is served by several workers: one word that all of them read
 * and change. A worker that wants to choose reads the word, works out the choice that follows from
 * it, and swaps; if another one was quicker it works it out anew. So the choices of all workers
 * form one sequence, the one that a single worker would have made, and nobody waits for anybody.
 *
 * What the word means is the scheduler's matter; 0, as in fresh memory, is the beginning.
 */
export class Turn {
  readonly #words: Int32Array
  readonly #at: number

  /** `words`: memory of all workers, one word a service. */
  constructor(words: Int32Array, service: number) {
    this.#words = words
    this.#at = service
  }

  load(): number {
    return Atomics.load(this.#words, this.#at)
  }

  /** Puts `next` where `seen` was; false, and nothing changed, if it is there no more. */
  swap(seen: number, next: number): boolean {
    return Atomics.compareExchange(this.#words, this.#at, seen, next) === seen
  }

  reset(): void {
    Atomics.store(this.#words, this.#at, 0)
  }
}
