/**
 * An assembler for eBPF programs, with labels: `linux/bpf.h`, RFC 9669. Verified in
 * `native-notes/bpf-assembler.md`.
 *
 * An instruction has 8 bytes, in the byte order of the host; one that loads 64 bits has two such
 * slots.
 *
 *      0        1              2          4                8
 *      +--------+------+-------+----------+----------------+
 *      | opcode | dst  | src   | offset   | immediate      |     dst is the low half of its byte
 *      +--------+------+-------+----------+----------------+
 *
 * What the machine is: registers r1 to r5 hold the arguments of a helper and are lost by the call,
 * r0 its result, r6 to r9 survive it, r10 points behind 512 bytes of stack. A program begins with
 * its context in r1 and ends with its verdict in r0.
 *
 *     const p = new BpfAssembler()
 *     p.load(BPF_W, R2, R1, 0)                    r2 = *(u32 *)(r1 + 0)
 *     p.jumpIf(BPF_JEQ, R2, 5, 'five')            if r2 == 5 goto five
 *     p.exitWith(1)                               r0 = 1; exit
 *     p.label('five')
 *     p.exitWith(2)
 *     const bytes = p.assemble()
 *
 * Jumps go forward or back by up to 32767 slots; the kernel's verifier judges everything else.
 */

export const BPF_LD = 0x00
export const BPF_LDX = 0x01
export const BPF_ST = 0x02
export const BPF_STX = 0x03
export const BPF_ALU = 0x04
export const BPF_JMP = 0x05
export const BPF_JMP32 = 0x06
export const BPF_ALU64 = 0x07

/** Widths of loads and stores: 32, 16, 8 and 64 bits. */
export const BPF_W = 0x00
export const BPF_H = 0x08
export const BPF_B = 0x10
export const BPF_DW = 0x18

export const BPF_IMM = 0x00
export const BPF_MEM = 0x60

export const BPF_ADD = 0x00
export const BPF_MUL = 0x20
export const BPF_OR = 0x40
export const BPF_AND = 0x50
export const BPF_LSH = 0x60
export const BPF_RSH = 0x70
export const BPF_MOD = 0x90
export const BPF_XOR = 0xa0
export const BPF_MOV = 0xb0
/** Converts to an order of bytes, as many bits as the immediate says. */
export const BPF_END = 0xd0
export const BPF_TO_BE = 0x08

/** Comparisons, unsigned. */
export const BPF_JA = 0x00
export const BPF_JEQ = 0x10
export const BPF_JGT = 0x20
export const BPF_JGE = 0x30
export const BPF_JSET = 0x40
export const BPF_JNE = 0x50
export const BPF_JLT = 0xa0
export const BPF_CALL = 0x80
export const BPF_EXIT = 0x90

/** The second operand is the immediate, or a register. */
export const BPF_K = 0x00
export const BPF_X = 0x08
/** As source register of a 64-bit load: the immediate is the descriptor of a map. */
export const BPF_PSEUDO_MAP_FD = 1
/** As source register of a call: the immediate is a function of the kernel's, as BTF numbers it. */
export const BPF_PSEUDO_KFUNC_CALL = 2

/** Helpers, by number: bpf-helpers(7). */
export const BPF_FUNC_map_lookup_elem = 1
export const BPF_FUNC_map_update_elem = 2
export const BPF_FUNC_ktime_get_ns = 5
export const BPF_FUNC_get_prandom_u32 = 7
export const BPF_FUNC_redirect = 23
export const BPF_FUNC_xdp_adjust_head = 44
export const BPF_FUNC_redirect_map = 51

/** The registers. A name of its own makes a register no number, so that the two are not mixed. */
export class Register {
  readonly #number: number
  constructor(number: number) {
    this.#number = number
  }
  get number(): number {
    return this.#number
  }
}
export const R0 = new Register(0)
export const R1 = new Register(1)
export const R2 = new Register(2)
export const R3 = new Register(3)
export const R4 = new Register(4)
export const R5 = new Register(5)
export const R6 = new Register(6)
export const R7 = new Register(7)
export const R8 = new Register(8)
export const R9 = new Register(9)
export const R10 = new Register(10)

export type Operand = Register | number

interface Slot {
  readonly opcode: number
  readonly destination: number
  readonly source: number
  readonly offset: number
  readonly immediate: number
  /** Where a jump goes: its offset is known when all labels are. */
  readonly target: string | undefined
}

const SLOT_BYTES = 8
const OFFSET_MAX = 0x7fff

export class BpfAssembler {
  readonly #slots: Slot[] = []
  readonly #labels = new Map<string, number>()
  #names = 0

  /** A name for a label that nobody else uses. */
  newLabel(): string {
    return `.${this.#names++}`
  }

  /** What follows is where jumps to `name` lead. */
  label(name: string): void {
    if (this.#labels.has(name)) throw new Error(`the label ${name} stands twice in the program`)
    this.#labels.set(name, this.#slots.length)
  }

  /** to = *(width *)(from + offset) */
  load(width: number, to: Register, from: Register, offset: number): void {
    this.#emit(BPF_LDX | BPF_MEM | width, to.number, from.number, offset, 0)
  }

  /** *(width *)(at + offset) = value */
  store(width: number, at: Register, offset: number, value: Operand): void {
    if (value instanceof Register) {
      this.#emit(BPF_STX | BPF_MEM | width, at.number, value.number, offset, 0)
    } else this.#emit(BPF_ST | BPF_MEM | width, at.number, 0, offset, value)
  }

  /** to = value, 64 bits; a number is extended by its sign. */
  move(to: Register, value: Operand): void {
    this.alu(BPF_MOV, to, value)
  }

  add(to: Register, value: Operand): void {
    this.alu(BPF_ADD, to, value)
  }

  /** to = to OPERATION value, 64 bits. */
  alu(operation: number, to: Register, value: Operand): void {
    if (value instanceof Register) {
      this.#emit(BPF_ALU64 | operation | BPF_X, to.number, value.number, 0, 0)
    } else this.#emit(BPF_ALU64 | operation | BPF_K, to.number, 0, 0, value)
  }

  /** Turns the low 16 or 32 bits of `to` from the order of the wire into the host's, or back. */
  swap(to: Register, bits: 16 | 32): void {
    this.#emit(BPF_ALU | BPF_END | BPF_TO_BE, to.number, 0, 0, bits)
  }

  /** to = the map behind the descriptor. */
  loadMap(to: Register, fd: number): void {
    this.#emit(BPF_LD | BPF_IMM | BPF_DW, to.number, BPF_PSEUDO_MAP_FD, 0, fd)
    this.#emit(0, 0, 0, 0, 0)
  }

  jump(target: string): void {
    this.#emit(BPF_JMP | BPF_JA, 0, 0, 0, 0, target)
  }

  /** Compares 64 bits; a number is extended by its sign. */
  jumpIf(comparison: number, left: Register, right: Operand, target: string): void {
    this.#compare(BPF_JMP, comparison, left, right, target)
  }

  /** Compares the low 32 bits. */
  jumpIf32(comparison: number, left: Register, right: Operand, target: string): void {
    this.#compare(BPF_JMP32, comparison, left, right, target)
  }

  #compare(kind: number, comparison: number, left: Register, right: Operand, target: string) {
    if (right instanceof Register) {
      this.#emit(kind | comparison | BPF_X, left.number, right.number, 0, 0, target)
    } else this.#emit(kind | comparison | BPF_K, left.number, 0, 0, right, target)
  }

  /** r0 = helper(r1, …) */
  call(helper: number): void {
    this.#emit(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
  }

  /** r0 = function(r1, …), of the kernel itself: `native/btf.ts` finds its number. */
  callKernel(number: number): void {
    this.#emit(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, number)
  }

  exit(): void {
    this.#emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
  }

  exitWith(verdict: number): void {
    this.move(R0, verdict)
    this.exit()
  }

  #emit(
    opcode: number,
    destination: number,
    source: number,
    offset: number,
    immediate: number,
    target?: string,
  ): void {
    this.#slots.push({ opcode, destination, source, offset, immediate, target })
  }

  /** The program as the kernel takes it. */
  assemble(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#slots.length * SLOT_BYTES)
    const halves = new Int16Array(bytes.buffer)
    const words = new Int32Array(bytes.buffer)
    this.#slots.forEach((slot, i) => {
      bytes[i * SLOT_BYTES] = slot.opcode
      bytes[i * SLOT_BYTES + 1] = (slot.source << 4) | slot.destination
      halves[i * 4 + 1] = slot.target === undefined ? slot.offset : this.#distance(i, slot.target)
      words[i * 2 + 1] = slot.immediate
    })
    return bytes
  }

  #distance(from: number, target: string): number {
    const to = this.#labels.get(target)
    if (to === undefined) throw new Error(`the program has no label ${target}`)
    const distance = to - from - 1
    if (Math.abs(distance) > OFFSET_MAX) throw new Error(`${target} is out of a jump's reach`)
    return distance
  }
}
