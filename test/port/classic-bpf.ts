/** A small interpreter for classic BPF, to run the filters of packet sockets over frames. */
import * as bpf from '../../src/native/filter.js'

/** The machine of linux/filter.txt, as far as our programs use it. True: the frame is accepted. */
export function accepts(
  program: readonly bpf.Instruction[],
  frame: Uint8Array,
  packetType = 0,
): boolean {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  let a = 0
  let x = 0
  for (let pc = 0; pc < program.length; pc++) {
    const { code, jt, jf, k } = program[pc]
    switch (code) {
      case bpf.BPF_LD | bpf.BPF_B | bpf.BPF_ABS:
        if (k + 1 > frame.length) return false
        a = view.getUint8(k)
        break
      case bpf.BPF_LD | bpf.BPF_H | bpf.BPF_ABS:
        if (k + 2 > frame.length) return false
        a = view.getUint16(k)
        break
      case bpf.BPF_LD | bpf.BPF_W | bpf.BPF_ABS:
        if (k === (bpf.SKF_AD_OFF + bpf.SKF_AD_PKTTYPE) >>> 0) a = packetType
        else if (k + 4 > frame.length) return false
        else a = view.getUint32(k)
        break
      case bpf.BPF_LD | bpf.BPF_B | bpf.BPF_IND:
        if (x + k + 1 > frame.length) return false
        a = view.getUint8(x + k)
        break
      case bpf.BPF_LD | bpf.BPF_W | bpf.BPF_IND:
        if (x + k + 4 > frame.length) return false
        a = view.getUint32(x + k)
        break
      case bpf.BPF_LD | bpf.BPF_W | bpf.BPF_LEN:
        a = frame.length
        break
      case bpf.BPF_LDX | bpf.BPF_B | bpf.BPF_MSH:
        if (k + 1 > frame.length) return false
        x = 4 * (view.getUint8(k) & 15)
        break
      case bpf.BPF_ALU | bpf.BPF_AND | bpf.BPF_K:
        a = (a & k) >>> 0
        break
      case bpf.BPF_ALU | bpf.BPF_MUL | bpf.BPF_K:
        a = Math.imul(a, k) >>> 0
        break
      case bpf.BPF_ALU | bpf.BPF_RSH | bpf.BPF_K:
        a >>>= k
        break
      case bpf.BPF_ALU | bpf.BPF_MOD | bpf.BPF_K:
        a %= k
        break
      case bpf.BPF_ALU | bpf.BPF_XOR | bpf.BPF_X:
        a = (a ^ x) >>> 0
        break
      case bpf.BPF_ALU | bpf.BPF_SUB | bpf.BPF_X:
        a = (a - x) >>> 0
        break
      case bpf.BPF_MISC | bpf.BPF_TAX:
        x = a
        break
      case bpf.BPF_JMP | bpf.BPF_JA:
        pc += k
        break
      case bpf.BPF_JMP | bpf.BPF_JEQ | bpf.BPF_K:
        pc += a === k ? jt : jf
        break
      case bpf.BPF_JMP | bpf.BPF_JGT | bpf.BPF_K:
        pc += a > k ? jt : jf
        break
      case bpf.BPF_JMP | bpf.BPF_JEQ | bpf.BPF_X:
        pc += a === x ? jt : jf
        break
      case bpf.BPF_RET | bpf.BPF_K:
        return k !== 0
      default:
        throw new Error(`the interpreter lacks instruction ${code}`)
    }
  }
  throw new Error('the program runs past its end')
}
