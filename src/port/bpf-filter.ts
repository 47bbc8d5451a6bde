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
export function servingFilter(vips: readonly string[]): bpf.Instruction[] {
  if (vips.length > VIPS_MAX) return coarseFilter()
  const six = vips.map(words).filter((address) => address.length === 4)
  const program = composeServing(ascending4(vips), six)
  return program.length <= bpf.BPF_MAXINSNS ? program : coarseFilter()
}

/** The IPv4 addresses among the VIPs, each once. */
function ascending4(vips: readonly string[]): number[] {
  const four = vips.map(words).flatMap((address) => (address.length === 1 ? address : []))
  return [...new Set(four)].sort((a, b) => a - b)
}

/** Of the filter for these VIPs the part that takes ARP and neighbour discovery. */
export function linkFilter(vips: readonly string[]): bpf.Instruction[] {
  if (vips.length > VIPS_MAX) return coarseLinkFilter()
  const program = composeLink(ascending4(vips))
  return program.length <= bpf.BPF_MAXINSNS ? program : coarseLinkFilter()
}

/** The same for more VIPs than fit: all ARP. */
export function coarseLinkFilter(): bpf.Instruction[] {
  return composeLink(undefined)
}

/** `four`: the targets of ARP requests that are taken, undefined for all. */
function composeLink(four: readonly number[] | undefined): bpf.Instruction[] {
  const p = new FilterProgram()
  p.loadHalf(ETHER_TYPE)
  p.jumpIfEqual(ETH_P_IPV6, 'ipv6')
  p.jumpIfEqual(ETH_P_ARP, four === undefined ? 'accept' : 'arp', 'reject')
  if (four !== undefined) {
    appendArp(p)
    p.label('address')
    chooseAmong(p, four)
  }
  p.label('ipv6')
  p.loadByte(IPV6_NEXT_HEADER)
  p.jumpIfEqual(IPPROTO_ICMPV6, 'icmpv6', 'reject')
  p.label('icmpv6')
  p.loadByte(ICMPV6_TYPE)
  p.jumpIfEqual(NEIGHBOUR_SOLICITATION, 'accept')
  p.jumpIfEqual(NEIGHBOUR_ADVERTISEMENT, 'accept')
  p.label('reject')
  p.reject()
  p.label('accept')
  p.accept()
  return p.assemble()
}

/** From the label `arp` on; a request goes on at `address`, its target in the accumulator. */
function appendArp(p: FilterProgram): void {
  p.label('arp')
  p.loadHalf(ARP_OPERATION)
  p.jumpIfEqual(ARP_REPLY, 'accept')
  p.loadWord(ARP_SENDER)
  p.keep()
  p.loadWord(ARP_TARGET)
  p.jumpIfSame('accept', 'address')
}

function composeServing(four: readonly number[], six: readonly number[][]): bpf.Instruction[] {
  const p = new FilterProgram()
  p.loadHalf(ETHER_TYPE)
  p.jumpIfEqual(ETH_P_IP, 'ipv4')
  p.jumpIfEqual(ETH_P_IPV6, 'ipv6')
  p.jumpIfEqual(ETH_P_ARP, 'arp', 'reject')

  appendArp(p)

  p.label('ipv4')
  p.loadWord(IPV4_DESTINATION)
  p.label('address')
  chooseAmong(p, four)

  p.label('ipv6')
  p.loadByte(IPV6_NEXT_HEADER)
  p.jumpIfEqual(IPPROTO_ICMPV6, 'icmpv6', 'ipv6-destination')
  p.label('icmpv6')
  p.loadByte(ICMPV6_TYPE)
  p.jumpIfEqual(NEIGHBOUR_SOLICITATION, 'accept')
  p.jumpIfEqual(NEIGHBOUR_ADVERTISEMENT, 'accept')
  p.label('ipv6-destination')
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
export function coarseFilter(): bpf.Instruction[] {
  const p = new FilterProgram()
  p.loadWord(bpf.SKF_AD_OFF + bpf.SKF_AD_PKTTYPE)
  p.jumpIfEqual(bpf.PACKET_OTHERHOST, 'reject')
  p.loadHalf(ETHER_TYPE)
  p.jumpIfEqual(ETH_P_IP, 'accept')
  p.jumpIfEqual(ETH_P_IPV6, 'accept')
  p.jumpIfEqual(ETH_P_ARP, 'accept', 'reject')
  p.label('reject')
  p.reject()
  p.label('accept')
  p.accept()
  return p.assemble()
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
