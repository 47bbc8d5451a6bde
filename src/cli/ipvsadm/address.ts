/**
 * Addresses as ipvsadm reads and prints them: IPv4 the way of inet_aton(3), IPv6 the ways of
 * inet_pton(3) and inet_ntop(3) of the GNU C library, since the bytes that come out must be theirs.
 */

const IPV4_NUMBER = /^(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/
const BLANK = /^[ \t\n\v\f\r]/
/** The largest last part of an IPv4 address, by the number of parts before it. */
const LAST_PART_MAX = [0xffffffff, 0xffffff, 0xffff, 0xff]

/**
 * An IPv4 address as inet_aton(3) reads it, unsigned; null if it is none. One to four parts, each
 * decimal, octal (leading 0) or hexadecimal (0x); the last one fills what the others leave. What
 * stands behind a blank is not looked at.
 */
export function readIpv4(text: string): number | null {
  const parts: number[] = []
  let rest = text
  for (;;) {
    const digits = IPV4_NUMBER.exec(rest)?.[0]
    if (digits === undefined) return null
    parts.push(numberInBase(digits))
    rest = rest.slice(digits.length)
    if (!rest.startsWith('.') || parts.length === 4) break
    rest = rest.slice(1)
  }
  if (rest !== '' && !BLANK.test(rest)) return null
  const last = parts.pop()!
  if (parts.some((part) => part > 0xff) || last > LAST_PART_MAX[parts.length]!) return null
  return parts.reduce((sum, part, i) => sum + part * 2 ** (24 - 8 * i), last)
}

function numberInBase(digits: string): number {
  if (/^0[xX]/.test(digits)) return Number.parseInt(digits.slice(2), 16)
  return Number.parseInt(digits, digits.startsWith('0') ? 8 : 10)
}

export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 0xff}.${(address >>> 8) & 0xff}.${address & 0xff}`
}

/** An IPv4 address as inet_pton(3) reads it: four decimal numbers without leading zeros. */
export function readStrictIpv4(text: string): number | null {
  return /^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/.test(text) ? readIpv4(text) : null
}

/** The eight 16-bit groups of an IPv6 address; null if it is none. No brackets, no zone. */
export function readIpv6(text: string): number[] | null {
  let written = text
  const tail = text.slice(text.lastIndexOf(':') + 1)
  if (tail.includes('.')) {
    const address = readStrictIpv4(tail)
    if (address === null || tail.length === text.length) return null
    const groups = `${(address >>> 16).toString(16)}:${(address & 0xffff).toString(16)}`
    written = text.slice(0, -tail.length) + groups
  }
  const halves = written.split('::')
  if (halves.length > 2) return null
  const [head, end] = halves.map(readGroups)
  if (head == null || end === null) return null
  if (end === undefined) return head.length === 8 ? head : null
  // A `::` stands for at least one group.
  const gap = 8 - head.length - end.length
  return gap < 1 ? null : [...head, ...new Array<number>(gap).fill(0), ...end]
}

function readGroups(text: string): number[] | null {
  if (text === '') return []
  const groups = text.split(':')
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return null
  return groups.map((group) => Number.parseInt(group, 16))
}

/** As inet_ntop(3): lower case, the first longest run of two or more zero groups as `::`. */
export function formatIpv6(groups: readonly number[]): string {
  const { start, length } = longestZeroRun(groups)
  const hex = groups.map((group) => group.toString(16))
  // Six leading zero groups, or five and ffff: an IPv4 address is meant, and shown as one.
  if (start === 0 && (length === 6 || (length === 5 && groups[5] === 0xffff))) {
    const tail = formatIpv4(((groups[6]! << 16) | groups[7]!) >>> 0)
    return length === 6 ? `::${tail}` : `::ffff:${tail}`
  }
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: -1, length: 0 }
  for (let i = 0; i < groups.length; i++) {
    let length = 0
    while (groups[i + length] === 0) length++
    if (length > best.length) best = { start: i, length }
    i += length
  }
  return best
}

export function isIpv6(address: string): boolean {
  return address.includes(':')
}

/** The 32-bit words of a canonical address as the listing's order compares them: one, or four. */
export function addressWords(address: string): number[] {
  if (!isIpv6(address)) return [(readIpv4(address) ?? 0) | 0]
  const groups = readIpv6(address) ?? new Array<number>(8).fill(0)
  return [0, 2, 4, 6].map((i) => (groups[i]! << 16) | groups[i + 1]!)
}
