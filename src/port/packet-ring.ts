/**
 * The receive ring of one packet socket (TPACKET_V3, drawn in `native/if-packet.ts`), walked in
 * place: frames are described to a batch and never copied.
 *
 * The kernel fills blocks in turn, and hands one over when it is full or when its first frame has
 * waited for `RETIRE_MS`. We read blocks in the same order:
 *
 *      +---------+---------+---------+---------+---------+
 *      | settled | lent    | lent,   | waits   | kernel  |
 *      | kernel  |         | in part |         | fills   |
 *      +---------+---------+---------+---------+---------+
 *                 ^ first   ^ block, at         one word per block says whose it is
 *
 * A block goes back to the kernel when the last of its frames has been settled: `release()`.
 */
import type { Batch } from '../engine/batch.js'
import {
  ETH_P_8021Q,
  PACKET_RX_RING,
  PACKET_STATISTICS,
  SOL_PACKET,
  TP_STATUS_CSUMNOTREADY,
  TP_STATUS_KERNEL,
  TP_STATUS_USER,
  TP_STATUS_VLAN_TPID_VALID,
  TP_STATUS_VLAN_VALID,
  tpacket_block_desc,
  tpacket_req3,
  tpacket_stats_v3,
  tpacket3_hdr,
} from '../native/if-packet.js'
import { check, getsockopt, setsockopt } from '../native/libc.js'
import { MAP_SHARED, type Mapping, map, unmap } from '../native/mapping.js'
import { VIRTIO_NET_HDR_F_NEEDS_CSUM, virtio_net_hdr } from '../native/virtio-net.js'

/** The shortest wait that the kernel knows before it hands over a block that is not full. */
const RETIRE_MS = 1
/** Needed by the kernel's checks only: in the third form, frames lie as densely as they come. */
const FRAME_BYTES = 2048
const VLAN_TAG_BYTES = 4

const BLOCK_STATUS = tpacket_block_desc.block_status >> 2
const NUM_PKTS = tpacket_block_desc.num_pkts >> 2
const FIRST_PKT = tpacket_block_desc.offset_to_first_pkt >> 2
const NEXT_OFFSET = tpacket3_hdr.tp_next_offset >> 2
const SNAPLEN = tpacket3_hdr.tp_snaplen >> 2
const LEN = tpacket3_hdr.tp_len >> 2
const STATUS = tpacket3_hdr.tp_status >> 2
const MAC = tpacket3_hdr.tp_mac >> 1
const VLAN_TCI = tpacket3_hdr.tp_vlan_tci >> 1
const VLAN_TPID = tpacket3_hdr.tp_vlan_tpid >> 1

export class PacketRing {
  /** The ring's memory; a batch's `offset` counts from its begin. */
  readonly buffer: ArrayBuffer
  readonly address: number
  readonly #fd: number
  readonly #mapping: Mapping
  readonly #bytes: Uint8Array
  readonly #halves: Uint16Array
  readonly #words: Int32Array
  readonly #blockBytes: number
  readonly #blocks: number
  /** 10 if each frame follows a virtio header, else 0. */
  readonly #virtioBytes: number
  readonly #statistics = new Uint32Array(tpacket_stats_v3.size / 4)
  readonly #statisticsBytes = new Uint32Array(1)

  /** The block that is read now, its frames that were not lent yet, and where the next begins. */
  #block = 0
  #framesLeft = 0
  #at = 0
  /** Blocks that were read to the end and are not released, and the first of them. */
  #first = 0
  #finished = 0

  /**
   * Gives the socket `fd` a ring of `blocks` blocks, and maps it. The options that change a
   * frame's layout (PACKET_VERSION, PACKET_VNET_HDR) must have been set before.
   */
  constructor(fd: number, blockBytes: number, blocks: number, virtioBytes: number, where: string) {
    if (blockBytes * blocks > 0x7fffffff) {
      throw new RangeError(
        `a ring of ${blocks} blocks of ${blockBytes} bytes exceeds 2 GiB (${where})`,
      )
    }
    const request = new Uint32Array(tpacket_req3.size / 4)
    request[tpacket_req3.tp_block_size >> 2] = blockBytes
    request[tpacket_req3.tp_block_nr >> 2] = blocks
    request[tpacket_req3.tp_frame_size >> 2] = FRAME_BYTES
    request[tpacket_req3.tp_frame_nr >> 2] = (blockBytes / FRAME_BYTES) * blocks
    request[tpacket_req3.tp_retire_blk_tov >> 2] = RETIRE_MS
    const set = setsockopt(fd, SOL_PACKET, PACKET_RX_RING, request, tpacket_req3.size)
    check(set, 'setsockopt PACKET_RX_RING', where)
    this.#fd = fd
    this.#mapping = map(fd, blockBytes * blocks, MAP_SHARED, `receive ring of ${where}`)
    this.buffer = this.#mapping.buffer
    this.address = this.#mapping.address
    this.#bytes = new Uint8Array(this.buffer)
    this.#halves = new Uint16Array(this.buffer)
    this.#words = new Int32Array(this.buffer)
    this.#blockBytes = blockBytes
    this.#blocks = blocks
    this.#virtioBytes = virtioBytes
  }

  /** Whether a block that was handed over still holds frames that no batch has had. */
  get isPartlyRead(): boolean {
    return this.#framesLeft > 0
  }

  /**
   * Describes the next frames to `batch` and sets its count. `unsendable[i]` becomes 1 for a frame
   * that was cut to fit, or whose checksum only a virtio header could express.
   */
  fill(batch: Batch, unsendable: Uint8Array): void {
    const words = this.#words
    let count = 0
    while (count < batch.capacity) {
      if (this.#framesLeft === 0 && !this.#enterBlock()) break
      const header = this.#at
      this.#framesLeft--
      if (this.#framesLeft > 0) this.#at = header + words[(header >> 2) + NEXT_OFFSET]
      else this.#leaveBlock()
      this.#describe(header, batch, count, unsendable)
      count++
    }
    batch.count = count
  }

  /** Looks at the next block. False if it is still the kernel's. */
  #enterBlock(): boolean {
    // All blocks may be lent: then the next is one that we have not released, though it is ours.
    while (this.#finished < this.#blocks) {
      const start = this.#block * this.#blockBytes
      const word = start >> 2
      // Acquires: what the kernel wrote into the block before this word is visible after it.
      if ((Atomics.load(this.#words, word + BLOCK_STATUS) & TP_STATUS_USER) === 0) return false
      this.#framesLeft = this.#words[word + NUM_PKTS]
      this.#at = start + this.#words[word + FIRST_PKT]
      if (this.#framesLeft > 0) return true
      this.#leaveBlock()
    }
    return false
  }

  #leaveBlock(): void {
    this.#finished++
    this.#block = this.#block + 1 === this.#blocks ? 0 : this.#block + 1
  }

  #describe(header: number, batch: Batch, i: number, unsendable: Uint8Array): void {
    const word = header >> 2
    const status = this.#words[word + STATUS]
    let frame = header + this.#halves[(header >> 1) + MAC]
    let length = this.#words[word + SNAPLEN]
    const isCut = length < this.#words[word + LEN]
    if ((status & TP_STATUS_VLAN_VALID) !== 0 && length >= 12) {
      frame = this.#restoreTag(header, frame, status)
      length += VLAN_TAG_BYTES
    }
    batch.offset[i] = frame
    batch.length[i] = length
    if (this.#virtioBytes > 0) {
      const virtio = frame - virtio_net_hdr.size
      const needsChecksum = this.#bytes[virtio] & VIRTIO_NET_HDR_F_NEEDS_CSUM
      const isAggregate = this.#bytes[virtio + virtio_net_hdr.gso_type] !== 0
      batch.partialChecksum[i] = needsChecksum
      batch.segmentBytes[i] = isAggregate
        ? this.#halves[(virtio + virtio_net_hdr.gso_size) >> 1]
        : 0
      unsendable[i] = isCut ? 1 : 0
    } else {
      const needsChecksum = (status & TP_STATUS_CSUMNOTREADY) !== 0
      batch.partialChecksum[i] = needsChecksum ? 1 : 0
      batch.segmentBytes[i] = 0
      unsendable[i] = isCut || needsChecksum ? 1 : 0
    }
  }

  /**
   * Puts back the 802.1Q tag that the kernel took out: what stands before it moves four bytes
   * towards the header, where the kernel leaves at least 14 bytes unused.
   *
   *   before          [virtio 10][MACs 12][type, …        frame = M's begin
   *   after      [virtio 10][MACs 12][tag][type, …        frame four bytes earlier
   *
   * Returns where the frame begins now.
   */
  #restoreTag(header: number, frame: number, status: number): number {
    const bytes = this.#bytes
    bytes.copyWithin(
      frame - this.#virtioBytes - VLAN_TAG_BYTES,
      frame - this.#virtioBytes,
      frame + 12,
    )
    const half = header >> 1
    const knowsType = (status & TP_STATUS_VLAN_TPID_VALID) !== 0
    const type = knowsType ? this.#halves[half + VLAN_TPID] : ETH_P_8021Q
    const control = this.#halves[half + VLAN_TCI]
    bytes[frame + 8] = type >> 8
    bytes[frame + 9] = type
    bytes[frame + 10] = control >> 8
    bytes[frame + 11] = control
    const moved = frame - VLAN_TAG_BYTES
    if (this.#virtioBytes > 0) this.#shiftVirtio((moved - virtio_net_hdr.size) >> 1)
    return moved
  }

  /** The virtio header's positions count from the frame's begin, which is four bytes earlier. */
  #shiftVirtio(half: number): void {
    const halves = this.#halves
    const flags = this.#bytes[half << 1]
    if ((flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0) {
      halves[half + (virtio_net_hdr.csum_start >> 1)] += VLAN_TAG_BYTES
    }
    const headerBytes = half + (virtio_net_hdr.hdr_len >> 1)
    if (halves[headerBytes] !== 0) halves[headerBytes] += VLAN_TAG_BYTES
  }

  /** Gives the kernel back every block whose last frame was lent; all of them are settled now. */
  release(): void {
    while (this.#finished > 0) {
      const status = ((this.#first * this.#blockBytes) >> 2) + BLOCK_STATUS
      // Releases: we have read (and sent) everything in the block before the kernel owns it.
      Atomics.store(this.#words, status, TP_STATUS_KERNEL)
      this.#first = this.#first + 1 === this.#blocks ? 0 : this.#first + 1
      this.#finished--
    }
  }

  /** The share of blocks that the kernel has handed over and not got back, 0 to 1. */
  get occupancy(): number {
    let held = this.#finished
    let block = this.#block
    while (held < this.#blocks) {
      const word = (block * this.#blockBytes) >> 2
      if ((Atomics.load(this.#words, word + BLOCK_STATUS) & TP_STATUS_USER) === 0) break
      held++
      block = block + 1 === this.#blocks ? 0 : block + 1
    }
    return held / this.#blocks
  }

  /** Frames that found the ring full since the last time this was asked. A system call. */
  takeDrops(): number {
    this.#statisticsBytes[0] = tpacket_stats_v3.size
    const got = getsockopt(
      this.#fd,
      SOL_PACKET,
      PACKET_STATISTICS,
      this.#statistics,
      this.#statisticsBytes,
    )
    return got === 0 ? this.#statistics[tpacket_stats_v3.tp_drops >> 2] : 0
  }

  /** Unmaps the ring: nobody may touch its memory any more. */
  close(): void {
    unmap(this.#mapping)
  }
}
