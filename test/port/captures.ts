/** Captures for the tests, written out by hand here so that they do not depend on our writer. */

export interface PcapFacts {
  readonly littleEndian?: boolean
  readonly nanoseconds?: boolean
  readonly linkType?: number
  readonly snapLength?: number
  readonly version?: readonly [number, number]
}

export interface RecordFacts {
  readonly seconds?: number
  readonly fraction?: number
  readonly bytes: Uint8Array
  readonly captured?: number
  readonly original?: number
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** 16- and 32-bit fields in a row: `[bits, value]`. */
export function fields(
  littleEndian: boolean,
  ...list: readonly (readonly [16 | 32, number])[]
): Uint8Array {
  const bytes = new Uint8Array(list.reduce((sum, [bits]) => sum + bits / 8, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const [bits, value] of list) {
    if (bits === 16) view.setUint16(at, value, littleEndian)
    else view.setUint32(at, value, littleEndian)
    at += bits / 8
  }
  return bytes
}

export function pcap(facts: PcapFacts, records: readonly RecordFacts[]): Uint8Array {
  const le = facts.littleEndian ?? true
  const [major, minor] = facts.version ?? [2, 4]
  const header = fields(
    le,
    [32, facts.nanoseconds === true ? 0xa1b23c4d : 0xa1b2c3d4],
    [16, major],
    [16, minor],
    [32, 0],
    [32, 0],
    [32, facts.snapLength ?? 65535],
    [32, facts.linkType ?? 1],
  )
  const parts = records.map((r) => {
    const captured = r.captured ?? r.bytes.length
    const head = fields(
      le,
      [32, r.seconds ?? 1_700_000_000],
      [32, r.fraction ?? 0],
      [32, captured],
      [32, r.original ?? captured],
    )
    return concat(head, r.bytes)
  })
  return concat(header, ...parts)
}

const pad = (bytes: Uint8Array) => concat(bytes, new Uint8Array(-bytes.length & 3))

export function option(le: boolean, code: number, value: Uint8Array): Uint8Array {
  return concat(fields(le, [16, code], [16, value.length]), pad(value))
}

export function block(le: boolean, type: number, ...body: readonly Uint8Array[]): Uint8Array {
  const inner = pad(concat(...body))
  const length = inner.length + 12
  return concat(fields(le, [32, type], [32, length]), inner, fields(le, [32, length]))
}

export function section(le: boolean, minor = 0): Uint8Array {
  const unknown = [32, 0xffffffff] as const
  return block(le, 0x0a0d0d0a, fields(le, [32, 0x1a2b3c4d], [16, 1], [16, minor], unknown, unknown))
}

export function interfaceBlock(
  le: boolean,
  linkType = 1,
  snapLength = 0,
  ...options: readonly Uint8Array[]
): Uint8Array {
  return block(le, 1, fields(le, [16, linkType], [16, 0], [32, snapLength]), ...options)
}

export function packetBlock(
  le: boolean,
  id: number,
  units: bigint,
  bytes: Uint8Array,
  ...options: readonly Uint8Array[]
): Uint8Array {
  const high = Number(units >> 32n)
  const low = Number(units & 0xffffffffn)
  const length = bytes.length
  return block(
    le,
    6,
    fields(le, [32, id], [32, high], [32, low], [32, length], [32, length]),
    pad(bytes),
    ...options,
  )
}

/** The same bytes in pieces of `size`. */
export async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
