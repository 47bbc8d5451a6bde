/**
 * Which of several workers a frame belongs to. Everything about a client must come to one worker:
 * its connections, the later fragments of its packets (which have no ports), ICMP errors about its
 * packets, and all connections that persistence ties together. So the worker follows from the
 * client's address alone:
 *
 *   IP packet to a VIP       source address
 *   ICMP error               destination address of the packet that it quotes: sent by the VIP
 *   ARP, ND: answers         every worker, each has its own neighbours
 *   ARP, ND: questions       the first worker, which alone answers for the VIPs
 *
 * Where persistence has a mask (`-M`), whoever shares a template must share a worker: the address
 * is masked first.
 *
 * Each worker has packet sockets of its own, and its socket filter takes what is its share. (With
 * af_xdp the program chooses among their sockets, by the same rule: `xdp-share.ts`.) See
 * docs/workers.md for PACKET_FANOUT, the road not taken.
 */
import type { Share } from '../engine/port.js'
import * as bpf from '../native/filter.js'
import type { FilterProgram } from './filter-program.js'

export const GOLDEN_RATIO_32 = 0x9e3779b1
/** The upper half of the product: the lower one depends on few bits of the address. */
export const HASH_SHIFT = 16

/** The worker for a client: `words` are its address, one (IPv4) or four (IPv6). */
export function workerOf(words: ArrayLike<number>, share: Omit<Share, 'index'>): number {
  let hash = 0
  for (let i = 0; i < words.length; i++) {
    const mask = words.length === 1 ? share.mask4 : maskOf(share.prefix6, i)
    hash = Math.imul((words[i] & mask) ^ hash, GOLDEN_RATIO_32)
  }
  return (hash >>> HASH_SHIFT) % share.count
}

/** Word `index` of the mask of an IPv6 prefix. */
export function maskOf(prefix: number, index: number): number {
  const bits = Math.min(32, Math.max(0, prefix - 32 * index))
  return bits === 0 ? 0 : -1 << (32 - bits)
}

// Offsets in an untagged Ethernet frame, and within headers.
const IP = 14
const IPV4_FRAGMENT = IP + 6
const IPV4_PROTOCOL = IP + 9
const IPV4_SOURCE = IP + 12
const IPV6_NEXT_HEADER = IP + 6
const IPV6_SOURCE = IP + 8
const IPV6_BYTES = 40
const ICMP_BYTES = 8
const FRAGMENT_BITS = 0x3fff
const ICMP = 1
const ICMPV6 = 58
/** Unreachable, source quench, time exceeded: those that the director sends on. */
const ICMP_ERRORS = [3, 4, 11]
/** All ICMPv6 errors are below. */
const ICMPV6_INFORMATIONAL = 128

/** Goes on only if the IPv4 packet is this worker's, else to the label `reject`. */
export function appendShare4(p: FilterProgram, share: Share): void {
  p.loadByte(IPV4_PROTOCOL)
  p.jumpIfEqual(ICMP, 'share4-icmp', 'share4-source')
  p.label('share4-icmp')
  p.loadHalf(IPV4_FRAGMENT)
  p.operate(bpf.BPF_AND, FRAGMENT_BITS)
  p.jumpIfEqual(0, 'share4-whole', 'share4-source')
  p.label('share4-whole')
  p.loadHeaderBytes(IP)
  // A packet that ends before what is read would end the program, and be nobody's.
  p.loadLength()
  p.operateKept(bpf.BPF_SUB)
  p.jumpIfAbove(IP + ICMP_BYTES + 20 - 1, 'share4-long', 'share4-source')
  p.label('share4-long')
  p.loadByteBehind(IP)
  for (const type of ICMP_ERRORS) p.jumpIfEqual(type, 'share4-quoted')
  p.jump('share4-source')
  p.label('share4-quoted')
  p.loadWordBehind(IP + ICMP_BYTES + 16)
  p.jump('share4-hash')
  p.label('share4-source')
  p.loadWord(IPV4_SOURCE)
  p.label('share4-hash')
  p.operate(bpf.BPF_AND, share.mask4)
  p.operate(bpf.BPF_MUL, GOLDEN_RATIO_32)
  appendChoice(p, share)
}

/** The same for IPv6. An ICMPv6 error behind extension headers counts as what its sender sent. */
export function appendShare6(p: FilterProgram, share: Share): void {
  p.loadByte(IPV6_NEXT_HEADER)
  p.jumpIfEqual(ICMPV6, 'share6-icmp', 'share6-source')
  p.label('share6-icmp')
  p.loadLength()
  const quoted = IP + IPV6_BYTES + ICMP_BYTES + 24
  p.jumpIfAbove(quoted + 16 - 1, 'share6-long', 'share6-source')
  p.label('share6-long')
  p.loadByte(IP + IPV6_BYTES)
  p.jumpIfAbove(ICMPV6_INFORMATIONAL - 1, 'share6-source', 'share6-quoted')
  p.label('share6-quoted')
  appendHash6(p, share, quoted)
  p.jump('share6-hash')
  p.label('share6-source')
  appendHash6(p, share, IPV6_SOURCE)
  p.label('share6-hash')
  appendChoice(p, share)
}

function appendHash6(p: FilterProgram, share: Share, at: number): void {
  for (let i = 0; i < 4; i++) {
    if (i > 0) p.keep()
    p.loadWord(at + 4 * i)
    p.operate(bpf.BPF_AND, maskOf(share.prefix6, i))
    if (i > 0) p.operateKept(bpf.BPF_XOR)
    p.operate(bpf.BPF_MUL, GOLDEN_RATIO_32)
  }
}

function appendChoice(p: FilterProgram, share: Share): void {
  const mine = p.newLabel()
  p.operate(bpf.BPF_RSH, HASH_SHIFT)
  p.operate(bpf.BPF_MOD, share.count)
  p.jumpIfEqual(share.index, mine, 'reject')
  p.label(mine)
}
