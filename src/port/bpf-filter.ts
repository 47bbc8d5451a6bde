/**
 * The filter of our packet sockets, composed from the addresses served.
 *
 * Only what can concern the director should cost it anything: the kernel runs this program (as
 * machine code, it compiles classic BPF) on every frame of the interface, and copies into the ring
 * only those it accepts. Accepted are
 *
 *   ARP    whose target is a VIP; answers; announcements (sender and target address equal)
 *   IPv4   to a VIP
 *   IPv6   to a VIP; ICMPv6 neighbour solicitations and advertisements, to whatever group
 *
 * The kernel takes an 802.1Q tag out of a frame before it runs the filter: the same program holds
 * for tagged and untagged frames, and of a doubly tagged frame it sees the inner tag's type where
 * the protocol should stand, and rejects it.
 *
 * Beside an XDP program, which takes the IP packets, a packet socket is left with ARP and neighbour
 * discovery: `linkFilter`.
 *
 * A load beyond the end of a frame ends the program with "reject" (linux/filter.txt), so that a
 * truncated frame needs no test of its own.
 */
import { isIPv6 } from 'node:net'
import type { Share } from '../engine/port.js'
import * as bpf from '../native/filter.js'
import { FilterProgram } from './filter-program.js'
import { appendShare4, appendShare6 } from './share.js'

// Offsets in an untagged Ethernet frame.
const ETHER_TYPE = 12
const ARP_OPERATION = 20
const ARP_SENDER = 28
const ARP_TARGET = 38
const IPV4_DESTINATION = 30
const IPV6_NEXT_HEADER = 20
const IPV6_DESTINATION = 38
const ICMPV6_TYPE = 54

const ETH_P_IP = 0x0800
const ETH_P_ARP = 0x0806
const ETH_P_IPV6 = 0x86dd
const ARP_REPLY = 2
const IPPROTO_ICMPV6 = 58
const NEIGHBOUR_SOLICITATION = 135
const NEIGHBOUR_ADVERTISEMENT = 136

/** Rejects every frame: what a socket has until it is told what to serve. */
export function rejectingFilter(): bpf.Instruction[] {
  const program = new FilterProgram()
  program.reject()
  return program.assemble()
}

/** With more VIPs no filter is made for them: the worker would stand still for milliseconds. */
const VIPS_MAX = 1024

/**
 * The filter for these VIPs (textual, of both families). With more than VIPS_MAX of them, or than
 * the kernel takes instructions for (some 450 IPv6 addresses), the coarse filter.
 */
export function servingFilter(vips: readonly string[], share?: Share): bpf.Instruction[] {
  if (vips.length > VIPS_MAX) return coarseFilter(share)
  const six = vips.map(words).filter((address) => address.length === 4)
  const program = composeServing(ascending4(vips), six, share)
  return program.length <= bpf.BPF_MAXINSNS ? program : coarseFilter(share)
}

/** The IPv4 addresses among the VIPs, each once. */
function ascending4(vips: readonly string[]): number[] {
  const four = vips.map(words).flatMap((address) => (address.length === 1 ? address : []))
  return [...new Set(four)].sort((a, b) => a - b)
}

/** Of the filter for these VIPs the part that takes ARP and neighbour discovery. */
export function linkFilter(vips: readonly string[], share?: Share): bpf.Instruction[] {
  if (vips.length > VIPS_MAX) return coarseLinkFilter(share)
  const program = composeLink(ascending4(vips), share)
  return program.length <= bpf.BPF_MAXINSNS ? program : coarseLinkFilter(share)
}

/** The same for more VIPs than fit: all ARP that is for this worker. */
export function coarseLinkFilter(share?: Share): bpf.Instruction[] {
  return composeLink(undefined, share)
}

/** `four`: the targets of ARP requests that are taken, undefined for all. */
function composeLink(
  four: readonly number[] | undefined,
  share: Share | undefined,
): bpf.Instruction[] {
  const answers = share === undefined || share.index === 0
  const p = new FilterProgram()
  p.loadHalf(ETHER_TYPE)
  p.jumpIfEqual(ETH_P_IPV6, 'ipv6')
  p.jumpIfEqual(ETH_P_ARP, four === undefined && answers ? 'accept' : 'arp', 'reject')
  if (four !== undefined || !answers) appendArp(p, answers)
  if (four !== undefined && answers) {
    p.label('address')
    chooseAmong(p, four)
  }
  p.label('ipv6')
  p.loadByte(IPV6_NEXT_HEADER)
  p.jumpIfEqual(IPPROTO_ICMPV6, 'icmpv6', 'reject')
  p.label('icmpv6')
  p.loadByte(ICMPV6_TYPE)
  p.jumpIfEqual(NEIGHBOUR_SOLICITATION, answers ? 'accept' : 'reject')
  p.jumpIfEqual(NEIGHBOUR_ADVERTISEMENT, 'accept')
  p.label('reject')
  p.reject()
  p.label('accept')
  p.accept()
  return p.assemble()
}

/**
 * From the label `arp` on; a request goes on at `address`, its target in the accumulator, if it is
 * ours to answer.
 */
function appendArp(p: FilterProgram, answers: boolean): void {
  p.label('arp')
  p.loadHalf(ARP_OPERATION)
  p.jumpIfEqual(ARP_REPLY, 'accept')
  p.loadWord(ARP_SENDER)
  p.keep()
  p.loadWord(ARP_TARGET)
  p.jumpIfSame('accept', answers ? 'address' : 'reject')
}

function composeServing(
  four: readonly number[],
  six: readonly number[][],
  share: Share | undefined,
): bpf.Instruction[] {
  const answers = share === undefined || share.index === 0
  const p = new FilterProgram()
  p.loadHalf(ETHER_TYPE)
  p.jumpIfEqual(ETH_P_IP, 'ipv4')
  p.jumpIfEqual(ETH_P_IPV6, 'ipv6')
  p.jumpIfEqual(ETH_P_ARP, 'arp', 'reject')

  appendArp(p, answers)

  p.label('ipv4')
  if (share !== undefined) appendShare4(p, share)
  p.loadWord(IPV4_DESTINATION)
  p.label('address')
  chooseAmong(p, four)

  p.label('ipv6')
  p.loadByte(IPV6_NEXT_HEADER)
  p.jumpIfEqual(IPPROTO_ICMPV6, 'icmpv6', 'ipv6-destination')
  p.label('icmpv6')
  p.loadByte(ICMPV6_TYPE)
  p.jumpIfEqual(NEIGHBOUR_SOLICITATION, answers ? 'accept' : 'reject')
  p.jumpIfEqual(NEIGHBOUR_ADVERTISEMENT, 'accept')
  p.label('ipv6-destination')
  if (share !== undefined) appendShare6(p, share)
  for (const address of six) {
    const other = p.newLabel()
    // The last word first: it is the one in which the addresses of a site differ.
    for (const word of [3, 2, 1, 0]) {
      p.loadWord(IPV6_DESTINATION + word * 4)
      const same = p.newLabel()
      p.jumpIfEqual(address[word], same, other)
      p.label(same)
    }
    p.accept()
    p.label(other)
  }

  p.label('reject')
  p.reject()
  p.label('accept')
  p.accept()
  return p.assemble()
}

/** So many addresses are compared one by one: a search by halves costs more instructions. */
const LEAF_ADDRESSES = 8

/**
 * Accepts if the accumulator is one of the ascending `values`, else rejects. A search by halves.
 */
function chooseAmong(p: FilterProgram, values: readonly number[]): void {
  if (values.length <= LEAF_ADDRESSES) {
    // An end of its own, near enough for short jumps.
    const found = p.newLabel()
    for (const value of values) p.jumpIfEqual(value, found)
    p.reject()
    p.label(found)
    p.accept()
    return
  }
  const half = values.length >> 1
  const upper = p.newLabel()
  p.jumpIfAbove(values[half - 1], upper)
  chooseAmong(p, values.slice(0, half))
  p.label(upper)
  chooseAmong(p, values.slice(half))
}

/**
 * The filter for more VIPs than fit: all ARP, IPv4 and IPv6 that is for us or for a group. The
 * director then sorts out itself what is for a VIP, and the rest costs a copy each.
 */
export function coarseFilter(share?: Share): bpf.Instruction[] {
  const p = new FilterProgram()
  p.loadWord(bpf.SKF_AD_OFF + bpf.SKF_AD_PKTTYPE)
  p.jumpIfEqual(bpf.PACKET_OTHERHOST, 'reject')
  p.loadHalf(ETHER_TYPE)
  p.jumpIfEqual(ETH_P_IP, 'ipv4')
  p.jumpIfEqual(ETH_P_IPV6, 'ipv6')
  p.jumpIfEqual(ETH_P_ARP, 'arp', 'reject')
  p.label('ipv4')
  if (share !== undefined) appendShare4(p, share)
  p.jump('accept')
  p.label('ipv6')
  if (share !== undefined) appendCoarse6(p, share)
  p.jump('accept')
  if (share !== undefined && share.index > 0) appendArp(p, false)
  else {
    p.label('arp')
    p.jump('accept')
  }
  p.label('reject')
  p.reject()
  p.label('accept')
  p.accept()
  return p.assemble()
}

/** Neighbour discovery as in `composeServing`, of the rest what is this worker's. */
function appendCoarse6(p: FilterProgram, share: Share): void {
  p.loadByte(IPV6_NEXT_HEADER)
  p.jumpIfEqual(IPPROTO_ICMPV6, 'icmpv6', 'ipv6-destination')
  p.label('icmpv6')
  p.loadByte(ICMPV6_TYPE)
  p.jumpIfEqual(NEIGHBOUR_SOLICITATION, share.index === 0 ? 'accept' : 'reject')
  p.jumpIfEqual(NEIGHBOUR_ADVERTISEMENT, 'accept')
  p.label('ipv6-destination')
  appendShare6(p, share)
}

/** A textual address as one (IPv4) or four (IPv6) unsigned 32-bit words, most significant first. */
export function words(address: string): number[] {
  const result = address.includes(':') ? ipv6Words(address) : ipv4Words(address)
  if (result === undefined)
    throw new RangeError(`"${address}" is no IP address (VIP); give it as 192.0.2.1 or 2001:db8::1`)
  return result
}

function ipv4Words(address: string): number[] | undefined {
  const parts = address.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part))) return undefined
  const bytes = parts.map(Number)
  if (bytes.some((byte) => byte > 255)) return undefined
  return [((bytes[0] << 24) | (bytes[1] << 16) | (bytes[2] << 8) | bytes[3]) >>> 0]
}

function ipv6Words(address: string): number[] | undefined {
  if (!isIPv6(address) || address.includes('%')) return undefined
  let text = address
  const tail = /[^:]*\.[^:]*$/.exec(text)?.[0]
  if (tail !== undefined) {
    const [word] = ipv4Words(tail) ?? [0]
    const halves = `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`
    text = text.slice(0, -tail.length) + halves
  }
  const [left, right] = text.split('::')
  const groups = (part: string | undefined) => (part ? part.split(':') : [])
  const before = groups(left)
  const after = groups(right)
  const zeros = Array<string>(8 - before.length - after.length).fill('0')
  const all = [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16))
  return [0, 2, 4, 6].map((i) => ((all[i] << 16) | all[i + 1]) >>> 0)
}
