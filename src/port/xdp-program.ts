/**
 * The XDP program of the port af_xdp, written for `native/bpf-assembler.ts`. The kernel runs it on
 * every frame of an arm, before it makes anything else of the frame; it takes what the director
 * serves out of the kernel's hands, and leaves everything else to it.
 *
 *   frame --> not to our MAC address, not IP ............................. kernel
 *         --> neighbour discovery (and ARP, which is not IP) ............. kernel, and the director
 *         --> to no VIP .................................................. kernel
 *         --> to a VIP that the kernel does not hold ..................... director
 *         --> to a VIP that it holds too:
 *               TCP, UDP, SCTP to a port that is served .................. director
 *               frame.ICMP errors about packets from such a port ............... director
 *               later fragments .......................................... where the first one went
 *               everything else: ping, ssh to another port ............... kernel
 *
 * Redirecting steals: the kernel never sees such a frame again, while a packet socket only copies.
 * So nothing is redirected that the kernel needs as well. ARP and neighbour discovery are such: an
 * answer that a realserver sends to the director's MAC address may be meant for either. They pass,
 * and the director has copies by a packet socket (`af-packet.ts`, `linkFilter`).
 *
 * Which addresses and ports are served stands in a hash map, `served`, that changes while the
 * program runs (`xdp-maps.ts`): VIP by VIP, and for those that are shared port by port.
 *
 * Fragments behind the first carry no ports: where the first one went is kept in `fragments`, an
 * LRU map. One that comes before its first goes to the director, where it waits for it, if the VIP
 * has services of its protocol at all. (The kernel then misses fragments of its own large datagrams
 * to a shared VIP, but only if they come in the wrong order.)
 *
 * One 802.1Q or 802.1ad tag is looked through, as packet sockets do; frames with more pass. A tag
 * that the hardware took out is put back where that can be had, by `xdp-tag.ts`.
 */

import { XDP_PASS, xdp_md } from '../native/bpf.js'
import {
  BPF_AND,
  BPF_B,
  BPF_DW,
  BPF_FUNC_map_lookup_elem,
  BPF_FUNC_map_update_elem,
  BPF_FUNC_redirect_map,
  BPF_H,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JLT,
  BPF_JNE,
  BPF_LSH,
  BPF_MUL,
  BPF_RSH,
  BPF_W,
  BpfAssembler,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R7,
  R8,
  R9,
  R10,
} from '../native/bpf-assembler.js'
import * as frame from './xdp-frame.js'
import { fragmentKey, servedKey, WHOLE } from './xdp-keys.js'
import { chooseWorker } from './xdp-share.js'
import { restoreTag } from './xdp-tag.js'

/** Values of `fragments`. */
const TAKEN = 1
const LEFT = 2

// Where things lie on the stack, below r10.
const KEY = -servedKey.size - 4
const FRAGMENT = KEY - fragmentKey.size
const VALUE = FRAGMENT - 8

export interface ProgramMaps {
  /** Descriptors. */
  readonly served: number
  readonly fragments: number
  readonly sockets: number
  readonly grain: number
}

export interface ProgramOptions {
  /** Among how many workers the frames are divided; 1 if it is left out. */
  readonly workers?: number
  /** For an interface whose driver can be asked for tags, see `xdp-tag.ts`. */
  readonly tagFunction?: number | undefined
}

/** The program for an arm with this MAC address (as `Arm` has it). */
export function xdpProgram(
  macHigh: number,
  macLow: number,
  maps: ProgramMaps,
  options: ProgramOptions = {},
): Uint8Array {
  const program = new Program(maps)
  program.linkLayer(macHigh, macLow)
  program.ipv4()
  program.ipv6()
  program.transports()
  program.endings(options)
  return program.assemble()
}

/**
 * While it runs: r6 the context, r7 the frame's end, r8 the header that is looked at, r9 whether
 * the frame is a first fragment, and in the end whose it is. r3 hands a protocol to the label
 * `protocol` or `later`.
 */
class Program extends BpfAssembler {
  readonly #maps: ProgramMaps

  constructor(maps: ProgramMaps) {
    super()
    this.#maps = maps
  }

  /** Leaves the frame to the kernel unless `bytes` of it lie behind `r8`. */
  #need(bytes: number): void {
    this.move(R1, R8)
    this.add(R1, bytes)
    this.jumpIf(BPF_JGT, R1, R7, 'pass')
  }

  /** r0 = the value that `map` has for the key at `key` on the stack, or 0. */
  #lookUp(map: number, key: number): void {
    this.loadMap(R1, map)
    this.move(R2, R10)
    this.add(R2, key)
    this.call(BPF_FUNC_map_lookup_elem)
  }

  /** Copies `words` 32-bit words from `from` behind `r8` to the stack. */
  #copy(from: number, to: number, words: number): void {
    for (let i = 0; i < words; i++) {
      this.load(BPF_W, R1, R8, from + i * 4)
      this.store(BPF_W, R10, to + i * 4, R1)
    }
  }

  linkLayer(macHigh: number, macLow: number): void {
    const mac = Uint8Array.from([8, 0], (shift) => macHigh >> shift)
    const rest = Uint8Array.from([24, 16, 8, 0], (shift) => macLow >> shift)
    const first = mac[0] | (mac[1] << 8) | (rest[0] << 16) | (rest[1] << 24)
    this.move(R6, R1)
    this.load(BPF_W, R7, R6, xdp_md.data_end)
    this.load(BPF_W, R8, R6, xdp_md.data)
    this.move(R9, 0)
    this.#need(frame.ETHERNET_BYTES)
    this.load(BPF_W, R1, R8, 0)
    this.jumpIf32(BPF_JNE, R1, first, 'pass')
    this.load(BPF_H, R1, R8, 4)
    this.jumpIf(BPF_JNE, R1, rest[2] | (rest[3] << 8), 'pass')
    for (let at = KEY; at < KEY + servedKey.size; at += 4) this.store(BPF_W, R10, at, 0)
    for (let at = FRAGMENT; at < FRAGMENT + fragmentKey.size; at += 8)
      this.store(BPF_DW, R10, at, 0)
    this.load(BPF_H, R2, R8, 12)
    this.jumpIf(BPF_JEQ, R2, frame.ETH_P_8021Q, 'tag')
    this.jumpIf(BPF_JEQ, R2, frame.ETH_P_8021AD, 'tag')
    this.add(R8, frame.ETHERNET_BYTES)
    this.jump('network')
    this.label('tag')
    this.#need(frame.ETHERNET_BYTES + frame.VLAN_BYTES)
    this.load(BPF_H, R2, R8, 16)
    this.add(R8, frame.ETHERNET_BYTES + frame.VLAN_BYTES)
    this.label('network')
    this.jumpIf(BPF_JEQ, R2, frame.ETH_P_IP, 'ipv4')
    this.jumpIf(BPF_JEQ, R2, frame.ETH_P_IPV6, 'ipv6')
    this.jump('pass')
  }

  /** Asks for the VIP in the key: goes on for a shared one, with its header still at r8. */
  #judgeVip(): void {
    this.#lookUp(this.#maps.served, KEY)
    this.jumpIf(BPF_JEQ, R0, 0, 'pass')
    this.load(BPF_W, R1, R0, 0)
    this.jumpIf(BPF_JEQ, R1, WHOLE, 'redirect')
  }

  ipv4(): void {
    this.label('ipv4')
    this.#need(frame.IPV4_BYTES)
    this.#copy(16, KEY + servedKey.address, 1)
    this.store(BPF_B, R10, KEY + servedKey.family, 4)
    this.#judgeVip()
    this.#headerBytes4()
    this.load(BPF_B, R3, R8, 9)
    this.load(BPF_H, R4, R8, 6)
    this.swap(R4, 16)
    this.alu(BPF_AND, R4, frame.FRAGMENT_BITS)
    this.jumpIf(BPF_JEQ, R4, 0, 'whole4')
    this.#copy(12, FRAGMENT + fragmentKey.source, 1)
    this.#copy(16, FRAGMENT + fragmentKey.destination, 1)
    this.load(BPF_H, R1, R8, 4)
    this.store(BPF_W, R10, FRAGMENT + fragmentKey.identification, R1)
    this.store(BPF_W, R10, FRAGMENT + fragmentKey.protocol, R3)
    this.alu(BPF_AND, R4, frame.OFFSET_BITS)
    this.jumpIf(BPF_JNE, R4, 0, 'later')
    this.move(R9, 1)
    this.label('whole4')
    this.add(R8, R2)
    this.jumpIf(BPF_JNE, R3, frame.ICMP, 'protocol')
    this.jumpIf(BPF_JNE, R9, 0, 'pass')

    // An error quotes a packet that the VIP has sent: the port that it came from decides.
    this.#need(frame.ICMP_BYTES + frame.IPV4_BYTES)
    this.load(BPF_B, R1, R8, 0)
    for (const type of frame.ICMP_ERRORS) this.jumpIf(BPF_JEQ, R1, type, 'quoted4')
    this.jump('pass')
    this.label('quoted4')
    this.add(R8, frame.ICMP_BYTES)
    this.#headerBytes4()
    this.load(BPF_W, R1, R8, 12)
    this.load(BPF_W, R4, R10, KEY + servedKey.address)
    this.jumpIf32(BPF_JNE, R1, R4, 'pass')
    this.load(BPF_H, R1, R8, 6)
    this.swap(R1, 16)
    this.alu(BPF_AND, R1, frame.OFFSET_BITS)
    this.jumpIf(BPF_JNE, R1, 0, 'pass')
    this.load(BPF_B, R3, R8, 9)
    this.add(R8, R2)
    this.jump('quoted')
  }

  /** r2 = bytes of the IPv4 header at r8, which is the kernel's to judge if it is none. */
  #headerBytes4(): void {
    this.load(BPF_B, R2, R8, 0)
    this.move(R1, R2)
    this.alu(BPF_RSH, R1, 4)
    this.jumpIf(BPF_JNE, R1, 4, 'pass')
    this.alu(BPF_AND, R2, 15)
    this.alu(BPF_LSH, R2, 2)
    this.jumpIf(BPF_JLT, R2, frame.IPV4_BYTES, 'pass')
  }

  ipv6(): void {
    this.label('ipv6')
    this.#need(frame.IPV6_BYTES)
    this.load(BPF_B, R3, R8, 6)
    this.jumpIf(BPF_JNE, R3, frame.ICMPV6, 'vip6')
    this.move(R1, R8)
    this.add(R1, frame.IPV6_BYTES + 1)
    this.jumpIf(BPF_JGT, R1, R7, 'vip6')
    this.load(BPF_B, R1, R8, frame.IPV6_BYTES)
    this.jumpIf(BPF_JLT, R1, frame.ND_FIRST, 'vip6')
    this.jumpIf(BPF_JGT, R1, frame.ND_LAST, 'vip6')
    this.jump('pass')
    this.label('vip6')
    this.#copy(24, KEY + servedKey.address, 4)
    this.store(BPF_B, R10, KEY + servedKey.family, 6)
    this.#judgeVip()
    this.#copy(8, FRAGMENT + fragmentKey.source, 8)
    this.load(BPF_B, R3, R8, 6)
    this.add(R8, frame.IPV6_BYTES)
    for (let i = 0; i < frame.EXTENSIONS; i++) this.#walkExtension()
    this.jump('pass')

    this.label('icmpv6')
    this.jumpIf(BPF_JNE, R9, 0, 'pass')
    this.#need(frame.ICMP_BYTES + frame.IPV6_BYTES)
    this.load(BPF_B, R1, R8, 0)
    this.jumpIf(BPF_JGE, R1, frame.ICMPV6_INFORMATIONAL, 'pass')
    this.add(R8, frame.ICMP_BYTES)
    for (let i = 0; i < 4; i++) {
      this.load(BPF_W, R1, R8, 8 + i * 4)
      this.load(BPF_W, R4, R10, KEY + servedKey.address + i * 4)
      this.jumpIf32(BPF_JNE, R1, R4, 'pass')
    }
    this.load(BPF_B, R3, R8, 6)
    this.add(R8, frame.IPV6_BYTES)
    this.jump('quoted')
  }

  /** One header of kind r3 at r8: goes on behind it, or to where its kind is looked at. */
  #walkExtension(): void {
    const options = this.newLabel()
    const next = this.newLabel()
    for (const kind of frame.WALKED) this.jumpIf(BPF_JEQ, R3, kind, options)
    this.jumpIf(BPF_JEQ, R3, frame.ICMPV6, 'icmpv6')
    this.jumpIf(BPF_JNE, R3, frame.FRAGMENT_HEADER, 'protocol')

    this.#need(8)
    this.load(BPF_B, R3, R8, 0)
    this.load(BPF_H, R4, R8, 2)
    this.swap(R4, 16)
    this.alu(BPF_AND, R4, frame.FRAGMENT_BITS_6)
    this.#copy(4, FRAGMENT + fragmentKey.identification, 1)
    this.add(R8, 8)
    this.jumpIf(BPF_JEQ, R4, 0, next) // an atomic fragment (RFC 6946) is a whole packet
    this.alu(BPF_AND, R4, frame.OFFSET_BITS_6)
    this.jumpIf(BPF_JNE, R4, 0, 'later')
    this.move(R9, 1)
    this.jump(next)

    this.label(options)
    this.#need(8)
    this.load(BPF_B, R3, R8, 0)
    this.load(BPF_B, R2, R8, 1)
    this.add(R2, 1)
    this.alu(BPF_LSH, R2, 3)
    this.add(R8, R2)
    this.label(next)
  }

  transports(): void {
    // Protocol r3, its header at r8: the port that it goes to.
    this.label('protocol')
    this.#onlyServedProtocols('ports')
    this.label('ports')
    this.#need(frame.PORTS_BYTES)
    this.load(BPF_H, R1, R8, 2)
    this.jump('service')

    // The same of a quoted packet: the port that it came from.
    this.label('quoted')
    this.#onlyServedProtocols('source')
    this.label('source')
    this.#need(frame.PORTS_BYTES)
    this.load(BPF_H, R1, R8, 0)

    this.label('service')
    this.store(BPF_H, R10, KEY + servedKey.port, R1)
    this.store(BPF_B, R10, KEY + servedKey.protocol, R3)
    for (const isAnyPort of [false, true]) {
      const missing = isAnyPort ? 'leave' : this.newLabel()
      if (isAnyPort) this.store(BPF_H, R10, KEY + servedKey.port, 0)
      this.#lookUp(this.#maps.served, KEY)
      this.jumpIf(BPF_JEQ, R0, 0, missing)
      this.load(BPF_W, R1, R0, 0)
      this.jumpIf(BPF_JEQ, R1, WHOLE, 'take')
      if (!isAnyPort) this.label(missing)
    }
    this.jump('leave')

    // A fragment without ports.
    this.label('later')
    this.store(BPF_B, R10, KEY + servedKey.protocol, R3)
    this.#lookUp(this.#maps.fragments, FRAGMENT)
    this.jumpIf(BPF_JEQ, R0, 0, 'unknown')
    this.load(BPF_W, R1, R0, 0)
    this.jumpIf(BPF_JEQ, R1, TAKEN, 'redirect')
    this.jump('pass')
    this.label('unknown')
    this.#lookUp(this.#maps.served, KEY)
    this.jumpIf(BPF_JEQ, R0, 0, 'pass')
    this.jump('redirect')
  }

  #onlyServedProtocols(target: string): void {
    for (const protocol of frame.TRANSPORTS) this.jumpIf(BPF_JEQ, R3, protocol, target)
    this.jump('pass')
  }

  endings({ workers = 1, tagFunction }: ProgramOptions): void {
    this.label('take')
    this.#remember(TAKEN)
    this.label('redirect')
    if (workers > 1) chooseWorker(this, this.#maps.grain, workers, VALUE)
    if (tagFunction !== undefined) restoreTag(this, tagFunction, VALUE)
    this.loadMap(R1, this.#maps.sockets)
    this.load(BPF_W, R2, R6, xdp_md.rx_queue_index)
    if (workers > 1) {
      this.alu(BPF_MUL, R2, workers)
      this.add(R2, R9)
    }
    this.move(R3, XDP_PASS) // what becomes of it on a queue that has no socket
    this.call(BPF_FUNC_redirect_map)
    this.exit()
    this.label('leave')
    this.#remember(LEFT)
    this.label('pass')
    this.exitWith(XDP_PASS)
  }

  /** Where a first fragment went, for those that follow it. */
  #remember(where: number): void {
    const done = this.newLabel()
    this.jumpIf(BPF_JEQ, R9, 0, done)
    this.store(BPF_DW, R10, VALUE, where)
    this.loadMap(R1, this.#maps.fragments)
    this.move(R2, R10)
    this.add(R2, FRAGMENT)
    this.move(R3, R10)
    this.add(R3, VALUE)
    this.move(R4, 0)
    this.call(BPF_FUNC_map_update_elem)
    this.label(done)
  }
}
