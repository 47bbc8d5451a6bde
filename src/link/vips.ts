/**
 * The virtual IPs: which destination addresses are served, and who answers for each. A small open
 * hash, since every frame that belongs to no connection asks.
 */
const SLOTS = 65_536
const MASK = SLOTS - 1
export const VIPS_MAX = SLOTS / 2

/** The kernel of the director holds this address too, and answers what nobody serves. */
export const ON_KERNEL = 1
/** The director answers ARP and neighbour discovery for it. */
export const ANNOUNCED = 2

export interface Vip {
  readonly family: 4 | 6
  readonly words: Int32Array
  readonly onKernel: boolean
  readonly announced: boolean
}

export class VipTable {
  /** Family, four words, flags, place in the list of each slot; family 0 is an empty one. */
  readonly #slots = new Int32Array(SLOTS * 8)
  /** By position, which is the slot's seventh word. */
  #list: Vip[] = []

  get list(): readonly Vip[] {
    return this.#list
  }

  /** All VIPs at once: they change rarely, and never while frames are being looked at. */
  replace(vips: readonly Vip[]): void {
    this.#slots.fill(0)
    this.#list = []
    for (const vip of vips) this.add(vip)
  }

  /** One more, or new flags for one that is there; whether it is new. */
  add(vip: Vip): boolean {
    const [w0, w1, w2, w3] = vip.words
    const flags = (vip.onKernel ? ON_KERNEL : 0) | (vip.announced ? ANNOUNCED : 0)
    const at = this.#slotOf(vip.family, w0, w1, w2, w3)
    const i = at * 8
    if (this.#slots[i] !== 0) {
      this.#slots[i + 5] = flags
      this.#list[this.#slots[i + 6]] = vip
      return false
    }
    if (this.#list.length >= VIPS_MAX) throw new RangeError(`more than ${VIPS_MAX} virtual IPs`)
    this.#slots.set([vip.family, w0, w1, w2, w3, flags, this.#list.push(vip) - 1], i)
    return true
  }

  /** Those that were pushed on by it move up, so that no search ends too early. */
  remove(vip: Vip): void {
    const slots = this.#slots
    let hole = this.#slotOfVip(vip)
    if (slots[hole * 8] === 0) return
    const position = slots[hole * 8 + 6]
    const last = this.#list.pop() as Vip
    if (position < this.#list.length) {
      slots[this.#slotOfVip(last) * 8 + 6] = position
      this.#list[position] = last
    }
    for (let at = (hole + 1) & MASK; slots[at * 8] !== 0; at = (at + 1) & MASK) {
      const i = at * 8
      const home = hash(slots[i + 1], slots[i + 2], slots[i + 3], slots[i + 4])
      if (((at - home) & MASK) < ((at - hole) & MASK)) continue
      slots.copyWithin(hole * 8, i, i + 8)
      hole = at
    }
    slots.fill(0, hole * 8, hole * 8 + 8)
  }

  #slotOfVip({ family, words: [w0, w1, w2, w3] }: Vip): number {
    return this.#slotOf(family, w0, w1, w2, w3)
  }

  /** Flags of the VIP, or -1 if the address is none. */
  find(family: number, w0: number, w1: number, w2: number, w3: number): number {
    const at = this.#slotOf(family, w0, w1, w2, w3)
    return this.#slots[at * 8] === 0 ? -1 : this.#slots[at * 8 + 5]
  }

  /** Where it is, or the empty slot where it would be. */
  #slotOf(family: number, w0: number, w1: number, w2: number, w3: number): number {
    const slots = this.#slots
    let at = hash(w0, w1, w2, w3)
    while (slots[at * 8] !== 0) {
      const i = at * 8
      if (
        slots[i + 1] === w0 &&
        slots[i + 2] === w1 &&
        slots[i + 3] === w2 &&
        slots[i + 4] === w3 &&
        slots[i] === family
      ) {
        return at
      }
      at = (at + 1) & MASK
    }
    return at
  }
}

function hash(w0: number, w1: number, w2: number, w3: number): number {
  const h = Math.imul(w0 ^ Math.imul(w1 ^ Math.imul(w2 ^ w3, 0x9e3779b1), 0x85ebca6b), 0xc2b2ae35)
  return (h ^ (h >>> 16)) & MASK
}
