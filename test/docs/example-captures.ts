/**
 * The captures in docs/examples, made by our own builder: what a director on the article's segment
 * would see. `UIPVS_UPDATE=1 node build/test/docs/examples.test.js` writes them again.
 */
import { build, type FrameSpec } from '../../src/wire/build.js'
import { pcap } from '../port/captures.js'

const ROUTER = '02:00:00:00:00:fe'
const DIRECTOR = '02:00:00:00:00:01'
const CLIENT = '192.168.1.254'
const VIP = '192.168.1.110'

/** A frame of the client's and the ms at which it came. */
type Moment = readonly [ms: number, frame: Uint8Array]

function fromClient(spec: Omit<FrameSpec, 'ethernet'>): Uint8Array {
  return build({ ethernet: { source: ROUTER, destination: DIRECTOR }, ...spec })
}

function segment(sport: number, dport: number, flags: string, payload = ''): Uint8Array {
  const ipv4 = { source: CLIENT, destination: VIP, ttl: 63 }
  return fromClient({ ipv4, tcp: { sport, dport, flags }, payload })
}

/** What a director sees of a connection: the client's half. */
function connection(ms: number, sport: number, dport: number, request: string): Moment[] {
  return [
    [ms, segment(sport, dport, 'S')],
    [ms + 0.4, segment(sport, dport, 'A')],
    [ms + 0.6, segment(sport, dport, 'PA', request)],
    [ms + 2.1, segment(sport, dport, 'A')],
    [ms + 2.4, segment(sport, dport, 'FA')],
    [ms + 2.9, segment(sport, dport, 'A')],
  ]
}

const GET = `GET / HTTP/1.1\r\nHost: ${VIP}\r\n\r\n`

function clients(): Moment[] {
  const question = { senderMac: ROUTER, sender: '192.168.1.253', target: VIP }
  const broadcast = { source: ROUTER, destination: 'ff:ff:ff:ff:ff:ff' }
  const ipv4 = { source: CLIENT, destination: VIP, ttl: 63 }
  return [
    [0, build({ ethernet: broadcast, arp: question, padTo: 60 })],
    ...connection(1, 40001, 80, GET),
    ...connection(11, 40002, 80, GET),
    ...connection(21, 40003, 80, GET),
    // Two that ask for the shell and stay.
    [31, segment(40004, 22, 'S')],
    [31.4, segment(40004, 22, 'A')],
    [33, segment(40005, 22, 'S')],
    [33.4, segment(40005, 22, 'A')],
    // A port that nobody serves, a ping, a segment out of nowhere.
    [41, segment(40006, 443, 'S')],
    [51, fromClient({ ipv4, icmp: { type: 8, identifier: 7, sequence: 1 }, payload: 56 })],
    [61, segment(40007, 80, 'A')],
    // Somebody else's frame, and one that was damaged on its way.
    [71, build({ ethernet: { source: ROUTER, destination: '02:00:00:00:00:04' }, ipv4 })],
    [81, fromClient({ ipv4: { ...ipv4, badChecksum: true }, tcp: { sport: 40008, dport: 80 } })],
    // After twenty minutes the shell of 40004 has been forgotten.
    [1_200_000, segment(40004, 22, 'PA', 'ls\n')],
  ]
}

const BEGIN_S = 1_700_000_000

/** By name below docs/examples. */
export function exampleCaptures(): Record<string, Uint8Array> {
  const records = clients().map(([ms, bytes]) => ({
    seconds: BEGIN_S + Math.floor(ms / 1000),
    fraction: Math.round((ms % 1000) * 1000),
    bytes,
  }))
  return { 'clients.pcap': pcap({}, records) }
}
