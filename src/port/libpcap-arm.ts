/**
 * One interface of the libpcap port: its handle of `cap`, and the batch that it fills. How `cap`
 * behaves (cap/src/binding.cc, version 0.2.1), and what follows from it:
 *
 * - When frames are there it copies one after the other into one buffer, which it was given with
 *   `open()`, and emits `packet` for each until there are none. Each is copied into the batch here.
 *   It does not keep that buffer from being collected: the listener for `packet` does.
 * - It captures promiscuously, and what is sent too: the filter sorts that out (libpcap-filter.ts).
 * - A filter can't be changed: `serve()` opens a second handle, and closes the first when the
 *   frames in it have been read (overlap.ts).
 * - A closed handle must not be garbage collected: `cap` frees the libuv handle in it, which it has
 *   stopped but not closed, and the loop would still point to it. Nor may it be opened again, for
 *   the same reason. So closed handles are kept for ever; they are small, and few.
 */
import type { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import { Batch } from '../engine/batch.js'
import type { Arm, PortCounters } from '../engine/port.js'
import { ARPHRD_ETHER } from '../native/if-packet.js'
import type { Interface } from '../native/interfaces.js'
import { libpcapFilter } from './libpcap-filter.js'
import { Overlap } from './overlap.js'

/** What we use of `cap`, which comes without types. */
export interface CapHandle extends EventEmitter {
  /** Returns the name of the link type. */
  open(device: string, filter: string, ringBytes: number, buffer: Buffer): string
  send(buffer: Buffer, length: number): void
  close(): boolean
}

export function loadCap(): new () => CapHandle {
  try {
    return createRequire(import.meta.url)('cap').Cap
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new Error(
      `the package cap, which the engine libpcap needs, could not be loaded (${reason}); ` +
        'install libpcap-dev and a C++ compiler and run npm install cap',
    )
  }
}

/** `cap` asks libpcap for 65535 bytes of a frame at most. */
const FRAME_BYTES_MAX = 65536
const ARENA_BYTES = 8 * FRAME_BYTES_MAX
/**
 * Memory of the kernel for frames that wait. With the interface's offloads off it holds 20,972
 * frames (MTU 1500); with one of gro, gso and tso on, libpcap gives each 64 KiB, and it holds 512.
 * Measured with libpcap 1.10.3.
 */
const RING_BYTES = 32 << 20
const ETHERNET_HEADER_BYTES = 14
const VLAN_TAG_BYTES = 4
const ETHERTYPE_VLAN = 0x8100
const ETHERTYPE_SERVICE_VLAN = 0x88a8
/** See above. */
const closedHandles: CapHandle[] = []

export class LibpcapArm implements Arm {
  readonly name: string
  readonly macHigh: number
  readonly macLow: number
  readonly mtu: number
  readonly superframes = false
  readonly batch: Batch
  /** Whether the batch is with the director. */
  isOut = false
  /** Called for each frame; with `true` when the batch can't take another. */
  onFrames: (isFull: boolean) => void = () => {}
  readonly #Cap: new () => CapHandle
  readonly #mac: string
  readonly #counters: PortCounters
  readonly #sending: Buffer
  readonly #sendingView: DataView
  #handle: CapHandle | null = null
  #filter = ''
  #retiring: CapHandle | null = null
  #overlap: Overlap | null = null
  #end = 0

  constructor(
    Cap: new () => CapHandle,
    found: Interface,
    index: number,
    frames: number,
    counters: PortCounters,
  ) {
    if (found.hardwareType !== ARPHRD_ETHER) {
      throw new Error(
        `${found.name} is not an Ethernet interface (hardware type ${found.hardwareType}); ` +
          'choose one that `ip link` calls link/ether',
      )
    }
    this.name = found.name
    this.macHigh = found.macHigh
    this.macLow = found.macLow
    this.mtu = found.mtu
    this.batch = new Batch(new ArrayBuffer(ARENA_BYTES), frames)
    this.batch.arm = index
    this.batch.hasUnknownChecksums = true
    this.#Cap = Cap
    this.#mac = found.mac
    this.#counters = counters
    this.#sending = Buffer.alloc(found.mtu + ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES)
    this.#sendingView = new DataView(this.#sending.buffer, this.#sending.byteOffset)
  }

  /** Captures what concerns these addresses from now on. */
  serve(vips: readonly string[]): void {
    const filter = libpcapFilter(this.#mac, vips)
    if (filter === this.#filter) return
    // Three handles at once would be more than an overlap can tell apart.
    if (this.#retiring !== null) this.#retire(this.#retiring)
    const old = this.#handle
    const overlap = old === null ? null : new Overlap()
    this.#handle = this.#open(filter, overlap)
    this.#filter = filter
    this.#overlap = overlap
    this.#retiring = old
    if (old === null) return
    // In two turns of the loop `cap` has read what waited in the old handle; in two more it has
    // read what had come into the new one by then.
    afterTurns(2, () => this.#retire(old))
    afterTurns(4, () => {
      if (this.#overlap === overlap) this.#overlap = null
    })
  }

  #retire(old: CapHandle): void {
    if (this.#retiring !== old) return
    this.#retiring = null
    retire(old)
  }

  /** `since`: the overlap that begins with this handle, which is old in any other. */
  #open(filter: string, since: Overlap | null): CapHandle {
    const handle = new this.#Cap()
    const buffer = Buffer.alloc(FRAME_BYTES_MAX)
    const linkType = openOrExplain(handle, this.name, filter, buffer)
    if (linkType !== 'ETHERNET') {
      retire(handle)
      throw new Error(`${this.name} does not carry Ethernet frames but ${linkType}`)
    }
    handle.on('packet', (length: number) => {
      const overlap = this.#overlap
      if (overlap !== null && !overlap.isNew(buffer, length, overlap !== since)) return
      this.#take(buffer, length)
    })
    return handle
  }

  #take(buffer: Buffer, length: number): void {
    const batch = this.batch
    if (this.#isFull()) this.onFrames(true)
    // Nobody took the batch: the director is not there (yet).
    if (this.#isFull() || this.isOut) {
      this.#counters.ringDrops++
      return
    }
    const i = batch.count++
    buffer.copy(batch.bytes, this.#end, 0, length)
    batch.offset[i] = this.#end
    batch.length[i] = length
    this.#end += (length + 63) & ~63
    this.onFrames(this.#isFull())
  }

  #isFull(): boolean {
    return this.batch.count === this.batch.capacity || this.#end + FRAME_BYTES_MAX > ARENA_BYTES
  }

  /** The batch has come back. */
  recycle(): void {
    this.batch.count = 0
    this.#end = 0
    this.isOut = false
  }

  /** False if the frame is too long or the kernel refuses it. */
  send(bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.#handle === null || length > this.#sending.length) return false
    // The one allocation per frame: `cap` itself makes several.
    this.#sending.set(bytes.subarray(offset, offset + length))
    if (length > this.mtu + ETHERNET_HEADER_BYTES && !this.#isTagged()) return false
    try {
      this.#handle.send(this.#sending, length)
      return true
    } catch {
      // EMSGSIZE, ENOBUFS, ENETDOWN: `cap` has no other way to say it than an exception.
      return false
    }
  }

  #isTagged(): boolean {
    const type = this.#sendingView.getUint16(12)
    return type === ETHERTYPE_VLAN || type === ETHERTYPE_SERVICE_VLAN
  }

  close(): void {
    if (this.#retiring !== null) this.#retire(this.#retiring)
    if (this.#handle !== null) retire(this.#handle)
    this.#handle = null
    this.#filter = ''
    this.#overlap = null
  }
}

function openOrExplain(handle: CapHandle, name: string, filter: string, buffer: Buffer): string {
  try {
    return handle.open(name, filter, RING_BYTES, buffer)
  } catch (error) {
    // Not closed: `cap` would stop a libuv handle that it has not made yet.
    closedHandles.push(handle)
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(
      `libpcap can't capture on ${name} (${reason}); ` +
        'it needs an interface that is up, and CAP_NET_RAW (run as root)',
    )
  }
}

function afterTurns(turns: number, callback: () => void): void {
  setImmediate(turns === 1 ? callback : () => afterTurns(turns - 1, callback))
}

function retire(handle: CapHandle): void {
  handle.removeAllListeners('packet')
  closedHandles.push(handle)
  handle.close()
}
