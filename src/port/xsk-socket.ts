/**
 * One AF_XDP socket: one receive queue of an interface, or one worker's part of it, and the way out
 * through it.
 *
 * A frame's chunk goes round:
 *
 *      free --> fill --> (kernel) --> rx --> a batch --+--> tx --> (kernel) --> completion --> free
 *                                                      +--> free, if it is not forwarded
 *
 * and may leave by another socket than it came in by: all sockets share the umem. The fill and
 * completion rings are those of the queue: where each of several workers has a socket for it, one
 * of them serves these two, and the queue is at home there.
 */
import {
  AF_XDP,
  SOL_XDP,
  XDP_COPY,
  XDP_MAX_TX_SKB_BUDGET,
  XDP_MMAP_OFFSETS,
  XDP_OPTIONS,
  XDP_OPTIONS_ZEROCOPY,
  XDP_PGOFF_RX_RING,
  XDP_PGOFF_TX_RING,
  XDP_RX_RING,
  XDP_SHARED_UMEM,
  XDP_STATISTICS,
  XDP_TX_RING,
  XDP_UMEM_COMPLETION_RING,
  XDP_UMEM_FILL_RING,
  XDP_UMEM_PGOFF_COMPLETION_RING,
  XDP_UMEM_PGOFF_FILL_RING,
  XDP_UMEM_REG,
  XDP_USE_NEED_WAKEUP,
  xdp_mmap_offsets,
  xdp_statistics,
  xdp_umem_reg,
  xdpAddress,
} from '../native/if-xdp.js'
import {
  bind,
  check,
  close,
  errno,
  errnoOf,
  getsockopt,
  recv,
  SystemCallError,
  sendto,
  setsockopt,
  socket,
} from '../native/libc.js'
import {
  MSG_DONTWAIT,
  SO_BUSY_POLL,
  SO_BUSY_POLL_BUDGET,
  SO_PREFER_BUSY_POLL,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_SOCKET,
  setOption,
  tryOption,
} from '../native/socket.js'
import { CHUNK } from '../native/umem-chunk.js'
import { type Umem, type UmemPlan, umemBytes } from './umem.js'
import { ConsumerRing, ProducerRing } from './xsk-ring.js'

const EBUSY = errnoOf('EBUSY')
const ENETDOWN = errnoOf('ENETDOWN')
const ENXIO = errnoOf('ENXIO')
const ENOBUFS = errnoOf('ENOBUFS')
/** Frames that one call may send. The kernel refuses more than the ring has. */
const SEND_BUDGET = 256
/** Frames that the kernel takes from a device in one go when it polls busily. */
const BUSY_POLL_BUDGET = 64
/** The fill ring is filled up when an eighth of it was used. */
const REFILL_SHIFT = 3
/** Calls in a row that change nothing before the rest is left for later. */
const FRUITLESS_CALLS_MAX = 2

/** A socket that is bound: plain data, for the thread that is to use it. */
export interface XskPlace {
  readonly fd: number
  readonly queue: number
  /** Of the fill and rx rings, and of the completion and tx rings. */
  readonly entries: number
  readonly sendEntries: number
  /** Where the counters lie in the rings. */
  readonly offsets: BigUint64Array
  /** Whether the fill and completion rings of the queue are this one's to serve. */
  readonly isHome: boolean
  readonly canSend: boolean
  readonly isZeroCopy: boolean
}

export interface XskOptions {
  readonly interface: string
  readonly index: number
  readonly queue: number
  /** Of the fill and rx rings, and of the completion and tx rings; powers of two. */
  readonly entries: number
  readonly sendEntries: number
  /** Have the kernel copy frames, where the device could write them itself. */
  readonly copy: boolean
  /** Microseconds for which a call may poll the device; 0 leaves that to interrupts. */
  readonly busyPollMicroseconds: number
  readonly canSend: boolean
  /** The socket that has the fill and completion rings of the queue; none: this one. */
  readonly home: XskPlace | undefined
  /** A socket that has the umem; none: this one is the first of all. */
  readonly sharing: XskPlace | undefined
}

/** Opens a socket: chunks of `umem` lie in its fill ring before the device looks for any. */
export function openXsk(plan: UmemPlan, umem: Umem, options: XskOptions): XskPlace {
  const { queue, entries, sendEntries, canSend, home, sharing } = options
  const where = `${options.interface}, queue ${queue}`
  const fd = check(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), 'socket AF_XDP', where)
  try {
    if (sharing === undefined) registerUmem(fd, plan, where)
    const setRing = (option: number, size: number, name: string) =>
      setOption(fd, SOL_XDP, option, size, `${name} (${where})`)
    if (home === undefined) {
      setRing(XDP_UMEM_FILL_RING, entries, 'XDP_UMEM_FILL_RING')
      setRing(XDP_UMEM_COMPLETION_RING, sendEntries, 'XDP_UMEM_COMPLETION_RING')
    }
    setRing(XDP_RX_RING, entries, 'XDP_RX_RING')
    if (canSend) setRing(XDP_TX_RING, sendEntries, 'XDP_TX_RING')
    const offsets = readOffsets(fd, where)
    // Refused by kernels before 6.17, which then send 32 frames a call.
    tryOption(fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, SEND_BUDGET)
    const { busyPollMicroseconds } = options
    if (busyPollMicroseconds > 0) pollBusily(fd, busyPollMicroseconds, where)
    if (home === undefined) fillFirst({ fd, offsets, entries }, umem, where)
    bindTo(fd, options, where)
    const isZeroCopy = readZeroCopy(fd, where)
    const isHome = home === undefined
    return { fd, queue, entries, sendEntries, offsets, isHome, canSend, isZeroCopy }
  } catch (error) {
    close(fd)
    throw error
  }
}

function fillFirst(
  { fd, offsets, entries }: Pick<XskPlace, 'fd' | 'offsets' | 'entries'>,
  umem: Umem,
  where: string,
): void {
  const ring = new ProducerRing(fd, 'fr', offsets, XDP_UMEM_PGOFF_FILL_RING, entries, where)
  umem.takeTo(ring, entries)
  ring.submit()
  ring.close()
}

function bindTo(fd: number, options: XskOptions, where: string): void {
  const { sharing, index, queue, copy } = options
  const flags =
    sharing === undefined ? XDP_USE_NEED_WAKEUP | (copy ? XDP_COPY : 0) : XDP_SHARED_UMEM
  const address = xdpAddress(index, queue, flags, sharing?.fd)
  if (bind(fd, address, address.length) === 0) return
  const code = errno()
  const hint =
    code === EBUSY
      ? 'another AF_XDP socket has this queue: stop that program, or use --engine af_packet'
      : undefined
  throw new SystemCallError('bind AF_XDP', code, where, hint)
}

export class XskSocket {
  readonly fd: number
  readonly queue: number
  readonly isHome: boolean
  readonly rx: ConsumerRing
  /** Null in a socket that only receives. */
  readonly tx: ProducerRing | null = null
  /** Null where another worker serves them. */
  readonly fill: ProducerRing | null = null
  readonly completion: ConsumerRing | null = null
  /** The interface is down: what is to leave by it is refused. */
  isDown = false
  /** Frames that the device dropped on their way out. */
  sendErrors = 0
  /** Frames that were received since the fill ring was filled up. */
  #taken = 0
  /** Frames on their way out, whose chunks have not come back. */
  #outside = 0
  /** Some of them the kernel has not even taken from the ring. */
  hasUnsent = false
  readonly #umem: Umem
  readonly #nothing = new Uint8Array(0)
  readonly #statistics = new Uint32Array(xdp_statistics.size / 4)
  readonly #statisticsBytes = new Uint32Array(1)
  #drops = 0

  constructor(umem: Umem, place: XskPlace, where: string) {
    const { fd, offsets, entries, sendEntries } = place
    this.#umem = umem
    this.queue = place.queue
    this.fd = fd
    this.isHome = place.isHome
    const rings: { close(): void }[] = []
    const keep = <R extends { close(): void }>(ring: R): R => {
      rings.push(ring)
      return ring
    }
    const page = { fill: XDP_UMEM_PGOFF_FILL_RING, completion: XDP_UMEM_PGOFF_COMPLETION_RING }
    try {
      this.rx = keep(new ConsumerRing(fd, 'rx', offsets, XDP_PGOFF_RX_RING, entries, where))
      if (place.canSend) {
        this.tx = keep(new ProducerRing(fd, 'tx', offsets, XDP_PGOFF_TX_RING, sendEntries, where))
      }
      if (place.isHome) {
        this.fill = keep(new ProducerRing(fd, 'fr', offsets, page.fill, entries, where))
        this.completion = keep(
          new ConsumerRing(fd, 'cr', offsets, page.completion, sendEntries, where),
        )
      }
    } catch (error) {
      for (const ring of rings) ring.close()
      throw error
    }
  }

  /** Describes the next frames to the arrays, at most `most`; how many there are. */
  take(most: number, offset: Int32Array, length: Int32Array): number {
    const waiting = this.rx.waiting()
    if (waiting === 0) return 0
    const count = Math.min(waiting, most)
    this.rx.takeFrames(count, offset, length)
    this.rx.release()
    this.#taken += count
    return count
  }

  /** Whether more than `most` frames were sent whose chunks another worker gets; then anew. */
  hasSentAway(most: number): boolean {
    if (this.isHome || (this.#outside <= most && !this.hasUnsent)) return false
    this.#outside = 0
    return true
  }

  /**
   * Puts the frames at indices `from` to `to` into the tx ring; how many of them, the first ones:
   * there may be no room for all, or no interface.
   */
  push(offset: Int32Array, length: Int32Array, from: number, to: number): number {
    const { tx } = this
    if (tx === null || this.isDown) return 0
    const count = Math.min(to - from, tx.room(to - from))
    tx.pushFrames(offset, length, from, from + count)
    this.#outside += count
    return count
  }

  /** Hands what was pushed to the kernel, and takes back the chunks of what has left. */
  send(): void {
    if (this.tx === null) return
    if (this.tx.submit() || this.hasUnsent) this.kick()
    if (this.#outside > 0) this.reap()
  }

  /** Takes back the chunks of frames that have left. */
  reap(): void {
    const { completion } = this
    if (completion === null) return // `hasSentAway`
    const count = completion.waiting()
    if (count === 0) return
    this.#outside -= count
    this.#umem.giveFrom(completion, count)
    completion.release()
  }

  /**
   * Gives the kernel free chunks in the place of those that frames came in, if it has had so many
   * that this is worth it: its counter lies in a cache line that the other side writes.
   */
  refillIfNeeded(): void {
    if (this.#taken >= this.rx.size >> REFILL_SHIFT) this.refill()
  }

  /** The same where other workers, too, receive what lay in the fill ring. */
  refillIfWorthwhile(): void {
    const { fill } = this
    if (fill === null) return
    const eighth = fill.size >> REFILL_SHIFT
    if (this.#umem.freeCount >= eighth && fill.room(eighth) >= eighth) this.refill()
  }

  /** Gives the kernel as many free chunks as it has room for. */
  refill(): void {
    const { fill } = this
    if (fill === null) return
    const umem = this.#umem
    this.#taken = 0
    umem.takeTo(fill, Math.min(fill.room(fill.size), umem.freeCount))
    if (fill.submit() && fill.needsWakeup) recv(this.fd, this.#nothing, 0, MSG_DONTWAIT)
  }

  /** Has the device polled: with busy polling it is we who drive it. */
  poll(): void {
    recv(this.fd, this.#nothing, 0, MSG_DONTWAIT)
  }

  /** Has the kernel send what was submitted. What it can't take now waits for the next call. */
  kick(): void {
    const { tx } = this
    if (tx === null) return
    let left = tx.pending()
    let fruitless = 0
    this.hasUnsent = true
    while (left > 0) {
      if (!tx.needsWakeup) return
      const sent = sendto(this.fd, this.#nothing, 0, MSG_DONTWAIT, null, 0)
      const error = sent === 0 ? 0 : errno()
      if (error === ENETDOWN || error === ENXIO) {
        this.isDown = true
        return
      }
      // The device dropped one: it is completed like those that were sent.
      if (error === EBUSY) this.sendErrors++
      this.isDown = false
      const before = left
      left = tx.pending()
      if (left > 0) this.reap() // a full completion ring stops the sender, too
      fruitless = left === before ? fruitless + 1 : 0
      if (fruitless === FRUITLESS_CALLS_MAX) return
    }
    this.hasUnsent = false
  }

  /** Whether the interface, which was down, takes frames again. */
  retry(): void {
    this.isDown = sendto(this.fd, this.#nothing, 0, MSG_DONTWAIT, null, 0) !== 0
    if (this.isDown && errno() !== ENETDOWN && errno() !== ENXIO) this.isDown = false
  }

  /** Frames that found no room since the last time this was asked. A system call. */
  takeDrops(): number {
    this.#statisticsBytes[0] = xdp_statistics.size
    const statistics = this.#statistics
    if (getsockopt(this.fd, SOL_XDP, XDP_STATISTICS, statistics, this.#statisticsBytes) !== 0) {
      return 0
    }
    const total =
      statistics[xdp_statistics.rx_dropped >> 2] + statistics[xdp_statistics.rx_ring_full >> 2]
    const drops = total - this.#drops
    this.#drops = total
    return drops
  }

  /** The descriptor stays: it belongs to whoever opened it. */
  close(): void {
    for (const ring of [this.rx, this.tx, this.fill, this.completion]) ring?.close()
  }
}

function registerUmem(fd: number, plan: UmemPlan, where: string): void {
  const bytes = umemBytes(plan)
  const request = new BigUint64Array(xdp_umem_reg.size / 8)
  request[xdp_umem_reg.addr >> 3] = BigInt(plan.address)
  request[xdp_umem_reg.len >> 3] = BigInt(bytes)
  const words = new Uint32Array(request.buffer)
  words[xdp_umem_reg.chunk_size >> 2] = plan.chunkBytes
  words[xdp_umem_reg.headroom >> 2] = CHUNK.headroom
  if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, request, xdp_umem_reg.size) === 0) return
  const code = errno()
  const megabytes = Math.ceil(bytes / 2 ** 20)
  const hint =
    code === ENOBUFS
      ? `it pins ${megabytes} MiB: raise the limit (\`ulimit -l\`, LimitMEMLOCK=) or give it CAP_IPC_LOCK`
      : undefined
  throw new SystemCallError('setsockopt XDP_UMEM_REG', code, where, hint)
}

function readOffsets(fd: number, where: string): BigUint64Array {
  const offsets = new BigUint64Array(xdp_mmap_offsets.size / 8)
  const bytes = Uint32Array.of(xdp_mmap_offsets.size)
  const got = getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, offsets, bytes)
  check(got, 'getsockopt XDP_MMAP_OFFSETS', where)
  if (bytes[0] !== xdp_mmap_offsets.size) {
    throw new Error(`this kernel's AF_XDP is too old (${where}); Linux 5.10 or later is needed`)
  }
  return offsets
}

function readZeroCopy(fd: number, where: string): boolean {
  const flags = new Uint32Array(1)
  const got = getsockopt(fd, SOL_XDP, XDP_OPTIONS, flags, Uint32Array.of(4))
  check(got, 'getsockopt XDP_OPTIONS', where)
  return (flags[0] & XDP_OPTIONS_ZEROCOPY) !== 0
}

function pollBusily(fd: number, microseconds: number, where: string): void {
  setOption(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, 1, `SO_PREFER_BUSY_POLL (${where})`)
  setOption(fd, SOL_SOCKET, SO_BUSY_POLL, microseconds, `SO_BUSY_POLL (${where})`)
  setOption(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, BUSY_POLL_BUDGET, `SO_BUSY_POLL_BUDGET (${where})`)
}
