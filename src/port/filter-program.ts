/**
 * An assembler for the classic BPF of socket filters (`linux/filter.h`, linux/filter.txt).
 */
import * as bpf from '../native/filter.js'

type Jump = { kind: 'jump'; code: number; k: number; whenTrue: string; whenFalse: string }
type Item = { kind: 'plain'; code: number; k: number } | { kind: 'label'; name: string } | Jump

const CONDITIONAL_REACH = 255

/**
 * An assembler for classic BPF with labels. Jumps go forward only, as the machine demands. A
 * conditional jump reaches 255 instructions; where that is too short, it goes over a far jump.
 */
export class FilterProgram {
  readonly #items: Item[] = []
  #labels = 0

  /** A name for a label that nobody else uses. */
  newLabel(): string {
    return `.${this.#labels++}`
  }

  label(name: string): void {
    this.#items.push({ kind: 'label', name })
  }

  loadByte(offset: number): void {
    this.#plain(bpf.BPF_LD | bpf.BPF_B | bpf.BPF_ABS, offset)
  }

  /** 16 bits, big-endian as on the wire. */
  loadHalf(offset: number): void {
    this.#plain(bpf.BPF_LD | bpf.BPF_H | bpf.BPF_ABS, offset)
  }

  /** 32 bits, big-endian as on the wire. */
  loadWord(offset: number): void {
    this.#plain(bpf.BPF_LD | bpf.BPF_W | bpf.BPF_ABS, offset)
  }

  /** Copies the accumulator to the index register, for `jumpIfSame`. */
  keep(): void {
    this.#plain(bpf.BPF_MISC | bpf.BPF_TAX, 0)
  }

  /** What `keep` keeps becomes the length of the IPv4 header at `offset`. */
  loadHeaderBytes(offset: number): void {
    this.#plain(bpf.BPF_LDX | bpf.BPF_B | bpf.BPF_MSH, offset)
  }

  /** As `loadByte` and `loadWord`, so much further on as was kept. */
  loadByteBehind(offset: number): void {
    this.#plain(bpf.BPF_LD | bpf.BPF_B | bpf.BPF_IND, offset)
  }

  loadWordBehind(offset: number): void {
    this.#plain(bpf.BPF_LD | bpf.BPF_W | bpf.BPF_IND, offset)
  }

  /** The length of the frame. */
  loadLength(): void {
    this.#plain(bpf.BPF_LD | bpf.BPF_W | bpf.BPF_LEN, 0)
  }

  /** BPF_AND, BPF_MUL … of the accumulator and `k`, or and what was kept. */
  operate(operation: number, k: number): void {
    this.#plain(bpf.BPF_ALU | operation | bpf.BPF_K, k)
  }

  operateKept(operation: number): void {
    this.#plain(bpf.BPF_ALU | operation | bpf.BPF_X, 0)
  }

  /** To a label behind, in any case. */
  jump(label: string): void {
    this.#jump(bpf.BPF_JMP | bpf.BPF_JEQ | bpf.BPF_K, 0, label, label)
  }

  /** Ends: the frame is taken, whole. */
  accept(): void {
    this.#plain(bpf.BPF_RET | bpf.BPF_K, 0xffffffff)
  }

  reject(): void {
    this.#plain(bpf.BPF_RET | bpf.BPF_K, 0)
  }

  /** To `whenTrue` if the accumulator is `k`, else to `whenFalse` (by default what follows). */
  jumpIfEqual(k: number, whenTrue: string, whenFalse?: string): void {
    this.#jump(bpf.BPF_JMP | bpf.BPF_JEQ | bpf.BPF_K, k, whenTrue, whenFalse)
  }

  /** To `whenTrue` if the accumulator, unsigned, is above `k`. */
  jumpIfAbove(k: number, whenTrue: string, whenFalse?: string): void {
    this.#jump(bpf.BPF_JMP | bpf.BPF_JGT | bpf.BPF_K, k, whenTrue, whenFalse)
  }

  /** To `whenTrue` if the accumulator is what was kept. */
  jumpIfSame(whenTrue: string, whenFalse?: string): void {
    this.#jump(bpf.BPF_JMP | bpf.BPF_JEQ | bpf.BPF_X, 0, whenTrue, whenFalse)
  }

  #plain(code: number, k: number): void {
    this.#items.push({ kind: 'plain', code, k: k >>> 0 })
  }

  #jump(code: number, k: number, whenTrue: string, whenFalse?: string): void {
    const next = whenFalse ?? this.newLabel()
    this.#items.push({ kind: 'jump', code, k: k >>> 0, whenTrue, whenFalse: next })
    if (whenFalse === undefined) this.label(next)
  }

  /**
   * The instructions. Lengthening a jump moves what stands behind it, which may put another one
   * out of reach: repeated until nothing changes. Jumps only ever get longer, so that it ends.
   */
  assemble(): bpf.Instruction[] {
    const far = new Set<Jump>()
    for (;;) {
      const at = this.#place(far)
      const tooShort = this.#items.filter(
        (item): item is Jump =>
          item.kind === 'jump' && !far.has(item) && this.#reach(item, at) > CONDITIONAL_REACH,
      )
      if (tooShort.length === 0) return this.#emit(far, at)
      for (const jump of tooShort) far.add(jump)
    }
  }

  /** Where each label and each jump stands, by instruction. */
  #place(far: Set<Jump>): Map<string | Jump, number> {
    const at = new Map<string | Jump, number>()
    let next = 0
    for (const item of this.#items) {
      if (item.kind === 'label') {
        if (at.has(item.name)) throw new Error(`the filter's label ${item.name} stands twice`)
        at.set(item.name, next)
        continue
      }
      if (item.kind === 'jump') at.set(item, next)
      next += item.kind === 'jump' && far.has(item) ? 3 : 1
    }
    return at
  }

  #reach(jump: Jump, at: Map<string | Jump, number>): number {
    return Math.max(distance(jump, jump.whenTrue, at), distance(jump, jump.whenFalse, at))
  }

  #emit(far: Set<Jump>, at: Map<string | Jump, number>): bpf.Instruction[] {
    const program: bpf.Instruction[] = []
    for (const item of this.#items) {
      if (item.kind === 'label') continue
      if (item.kind === 'plain') {
        program.push({ code: item.code, jt: 0, jf: 0, k: item.k })
        continue
      }
      const jt = distance(item, item.whenTrue, at)
      const jf = distance(item, item.whenFalse, at)
      if (!far.has(item)) {
        program.push({ code: item.code, jt, jf, k: item.k })
        continue
      }
      // The condition chooses between two far jumps, which stand one and two places further on.
      program.push({ code: item.code, jt: 0, jf: 1, k: item.k })
      program.push({ code: bpf.BPF_JMP | bpf.BPF_JA, jt: 0, jf: 0, k: jt - 1 })
      program.push({ code: bpf.BPF_JMP | bpf.BPF_JA, jt: 0, jf: 0, k: jf - 2 })
    }
    return program
  }
}

/** Instructions skipped by a jump to `label`. */
function distance(jump: Jump, label: string, at: Map<string | Jump, number>): number {
  const from = at.get(jump)
  const to = at.get(label)
  if (from === undefined || to === undefined) throw new Error(`no label ${label} in the filter`)
  if (to <= from) throw new Error(`the filter jumps back to ${label}`)
  return to - from - 1
}
