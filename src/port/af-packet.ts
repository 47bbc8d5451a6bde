/**
 * The port that works everywhere: packet sockets with a mapped receive ring (packet(7)).
 *
 *             PacketRing                              SendVector
 *   wire --> +-----------+  receive() --> Batch       +---------+  one sendmmsg per arm
 *            | frames    |                  |         | iovecs -+--> into the ring itself
 *            +-----------+  settle() <------+-------->+---------+ --> wire
 *
 * A frame lies in the ring from the moment the kernel copied it there until the kernel has copied
 * it out again: in between this program copies no byte of it. Each frame keeps the virtio header
 * that the kernel wrote before it (PACKET_VNET_HDR), and leaves with it. So an aggregate (GRO)
 * stays an aggregate, and a checksum that the sender left to its hardware is computed where it
 * leaves: this is what makes TCP work over veth.
 *
 * What the frame's sockets do not see: frames that we send ourselves (PACKET_IGNORE_OUTGOING), and
 * frames that concern nobody we serve (`bpf-filter.ts`). The kernel's own stack sees all of them
 * too: `daemon/guard.ts` keeps it from answering.
 *
 * The socket that receives also sends. PACKET_QDISC_BYPASS on a second one was measured and left
 * out: over veth it was no quicker (1.8 µs of CPU time a frame against 1.7, 60 bytes, relay pinned
 * to a core), it drops aggregates that the device can't cut itself, it hides what leaves from
 * tcpdump, and two ways out would put the frames of a flow out of order.
 *
 * Three limits of the kernel, known and accepted. The ring hands over a block when it is full or
 * after a millisecond: at low rates a frame waits that long (a ping through two arms takes 1.7 ms).
 * SCTP aggregates (veth makes them) can't be expressed in a virtio header: the kernel drops them as
 * if the ring were full. Nor can a CRC32c that an SCTP sender on veth left to hardware: between
 * veth pairs nobody looks at it, a real card would fill in the wrong kind of sum.
 */
import { Batch } from '../engine/batch.js'
import {
  type Arm,
  Outbox,
  type Port,
  type PortCounters,
  type Share,
  type SharedVip,
} from '../engine/port.js'
import { ACTION, FORWARD } from '../engine/verdict.js'
import { attachFilter } from '../native/filter.js'
import {
  ARPHRD_ETHER,
  ARPHRD_LOOPBACK,
  ETH_P_ALL,
  linkAddress,
  PACKET_IGNORE_OUTGOING,
  PACKET_VERSION,
  PACKET_VNET_HDR,
  SOL_PACKET,
  TPACKET_V3,
} from '../native/if-packet.js'
import { readInterface } from '../native/interfaces.js'
import { addressOf, bind, check, close, socket } from '../native/libc.js'
import {
  AF_PACKET,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_SOCKET,
  setOption,
  tryOption,
} from '../native/socket.js'
import { virtio_net_hdr } from '../native/virtio-net.js'
import {
  coarseFilter,
  coarseLinkFilter,
  linkFilter,
  rejectingFilter,
  servingFilter,
} from './bpf-filter.js'
import { PacketRing } from './packet-ring.js'
import { PollSet } from './poll-set.js'
import { SendVector } from './send-vector.js'

export interface AfPacketOptions {
  /** The arms, by name, in the order of their indices. */
  readonly interfaces: readonly string[]
  /** A descriptor (`Wakeup.fd`) that ends `wait()` when it becomes readable. */
  readonly wakeFd?: number
  /**
   * Bytes of a block of the ring: a multiple of the page, a power of two, and larger than the
   * largest frame. The default holds an aggregate of 64 KiB with its headers.
   */
  readonly blockBytes?: number
  /** Blocks in the ring of each arm. */
  readonly blocks?: number
  /** Frames in a batch, at most. */
  readonly batch?: number
  /** False: work without virtio headers, as on a kernel that refuses them. */
  readonly virtio?: boolean
  /** ARP and neighbour discovery only: an XDP program has the rest (`af-xdp.ts`). */
  readonly isLinkOnly?: boolean
}

const BLOCK_BYTES = 128 * 1024
const BLOCKS = 128
const BATCH = 256
const OUTBOX_SLOTS = 256
/** An ICMP error or an ARP packet, and a whole frame of the usual MTU that waited. */
const OUTBOX_SLOT_BYTES = 2048
/** Bytes of frames on their way out that the kernel keeps for a socket before it refuses more. */
const SEND_BUFFER_BYTES = 8 * 1024 * 1024
/** The kernel's drop counters are read once in so many batches, and when nothing comes. */
const STATISTICS_EVERY = 1024

/** Opens packet sockets on the interfaces. Nothing is received until `serve()` is called. */
export function openAfPacket(options: AfPacketOptions): AfPacketPort {
  return new AfPacketPort(options)
}

/** One arm: its socket, its ring, and the one batch that goes back and forth. */
class PacketArm implements Arm {
  readonly name: string
  readonly macHigh: number
  readonly macLow: number
  readonly mtu: number
  readonly superframes: boolean
  readonly ring: PacketRing
  readonly batch: Batch
  /** 1 where a frame of the batch can't be sent on as it was. */
  readonly unsendable: Uint8Array
  /** Messages that leave by this arm with the batch that is being settled. */
  readonly leaving: SendVector
  readonly fd: number

  constructor(name: string, options: AfPacketOptions) {
    const found = readInterface(name)
    if (found.hardwareType !== ARPHRD_ETHER && found.hardwareType !== ARPHRD_LOOPBACK) {
      throw new Error(
        `${name} does not carry Ethernet frames (hardware type ${found.hardwareType}); ` +
          'choose an Ethernet interface, `ip link` lists them',
      )
    }
    this.name = name
    this.macHigh = found.macHigh
    this.macLow = found.macLow
    this.mtu = found.mtu
    const capacity = options.batch ?? BATCH
    this.fd = openSocket(name)
    let ring: PacketRing | undefined
    try {
      setOption(this.fd, SOL_PACKET, PACKET_VERSION, TPACKET_V3, `PACKET_VERSION (${name})`)
      this.superframes =
        options.virtio !== false && tryOption(this.fd, SOL_PACKET, PACKET_VNET_HDR, 1)
      setOption(this.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, `PACKET_IGNORE_OUTGOING (${name})`)
      // Before the socket is bound: no frame can get in that no filter has seen.
      attachFilter(this.fd, rejectingFilter(), name)
      enlargeSendBuffer(this.fd)
      ring = new PacketRing(
        this.fd,
        options.blockBytes ?? BLOCK_BYTES,
        options.blocks ?? BLOCKS,
        this.superframes ? virtio_net_hdr.size : 0,
        name,
      )
      bindTo(this.fd, found.index, ETH_P_ALL, name)
    } catch (error) {
      ring?.close()
      close(this.fd)
      throw error
    }
    this.ring = ring
    this.batch = new Batch(this.ring.buffer, capacity)
    this.unsendable = new Uint8Array(capacity)
    this.leaving = new SendVector(capacity, 1)
  }

  close(): void {
    // Whoever still holds the batch finds it empty instead of reading unmapped memory.
    const nothing = new ArrayBuffer(0)
    this.batch.count = 0
    this.batch.view = new DataView(nothing)
    this.batch.bytes = new Uint8Array(nothing)
    this.ring.close()
    close(this.fd)
  }
}

export class AfPacketPort implements Port {
  readonly name = 'af_packet'
  readonly arms: readonly PacketArm[]
  readonly outbox: Outbox
  readonly counters: PortCounters = { ringDrops: 0, sendErrors: 0 }
  readonly #virtioBytes: number
  /** One message per slot of the outbox. */
  readonly #outgoing: SendVector
  readonly #outboxAddress: number
  /** A virtio header that says nothing, before each frame of our own. */
  readonly #nothing = new Uint8Array(virtio_net_hdr.size)
  readonly #sleep: PollSet
  readonly #isLinkOnly: boolean
  #lastArm = 0
  #batchesUntilStatistics = STATISTICS_EVERY
  #isOpen = true

  constructor(options: AfPacketOptions) {
    if (options.interfaces.length === 0) throw new Error('no interface was named; give one with -i')
    const arms: PacketArm[] = []
    try {
      for (const name of options.interfaces) arms.push(new PacketArm(name, options))
    } catch (error) {
      for (const arm of arms) arm.close()
      throw error
    }
    this.arms = arms
    // The virtio header is a property of the whole port: a frame of one arm leaves by another.
    const virtio = arms.every((arm) => arm.superframes)
    if (!virtio && arms.some((arm) => arm.superframes)) {
      for (const arm of arms) arm.close()
      throw new Error('some of the interfaces refuse PACKET_VNET_HDR; open them without `virtio`')
    }
    this.#virtioBytes = virtio ? virtio_net_hdr.size : 0

    const memory = new ArrayBuffer(OUTBOX_SLOTS * OUTBOX_SLOT_BYTES)
    this.outbox = new Outbox(memory, OUTBOX_SLOTS, OUTBOX_SLOT_BYTES)
    this.#outboxAddress = addressOf(memory)
    this.#outgoing = new SendVector(OUTBOX_SLOTS, virtio ? 2 : 1)
    for (let slot = 0; virtio && slot < OUTBOX_SLOTS; slot++) {
      this.#outgoing.set(slot, 0, addressOf(this.#nothing), virtio_net_hdr.size)
    }

    this.#isLinkOnly = options.isLinkOnly ?? false
    this.#sleep = new PollSet(this.descriptors, options.wakeFd)
  }

  /** The sockets, for whoever sleeps on them beside others. */
  get descriptors(): number[] {
    return this.arms.map((arm) => arm.fd)
  }

  /** That of the first arm, which clients are behind if there are two. */
  get usual(): Batch {
    return this.arms[0].batch
  }

  receive(): Batch {
    const arms = this.arms
    let arm = arms[this.#lastArm]
    for (let tried = 0; tried < arms.length; tried++) {
      // The arm after the last one that had something: a busy arm does not starve the others.
      this.#lastArm = this.#lastArm + 1 === arms.length ? 0 : this.#lastArm + 1
      arm = arms[this.#lastArm]
      arm.ring.fill(arm.batch, arm.unsendable)
      arm.batch.arm = this.#lastArm
      if (arm.batch.count > 0) break
    }
    return arm.batch
  }

  settle(batch: Batch): void {
    const arrival = this.arms[batch.arm]
    const base = arrival.ring.address - this.#virtioBytes
    for (let i = 0; i < batch.count; i++) {
      if (ACTION[batch.verdict[i]] !== FORWARD) continue
      if (arrival.unsendable[i] !== 0) {
        this.counters.sendErrors++
        continue
      }
      const arm = this.arms[batch.egress[i]]
      arm.leaving.push(base + batch.offset[i], batch.length[i] + this.#virtioBytes)
    }
    for (let i = 0; i < this.arms.length; i++) {
      const arm = this.arms[i]
      if (arm.leaving.count === 0) continue
      this.counters.sendErrors += arm.leaving.send(arm.fd, 0, arm.leaving.count)
      arm.leaving.count = 0
    }
    batch.count = 0
    arrival.ring.release()
    this.flush()
    if (--this.#batchesUntilStatistics === 0) this.#readStatistics()
  }

  flush(): void {
    const { count, egress, length, slotBytes } = this.outbox
    let first = 0
    for (let slot = 0; slot < count; slot++) {
      const part = this.#virtioBytes > 0 ? 1 : 0
      this.#outgoing.set(slot, part, this.#outboxAddress + slot * slotBytes, length[slot])
      // A run of slots that leave by the same arm is one call.
      if (slot + 1 < count && egress[slot + 1] === egress[slot]) continue
      const { fd } = this.arms[egress[slot]]
      this.counters.sendErrors += this.#outgoing.send(fd, first, slot + 1)
      first = slot + 1
    }
    this.outbox.count = 0
  }

  wait(ms: number): void {
    for (let i = 0; i < this.arms.length; i++) if (this.arms[i].ring.isPartlyRead) return
    if (!this.#sleep.wait(ms)) this.#readStatistics()
  }

  serve(vips: readonly string[], _shared?: readonly SharedVip[], share?: Share): void {
    const [program, coarse] = this.#isLinkOnly
      ? [linkFilter(vips, share), () => coarseLinkFilter(share)]
      : [servingFilter(vips, share), () => coarseFilter(share)]
    for (const arm of this.arms) {
      try {
        attachFilter(arm.fd, program, arm.name)
      } catch {
        // Longer than net.core.optmem_max allows: the coarse one is correct too, only dearer.
        attachFilter(arm.fd, coarse(), arm.name)
      }
    }
  }

  occupancy(): number {
    let fullest = 0
    for (let i = 0; i < this.arms.length; i++) {
      fullest = Math.max(fullest, this.arms[i].ring.occupancy)
    }
    return fullest
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    for (const arm of this.arms) arm.close()
  }

  #readStatistics(): void {
    this.#batchesUntilStatistics = STATISTICS_EVERY
    for (let i = 0; i < this.arms.length; i++) {
      this.counters.ringDrops += this.arms[i].ring.takeDrops()
    }
  }
}

function openSocket(name: string): number {
  // Protocol 0: the socket receives nothing before it is bound.
  return check(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), 'socket AF_PACKET', name)
}

function bindTo(fd: number, index: number, protocol: number, name: string): void {
  const address = linkAddress(AF_PACKET, index, protocol)
  check(bind(fd, address, address.length), 'bind', name)
}

/** Beyond the system's limit if we may (CAP_NET_ADMIN), else as far as it goes. */
function enlargeSendBuffer(fd: number): void {
  if (tryOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES)) return
  tryOption(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES)
}
