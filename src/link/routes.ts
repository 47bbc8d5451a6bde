/**
 * The way to a realserver, as the director's kernel would choose it: longest prefix first, then the
 * order given (the kernel's metric order). Asked when a destination is added or routes change,
 * never for a frame.
 */
export interface Route {
  readonly family: 4 | 6
  /** Network address, four words (IPv4 in the first). */
  readonly network: Int32Array
  readonly prefixBits: number
  /** `local`: the address is the director's own. `unreachable`: refused. */
  readonly kind: 'unicast' | 'local' | 'unreachable'
  /** Index of the arm it leaves by; -1 if by an interface that the director does not serve. */
  readonly arm: number
  /** The gateway to ask for, or null if the destination itself is on the link. */
  readonly gateway: Int32Array | null
  /** MTU of the route in bytes, 0: the arm's. */
  readonly mtu: number
}

export class RouteTable {
  #routes: readonly Route[] = []

  replace(routes: readonly Route[]): void {
    this.#routes = [...routes].sort((a, b) => b.prefixBits - a.prefixBits)
  }

  /** The route to an address, or null if there is none. */
  lookup(family: number, address: Int32Array): Route | null {
    for (const route of this.#routes) {
      if (route.family === family && hasPrefix(address, route.network, route.prefixBits))
        return route
    }
    return null
  }
}

function hasPrefix(address: Int32Array, network: Int32Array, bits: number): boolean {
  for (let i = 0; i < 4 && bits > 0; i++, bits -= 32) {
    const mask = bits >= 32 ? -1 : -1 << (32 - bits)
    if (((address[i] ^ network[i]) & mask) !== 0) return false
  }
  return true
}
