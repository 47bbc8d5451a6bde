/**
 * Part of the XDP program (`xdp-program.ts`): puts back into a frame the 802.1Q tag that the
 * network card, or the other end of a veth pair, took out of it. The driver is asked for it,
 * through a function of the kernel's that only programs for that one interface may call.
 *
 *   before         [destination][source][type, ...
 *   after      [destination][source][tag][type, ...      four bytes earlier
 *
 * Done where a frame is redirected, and not before: to the kernel's own stack it passes as it came,
 * with the tag beside it.
 */

import { xdp_md } from '../native/bpf.js'
import {
  BPF_FUNC_xdp_adjust_head,
  BPF_H,
  BPF_JGT,
  BPF_JNE,
  BPF_W,
  type BpfAssembler,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R8,
  R10,
} from '../native/bpf-assembler.js'
import { kernelFunction } from '../native/btf.js'

const TAG_BYTES = 4
const MAC_BYTES = 12
const HEADER_BYTES = 18

/** The kernel's function that asks the driver for a tag; undefined before Linux 6.8. */
export function tagFunction(): number | undefined {
  return kernelFunction('bpf_xdp_metadata_rx_vlan_tag')
}

/**
 * Lengthens the frame of the context `r6` by its tag, if the driver has one; then, and if not, the
 * program goes on behind this. `stack`: 8 bytes below r10 for the answer. Where the driver knows
 * nothing of tags the answer is an error, as it is for a frame without one.
 */
export function restoreTag(p: BpfAssembler, tagFunction: number, stack: number): void {
  const protocol = stack
  const tag = stack + 4
  const untagged = p.newLabel()
  p.move(R1, R6)
  p.move(R2, R10)
  p.add(R2, protocol)
  p.move(R3, R10)
  p.add(R3, tag)
  p.callKernel(tagFunction)
  p.jumpIf32(BPF_JNE, R0, 0, untagged)
  p.move(R1, R6)
  p.move(R2, -TAG_BYTES)
  p.call(BPF_FUNC_xdp_adjust_head)
  p.jumpIf32(BPF_JNE, R0, 0, untagged)
  // What is known of the frame's place does not hold any more.
  p.load(BPF_W, R7, R6, xdp_md.data_end)
  p.load(BPF_W, R8, R6, xdp_md.data)
  p.move(R1, R8)
  p.add(R1, HEADER_BYTES)
  p.jumpIf(BPF_JGT, R1, R7, untagged)
  for (let at = 0; at < MAC_BYTES; at += 2) {
    p.load(BPF_H, R1, R8, at + TAG_BYTES)
    p.store(BPF_H, R8, at, R1)
  }
  // The protocol is in the order of the wire, the tag's control word in the host's.
  p.load(BPF_H, R1, R10, protocol)
  p.store(BPF_H, R8, MAC_BYTES, R1)
  p.load(BPF_H, R1, R10, tag)
  p.swap(R1, 16)
  p.store(BPF_H, R8, MAC_BYTES + 2, R1)
  p.label(untagged)
}
