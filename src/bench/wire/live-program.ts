/**
 * The live generator: the kernel makes frames (BPF_PROG_TEST_RUN with live frames), and an XDP
 * program gives each the headers of one of many flows, by chance, and puts it on the wire. The
 * kernel gives the memory of a frame that has gone by to the next one as it is: with the MAC
 * addresses and the TTL of whoever has forwarded it, so everything that may differ is written anew.
 *
 * Checksums of TCP and UDP are those of the flow, over a payload of zeros.
 */
import { BPF_MAP_TYPE_ARRAY, BpfMap, XDP_DROP, XdpProgram, xdp_md } from '../../native/bpf.js'
import {
  BPF_DW,
  BPF_FUNC_get_prandom_u32,
  BPF_FUNC_map_lookup_elem,
  BPF_FUNC_redirect,
  BPF_H,
  BPF_JEQ,
  BPF_JGT,
  BPF_MOD,
  BPF_W,
  BpfAssembler,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R10,
} from '../../native/bpf-assembler.js'
import type { Sending } from './generator-program.js'

/** Ethernet, IPv4, and all of TCP's or UDP's that differs from flow to flow, with its checksum. */
const WRITTEN_BYTES = 54
/** Of an entry in the map. */
const ENTRY_BYTES = 56
/** Frames that the kernel makes and delivers at a time; the queue of a veth end holds 256. */
const BATCH = 64
/** Frames of one call, which takes a hundredth of a second to prepare: so not at a fixed rate. */
const FRAMES_PER_CALL = 200_000

export class LiveFrames {
  readonly #program: XdpProgram
  readonly #flows: BpfMap
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
    this.#program = new XdpProgram('generator', liveProgram(ifindex, this.#flows.fd, frames.length))
  }

  /** As many as the kernel can, for `ms` milliseconds or a little longer. */
  send(ms: number): Sending {
    const start = performance.now()
    let offered = 0
    let elapsed = 0
    for (; elapsed < ms; elapsed = performance.now() - start) {
      this.#program.emit(this.#first, this.#ifindex, FRAMES_PER_CALL, BATCH)
      offered += FRAMES_PER_CALL
    }
    return { offered, refused: 0, ms: elapsed }
  }
}

function liveProgram(ifindex: number, map: number, flows: number): Uint8Array<ArrayBuffer> {
  const p = new BpfAssembler()
  p.move(R6, R1)
  p.call(BPF_FUNC_get_prandom_u32)
  p.alu(BPF_MOD, R0, flows)
  p.store(BPF_W, R10, -4, R0)
  p.move(R2, R10)
  p.add(R2, -4)
  p.loadMap(R1, map)
  p.call(BPF_FUNC_map_lookup_elem)
  p.jumpIf(BPF_JEQ, R0, 0, 'drop')
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
