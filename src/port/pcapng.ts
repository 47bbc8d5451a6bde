/**
 * Writes pcapng (draft-ietf-opsawg-pcapng), the capture format in which a packet can have a
 * comment: there the verdict of each frame stands. In little-endian order; pcapng-layout.ts says
 * what stands where.
 *
 * The encoders below are pure; `PcapngWriter` gives their blocks to whatever takes bytes, and
 * `openPcapng()` gives them to a file or to standard output.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import {
  BLOCK_ENHANCED_PACKET,
  BLOCK_INTERFACE,
  BLOCK_SECTION,
  BYTE_ORDER_MAGIC,
  OPTION_COMMENT,
  OPTION_EPB_FLAGS,
  OPTION_IF_NAME,
  OPTION_IF_TSRESOL,
} from './pcapng-layout.js'

const OPTION_SHB_USERAPPL = 4

const LINK_ETHERNET = 1
const SNAP_LENGTH = 262144
/** The longest value of an option. */
const OPTION_BYTES_MAX = 0xffff

export interface PcapngInterface {
  readonly name: string
  /** LINKTYPE_ value; default Ethernet. */
  readonly linkType?: number
  /** Unit of the timestamps: microseconds (default, exact for a time in ms) or nanoseconds. */
  readonly resolution?: 'us' | 'ns'
}

export interface PcapngPacket {
  /** What `addInterface()` returned. */
  readonly interface: number
  /** ms since 1970, with a fraction. */
  readonly timestampMs: number
  readonly bytes: Uint8Array
  /** Default: the length of `bytes`. */
  readonly originalLength?: number
  readonly comment?: string
  readonly direction?: 'in' | 'out'
}

interface Option {
  readonly code: number
  readonly value: Uint8Array
}

const padded = (length: number): number => (length + 3) & ~3

function block(type: number, fixedBytes: number, data: Uint8Array, options: readonly Option[]) {
  let optionBytes = options.length === 0 ? 0 : 4
  for (const option of options) optionBytes += 4 + padded(option.value.length)
  const length = 12 + fixedBytes + padded(data.length) + optionBytes
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type, true)
  view.setUint32(4, length, true)
  bytes.set(data, 8 + fixedBytes)
  let at = 8 + fixedBytes + padded(data.length)
  for (const option of options) {
    view.setUint16(at, option.code, true)
    view.setUint16(at + 2, option.value.length, true)
    bytes.set(option.value, at + 4)
    at += 4 + padded(option.value.length)
  }
  view.setUint32(length - 4, length, true)
  return { bytes, view }
}

const NO_DATA = new Uint8Array(0)
const UTF8 = new TextEncoder()

/** A text as an option, cut between characters where it is longer than an option can be. */
function textOption(code: number, text: string): Option {
  const value = new Uint8Array(Math.min(text.length * 3, OPTION_BYTES_MAX))
  const { written } = UTF8.encodeInto(text, value)
  return { code, value: value.subarray(0, written) }
}

export function sectionHeader(application: string): Uint8Array {
  const options = [textOption(OPTION_SHB_USERAPPL, application)]
  const { bytes, view } = block(BLOCK_SECTION, 16, NO_DATA, options)
  view.setUint32(8, BYTE_ORDER_MAGIC, true)
  view.setUint16(12, 1, true)
  view.setBigInt64(16, -1n, true)
  return bytes
}

export function interfaceDescription(described: PcapngInterface): Uint8Array {
  const exponent = described.resolution === 'ns' ? 9 : 6
  const { bytes, view } = block(BLOCK_INTERFACE, 8, NO_DATA, [
    textOption(OPTION_IF_NAME, described.name),
    { code: OPTION_IF_TSRESOL, value: Uint8Array.of(exponent) },
  ])
  view.setUint16(8, described.linkType ?? LINK_ETHERNET, true)
  view.setUint32(12, SNAP_LENGTH, true)
  return bytes
}

export function enhancedPacket(packet: PcapngPacket, resolution: 'us' | 'ns' = 'us'): Uint8Array {
  const options: Option[] = []
  if (packet.comment !== undefined) options.push(textOption(OPTION_COMMENT, packet.comment))
  if (packet.direction !== undefined) {
    // Bits 0 and 1: 1 inbound, 2 outbound.
    const flags = Uint8Array.of(packet.direction === 'in' ? 1 : 2, 0, 0, 0)
    options.push({ code: OPTION_EPB_FLAGS, value: flags })
  }
  const { bytes, view } = block(BLOCK_ENHANCED_PACKET, 20, packet.bytes, options)
  const time = timeUnits(packet.timestampMs, resolution)
  view.setUint32(8, packet.interface, true)
  view.setUint32(12, Number(time >> 32n), true)
  view.setUint32(16, Number(time & 0xffffffffn), true)
  view.setUint32(20, packet.bytes.length, true)
  view.setUint32(24, packet.originalLength ?? packet.bytes.length, true)
  return bytes
}

/** Whole microseconds of our days fit a double, nanoseconds do not: they are put together. */
function timeUnits(timestampMs: number, resolution: 'us' | 'ns'): bigint {
  if (resolution === 'us') return BigInt(Math.round(timestampMs * 1000))
  const ms = Math.floor(timestampMs)
  return BigInt(ms) * 1000000n + BigInt(Math.round((timestampMs - ms) * 1e6))
}

export class PcapngWriter {
  readonly #write: (bytes: Uint8Array) => void
  readonly #resolutions: ('us' | 'ns')[] = []

  /** Writes the section header at once. `write` keeps no reference to what it is given. */
  constructor(write: (bytes: Uint8Array) => void, application = 'uipvs') {
    this.#write = write
    write(sectionHeader(application))
  }

  /** The number that packets of this interface give. Interfaces can be added at any time. */
  addInterface(described: PcapngInterface): number {
    this.#write(interfaceDescription(described))
    return this.#resolutions.push(described.resolution ?? 'us') - 1
  }

  packet(packet: PcapngPacket): void {
    const resolution = this.#resolutions[packet.interface]
    if (resolution === undefined) throw new RangeError(`no interface ${packet.interface}`)
    this.#write(enhancedPacket(packet, resolution))
  }
}

/** A pcapng file that is being written. */
export interface PcapngFile {
  readonly writer: PcapngWriter
  /** Hands what is gathered to the system: a reader at the other end of a pipe sees it now. */
  flush(): void
  close(): void
}

const GATHERED_BYTES = 1 << 16

/** `path` may be `-` for standard output. Throws what the system says when it can't be written. */
export function openPcapng(path: string, application?: string): PcapngFile {
  const fd = path === '-' ? 1 : openSync(path, 'w', 0o600)
  const gathered = new Uint8Array(GATHERED_BYTES)
  let count = 0
  const flush = () => {
    const ready = count
    count = 0
    writeAll(fd, gathered.subarray(0, ready))
  }
  const write = (bytes: Uint8Array) => {
    if (count + bytes.length > gathered.length) flush()
    if (bytes.length > gathered.length) return writeAll(fd, bytes)
    gathered.set(bytes, count)
    count += bytes.length
  }
  const close = () => {
    flush()
    if (fd !== 1) closeSync(fd)
  }
  return { writer: new PcapngWriter(write, application), flush, close }
}

const SLEEP = new Int32Array(new SharedArrayBuffer(4))

/** A pipe that somebody made non-blocking says EAGAIN while it is full: then we wait for it. */
function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(SLEEP, 0, 0, 1)
    }
  }
}
