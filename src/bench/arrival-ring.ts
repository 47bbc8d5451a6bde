/**
 * Frames that come to an interface, with the moment at which the kernel took them off it: a packet
 * socket's ring (TPACKET_V3, drawn in `native/if-packet.ts`). The kernel writes the time when the
 * frame passes the socket, in the context that brought it; when we read it does not matter.
 */
import {
  ETH_P_IP,
  linkAddress,
  PACKET_IGNORE_OUTGOING,
  PACKET_RX_RING,
  PACKET_STATISTICS,
  PACKET_VERSION,
  SOL_PACKET,
  TP_STATUS_KERNEL,
  TP_STATUS_USER,
  TPACKET_V3,
  tpacket_block_desc,
  tpacket_req3,
  tpacket_stats_v3,
  tpacket3_hdr,
} from '../native/if-packet.js'
import { readInterface } from '../native/interfaces.js'
import { bind, check, close, getsockopt, poll, setsockopt, socket } from '../native/libc.js'
import { MAP_SHARED, type Mapping, map, unmap } from '../native/mapping.js'
import { AF_PACKET, POLLIN, pollfd, SOCK_CLOEXEC, SOCK_RAW, setOption } from '../native/socket.js'

const BLOCK_BYTES = 256 * 1024
const FRAME_BYTES = 2048
/** The kernel hands over a block that is not full after so long. */
const RETIRE_MS = 10

export type Visit = (
  view: DataView,
  at: number,
  bytes: number,
  seconds: number,
  nanoseconds: number,
) => void

export class ArrivalRing {
  readonly #fd: number
  readonly #mapping: Mapping
  readonly #view: DataView
  readonly #words: Int32Array
  readonly #blocks: number
  readonly #poll = new Int32Array(pollfd.size / 4)
  #block = 0

  /** Hears IPv4 that comes in, into a ring of about `bytes` bytes. */
  constructor(interfaceName: string, bytes: number) {
    const found = readInterface(interfaceName)
    this.#blocks = Math.max(2, Math.floor(bytes / BLOCK_BYTES))
    this.#fd = check(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), 'socket AF_PACKET', found.name)
    try {
      setOption(this.#fd, SOL_PACKET, PACKET_VERSION, TPACKET_V3, 'PACKET_VERSION')
      setOption(this.#fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, 'PACKET_IGNORE_OUTGOING')
      const request = new Uint32Array(tpacket_req3.size / 4)
      request[tpacket_req3.tp_block_size >> 2] = BLOCK_BYTES
      request[tpacket_req3.tp_block_nr >> 2] = this.#blocks
      request[tpacket_req3.tp_frame_size >> 2] = FRAME_BYTES
      request[tpacket_req3.tp_frame_nr >> 2] = (BLOCK_BYTES / FRAME_BYTES) * this.#blocks
      request[tpacket_req3.tp_retire_blk_tov >> 2] = RETIRE_MS
      const set = setsockopt(this.#fd, SOL_PACKET, PACKET_RX_RING, request, tpacket_req3.size)
      check(set, 'setsockopt PACKET_RX_RING', found.name)
      const size = BLOCK_BYTES * this.#blocks
      this.#mapping = map(this.#fd, size, MAP_SHARED, `receive ring of ${found.name}`)
      const address = linkAddress(AF_PACKET, found.index, ETH_P_IP)
      check(bind(this.#fd, address, address.byteLength), 'bind', found.name)
    } catch (error) {
      close(this.#fd)
      throw error
    }
    this.#view = new DataView(this.#mapping.buffer)
    this.#words = new Int32Array(this.#mapping.buffer)
    this.#poll[pollfd.fd >> 2] = this.#fd
    this.#poll[pollfd.events >> 2] = POLLIN
  }

  /** Shows each frame of the blocks that are full, at most once around; how many there were. */
  read(visit: Visit): number {
    const words = this.#words
    let count = 0
    for (let round = 0; round < this.#blocks; round++) {
      const start = this.#block * BLOCK_BYTES
      const status = (start + tpacket_block_desc.block_status) >> 2
      // Acquires: what the kernel wrote into the block before this word is visible after it.
      if ((Atomics.load(words, status) & TP_STATUS_USER) === 0) break
      const frames = words[(start + tpacket_block_desc.num_pkts) >> 2]
      let at = start + words[(start + tpacket_block_desc.offset_to_first_pkt) >> 2]
      for (let i = 0; i < frames; i++) {
        this.#show(at, visit)
        at += words[(at + tpacket3_hdr.tp_next_offset) >> 2]
      }
      count += frames
      Atomics.store(words, status, TP_STATUS_KERNEL)
      this.#block = this.#block + 1 === this.#blocks ? 0 : this.#block + 1
    }
    return count
  }

  #show(header: number, visit: Visit): void {
    const words = this.#words
    const frame = header + this.#view.getUint16(header + tpacket3_hdr.tp_mac, true)
    visit(
      this.#view,
      frame,
      words[(header + tpacket3_hdr.tp_snaplen) >> 2],
      words[(header + tpacket3_hdr.tp_sec) >> 2] >>> 0,
      words[(header + tpacket3_hdr.tp_nsec) >> 2] >>> 0,
    )
  }

  /** Blocks this thread until a block is there, or `ms` have passed. */
  wait(ms: number): void {
    poll(this.#poll, 1, ms)
  }

  /** Frames for which the ring had no room, since the last call. */
  takeDrops(): number {
    const statistics = new Uint32Array(tpacket_stats_v3.size / 4)
    const bytes = Uint32Array.of(statistics.byteLength)
    check(getsockopt(this.#fd, SOL_PACKET, PACKET_STATISTICS, statistics, bytes), 'getsockopt', '')
    return statistics[tpacket_stats_v3.tp_drops >> 2]
  }

  close(): void {
    unmap(this.#mapping)
    close(this.#fd)
  }
}
