/**
 * The XDP program of the live generator: each frame that the kernel makes for it gets its headers,
 * one of many source ports, and leaves by the interface. The kernel gives the memory of a frame
 * that has gone by to the next one as it is: with the MAC addresses and the TTL of whoever has
 * forwarded it. (An UDP checksum of zero says that there is none.)
 */
import { XDP_DROP, XdpProgram, xdp_md } from '../../src/native/bpf.js'
import {
  BPF_AND,
  BPF_FUNC_get_prandom_u32,
  BPF_FUNC_redirect,
  BPF_H,
  BPF_JGT,
  BPF_W,
  BpfAssembler,
  R0,
  R1,
  R2,
  R6,
  R7,
} from '../../src/native/bpf-assembler.js'

/** What the program writes anew: Ethernet and IPv4. */
const WRITTEN_BYTES = 34
const SOURCE_PORT = 34
const UDP_CHECKSUM = 40
const FIRST_PORT = 10_000
const HEADERS_BYTES = 42

/** `flows`: source ports, rounded up to a power of two. */
export function liveProgram(ifindex: number, frame: Uint8Array, flows: number): XdpProgram {
  const view = new DataView(frame.buffer, frame.byteOffset)
  const p = new BpfAssembler()
  p.move(R6, R1)
  p.call(BPF_FUNC_get_prandom_u32)
  p.alu(BPF_AND, R0, 2 ** Math.ceil(Math.log2(flows)) - 1)
  p.add(R0, FIRST_PORT)
  p.swap(R0, 16)
  p.load(BPF_W, R1, R6, xdp_md.data)
  p.load(BPF_W, R2, R6, xdp_md.data_end)
  p.move(R7, R1)
  p.add(R7, HEADERS_BYTES)
  p.jumpIf(BPF_JGT, R7, R2, 'short')
  for (let at = 0; at < WRITTEN_BYTES; at += 2) {
    p.store(BPF_H, R1, at, view.getUint16(at, true))
  }
  p.store(BPF_H, R1, SOURCE_PORT, R0)
  p.store(BPF_H, R1, UDP_CHECKSUM, 0)
  p.move(R1, ifindex)
  p.move(R2, 0)
  p.call(BPF_FUNC_redirect)
  p.exit()
  p.label('short')
  p.exitWith(XDP_DROP)
  return new XdpProgram('generator', p.assemble())
}
