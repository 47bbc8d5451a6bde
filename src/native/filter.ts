/**
 * Classic BPF as the kernel takes it: `linux/filter.h`, `linux/bpf_common.h`. Verified in
 * `native-notes/filter.md`. What a program says is composed in `port/bpf-filter.ts`.
 */
import { addressOf, check, setsockopt } from './libc.js'
import { SO_ATTACH_FILTER, SOL_SOCKET } from './socket.js'

export const sock_filter = { size: 8, code: 0, jt: 2, jf: 3, k: 4 } as const
export const sock_fprog = { size: 16, len: 0, filter: 8 } as const

export const BPF_LD = 0x00
export const BPF_LDX = 0x01
export const BPF_ALU = 0x04
export const BPF_JMP = 0x05
export const BPF_RET = 0x06
export const BPF_MISC = 0x07
export const BPF_W = 0x00
export const BPF_H = 0x08
export const BPF_B = 0x10
export const BPF_ABS = 0x20
export const BPF_IND = 0x40
export const BPF_LEN = 0x80
export const BPF_MSH = 0xa0
export const BPF_SUB = 0x10
export const BPF_MUL = 0x20
export const BPF_AND = 0x50
export const BPF_RSH = 0x70
export const BPF_MOD = 0x90
export const BPF_XOR = 0xa0
export const BPF_JA = 0x00
export const BPF_JEQ = 0x10
export const BPF_JGT = 0x20
export const BPF_JGE = 0x30
export const BPF_K = 0x00
export const BPF_X = 0x08
export const BPF_TAX = 0x00
/** The kernel takes no longer program. */
export const BPF_MAXINSNS = 4096

/** Loads from here on read what the kernel knows of a frame instead of its bytes. */
export const SKF_AD_OFF = -0x1000
export const SKF_AD_PKTTYPE = 4
/** A frame for somebody else, seen because the interface is promiscuous (`linux/if_packet.h`). */
export const PACKET_OTHERHOST = 3

/** One instruction: what `struct sock_filter` holds. */
export interface Instruction {
  readonly code: number
  readonly jt: number
  readonly jf: number
  readonly k: number
}

/** The instructions as an array of `struct sock_filter`. */
export function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * sock_filter.size)
  const codes = new Uint16Array(bytes.buffer)
  const words = new Uint32Array(bytes.buffer)
  program.forEach((instruction, i) => {
    const at = i * sock_filter.size
    codes[(at + sock_filter.code) >> 1] = instruction.code
    bytes[at + sock_filter.jt] = instruction.jt
    bytes[at + sock_filter.jf] = instruction.jf
    words[(at + sock_filter.k) >> 2] = instruction.k
  })
  return bytes
}

/** Gives `fd` a filter; it replaces the one it had in one step, no frame sees neither. */
export function attachFilter(fd: number, program: readonly Instruction[], where: string): void {
  const instructions = encode(program)
  const head = new BigUint64Array(sock_fprog.size / 8)
  new Uint16Array(head.buffer)[sock_fprog.len >> 1] = program.length
  head[sock_fprog.filter >> 3] = BigInt(addressOf(instructions.buffer))
  check(
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, head, sock_fprog.size),
    'setsockopt SO_ATTACH_FILTER',
    where,
    'the filter may be too long for net.core.optmem_max',
  )
}
