/**
 * IPv4 packets made by hand and sent through `raw-socket`: an echo request, a UDP datagram, a TCP
 * SYN. Each waits for the one answer that belongs to it. The kernel writes the IP header; all
 * behind it is ours, checksums too, so that no offload of an interface can repair or spoil them.
 *
 * Needs CAP_NET_RAW, and the optional package `raw-socket`; without it `loadRawSocket` gives null.
 */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { PROTO_ICMP, PROTO_TCP, PROTO_UDP } from '../wire/ipv4.js'
import * as tcp from '../wire/tcp.js'
import * as udp from '../wire/udp.js'

type Raw = typeof import('raw-socket')['default']

const ICMP_ECHO_REPLY = 0
const ICMP_ECHO_REQUEST = 8
const ICMP_HEADER_BYTES = 8
const PSEUDO_HEADER_BYTES = 12

export interface ProbeAnswer {
  /** Who answered, by IP address. */
  readonly source: string
  /** Echo and UDP: the payload. TCP: `open` (SYN-ACK) or `closed` (RST). */
  readonly text: string
  readonly milliseconds: number
}

/** The package, or null where it is missing or was not built. */
export async function loadRawSocket(): Promise<Raw | null> {
  try {
    return (await import('raw-socket')).default
  } catch {
    return null
  }
}

/** What is sent, and how its answer is told from other packets of the same protocol. */
interface Exchange {
  readonly protocol: number
  readonly packet: Buffer
  readonly answer: (segment: Buffer, source: string) => string | null
}

export async function probeEcho(
  raw: Raw,
  address: string,
  patienceMs: number,
): Promise<ProbeAnswer | null> {
  const payload = Buffer.from('uipvs echo')
  const packet = Buffer.alloc(ICMP_HEADER_BYTES + payload.length)
  const identifier = process.pid & 0xffff
  packet[0] = ICMP_ECHO_REQUEST
  packet.writeUInt16BE(identifier, 4)
  packet.writeUInt16BE(1, 6)
  payload.copy(packet, ICMP_HEADER_BYTES)
  raw.writeChecksum(packet, 2, raw.createChecksum(packet))
  return exchange(raw, address, patienceMs, {
    protocol: PROTO_ICMP,
    packet,
    answer: (segment, source) =>
      segment[0] === ICMP_ECHO_REPLY && segment.readUInt16BE(4) === identifier && source === address
        ? segment.toString('latin1', ICMP_HEADER_BYTES)
        : null,
  })
}

export async function probeUdp(
  raw: Raw,
  address: string,
  port: number,
  payload: string,
  patienceMs: number,
): Promise<ProbeAnswer | null> {
  // An ordinary socket holds the port, or our kernel would refuse the answer with an ICMP error.
  const holder = createSocket('udp4')
  holder.on('error', () => {}) // port unreachable: then no answer comes, which is the result
  await promisify(holder.connect.bind(holder) as (p: number, a: string, done: () => void) => void)(
    port,
    address,
  )
  const local = holder.address()
  try {
    const packet = Buffer.alloc(udp.HEADER_BYTES + Buffer.byteLength(payload))
    packet.writeUInt16BE(local.port, 0)
    packet.writeUInt16BE(port, 2)
    packet.writeUInt16BE(packet.length, 4)
    packet.write(payload, udp.HEADER_BYTES)
    const sum = transportChecksum(raw, local.address, address, PROTO_UDP, packet)
    // RFC 768: a sum of zero is sent as all ones, since zero says that there is none.
    raw.writeChecksum(packet, udp.CHECKSUM_OFFSET, sum === 0 ? 0xffff : sum)
    return await exchange(raw, address, patienceMs, {
      protocol: PROTO_UDP,
      packet,
      answer: (segment, source) =>
        source === address &&
        segment.readUInt16BE(0) === port &&
        segment.readUInt16BE(2) === local.port
          ? segment.toString('latin1', udp.HEADER_BYTES)
          : null,
    })
  } finally {
    holder.close()
  }
}

/** Our kernel, which knows nothing of this SYN, resets the connection if one is opened. */
export async function probeSyn(
  raw: Raw,
  address: string,
  port: number,
  patienceMs: number,
): Promise<ProbeAnswer | null> {
  const local = { address: await localAddressTowards(address), port: await freeTcpPort() }
  const packet = Buffer.alloc(tcp.HEADER_BYTES_MIN)
  packet.writeUInt16BE(local.port, 0)
  packet.writeUInt16BE(port, 2)
  packet.writeUInt32BE(process.pid, 4)
  tcp.setDataOffsetBytes(viewOf(packet), 0, tcp.HEADER_BYTES_MIN)
  packet[13] = tcp.FLAG_SYN
  packet.writeUInt16BE(1024, 14)
  const sum = transportChecksum(raw, local.address, address, PROTO_TCP, packet)
  raw.writeChecksum(packet, tcp.CHECKSUM_OFFSET, sum)
  return exchange(raw, address, patienceMs, {
    protocol: PROTO_TCP,
    packet,
    answer: (segment, source) => {
      if (source !== address || segment.length < tcp.HEADER_BYTES_MIN) return null
      if (segment.readUInt16BE(0) !== port || segment.readUInt16BE(2) !== local.port) return null
      const flags = tcp.flags(viewOf(segment), 0)
      if ((flags & tcp.FLAG_RST) !== 0) return 'closed'
      return (flags & tcp.FLAG_SYN) !== 0 && (flags & tcp.FLAG_ACK) !== 0 ? 'open' : null
    },
  })
}

function exchange(
  raw: Raw,
  address: string,
  patienceMs: number,
  { protocol, packet, answer }: Exchange,
): Promise<ProbeAnswer | null> {
  return new Promise((resolve, reject) => {
    const socket = raw.createSocket({ protocol })
    const began = performance.now()
    const timer = setTimeout(() => finish(null), patienceMs)
    let finished = false
    function finish(result: ProbeAnswer | null, error?: Error): void {
      if (finished) return
      finished = true
      clearTimeout(timer)
      socket.close()
      if (error === undefined) resolve(result)
      else reject(error)
    }
    socket.on('error', (error) => finish(null, error))
    socket.on('message', (received, source) => {
      const headerBytes = (received[0]! & 0x0f) * 4
      if (received.length < headerBytes + 8) return
      const text = answer(received.subarray(headerBytes), source)
      if (text === null) return
      finish({ source, text, milliseconds: Math.round((performance.now() - began) * 100) / 100 })
    })
    socket.send(packet, 0, packet.length, address, (error) => {
      if (error !== null) finish(null, error)
    })
  })
}

/** RFC 9293 section 3.1, RFC 768: over the pseudo header and the segment. */
function transportChecksum(
  raw: Raw,
  source: string,
  destination: string,
  protocol: number,
  segment: Buffer,
): number {
  const pseudo = Buffer.alloc(PSEUDO_HEADER_BYTES)
  pseudo.set(source.split('.').map(Number), 0)
  pseudo.set(destination.split('.').map(Number), 4)
  pseudo[9] = protocol
  pseudo.writeUInt16BE(segment.length, 10)
  return raw.createChecksum(pseudo, segment)
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function localAddressTowards(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.on('error', reject)
    socket.connect(9, address, () => {
      resolve(socket.address().address)
      socket.close()
    })
  })
}

/** A port that nobody has now. Closed before the SYN: an open one would take the answer itself. */
function freeTcpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
