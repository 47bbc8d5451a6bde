/**
 * What captured frames prove: pairs of frames before and after the director, what differs in them,
 * and who sent which.
 */
import { HEADER_BYTES } from '../wire/ethernet.js'
import { type CapturedFrame, ipAddresses, ipPacket, sha256 } from './capture.js'
import { CIP, CIP6, VIP, VIP6 } from './topology.js'

export interface FramePair {
  /** Whole frames, in hex. */
  readonly before: string
  readonly after: string
  /** Byte offsets at which they differ, from the Ethernet header on. */
  readonly changed: readonly number[]
  /** SHA-256 of the IP packets in them. */
  readonly sha256Before: string
  readonly sha256After: string
  readonly unchanged: boolean
}

export interface Passage {
  readonly before: Buffer
  readonly after: Buffer
}

/** Pairs, in order of arrival, and how many frames for the VIP came but did not leave. */
export type Passages = Passage[] & { unpaired: number }

/**
 * Pairs each frame for the VIP that came to `directorMac` with the first frame not yet paired that
 * left from it with the same flow and the same IP length. Whether the packets are the same is what
 * is to be shown, so that is not asked here.
 */
export function pairFrames(frames: readonly CapturedFrame[], directorMac: string): Passages {
  const mac = Buffer.from(directorMac.replaceAll(':', ''), 'hex')
  const isForVip = ({ bytes }: CapturedFrame) => {
    const destination = ipAddresses(bytes)?.destination
    return destination === VIP || destination === VIP6
  }
  const leaving = frames.filter((frame) => frame.outgoing && isForVip(frame))
  const pairs = Object.assign([] as Passage[], { unpaired: 0 })
  for (const frame of frames) {
    if (frame.outgoing || !isForVip(frame) || mac.compare(frame.bytes, 0, 6) !== 0) continue
    const flow = flowOf(frame.bytes)
    const index = leaving.findIndex(({ bytes }) => flowOf(bytes) === flow)
    if (index < 0) {
      pairs.unpaired++
      continue
    }
    const [{ bytes: after }] = leaving.splice(index, 1) as [CapturedFrame]
    pairs.push({ before: frame.bytes, after })
  }
  return pairs
}

/**
 * Addresses, protocol, ports and length: enough to find a frame again, in the order of its flow.
 */
function flowOf(frame: Buffer): string {
  const packet = ipPacket(frame)!
  const transport = packet[0]! >> 4 === 4 ? (packet[0]! & 0x0f) * 4 : 40
  const ports = packet.toString('hex', transport, transport + 4)
  const { source, destination } = ipAddresses(frame)!
  return `${source} ${destination} ${ports} ${packet.length}`
}

export function compareFrames(before: Buffer, after: Buffer): FramePair {
  const changed: number[] = []
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    if (before[i] !== after[i]) changed.push(i)
  }
  const sha256Before = sha256(ipPacket(before) ?? before.subarray(HEADER_BYTES))
  const sha256After = sha256(ipPacket(after) ?? after.subarray(HEADER_BYTES))
  return {
    before: before.toString('hex'),
    after: after.toString('hex'),
    changed,
    sha256Before,
    sha256After,
    unchanged: sha256Before === sha256After,
  }
}

/**
 * How many frames carry an IP packet from a VIP to the client. (A neighbour advertisement of the
 * director for its VIP also comes from there, but goes to the router.)
 */
export function countReplies(frames: readonly CapturedFrame[]): number {
  return frames.filter(({ bytes }) => {
    const { source, destination } = ipAddresses(bytes) ?? {}
    return (source === VIP && destination === CIP) || (source === VIP6 && destination === CIP6)
  }).length
}
