/**
 * The four rings that we share with the kernel (`native/if-xdp.ts` says what each is for). One side
 * produces, the other consumes; both counters only grow, and wrap as 32-bit numbers do:
 *
 *                    consumer            producer
 *                       v                   v
 *      +----+----+----+----+----+----+----+----+----+----+
 *      |    |    |    | ## | ## | ## | ## |    |    |    |        entry i at i & (size - 1)
 *      +----+----+----+----+----+----+----+----+----+----+
 *
 * A producer first writes entries, then publishes them all by one store of its counter; a consumer
 * first loads that counter, then reads. Atomics give both the order that this needs (acquire and
 * release). Each side keeps a copy of the other's counter, and looks again only when the copy says
 * that there is nothing to do: the real one lies in a cache line that the other side writes.
 *
 * Addresses have 64 bits in the rings. An umem is smaller than 4 GiB, so that the upper half is
 * always zero: it is never read, and written once, when the ring is made.
 */
import {
  XDP_RING_NEED_WAKEUP,
  xdp_desc,
  xdp_mmap_offsets,
  xdp_ring_offset,
} from '../native/if-xdp.js'
import { MAP_POPULATE, MAP_SHARED, type Mapping, map, unmap } from '../native/mapping.js'

/** Which of the structures in `xdp_mmap_offsets` describes a ring. */
export type RingName = 'rx' | 'tx' | 'fr' | 'cr'

/** Words of an entry: descriptors of rx and tx, addresses in fill and completion. */
const WORDS_PER_ADDRESS = 2
const WORDS_PER_DESCRIPTOR = xdp_desc.size >> 2
const LENGTH = xdp_desc.len >> 2

/** What both sides of a ring have in common: the mapping, and where its words are. */
class MappedRing {
  readonly words: Int32Array
  readonly producer: number
  readonly consumer: number
  readonly flags: number
  readonly entries: number
  readonly mask: number
  readonly size: number
  readonly #mapping: Mapping

  /** `offsets`: what XDP_MMAP_OFFSETS said of all rings of the socket. */
  constructor(
    fd: number,
    name: RingName,
    offsets: BigUint64Array,
    pageOffset: number,
    size: number,
    where: string,
  ) {
    const field = (offset: number) => Number(offsets[(xdp_mmap_offsets[name] + offset) >> 3])
    const entries = field(xdp_ring_offset.desc)
    const words = name === 'rx' || name === 'tx' ? WORDS_PER_DESCRIPTOR : WORDS_PER_ADDRESS
    const bytes = entries + size * words * 4
    const flags = MAP_SHARED | MAP_POPULATE
    this.#mapping = map(fd, bytes, flags, `${name} ring of ${where}`, pageOffset)
    this.words = new Int32Array(this.#mapping.buffer)
    this.producer = field(xdp_ring_offset.producer) >> 2
    this.consumer = field(xdp_ring_offset.consumer) >> 2
    this.flags = field(xdp_ring_offset.flags) >> 2
    this.entries = entries >> 2
    this.size = size
    this.mask = size - 1
  }

  /** Nobody may touch the ring after this. */
  close(): void {
    unmap(this.#mapping)
  }
}

/** Fill and tx: we write entries, the kernel takes them. */
export class ProducerRing extends MappedRing {
  /** Entries written; those before `#published` are the kernel's. Another thread may have begun. */
  #next = Atomics.load(this.words, this.producer)
  #published = this.#next
  /** The kernel's counter, as we saw it last. */
  #seen = Atomics.load(this.words, this.consumer)

  /** Entries that there is room for; looks at the kernel's counter if fewer than `wanted`. */
  room(wanted: number): number {
    const room = this.size - ((this.#next - this.#seen) | 0)
    if (room >= wanted) return room
    this.#seen = Atomics.load(this.words, this.consumer)
    return this.size - ((this.#next - this.#seen) | 0)
  }

  /** Writes the addresses at indices `from` to `to`. There must be room for all. */
  pushAddresses(addresses: Int32Array, from: number, to: number): void {
    const { words, entries, mask } = this
    let next = this.#next
    for (let i = from; i < to; i++) {
      words[entries + (next & mask) * WORDS_PER_ADDRESS] = addresses[i]
      next = (next + 1) | 0
    }
    this.#next = next
  }

  /** Writes where the frames at indices `from` to `to` are. There must be room for all. */
  pushFrames(offset: Int32Array, length: Int32Array, from: number, to: number): void {
    const { words, entries, mask } = this
    let next = this.#next
    for (let i = from; i < to; i++) {
      const at = entries + (next & mask) * WORDS_PER_DESCRIPTOR
      words[at] = offset[i]
      words[at + LENGTH] = length[i]
      next = (next + 1) | 0
    }
    this.#next = next
  }

  /** Hands what was written to the kernel; whether there was anything. */
  submit(): boolean {
    if (this.#next === this.#published) return false
    this.#published = this.#next
    // Releases: the entries are there before the kernel sees that they are.
    Atomics.store(this.words, this.producer, this.#next)
    return true
  }

  /** Entries that the kernel has not taken yet. */
  pending(): number {
    this.#seen = Atomics.load(this.words, this.consumer)
    return (this.#published - this.#seen) | 0
  }

  /** Whether the kernel waits to be called. */
  get needsWakeup(): boolean {
    return (this.words[this.flags] & XDP_RING_NEED_WAKEUP) !== 0
  }
}

/** Rx and completion: the kernel writes entries, we take them. */
export class ConsumerRing extends MappedRing {
  /** Entries taken; those before `#released` the kernel may write again. */
  #next = 0
  #released = 0
  /** The kernel's counter, as we saw it last. */
  #seen = 0

  /** Entries that wait, as far as it is known without or after a look at the kernel's counter. */
  waiting(): number {
    const known = (this.#seen - this.#next) | 0
    if (known > 0) return known
    // A plain look first, as most are in vain: an atomic one is a call into V8.
    if (this.words[this.producer] === this.#seen) return 0
    // Acquires: what the counter counts is there when we read it.
    this.#seen = Atomics.load(this.words, this.producer)
    return (this.#seen - this.#next) | 0
  }

  /** How much of the ring waits for us now, 0 to 1. */
  get occupancy(): number {
    const waiting = (Atomics.load(this.words, this.producer) - this.#released) | 0
    return waiting / this.size
  }

  /** Copies the next `count` addresses to the array, from index `to` on. There must be so many. */
  takeAddresses(count: number, addresses: Int32Array, to: number): void {
    const { words, entries, mask } = this
    let next = this.#next
    for (let i = to; i < to + count; i++) {
      addresses[i] = words[entries + (next & mask) * WORDS_PER_ADDRESS]
      next = (next + 1) | 0
    }
    this.#next = next
  }

  /** Copies the next `count` frames' places to the arrays. There must be so many. */
  takeFrames(count: number, offset: Int32Array, length: Int32Array): void {
    const { words, entries, mask } = this
    let next = this.#next
    for (let i = 0; i < count; i++) {
      const at = entries + (next & mask) * WORDS_PER_DESCRIPTOR
      offset[i] = words[at]
      length[i] = words[at + LENGTH]
      next = (next + 1) | 0
    }
    this.#next = next
  }

  /** Gives the entries that were taken back to the kernel. The frames in them stay ours. */
  release(): void {
    if (this.#next === this.#released) return
    this.#released = this.#next
    Atomics.store(this.words, this.consumer, this.#next)
  }
}
