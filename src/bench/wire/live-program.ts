/**
 * The live generator: the kernel makes frames (BPF_PROG_TEST_RUN with live frames), and an XDP
 * program gives each the headers of one of many flows, by chance, and puts it on the wire. The
 * kernel gives the memory of a frame that has gone by to the next one as it is: with the MAC
 * addresses and the TTL of whoever has forwarded it, so everything that may differ is written anew.
 *
 * Checksums of TCP and UDP are those of the flow, over a payload of zeros.
 *
 * At a rate, the program drops frames until the time of the next one to be sent has come: the
 * generator's processor is busy all the time, and frames leave evenly, by a few microseconds. One
 * that comes late catches up, by a millisecond's frames at most.
 *
 * Preparing a call takes the kernel a hundredth of a second, so there is one for a whole stretch;
 * a timer's signal ends it.
 */
import { BPF_MAP_TYPE_ARRAY, BpfMap, XDP_DROP, XdpProgram, xdp_md } from '../../native/bpf.js'
import {
  BPF_DW,
  BPF_FUNC_get_prandom_u32,
  BPF_FUNC_ktime_get_ns,
  BPF_FUNC_map_lookup_elem,
  BPF_FUNC_redirect,
  BPF_H,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JNE,
  BPF_MOD,
  BPF_W,
  BpfAssembler,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R8,
  R9,
  R10,
} from '../../native/bpf-assembler.js'
import { check, setitimer } from '../../native/libc.js'
import type { Sending } from './generator-program.js'

/** Ethernet, IPv4, and all of TCP's or UDP's that differs from flow to flow, with its checksum. */
const WRITTEN_BYTES = 54
/** Of an entry in the map. */
const ENTRY_BYTES = 56
/** Frames that the kernel makes and delivers at a time; the queue of a veth end holds 256. */
const BATCH = 64
/** More than any stretch has. */
const FRAMES_MAX = 0xffffffff
const CATCH_UP_NS = 1_000_000
/** `linux/time.h` */
const ITIMER_REAL = 0

/** What the program and we tell each other: 64-bit words, times in ns since the machine's start. */
const state = {
  size: 40,
  /** When the next frame is due, and how long after one the next is; 0: at once. */
  next: 0,
  interval: 8,
  /** When the first and the last left, and how many did. */
  first: 16,
  last: 24,
  sent: 32,
} as const

export class LiveFrames {
  readonly #program: XdpProgram
  readonly #flows: BpfMap
  readonly #state: BpfMap
  readonly #ifindex: number
  readonly #first: Uint8Array

  /** `frames`: one of each flow, of 60 bytes at least. */
  constructor(ifindex: number, frames: readonly Uint8Array[]) {
    this.#ifindex = ifindex
    this.#first = frames[0]
    this.#flows = new BpfMap('flows', BPF_MAP_TYPE_ARRAY, 4, ENTRY_BYTES, frames.length)
    for (const [flow, frame] of frames.entries()) {
      const entry = new Uint8Array(ENTRY_BYTES)
      entry.set(frame.subarray(0, WRITTEN_BYTES))
      this.#flows.set(Uint32Array.of(flow), entry)
    }
    this.#state = new BpfMap('state', BPF_MAP_TYPE_ARRAY, 4, state.size, 1)
    const program = liveProgram(ifindex, this.#flows.fd, frames.length, this.#state.fd)
    this.#program = new XdpProgram('generator', program)
    // Whether this kernel makes frames at all shows in the first call.
    this.#program.emit(this.#first, ifindex, 1, 1)
    process.on('SIGALRM', () => {}) // its default would end us
  }

  /** For `ms` milliseconds: `rate` frames a second, or, if that is 0, as many as can be. */
  send(rate: number, ms: number): Sending {
    const words = new BigUint64Array(state.size / 8)
    words[state.interval / 8] = rate === 0 ? 0n : BigInt(Math.round(1e9 / rate))
    const only = Uint32Array.of(0)
    this.#state.set(only, words)
    // Seconds and microseconds, of the interval (none: it rings once) and until it rings.
    const timer = BigInt64Array.of(
      0n,
      0n,
      BigInt(Math.floor(ms / 1000)),
      BigInt((ms % 1000) * 1000),
    )
    check(setitimer(ITIMER_REAL, timer, new BigInt64Array(4)), 'setitimer', 'generator')
    this.#program.emit(this.#first, this.#ifindex, FRAMES_MAX, BATCH)
    this.#state.get(only, words)
    const offered = Number(words[state.sent / 8])
    const lasted = Number(words[state.last / 8] - words[state.first / 8]) / 1e6
    return { offered, refused: 0, ms: lasted }
  }
}

function liveProgram(
  ifindex: number,
  flowMap: number,
  flows: number,
  stateMap: number,
): Uint8Array<ArrayBuffer> {
  const p = new BpfAssembler()
  const lookUp = (map: number) => {
    p.move(R2, R10)
    p.add(R2, -4)
    p.loadMap(R1, map)
    p.call(BPF_FUNC_map_lookup_elem)
    p.jumpIf(BPF_JEQ, R0, 0, 'drop')
  }
  p.move(R6, R1)
  p.store(BPF_W, R10, -4, 0)
  lookUp(stateMap)
  p.move(R8, R0)
  p.call(BPF_FUNC_ktime_get_ns)
  p.move(R9, R0)
  p.load(BPF_DW, R1, R8, state.interval)
  p.jumpIf(BPF_JEQ, R1, 0, 'send')
  p.load(BPF_DW, R2, R8, state.next)
  p.jumpIf(BPF_JGT, R2, R9, 'drop')
  p.add(R2, R1)
  p.move(R3, R9)
  p.add(R3, -CATCH_UP_NS)
  p.jumpIf(BPF_JGE, R2, R3, 'on time')
  p.move(R2, R3)
  p.label('on time')
  p.store(BPF_DW, R8, state.next, R2)
  p.label('send')
  p.load(BPF_DW, R1, R8, state.first)
  p.jumpIf(BPF_JNE, R1, 0, 'not the first')
  p.store(BPF_DW, R8, state.first, R9)
  p.label('not the first')
  p.store(BPF_DW, R8, state.last, R9)
  p.load(BPF_DW, R1, R8, state.sent)
  p.add(R1, 1)
  p.store(BPF_DW, R8, state.sent, R1)
  p.call(BPF_FUNC_get_prandom_u32)
  p.alu(BPF_MOD, R0, flows)
  p.store(BPF_W, R10, -4, R0)
  lookUp(flowMap)
  p.load(BPF_W, R1, R6, xdp_md.data)
  p.load(BPF_W, R2, R6, xdp_md.data_end)
  p.move(R7, R1)
  p.add(R7, WRITTEN_BYTES)
  p.jumpIf(BPF_JGT, R7, R2, 'drop')
  let at = 0
  for (const [width, bytes] of [
    [BPF_DW, 8],
    [BPF_W, 4],
    [BPF_H, 2],
  ] as const) {
    for (; at + bytes <= WRITTEN_BYTES; at += bytes) {
      p.load(width, R3, R0, at)
      p.store(width, R1, at, R3)
    }
  }
  p.move(R1, ifindex)
  p.move(R2, 0)
  p.call(BPF_FUNC_redirect)
  p.exit()
  p.label('drop')
  p.exitWith(XDP_DROP)
  return p.assemble()
}
