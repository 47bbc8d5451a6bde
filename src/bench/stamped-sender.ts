/**
 * Sends UDP frames that say which they are and when they left (`stamp.ts`), over a packet socket.
 *
 * At a rate, frames leave one by one as their time comes, and the sender spins in between; where it
 * comes late it takes up its plan anew instead of catching up, as a burst would measure itself. The
 * time is written just before the system call that sends the frame.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { linkAddress } from '../native/if-packet.js'
import { readInterface } from '../native/interfaces.js'
import { addressOf, bind, check, close, poll, socket } from '../native/libc.js'
import { AF_PACKET, SO_SNDBUFFORCE, SOCK_RAW, SOL_SOCKET, tryOption } from '../native/socket.js'
import { SendVector } from '../port/send-vector.js'
import { build } from '../wire/build.js'
import {
  clockOfThisMachine,
  FLOWS_MAX,
  STAMP_BYTES,
  writeEnd,
  writeFlow,
  writeStamp,
} from './stamp.js'
import { WallClock } from './wall-clock.js'

export const HEADERS_BYTES = 14 + 20 + 8
export const FRAME_BYTES_MIN = HEADERS_BYTES + STAMP_BYTES
/** Flows differ in their source port, from here on. */
export const FIRST_PORT = 10_000
export const FLOWS_MOST = Math.min(FLOWS_MAX, 50_000)

const FRAMES_PER_CALL = 64
const UDP_CHECKSUM = 40
const SEND_BUFFER_BYTES = 8 << 20
/** Other work of this process (a signal, say) has its turn so often. */
const SLICE_MS = 50
/** A gap from which on it sleeps instead of spinning. */
const NAP_MS = 2
/** Frames by which it may be late and still catch up. */
const LATE_FRAMES = 32
const ENDS = 5
const END_GAP_MS = 20
const TWO_TO_32 = 2 ** 32

export interface Stream {
  readonly interface: string
  /** The MAC address that frames go to: the director's. */
  readonly mac: string
  readonly source: string
  readonly address: string
  readonly port: number
  readonly flows: number
  /** Of a frame from its Ethernet header on, without the checksum behind it. */
  readonly bytes: number
  /** Frames a second; 0 for as many as can be. */
  readonly rate: number
  readonly ms: number
}

export interface Sent {
  readonly run: number
  /** Frames that the kernel took, and those that it refused for want of room. */
  readonly sent: number
  readonly refused: number
  readonly ms: number
  /** Times that the sender came too late and took up its plan anew, and frames so left out. */
  readonly lateTimes: number
  readonly leftOut: number
}

export class StampedSender {
  readonly #stream: Stream
  readonly #run: number
  readonly #fd: number
  readonly #view: DataView
  readonly #slotBytes: number
  /** Rows of all flows, at least a call's worth: no frame is twice in one call. */
  readonly #slots: number
  readonly #sequences: Float64Array
  readonly #vector = new SendVector(FRAMES_PER_CALL, 1)
  readonly #clock = new WallClock()
  readonly #nobody = new Uint8Array(8)
  #slot = 0
  #sent = 0
  #refused = 0

  constructor(stream: Stream) {
    this.#stream = stream
    this.#run = Math.floor(Math.random() * 0x10000)
    const { flows, bytes } = stream
    this.#slotBytes = (bytes + 63) & ~63
    this.#slots = flows * Math.ceil(FRAMES_PER_CALL / flows)
    const memory = new Uint8Array(this.#slots * this.#slotBytes)
    this.#view = new DataView(memory.buffer)
    this.#sequences = new Float64Array(flows)
    for (let slot = 0; slot < this.#slots; slot++) {
      const at = slot * this.#slotBytes
      memory.set(frameOf(stream, slot % flows), at)
      // No checksum: the payload changes with each frame (RFC 768).
      this.#view.setUint16(at + UDP_CHECKSUM, 0)
      writeFlow(this.#view, at + HEADERS_BYTES, this.#run, slot % flows)
    }
    const found = readInterface(stream.interface)
    this.#fd = check(socket(AF_PACKET, SOCK_RAW, 0), 'socket AF_PACKET', found.name)
    tryOption(this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES)
    // Protocol 0: it only sends.
    const address = linkAddress(AF_PACKET, found.index, 0)
    check(bind(this.#fd, address, address.byteLength), 'bind', found.name)
  }

  /** Sends for as long as was said, or until `isOver` says so. */
  async send(isOver: () => boolean = () => false): Promise<Sent> {
    const { rate, ms } = this.#stream
    const start = performance.now()
    /** When the plan begins, and the frames of it that have been sent. */
    let from = start
    let planned = 0
    let lateTimes = 0
    let leftOut = 0
    let now = start
    let slice = start + SLICE_MS
    while (now - start < ms && !isOver()) {
      let due = FRAMES_PER_CALL
      if (rate !== 0) {
        due = Math.floor((rate * (now - from)) / 1000) - planned
        if (due > LATE_FRAMES) {
          lateTimes++
          leftOut += due - 1
          from = now
          planned = 0
          due = 1
        }
      }
      if (due > 0) {
        this.#sendNext(due)
        planned += due
      } else if (rate !== 0 && ((planned + 1) * 1000) / rate - (now - from) > NAP_MS) {
        poll(this.#nobody, 0, 1)
      }
      now = performance.now()
      if (now > slice) {
        await turn()
        slice = now + SLICE_MS
      }
    }
    await this.#sayEnd()
    const { sent, refused } = { sent: this.#sent, refused: this.#refused }
    return { run: this.#run, sent, refused, ms: now - start, lateTimes, leftOut }
  }

  close(): void {
    close(this.#fd)
  }

  #sendNext(count: number): void {
    const { flows, bytes } = this.#stream
    const base = addressOf(this.#view.buffer)
    this.#clock.read()
    const { seconds, nanoseconds } = this.#clock
    for (let i = 0; i < count; i++) {
      const flow = this.#slot % flows
      const at = this.#slot * this.#slotBytes
      const sequence = this.#sequences[flow]++ % TWO_TO_32
      writeStamp(this.#view, at + HEADERS_BYTES, sequence, seconds, nanoseconds)
      this.#vector.push(base + at, bytes)
      this.#slot = this.#slot + 1 === this.#slots ? 0 : this.#slot + 1
    }
    const refused = this.#vector.send(this.#fd, 0, count)
    this.#vector.count = 0
    this.#refused += refused
    this.#sent += count - refused
  }

  /** Tells whoever receives how many there were; several times, a little apart. */
  async #sayEnd(): Promise<void> {
    const { flows, bytes } = this.#stream
    const end = { flows, sent: this.#sent, clock: clockOfThisMachine() }
    const at = this.#slot * this.#slotBytes
    writeEnd(this.#view, at + HEADERS_BYTES, this.#run, end)
    for (let i = 0; i < ENDS; i++) {
      poll(this.#nobody, 0, END_GAP_MS)
      this.#vector.push(addressOf(this.#view.buffer) + at, bytes)
      this.#vector.send(this.#fd, 0, 1)
      this.#vector.count = 0
      await turn()
    }
  }
}

function frameOf({ mac, source, address, port, bytes, interface: name }: Stream, flow: number) {
  return build({
    ethernet: { source: readInterface(name).mac, destination: mac },
    ipv4: { source, destination: address },
    udp: { sport: FIRST_PORT + flow, dport: port },
    payload: bytes - HEADERS_BYTES,
  })
}
