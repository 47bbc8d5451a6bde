/**
 * Neighbours: the MAC addresses of the next hops towards the realservers, resolved and kept fresh
 * by the director itself (RFC 826 for IPv4, RFC 4861 section 7 for IPv6). A realserver is resolved
 * when it is added, not when its first client knocks. States have the kernel's names
 * (`linux/neighbour.h`):
 *
 *                 answer                 30 s                    answer
 *   INCOMPLETE -----------> REACHABLE -----------> PROBE -------------------> REACHABLE
 *       |  3 x 1 s                                   |  3 x 1 s unicast
 *       v                                            v
 *     FAILED --- 5 s, again INCOMPLETE          INCOMPLETE
 *
 * REACHABLE and PROBE are usable: a frame is sent to the last known address while it is being
 * confirmed. A frame that names the address without having been asked (the neighbour's own
 * question, a gratuitous ARP) leads from any state to PROBE. Only neighbours that we use are
 * learned.
 *
 * Columns are typed arrays indexed by the neighbour's slot. Times are ms.
 */
export const NONE = -1

export const NUD_NONE = 0x00
export const NUD_INCOMPLETE = 0x01
export const NUD_REACHABLE = 0x02
export const NUD_PROBE = 0x10
export const NUD_FAILED = 0x20
const USABLE = NUD_REACHABLE | NUD_PROBE

/** How long an answer is trusted before it is confirmed. */
export const REACHABLE_MS = 30_000
/** Between two solicitations. */
export const RETRANSMIT_MS = 1_000
/** Solicitations without answer before the state changes. */
export const SOLICITATIONS_MAX = 3
/** How long a MAC address stands against one that nobody asked for. */
export const LOCK_MS = 1_000
/** How long a failed neighbour is left alone. */
export const FAILED_RETRY_MS = 5_000

export class NeighbourTable {
  readonly capacity: number
  /** First 16 and last 32 bits of the MAC address; meaningless unless `isUsable`. */
  readonly macHigh: Int32Array
  readonly macLow: Int32Array
  /** Which arm it is on. */
  readonly arm: Int32Array
  readonly #state: Uint8Array
  readonly #family: Uint8Array
  readonly #address: Int32Array
  readonly #references: Int32Array
  readonly #solicitations: Uint8Array
  /** When something is to be done about it next. */
  readonly #due: Float64Array
  /** Until when a change that nobody asked for is not believed. */
  readonly #settledUntil: Float64Array
  #highWater = 0
  /** Changes with each MAC address that does. */
  version = 0

  constructor(capacity: number) {
    this.capacity = capacity
    this.macHigh = new Int32Array(capacity)
    this.macLow = new Int32Array(capacity)
    this.arm = new Int32Array(capacity)
    this.#state = new Uint8Array(capacity)
    this.#family = new Uint8Array(capacity)
    this.#address = new Int32Array(capacity * 4)
    this.#references = new Int32Array(capacity)
    this.#solicitations = new Uint8Array(capacity)
    this.#due = new Float64Array(capacity)
    this.#settledUntil = new Float64Array(capacity)
  }

  /** All neighbours have slots below this one. */
  get highWater(): number {
    return this.#highWater
  }

  /** The slot of a neighbour, used once more from now on; NONE if the table is full. */
  acquire(
    arm: number,
    family: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    now: number,
  ): number {
    const known = this.find(arm, family, w0, w1, w2, w3)
    if (known !== NONE) {
      this.#references[known]++
      return known
    }
    let slot = 0
    while (slot < this.#highWater && this.#references[slot] > 0) slot++
    if (slot === this.capacity) return NONE
    if (slot === this.#highWater) this.#highWater++
    this.arm[slot] = arm
    this.#family[slot] = family
    this.#address.set([w0, w1, w2, w3], slot * 4)
    this.#references[slot] = 1
    this.#settledUntil[slot] = 0
    this.#begin(slot, NUD_INCOMPLETE, now)
    return slot
  }

  /** Used once less; true if that was the last use, and the slot may become another neighbour. */
  release(slot: number): boolean {
    if (--this.#references[slot] > 0) return false
    this.#state[slot] = NUD_NONE
    return true
  }

  find(arm: number, family: number, w0: number, w1: number, w2: number, w3: number): number {
    for (let slot = 0; slot < this.#highWater; slot++) {
      const at = slot * 4
      if (
        this.#address[at] === w0 &&
        this.#address[at + 3] === w3 &&
        this.#address[at + 1] === w1 &&
        this.#address[at + 2] === w2 &&
        this.#references[slot] > 0 &&
        this.#family[slot] === family &&
        this.arm[slot] === arm
      ) {
        return slot
      }
    }
    return NONE
  }

  isUsable(slot: number): boolean {
    return (this.#state[slot] & USABLE) !== 0
  }

  /** It was asked and did not answer: nothing can be sent there. */
  isFailed(slot: number): boolean {
    return this.#state[slot] === NUD_FAILED
  }

  state(slot: number): number {
    return this.#state[slot]
  }

  family(slot: number): number {
    return this.#family[slot]
  }

  address(slot: number, index = 0): number {
    return this.#address[slot * 4 + index]
  }

  /**
   * A frame names this MAC address for the neighbour. `isAnswer`: it answers a question of ours, if
   * we have asked. `mayReplace`: it is to replace another address that we know (RFC 4861's override
   * flag; ARP always). What was not asked for is believed, but asked about at once; and not
   * believed at all if the address has changed within the last second, so that of two who claim it
   * the first stays (Linux's `locktime`).
   */
  hear(
    slot: number,
    macHigh: number,
    macLow: number,
    isAnswer: boolean,
    mayReplace: boolean,
    now: number,
  ): void {
    const isKnown = this.isUsable(slot)
    const isSame = isKnown && this.macHigh[slot] === macHigh && this.macLow[slot] === macLow
    // An answer that comes late, when the neighbour was given up, is one too.
    const isAsked = this.#state[slot] !== NUD_REACHABLE
    if (isKnown && !isSame && !mayReplace) return
    if (isAnswer && isAsked) this.confirm(slot, macHigh, macLow, now)
    else if (!isSame && (!isKnown || now >= this.#settledUntil[slot])) {
      this.#change(slot, macHigh, macLow, now)
      this.#begin(slot, NUD_PROBE, now)
    }
  }

  /** It has answered: this is its MAC address. */
  confirm(slot: number, macHigh: number, macLow: number, now: number): void {
    this.#change(slot, macHigh, macLow, now)
    this.#state[slot] = NUD_REACHABLE
    this.#due[slot] = now + REACHABLE_MS
  }

  #change(slot: number, macHigh: number, macLow: number, now: number): void {
    if (this.macHigh[slot] === macHigh && this.macLow[slot] === macLow) return
    this.macHigh[slot] = macHigh
    this.macLow[slot] = macLow
    this.version++
    this.#settledUntil[slot] = now + LOCK_MS
  }

  /** A neighbour that never changes and is never asked (static, in tests and recordings). */
  pin(slot: number, macHigh: number, macLow: number): void {
    this.confirm(slot, macHigh, macLow, Number.POSITIVE_INFINITY)
    this.#settledUntil[slot] = 0
  }

  /**
   * The next neighbour from `from` on that is to be solicited now, or NONE. Moves states as time
   * passes. `isUnicastProbe` tells whether to ask its last known address or everybody.
   */
  nextWanted(from: number, now: number): number {
    for (let slot = from; slot < this.#highWater; slot++) {
      if (this.#references[slot] > 0 && now >= this.#due[slot] && this.#age(slot, now)) return slot
    }
    return NONE
  }

  isUnicastProbe(slot: number): boolean {
    return this.#state[slot] === NUD_PROBE
  }

  /** What is due happens; true if a solicitation is to be sent. */
  #age(slot: number, now: number): boolean {
    const state = this.#state[slot]
    if (state === NUD_REACHABLE) this.#begin(slot, NUD_PROBE, now)
    else if (state === NUD_FAILED) this.#begin(slot, NUD_INCOMPLETE, now)
    else if (this.#solicitations[slot] === SOLICITATIONS_MAX) {
      if (state === NUD_INCOMPLETE) {
        this.#state[slot] = NUD_FAILED
        this.#due[slot] = now + FAILED_RETRY_MS
        return false
      }
      this.#begin(slot, NUD_INCOMPLETE, now)
    }
    this.#solicitations[slot]++
    this.#due[slot] = now + RETRANSMIT_MS
    return true
  }

  #begin(slot: number, state: number, now: number): void {
    this.#state[slot] = state
    this.#solicitations[slot] = 0
    this.#due[slot] = now
  }
}
