/**
 * Finds a function of the running kernel by its name, in the kernel's description of its own types:
 * BTF, `linux/btf.h`, Documentation/bpf/btf.rst. Verified in `native-notes/btf.md`.
 *
 *      +--------+------------------------------+-----------------------+
 *      | header | types, numbered from 1 on    | names, ended by zeros |
 *      +--------+------------------------------+-----------------------+
 *
 * A type has 12 bytes (where its name is; its kind, and how many members; a size or another type)
 * and then, by its kind, members.
 */
import { readFileSync } from 'node:fs'

export const BTF_MAGIC = 0xeb9f
export const btf_header = {
  size: 24,
  magic: 0,
  version: 2,
  flags: 3,
  hdr_len: 4,
  type_off: 8,
  type_len: 12,
  str_off: 16,
  str_len: 20,
} as const
export const btf_type = { size: 12, name_off: 0, info: 4 } as const

export const BTF_KIND_INT = 1
export const BTF_KIND_ARRAY = 3
export const BTF_KIND_STRUCT = 4
export const BTF_KIND_UNION = 5
export const BTF_KIND_ENUM = 6
export const BTF_KIND_FUNC = 12
export const BTF_KIND_FUNC_PROTO = 13
export const BTF_KIND_VAR = 14
export const BTF_KIND_DATASEC = 15
export const BTF_KIND_DECL_TAG = 17
export const BTF_KIND_ENUM64 = 19

const KERNEL = '/sys/kernel/btf/vmlinux'
const KINDS = 32
/** Words behind a type, by kind: always, and for each member. */
const FIXED = new Uint8Array(KINDS)
const EACH = new Uint8Array(KINDS)
FIXED[BTF_KIND_INT] = 1
FIXED[BTF_KIND_ARRAY] = 3
FIXED[BTF_KIND_VAR] = 1
FIXED[BTF_KIND_DECL_TAG] = 1
EACH[BTF_KIND_STRUCT] = 3
EACH[BTF_KIND_UNION] = 3
EACH[BTF_KIND_ENUM] = 2
EACH[BTF_KIND_FUNC_PROTO] = 2
EACH[BTF_KIND_DATASEC] = 3
EACH[BTF_KIND_ENUM64] = 3

/** The number of the kernel's function `name`; undefined if it has none, or doesn't tell. */
export function kernelFunction(name: string): number | undefined {
  let btf: Buffer
  try {
    btf = readFileSync(KERNEL)
  } catch {
    return undefined
  }
  return functionIn(btf, name)
}

/** The number of the function `name` in a BTF of this host's byte order. */
export function functionIn(btf: Uint8Array, name: string): number | undefined {
  const head = new DataView(btf.buffer, btf.byteOffset, btf.byteLength)
  if (btf.length < btf_header.size || head.getUint16(btf_header.magic, true) !== BTF_MAGIC) {
    return undefined
  }
  const word = (at: number) => head.getUint32(at, true)
  const body = word(btf_header.hdr_len)
  const names = body + word(btf_header.str_off)
  const found = Buffer.from(btf.buffer, btf.byteOffset, btf.byteLength).indexOf(
    `\0${name}\0`,
    names,
  )
  if (found < 0) return undefined
  const nameOffset = found + 1 - names
  // Words: all types are aligned to them, and there are more than a hundred thousand.
  const first = body + word(btf_header.type_off)
  const types = new Uint32Array(
    btf.buffer.slice(btf.byteOffset + first, btf.byteOffset + first + word(btf_header.type_len)),
  )
  for (let at = 0, number = 1; at < types.length; number++) {
    const info = types[at + (btf_type.info >> 2)]
    const kind = (info >>> 24) & (KINDS - 1)
    if (kind === BTF_KIND_FUNC && types[at + (btf_type.name_off >> 2)] === nameOffset) return number
    at += (btf_type.size >> 2) + FIXED[kind] + EACH[kind] * (info & 0xffff)
  }
  return undefined
}
