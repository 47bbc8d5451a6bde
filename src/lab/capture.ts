/** Frames seen at an interface of a lab, in both directions, between `start` and `stop`. */
import { createHash } from 'node:crypto'
import { ETH_P_IP, ETH_P_IPV6, HEADER_BYTES } from '../wire/ethernet.js'
import { type Lab, PROGRAMS } from './lab.js'
import type { LabProcess } from './state.js'
import type { Host, Namespace } from './topology.js'

export interface CapturedFrame {
  /** Sent by the host that captured it (its source is that host's MAC address); else received. */
  readonly outgoing: boolean
  readonly bytes: Buffer
}

async function startProgram(
  lab: Lab,
  place: Namespace,
  words: readonly string[],
): Promise<LabProcess> {
  // Numbers are those of this process; the log of another one's capture is not ours.
  const role = `capture-${place}-${process.pid}-${lab.nextNumber()}`
  const program = lab.start(place, role, [process.execPath, PROGRAMS.capture, ...words])
  await lab.untilReady(program, () => /^listening .*\n/.test(lab.log(role)))
  return program
}

/** What a program has said in all: its heading, and its lines. */
function stopProgram(lab: Lab, program: LabProcess): { heading: string; lines: string[] } {
  lab.stop(program)
  const [heading = '', ...lines] = lab.log(program.role).trim().split('\n')
  return { heading, lines }
}

export class Capture {
  readonly #lab: Lab
  readonly #program: LabProcess

  private constructor(lab: Lab, program: LabProcess) {
    this.#lab = lab
    this.#program = program
  }

  /** Returns when frames are being caught. */
  static async start(lab: Lab, host: Host, interfaceName = 'eth0'): Promise<Capture> {
    return new Capture(lab, await startProgram(lab, host, [interfaceName]))
  }

  /**
   * At the other end of the wire of a host on the segment: what XDP takes there, packet sockets of
   * that host do not see. Frames of the host with the MAC address `mac` count as outgoing.
   */
  static async ofWire(lab: Lab, host: Host, mac: string): Promise<Capture> {
    return new Capture(lab, await startProgram(lab, 'segment', [host, mac]))
  }

  stop(): CapturedFrame[] {
    const { heading, lines } = stopProgram(this.#lab, this.#program)
    const ownMac = Buffer.from(heading.slice('listening '.length).replaceAll(':', ''), 'hex')
    return lines.map((line) => {
      const bytes = Buffer.from(line, 'hex')
      return { outgoing: ownMac.compare(bytes, 6, 12) === 0, bytes }
    })
  }
}

/** All frames on the wires of several hosts of the segment, seen from the switch. */
export class SegmentCapture {
  readonly #lab: Lab
  readonly #program: LabProcess

  private constructor(lab: Lab, program: LabProcess) {
    this.#lab = lab
    this.#program = program
  }

  static async start(lab: Lab, hosts: readonly Host[]): Promise<SegmentCapture> {
    return new SegmentCapture(lab, await startProgram(lab, 'segment', ['--ports', ...hosts]))
  }

  stop(): { readonly host: string; readonly bytes: Buffer }[] {
    const { lines } = stopProgram(this.#lab, this.#program)
    return lines.map((line) => {
      const [host = '', hex = ''] = line.split(' ')
      return { host, bytes: Buffer.from(hex, 'hex') }
    })
  }
}

export function etherType(frame: Buffer): number {
  return frame.readUInt16BE(12)
}

/** The IP packet of a frame, without the padding of a short Ethernet frame; null if it has none. */
export function ipPacket(frame: Buffer): Buffer | null {
  const packet = frame.subarray(HEADER_BYTES)
  if (etherType(frame) === ETH_P_IP) return packet.subarray(0, packet.readUInt16BE(2))
  if (etherType(frame) === ETH_P_IPV6) return packet.subarray(0, 40 + packet.readUInt16BE(4))
  return null
}

/** Source and destination of the IP packet in a frame, as text; null if there is none. */
export function ipAddresses(frame: Buffer): { source: string; destination: string } | null {
  if (etherType(frame) === ETH_P_IP) {
    const text = (at: number) => frame.subarray(at, at + 4).join('.')
    return { source: text(HEADER_BYTES + 12), destination: text(HEADER_BYTES + 16) }
  }
  if (etherType(frame) === ETH_P_IPV6) {
    const text = (at: number) => ipv6Text(frame.subarray(at, at + 16))
    return { source: text(HEADER_BYTES + 8), destination: text(HEADER_BYTES + 24) }
  }
  return null
}

/** RFC 5952 by way of the URL parser, which knows where to put the two colons. */
function ipv6Text(bytes: Buffer): string {
  const groups = bytes.toString('hex').match(/.{4}/g)!
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
