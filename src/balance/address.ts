/**
 * Addresses as rules write them, to the four words that tables hold. Rules come canonical, from our
 * own parsers; this reads exactly that form, so that `balance` need not know `wire`.
 */
export interface ParsedAddress {
  readonly family: 4 | 6
  /** IPv4 in the first word; each word is an int32 bit pattern. */
  readonly words: Int32Array
}

/** The address, or null if the text is none. */
export function parseAddress(text: string): ParsedAddress | null {
  const words = new Int32Array(4)
  if (!text.includes(':')) {
    const value = parseDotted(text)
    if (value === null) return null
    words[0] = value
    return { family: 4, words }
  }
  const groups = expand(text)
  if (groups === null) return null
  for (let i = 0; i < 4; i++) words[i] = (groups[2 * i] << 16) | groups[2 * i + 1]
  return { family: 6, words }
}

function parseDotted(text: string): number | null {
  const texts = text.split('.')
  // No leading zeros: some readers would take them for octal.
  if (texts.length !== 4 || !texts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return null
  const parts = texts.map(Number)
  if (parts.some((part) => part > 255)) return null
  return (parts[0] << 24) | (parts[1] << 16) | (parts[2] << 8) | parts[3]
}

function expand(text: string): number[] | null {
  // Only the last 32 bits may be dotted (RFC 4291 section 2.2).
  if (text.slice(0, text.lastIndexOf(':')).includes('.')) return null
  const halves = text.split('::')
  if (halves.length > 2) return null
  const sides = halves.map((half) => (half === '' ? [] : half.split(':').flatMap(groupsOf)))
  if (sides.some((side) => side.some((group) => group === null))) return null
  const [front, back = []] = sides as number[][]
  const missing = 8 - front.length - back.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null
  return [...front, ...new Array<number>(Math.max(0, missing)).fill(0), ...back]
}

function groupsOf(part: string): (number | null)[] {
  if (part.includes('.')) {
    const value = parseDotted(part)
    return value === null ? [null] : [value >>> 16, value & 0xffff]
  }
  return [/^[0-9a-fA-F]{1,4}$/.test(part) ? Number.parseInt(part, 16) : null]
}

/** 127/8, 0.0.0.0, multicast and so on: what kind of address it is by itself, without routes. */
export function isMulticast(address: ParsedAddress): boolean {
  if (address.family === 4) return address.words[0] >>> 28 === 0xe
  return address.words[0] >>> 24 === 0xff
}

export function isUnspecified(address: ParsedAddress): boolean {
  return address.words.every((word) => word === 0)
}

export function isLinkLocal6(address: ParsedAddress): boolean {
  return address.family === 6 && address.words[0] >>> 22 === 0x3fa
}
