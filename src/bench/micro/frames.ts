/** Frames of many flows, made from one: only client address, client port and IP checksum differ. */
import { build } from '../../wire/build.js'
import { ETH_P_IPV6, type } from '../../wire/ethernet.js'

export const VIP = '192.168.1.110'
export const VIP6 = '2001:db8:1::110'
/** Frames in a ring that goes round: more would only measure the ring. */
export const RING_FRAMES_MAX = 1 << 16

export function tcpFrame(flags: string): Uint8Array {
  return build({
    ethernet: { source: '02:00:00:00:00:fe', destination: '02:00:00:00:ff:01' },
    ipv4: { source: '10.0.0.0', destination: VIP },
    tcp: { sport: 1024, dport: 80, flags },
    payload: new Uint8Array(6),
  })
}

export function tcpFrame6(flags: string): Uint8Array {
  return build({
    ethernet: { source: '02:00:00:00:00:fe', destination: '02:00:00:00:ff:01' },
    ipv6: { source: '2001:db8:7::', destination: VIP6 },
    tcp: { sport: 1024, dport: 80, flags },
    payload: new Uint8Array(6),
  })
}

const SOURCE6_END = 14 + 8 + 16
const SOURCE_PORT6 = 14 + 40

/** As `setFlow`; an IPv6 header has no checksum. */
function setFlow6(frame: Uint8Array, flow: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset)
  view.setInt32(SOURCE6_END - 4, flow >>> 8)
  view.setUint16(SOURCE_PORT6, 1024 + (flow & 0xff))
}

/** Makes `frame` one of flow number `flow`; the director verifies no TCP checksum. */
export function setFlow(frame: Uint8Array, flow: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset)
  const old = view.getUint16(26) + view.getUint16(28)
  view.setInt32(26, (10 << 24) | (flow >>> 8))
  view.setUint16(34, 1024 + (flow & 0xff))
  let sum = (~view.getUint16(24) & 0xffff) + view.getUint16(26) + view.getUint16(28) - old
  while (sum < 0) sum += 0xffff
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(24, ~sum & 0xffff)
}

export function flowed(frame: Uint8Array, flow: number): Uint8Array {
  const copy = frame.slice()
  if (type(new DataView(copy.buffer), 0) === ETH_P_IPV6) setFlow6(copy, flow)
  else setFlow(copy, flow)
  return copy
}

/** Frames with `flags` of flows `from` to `from + count`, one of each, in order. */
export function inOrder(
  flags: string,
  from: number,
  count: number,
  frame = tcpFrame(flags),
): Uint8Array[] {
  return Array.from({ length: count }, (_, k) => flowed(frame, from + k))
}

/** Data of `flows` flows in random order: each once if they fit into a ring, else a sample. */
export function inDisorder(flows: number, frame = tcpFrame('A')): Uint8Array[] {
  const ring = Array.from({ length: Math.min(flows, RING_FRAMES_MAX) }, (_, k) =>
    flowed(frame, flows <= RING_FRAMES_MAX ? k : Math.floor(Math.random() * flows)),
  )
  for (let k = ring.length - 1; k > 0; k--) {
    const other = Math.floor(Math.random() * (k + 1))
    ;[ring[k], ring[other]] = [ring[other], ring[k]]
  }
  return ring
}
