/**
 * What the tests of the codecs share: frames written by hand, poisoned buffers, tables compared.
 */
import fc from 'fast-check'
import type { Test } from 'tap'
import { formatField } from '../../src/wire/describe.js'
import { type Field, readField } from '../../src/wire/field.js'

/** Every property runs with the same seed, so that a failure is the same for everybody. */
export const SEED = 20261122

/** Bytes from hex digits; blanks and line ends are for the reader. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '')
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new TypeError(`not hex: ${text}`)
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Bytes in front of and behind what a writer may touch. */
const MARGIN = 5

/**
 * What `write` puts into `bytes` bytes of a buffer full of 0xa5, as hex. Fails if it writes
 * outside.
 */
export function written(
  t: Test,
  bytes: number,
  write: (view: DataView, at: number) => void,
): string {
  const buffer = new Uint8Array(bytes + 2 * MARGIN).fill(0xa5)
  write(viewOf(buffer), MARGIN)
  const poison = toHex(new Uint8Array(MARGIN).fill(0xa5))
  t.equal(toHex(buffer.subarray(0, MARGIN)), poison, 'nothing is written in front')
  t.equal(toHex(buffer.subarray(MARGIN + bytes)), poison, 'nothing is written behind')
  return toHex(buffer.subarray(MARGIN, MARGIN + bytes))
}

/** What an accessor sees of a field: a number, or text for addresses. */
type Accessor = (view: DataView, at: number) => number | string

/**
 * Compares a table with accessors on random bytes. Every row needs an accessor of the same name, or
 * null if the codec has none for it.
 */
export function agree(
  t: Test,
  rows: readonly Field[],
  accessors: Readonly<Record<string, Accessor | null>>,
): void {
  t.same(
    Object.keys(accessors),
    rows.map((row) => row.name),
    'an entry for every row',
  )
  const random = fc.uint8Array({ minLength: 70, maxLength: 70 })
  fc.assert(
    fc.property(random, fc.nat(6), (bytes, at) => {
      const view = viewOf(bytes)
      for (const row of rows) {
        const accessor = accessors[row.name]
        if (accessor === null) continue
        const seen = accessor(view, at)
        const told =
          typeof seen === 'number' ? readField(view, at, row) : formatField(view, at, row)
        const value = typeof seen === 'number' ? seen >>> 0 : seen
        if (value !== told) throw new Error(`${row.name}: accessor ${value}, table ${told}`)
      }
    }),
    { seed: SEED },
  )
}

/** Demands that the rows cover each bit of `[from, to)` exactly once. */
export function tile(t: Test, rows: readonly Field[], from: number, to: number): void {
  const covered = new Map<number, string>()
  for (const row of rows) {
    const last = 8 * (row.offset + row.bytes) - row.shift
    for (let bit = last - row.width; bit < last; bit++) {
      if (covered.has(bit)) t.fail(`${row.name} overlaps ${covered.get(bit)} at bit ${bit}`)
      covered.set(bit, row.name)
    }
  }
  for (let bit = 8 * from; bit < 8 * to; bit++) {
    if (!covered.has(bit)) t.fail(`bit ${bit} has no field`)
  }
  t.equal(covered.size, 8 * (to - from), 'no field leaves the header')
}

/**
 * Demands of a predicate on `[at, end)` that it reads nothing outside: behind the end of the buffer
 * it would throw, and changing what stands behind `end` must not change what it says.
 */
export function staysInside(
  t: Test,
  frames: readonly Uint8Array[],
  isWellFormed: (view: DataView, at: number, end: number) => boolean,
): void {
  const frame = fc.constantFrom(...frames)
  const flips = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 })
  let accepted = 0
  fc.assert(
    fc.property(frame, flips, fc.nat(200), fc.nat(9), (whole, changes, cut, at) => {
      const bytes = whole.slice(0, Math.max(0, whole.length - cut))
      for (const [index, value] of changes) if (index < bytes.length) bytes[index] = value
      const exact = new Uint8Array(at + bytes.length)
      exact.set(bytes, at)
      const said = isWellFormed(viewOf(exact), at, exact.length)
      for (const filler of [0x00, 0x45, 0xff]) {
        const longer = new Uint8Array(at + bytes.length + 70).fill(filler)
        longer.set(bytes, at)
        if (isWellFormed(viewOf(longer), at, exact.length) !== said) {
          throw new Error(`depends on what stands behind the end: ${toHex(bytes)}`)
        }
      }
      if (said) accepted++
    }),
    { seed: SEED, numRuns: 2000 },
  )
  t.ok(accepted > 0, 'some of them are well-formed')
}
