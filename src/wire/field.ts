/**
 * How a codec tells everyone else what its header looks like.
 *
 * Each codec exports a table `fields` of these. `describe.ts`, the docs and the tests read a header
 * through the table, the path of a frame through the codec's accessors, and a test compares the
 * two; so what people are shown of a header can't differ from what the director sees.
 */

/**
 * How a value is written for people: `number` decimal, `hex` with all its digits, both with the
 * value's name if `names` has one; `mac`, `ipv4`, `ipv6` as addresses; `flags` hex with the names
 * of the bits that are set, the lowest first.
 */
export type FieldKind = 'number' | 'hex' | 'mac' | 'ipv4' | 'ipv6' | 'flags'

export interface Field {
  readonly name: string
  /** Bytes from the start of the header. */
  readonly offset: number
  /** Bytes that hold the field; fields of a few bits share theirs with others. */
  readonly bytes: number
  readonly kind: FieldKind
  /** A sentence. */
  readonly meaning: string
  /** Bits below the field in the big-endian number that its bytes make. */
  readonly shift: number
  /** Bits of the field. */
  readonly width: number
  /** Names of values; for `flags`, of bits. */
  readonly names: Readonly<Record<number, string>>
}

interface Extra {
  readonly shift?: number
  readonly width?: number
  readonly names?: Readonly<Record<number, string>>
}

export function field(
  name: string,
  offset: number,
  bytes: number,
  kind: FieldKind,
  meaning: string,
  extra: Extra = {},
): Field {
  const { shift = 0, width = 8 * bytes, names = {} } = extra
  return { name, offset, bytes, kind, meaning, shift, width, names }
}

/** The value of a field of at most 32 bits, unsigned. `at` is where the header begins. */
export function readField(view: DataView, at: number, row: Field): number {
  let value = 0
  for (let i = 0; i < row.bytes; i++) value = value * 256 + view.getUint8(at + row.offset + i)
  return Math.floor(value / 2 ** row.shift) % 2 ** row.width
}

/** Writes a field of at most 32 bits and leaves the bits beside it as they are. */
export function writeField(view: DataView, at: number, row: Field, value: number): void {
  const bits = { ...row, shift: 0, width: 8 * row.bytes }
  const old = readField(view, at, row)
  let word = readField(view, at, bits) + (value - old) * 2 ** row.shift
  for (let i = row.bytes - 1; i >= 0; i--) {
    view.setUint8(at + row.offset + i, word % 256)
    word = Math.floor(word / 256)
  }
}
