/** Values in a filter (`trace-filter.ts`): addresses, networks, ports and other numbers. */
import { parseIpv4, parseIpv6 } from '../wire/address.js'

/** What is wrong with a filter, and where in its text. */
export class FilterError extends Error {
  override readonly name = 'FilterError'
  /** From 0 on. */
  readonly column: number

  constructor(message: string, column: number) {
    super(message)
    this.column = column
  }
}

export interface Token {
  readonly text: string
  readonly column: number
}

export interface Net {
  readonly family: 4 | 6
  readonly words: readonly number[]
  readonly bits: number
}

export function address(text: string): Omit<Net, 'bits'> | null {
  const four = parseIpv4(text)
  if (four !== null) return { family: 4, words: [four] }
  const words = new Int32Array(4)
  return parseIpv6(text, words) ? { family: 6, words: [...words] } : null
}

export function hostOf(token: Token): Net {
  const found = address(token.text)
  if (found === null) {
    throw new FilterError(`'${token.text}' is no address (names are not looked up)`, token.column)
  }
  return { ...found, bits: found.family === 4 ? 32 : 128 }
}

export function netOf(token: Token): Net {
  const [text, prefix, ...more] = token.text.split('/')
  const found = address(text)
  const most = found?.family === 6 ? 128 : 32
  const bits = prefix === undefined ? most : wholeNumber(prefix, most)
  if (found === null || bits === null || more.length > 0) {
    throw new FilterError(`'${token.text}' is no network: 10.0.0.0/8, 2001:db8::/32`, token.column)
  }
  // As pcap-filter does: most likely a mistake, and it would never be true.
  if (found.words.some((word, i) => (word & ~maskOf(bits, i)) !== 0)) {
    throw new FilterError(`'${token.text}' has bits behind its prefix`, token.column)
  }
  return { ...found, bits }
}

/** The mask of word `i` of an address of which the first `bits` bits count. */
export function maskOf(bits: number, i: number): number {
  const own = Math.min(32, Math.max(0, bits - 32 * i))
  return own === 0 ? 0 : -1 << (32 - own)
}

export interface Endpoint extends Omit<Net, 'bits'> {
  readonly port: number | null
}

/** `10.0.0.1`, `10.0.0.1:80`, `::1`, `[::1]`, `[::1]:80`. */
export function endpoint(token: Token): Endpoint {
  const { text, column } = token
  const whole = address(text)
  if (whole !== null) return { ...whole, port: null }
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text)
  const found = address(parts?.[1] ?? parts?.[2] ?? '')
  const isRight = found !== null && (found.family === 6) === (parts?.[1] !== undefined)
  if (!isRight) {
    const forms = 'ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT'
    throw new FilterError(`'${text}' is not ${forms}`, column)
  }
  const port = parts?.[3]
  return { ...found, port: port === undefined ? null : portOf({ text: port, column }) }
}

export function portOf({ text, column }: Token): number {
  const port = wholeNumber(text, 0xffff)
  if (port === null) throw new FilterError(`'${text}' is no port: 0 to 65535`, column)
  return port
}

export function length({ text, column }: Token): number {
  const bytes = wholeNumber(text, 0xffffffff)
  if (bytes === null) throw new FilterError(`'${text}' is no number of bytes`, column)
  return bytes
}

export function wholeNumber(text: string, most: number): number | null {
  return /^\d{1,10}$/.test(text) && Number(text) <= most ? Number(text) : null
}
