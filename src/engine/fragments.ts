/**
 * Fragments in textbook mode, where every packet passes byte for byte: the later fragments of a
 * datagram carry no ports, so they follow the first one. Bounded on both sides: the table remembers
 * the latest datagrams and forgets the oldest, and fragments that overtook their first one are
 * kept, a few, for a short time.
 *
 * A datagram is known by (source, destination, identification, protocol) (RFC 791 section 3.2,
 * RFC 8200 section 4.5).
 */
import { HeldFrames } from '../link/held-frames.js'

const NONE = -1
const ENTRIES = 4096
const WORDS = 12
/** As long as Linux waits for the rest of a datagram. */
export const REMEMBER_MS = 30_000

export class FragmentTable {
  /** Fragments that came before the first of their datagram; keyed by `hash` of it. */
  readonly kept = new HeldFrames()
  /** Source in words 0-3, destination in 4-7, identification, protocol: filled by the caller. */
  readonly key = new Int32Array(10)
  readonly #entries = new Int32Array(ENTRIES * WORDS)
  readonly #until = new Float64Array(ENTRIES)

  /** Fills the key for IPv4. */
  key4(source: number, destination: number, identification: number, protocol: number): void {
    this.key.fill(0)
    this.key[0] = source
    this.key[4] = destination
    this.key[8] = identification
    this.key[9] = protocol
  }

  /** Fills the key for IPv6 from the addresses that begin at `addresses` in `view`. */
  key6(view: DataView, addresses: number, identification: number, protocol: number): void {
    for (let i = 0; i < 8; i++) this.key[i] = view.getInt32(addresses + 4 * i)
    this.key[8] = identification
    this.key[9] = protocol
  }

  /**
   * The datagram of `key` goes to this destination. Takes the place of an older one, if need be.
   */
  remember(destination: number, now: number): void {
    const slot = this.hash() & (ENTRIES - 1)
    this.#entries.set(this.key, slot * WORDS)
    this.#entries[slot * WORDS + 10] = destination
    this.#until[slot] = now + REMEMBER_MS
  }

  /** Where the datagram of `key` goes, or NONE. */
  find(now: number): number {
    const slot = this.hash() & (ENTRIES - 1)
    if (now >= this.#until[slot]) return NONE
    const at = slot * WORDS
    for (let i = 0; i < 10; i++) if (this.#entries[at + i] !== this.key[i]) return NONE
    return this.#entries[at + 10]
  }

  /** Keeps a copy of a fragment that is ahead of its first one; false if there is no room. */
  keep(bytes: Uint8Array, frame: number, length: number, now: number): boolean {
    return this.kept.hold(this.hash(), bytes, frame, length, now) >= 0
  }

  /** A number from 0 on for the datagram of `key`. */
  hash(): number {
    let h = 0x9e3779b1
    for (let i = 0; i < 10; i++) {
      h = Math.imul(h ^ this.key[i], 0x85ebca6b)
      h ^= h >>> 13
    }
    return h & 0x7fffffff
  }
}
