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
  /** Family, four words, flags of each slot; family 0 is an empty one. */
  readonly #slots = new Int32Array(SLOTS * 8)
  #list: readonly Vip[] = []

  get list(): readonly Vip[] {
    return this.#list
  }

  /** All VIPs at once: they change rarely, and never while frames are being looked at. */
  replace(vips: readonly Vip[]): void {
    if (vips.length > VIPS_MAX) throw new RangeError(`more than ${VIPS_MAX} virtual IPs`)
    this.#slots.fill(0)
    this.#list = [...vips]
    for (const vip of vips) {
      const [w0, w1, w2, w3] = vip.words
      let at = hash(w0, w1, w2, w3)
      while (this.#slots[at * 8] !== 0) at = (at + 1) & MASK
      const flags = (vip.onKernel ? ON_KERNEL : 0) | (vip.announced ? ANNOUNCED : 0)
      this.#slots.set([vip.family, w0, w1, w2, w3, flags], at * 8)
    }
  }

  /** Flags of the VIP, or -1 if the address is none. */
  find(family: number, w0: number, w1: number, w2: number, w3: number): number {
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
        return slots[i + 5]
      }
      at = (at + 1) & MASK
    }
    return -1
  }
}

function hash(w0: number, w1: number, w2: number, w3: number): number {
  const h = Math.imul(w0 ^ Math.imul(w1 ^ Math.imul(w2 ^ w3, 0x9e3779b1), 0x85ebca6b), 0xc2b2ae35)
  return (h ^ (h >>> 16)) & MASK
}
