/**
 * What the tests of the ports af_packet and af_xdp share: a wire with a director in it, and frames
 * for it.
 */

import type { Port } from '../../src/engine/port.js'
import { FORWARDED } from '../../src/engine/verdict.js'
import { BPF_MAP_TYPE_HASH, BpfMap } from '../../src/native/bpf.js'
import { AF_XDP } from '../../src/native/if-xdp.js'
import { check, close, socket } from '../../src/native/libc.js'
import { SOCK_RAW } from '../../src/native/socket.js'
import { type AfPacketOptions, openAfPacket } from '../../src/port/af-packet.js'
import { type AfXdpOptions, openAfXdp } from '../../src/port/af-xdp.js'
import { completeChecksum } from '../../src/wire/partial-checksum.js'
import { type Lab, macWords, makeNamespaces, type TestLike } from '../namespaces.js'
import { RawPeer } from './raw-peer.js'

export const VIP = '192.0.2.110'
const CLIENT = '198.51.100.7'

function bytesOf(mac: string): number[] {
  return mac.split(':').map((part) => Number.parseInt(part, 16))
}

/** An Ethernet frame with a UDP datagram of `payload` bytes, each of them `mark`. */
export function udpFrame(
  to: string,
  from: string,
  destination: string,
  payload: number,
  mark = 0x55,
) {
  const total = 28 + payload
  const frame = new Uint8Array(14 + total).fill(mark)
  const view = new DataView(frame.buffer)
  frame.set(bytesOf(to), 0)
  frame.set(bytesOf(from), 6)
  view.setUint16(12, 0x0800)
  frame.set([0x45, 0, total >> 8, total & 255, 0x12, 0x34, 0x40, 0, 64, 17, 0, 0], 14)
  frame.set(CLIENT.split('.').map(Number), 26)
  frame.set(destination.split('.').map(Number), 30)
  view.setUint16(24, headerChecksum(view, 14))
  frame.set([0x30, 0x39, 0, 53, (8 + payload) >> 8, (8 + payload) & 255, 0, 0], 34)
  return frame
}

function headerChecksum(view: DataView, at: number): number {
  let sum = 0
  for (let i = 0; i < 20; i += 2) sum += view.getUint16(at + i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

/** client --- a:in [director] b:out --- server, with a peer at both ends. */
export function twoArms(test: TestLike, options: Partial<AfPacketOptions> = {}) {
  return wireOf(test, (interfaces) => openAfPacket({ interfaces, ...options }))
}

/** The same for af_xdp. */
export function twoXdpArms(test: TestLike, options: Partial<AfXdpOptions> = {}) {
  return wireOf(test, (interfaces) => openAfXdp({ interfaces, ...options }))
}

/** Why AF_XDP can't be tested here, or false. */
export function xdpMissing(): string | false {
  if (process.getuid?.() !== 0) return 'AF_XDP needs root'
  try {
    new BpfMap('uipvs_probe', BPF_MAP_TYPE_HASH, 4, 4, 1).close()
    close(check(socket(AF_XDP, SOCK_RAW, 0), 'socket AF_XDP', 'probe'))
    return false
  } catch (error) {
    return `no AF_XDP here: ${(error as Error).message}`
  }
}

function wireOf(test: TestLike, open: (interfaces: string[]) => Port) {
  const lab = makeNamespaces(test, {
    hosts: ['client', 'director', 'server'],
    links: [
      ['client:eth0', 'director:in'],
      ['director:out', 'server:eth0'],
    ],
    ipv6: false,
  })
  if (lab === undefined) return undefined
  const port = lab.inside('director', () => open(['in', 'out']))
  const client = lab.inside('client', () => new RawPeer('eth0'))
  const server = lab.inside('server', () => new RawPeer('eth0'))
  test.teardown(() => {
    port.close()
    client.close()
    server.close()
  })
  return { lab, port, client, server }
}

export interface Seen {
  arm: number
  bytes: Uint8Array
}

/**
 * The dumbest director: gives every frame new MAC addresses and sends it out of `egress`. Stops
 * after `count` frames, or when nothing comes for 300 ms; returns what it saw on arrival.
 */
export function relay(port: Port, lab: Lab, egress: number, target: string, count: number): Seen[] {
  const seen: Seen[] = []
  let idle = 0
  while (seen.length < count && idle < 3) {
    const got = relayBatch(port, lab, egress, target)
    if (got.length === 0) {
      const before = Date.now()
      port.wait(100)
      if (Date.now() - before >= 99) idle++
      continue
    }
    idle = 0
    seen.push(...got)
  }
  return seen
}

/** The same with what has come already. */
export function relayBatch(port: Port, lab: Lab, egress: number, target: string): Seen[] {
  const [toHigh, toLow] = macWords(lab.macOf(target))
  const seen: Seen[] = []
  const batch = port.receive()
  for (let i = 0; i < batch.count; i++) {
    const at = batch.offset[i]
    seen.push({ arm: batch.arm, bytes: batch.bytes.slice(at, at + batch.length[i]) })
    batch.view.setUint16(at, toHigh)
    batch.view.setInt32(at + 2, toLow)
    // As the loop does.
    if (batch.hasUnknownChecksums) completeChecksum(batch.view, at, batch.length[i])
    batch.view.setUint16(at + 6, port.arms[egress].macHigh)
    batch.view.setInt32(at + 8, port.arms[egress].macLow)
    batch.verdict[i] = FORWARDED
    batch.egress[i] = egress
  }
  port.settle(batch)
  return seen
}
