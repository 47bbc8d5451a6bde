/**
 * The hash of our own tables, and their sizes. (Schedulers whose choices are hashes use Linux's
 * own.)
 */

/** A power of two that is at least `count`, so that chains stay about one record long. */
export function bucketsFor(count: number): number {
  return 2 ** Math.max(8, Math.ceil(Math.log2(count)))
}

/**
 * Four words to one. All bits of `a` and `c` reach all bits of the result; those of `b` reach half
 * of them, and `d` has 8 bits: for what clients can't choose, like the VIP and the protocol. The
 * multipliers are those of murmur3's finalizer and of xxHash.
 */
export function hash(seed: number, a: number, b: number, c: number, d: number): number {
  let h = Math.imul(a ^ seed, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15) ^ c, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 13) ^ b ^ (d << 24), 0x27d4eb2f)
  return h ^ (h >>> 16)
}

/**
 * The key of an IPv6 connection to one word. What clients choose freely, the host half of their
 * address and their port, stands where all of its bits are mixed.
 */
export function hash6(
  seed: number,
  protocol: number,
  ports: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  v0: number,
  v1: number,
  v2: number,
  v3: number,
): number {
  const network = hash(seed, c0, v3, c1, 0)
  const client = hash(network, c2, v2, c3, 0)
  return hash(client, ports, v0, v1, protocol)
}

/** The same of addresses that stand in `view`, four words each. */
export function hash6In(
  seed: number,
  protocol: number,
  ports: number,
  view: DataView,
  client: number,
  vip: number,
): number {
  const network = hash(
    seed,
    view.getInt32(client),
    view.getInt32(vip + 12),
    view.getInt32(client + 4),
    0,
  )
  const c2 = view.getInt32(client + 8)
  const host = hash(network, c2, view.getInt32(vip + 8), view.getInt32(client + 12), 0)
  return hash(host, ports, view.getInt32(vip), view.getInt32(vip + 4), protocol)
}
