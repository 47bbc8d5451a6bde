/**
 * Part of the XDP program (`xdp-program.ts`): which of several workers a frame belongs to, by the
 * rule of `share.ts`, for a frame that is to be redirected. Every worker has a socket on every
 * queue, so it does not matter which queue a client's frames come in on, and they may change it:
 * a network card chooses by ports too, and a sender on veth by the processor that it runs on.
 */

import { xdp_md } from '../native/bpf.js'
import {
  BPF_AND,
  BPF_B,
  BPF_FUNC_map_lookup_elem,
  BPF_H,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JNE,
  BPF_LSH,
  BPF_MOD,
  BPF_MUL,
  BPF_RSH,
  BPF_W,
  BPF_XOR,
  type BpfAssembler,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R8,
  R9,
  R10,
  type Register,
} from '../native/bpf-assembler.js'
import { GOLDEN_RATIO_32, HASH_SHIFT } from './share.js'
import * as frame from './xdp-frame.js'
import { grainValue } from './xdp-keys.js'

const IPV4_SOURCE = 12
const IPV4_DESTINATION = 16
const IPV6_SOURCE = 8
const IPV6_DESTINATION = 24
/** Up to the end of the packet that an ICMPv6 error quotes, as far as it is looked at. */
const QUOTED_IPV6 = frame.IPV6_BYTES + frame.ICMP_BYTES

/**
 * r9 = the worker, from 0 on. The frame is that of the context `r6`, `r7` its end; `r8` is used up.
 * `grain`: the map of that name. `stack`: 4 bytes below r10.
 */
export function chooseWorker(p: BpfAssembler, grain: number, workers: number, stack: number): void {
  p.store(BPF_W, R10, stack, 0)
  p.loadMap(R1, grain)
  p.move(R2, R10)
  p.add(R2, stack)
  p.call(BPF_FUNC_map_lookup_elem)
  p.jumpIf(BPF_JEQ, R0, 0, 'pass')
  p.load(BPF_W, R8, R6, xdp_md.data)
  p.move(R9, 0)
  findPacket(p)
  share4(p)
  share6(p)
  p.label('share-choice')
  p.alu(BPF_RSH, R9, HASH_SHIFT)
  p.alu(BPF_MOD, R9, workers)
}

/** To `to` unless `bytes` lie behind `at`. */
function need(p: BpfAssembler, at: Register, bytes: number, to: string): void {
  p.move(R1, at)
  p.add(R1, bytes)
  p.jumpIf(BPF_JGT, R1, R7, to)
}

/** r8 = the packet, behind the Ethernet header and a tag. */
function findPacket(p: BpfAssembler): void {
  need(p, R8, frame.ETHERNET_BYTES + frame.VLAN_BYTES, 'pass')
  p.load(BPF_H, R2, R8, 12)
  p.jumpIf(BPF_JEQ, R2, frame.ETH_P_8021Q, 'share-tag')
  p.jumpIf(BPF_JEQ, R2, frame.ETH_P_8021AD, 'share-tag')
  p.add(R8, frame.ETHERNET_BYTES)
  p.jump('share-network')
  p.label('share-tag')
  p.load(BPF_H, R2, R8, 16)
  p.add(R8, frame.ETHERNET_BYTES + frame.VLAN_BYTES)
  p.label('share-network')
  p.jumpIf(BPF_JEQ, R2, frame.ETH_P_IPV6, 'share6')
}

function share4(p: BpfAssembler): void {
  need(p, R8, frame.IPV4_BYTES, 'pass')
  p.move(R4, R8)
  p.add(R4, IPV4_SOURCE)
  p.load(BPF_B, R3, R8, 9)
  p.jumpIf(BPF_JNE, R3, frame.ICMP, 'share4-hash')
  p.load(BPF_H, R1, R8, 6)
  p.swap(R1, 16)
  p.alu(BPF_AND, R1, frame.FRAGMENT_BITS)
  p.jumpIf(BPF_JNE, R1, 0, 'share4-hash')
  p.load(BPF_B, R2, R8, 0)
  p.alu(BPF_AND, R2, 15)
  p.alu(BPF_LSH, R2, 2)
  p.move(R5, R8)
  p.add(R5, R2)
  need(p, R5, frame.ICMP_BYTES + frame.IPV4_BYTES, 'share4-hash')
  p.load(BPF_B, R1, R5, 0)
  for (const type of frame.ICMP_ERRORS) p.jumpIf(BPF_JEQ, R1, type, 'share4-quoted')
  p.jump('share4-hash')
  p.label('share4-quoted')
  p.move(R4, R5)
  p.add(R4, frame.ICMP_BYTES + IPV4_DESTINATION)
  p.label('share4-hash')
  hashWord(p, 0, grainValue.mask4)
  p.jump('share-choice')
}

function share6(p: BpfAssembler): void {
  p.label('share6')
  need(p, R8, frame.IPV6_BYTES, 'pass')
  p.move(R4, R8)
  p.add(R4, IPV6_SOURCE)
  p.load(BPF_B, R3, R8, 6)
  p.jumpIf(BPF_JNE, R3, frame.ICMPV6, 'share6-hash')
  need(p, R8, QUOTED_IPV6 + frame.IPV6_BYTES, 'share6-hash')
  p.load(BPF_B, R1, R8, frame.IPV6_BYTES)
  p.jumpIf(BPF_JGE, R1, frame.ICMPV6_INFORMATIONAL, 'share6-hash')
  p.move(R4, R8)
  p.add(R4, QUOTED_IPV6 + IPV6_DESTINATION)
  p.label('share6-hash')
  for (let i = 0; i < 4; i++) hashWord(p, 4 * i, grainValue.mask6 + 4 * i)
}

/** r9 = hash of r9 and the word at `offset` of the address at r4, under its mask in the grain. */
function hashWord(p: BpfAssembler, offset: number, mask: number): void {
  p.load(BPF_W, R1, R4, offset)
  p.swap(R1, 32)
  p.load(BPF_W, R2, R0, mask)
  p.alu(BPF_AND, R1, R2)
  p.alu(BPF_XOR, R9, R1)
  p.alu(BPF_MUL, R9, GOLDEN_RATIO_32 | 0)
  p.alu(BPF_LSH, R9, 32)
  p.alu(BPF_RSH, R9, 32)
}
