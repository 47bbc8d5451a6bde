/**
 * Addresses as people write them: dotted quads, IPv6 (RFC 4291 section 2.2, canonical as RFC 5952),
 * MAC addresses. What is accepted is what glibc's `inet_pton` accepts, what is written what its
 * `inet_ntop` writes, since `ipvsadm` uses both. Never on the path of a frame, except the solicited
 * node's arithmetic at the end.
 */

/** A dotted quad as an int32 bit pattern; null for anything else, leading zeros included. */
export function parseIpv4(text: string): number | null {
  const parts = text.split('.')
  if (parts.length !== 4) return null
  let address = 0
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null
    address = (address << 8) | Number(part)
  }
  return address
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.')
}

/**
 * Puts an IPv6 address into `out` as four int32 words. False, and `out` as it was, if `text` is
 * none. Zones (`%eth0`) and prefix lengths are not part of an address.
 */
export function parseIpv6(text: string, out: Int32Array): boolean {
  const groups = parseGroups(text)
  if (groups === null) return false
  for (let word = 0; word < 4; word++) out[word] = (groups[2 * word] << 16) | groups[2 * word + 1]
  return true
}

/** The eight groups of an IPv6 address, or null. */
function parseGroups(text: string): number[] | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const isShort = halves.length === 2
  const before = parseHalf(halves[0], !isShort)
  const after = isShort ? parseHalf(halves[1], true) : []
  if (before === null || after === null) return null
  const missing = 8 - before.length - after.length
  // `::` stands for at least one group.
  if (isShort ? missing < 1 : missing !== 0) return null
  return [...before, ...new Array<number>(missing).fill(0), ...after]
}

/** Groups between colons; the last may be a dotted quad, which makes two, if `isLast`. */
function parseHalf(text: string, isLast: boolean): number[] | null {
  if (text === '') return []
  const parts = text.split(':')
  const groups: number[] = []
  for (const [i, part] of parts.entries()) {
    if (isLast && i === parts.length - 1 && part.includes('.')) {
      const address = parseIpv4(part)
      if (address === null) return null
      groups.push(address >>> 16, address & 0xffff)
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16))
    } else {
      return null
    }
  }
  return groups
}

/**
 * An IPv6 address in canonical form: lower case, no leading zeros, the first of the longest runs of
 * two or more zero groups as `::`. With a dotted tail where only the last two groups, or ffff and
 * those, are not zero (::1.2.3.4, ::ffff:1.2.3.4), as glibc does it.
 */
export function formatIpv6(word0: number, word1: number, word2: number, word3: number): string {
  const groups = [word0, word1, word2, word3].flatMap((word) => [word >>> 16, word & 0xffff])
  const run = longestZeroRun(groups)
  if (run.start === 0 && run.length === 6) return `::${formatIpv4(word3)}`
  if (run.start === 0 && run.length === 5 && groups[5] === 0xffff) {
    return `::ffff:${formatIpv4(word3)}`
  }
  const hex = groups.map((group) => group.toString(16))
  if (run.length < 2) return hex.join(':')
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let length = 0
  for (const [i, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0
    if (length > best.length) best = { start: i - length + 1, length }
  }
  return best
}

/** Six pairs of hex digits between colons (or hyphens), as two numbers; null for anything else. */
export function parseMac(text: string): { high: number; low: number } | null {
  if (!/^[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i.test(text)) return null
  const digits = text.replace(/[:-]/g, '')
  return {
    high: Number.parseInt(digits.slice(0, 4), 16),
    low: Number.parseInt(digits.slice(4), 16) | 0,
  }
}

export function formatMac(high: number, low: number): string {
  const digits = (high & 0xffff).toString(16).padStart(4, '0') + hex32(low)
  return digits.replace(/..(?=.)/g, '$&:')
}

function hex32(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}

/**
 * The solicited-node multicast address ff02::1:ffXX:XXXX (RFC 4291 section 2.7.1) takes its last 24
 * bits from the address that is asked for; the MAC address of that group, 33:33:ff:XX:XX:XX (RFC
 * 2464 section 7), takes the same last word.
 */
export const SOLICITED_NODE_WORD0 = 0xff020000 | 0
export const SOLICITED_NODE_WORD1 = 0
export const SOLICITED_NODE_WORD2 = 1
/**
 * First 16 bits of the MAC address of every IPv6 multicast group; the last 32 are its last word.
 */
export const MULTICAST6_MAC_HIGH = 0x3333

/** Last word of the solicited-node address, and of its MAC, for an address with this last word. */
export function solicitedNodeWord3(word3: number): number {
  return 0xff000000 | (word3 & 0x00ffffff)
}
