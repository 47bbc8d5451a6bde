/**
 * The generator: UDP frames of one size and many flows over a packet socket, 256 for each system
 * call (sendmmsg), all prepared before the first one leaves. Or, live, made by the kernel: an XDP
 * program gives each a source port by chance and puts it on the wire (generator-program.ts).
 *
 *     node generator.js '{"interface":"eth0","mac":…,"address":VIP,"port":9,"flows":256,…}'
 *
 * Each line of its standard input, `RATE MS`, makes it send for so long: as many frames a second,
 * in a burst each millisecond or so; or, if the rate is 0, as many as it can. Then it answers with
 * one line of JSON, `{"offered": frames, "refused": frames, "ms": …}`. It ends with its input.
 */
import { createInterface } from 'node:readline'
import type { XdpProgram } from '../../src/native/bpf.js'
import { linkAddress } from '../../src/native/if-packet.js'
import { readInterface } from '../../src/native/interfaces.js'
import { addressOf, bind, check, poll, socket } from '../../src/native/libc.js'
import {
  AF_PACKET,
  SO_SNDBUFFORCE,
  SOCK_RAW,
  SOL_SOCKET,
  tryOption,
} from '../../src/native/socket.js'
import { SendVector } from '../../src/port/send-vector.js'
import { formatIpv4, parseIpv4 } from '../../src/wire/address.js'
import { build } from '../../src/wire/build.js'
import { liveProgram } from './generator-program.js'

export interface Traffic {
  readonly interface: string
  /** The MAC address that the frames go to. */
  readonly mac: string
  readonly address: string
  readonly port: number
  readonly flows: number
  /** Bytes of a frame from its Ethernet header on, without the checksum behind it: 60 at least. */
  readonly bytes: number
  /** At full speed, have the kernel make the frames itself (BPF_PROG_TEST_RUN). */
  readonly isLive: boolean
}

/** What a line of input led to. */
export interface Sending {
  /** Frames handed to the kernel, and how many of them it refused. */
  readonly offered: number
  readonly refused: number
  readonly ms: number
}

const FRAMES_PER_CALL = 256
const HEADERS_BYTES = 14 + 20 + 8
const FIRST_SOURCE = parseIpv4('10.80.0.1')!
const PORTS_PER_SOURCE = 64
const SEND_BUFFER_BYTES = 8 << 20
/** Frames that the kernel makes and delivers at a time; the queue of a veth end holds 256. */
const LIVE_BATCH = 64
/** Frames of one call, which takes a hundredth of a second to prepare: so not at a fixed rate. */
const LIVE_FRAMES = 200_000

const traffic = JSON.parse(process.argv[2]) as Traffic
const { flows, bytes } = traffic
const slotBytes = (bytes + 63) & ~63
/** A row of whole calls: fewer flows than one call holds are repeated. */
const row = Math.ceil(flows / FRAMES_PER_CALL) * FRAMES_PER_CALL
const memory = new Uint8Array(row * slotBytes)
const vectors: SendVector[] = []

for (let i = 0; i < row; i++) {
  if (i % FRAMES_PER_CALL === 0) vectors.push(new SendVector(FRAMES_PER_CALL, 1))
  memory.set(frameOf(i % flows), i * slotBytes)
  vectors[vectors.length - 1].push(addressOf(memory) + i * slotBytes, bytes)
}

function frameOf(flow: number): Uint8Array {
  return build({
    ethernet: { destination: traffic.mac },
    ipv4: {
      source: formatIpv4(FIRST_SOURCE + Math.floor(flow / PORTS_PER_SOURCE)),
      destination: traffic.address,
    },
    udp: { sport: 10_000 + (flow % PORTS_PER_SOURCE), dport: traffic.port },
    payload: bytes - HEADERS_BYTES,
  })
}

const found = readInterface(traffic.interface)
const fd = check(socket(AF_PACKET, SOCK_RAW, 0), 'socket AF_PACKET', found.name)
tryOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES)
// Protocol 0: it only sends.
const address = linkAddress(AF_PACKET, found.index, 0)
check(bind(fd, address, address.byteLength), 'bind', found.name)

const first = frameOf(0)
const live = traffic.isLive ? liveProgram(found.index, first, flows) : null

/** Hands `count` frames to the kernel, a call's worth at most; how many it refused. */
function sendRow(count: number): number {
  const refused = vectors[next].send(fd, 0, count)
  next = next + 1 === vectors.length ? 0 : next + 1
  return refused
}

/** Has the kernel make frames for `ms` milliseconds. */
function emit(program: XdpProgram, ms: number): Sending {
  const start = performance.now()
  let offered = 0
  let elapsed = 0
  for (; elapsed < ms; elapsed = performance.now() - start) {
    program.emit(first, found.index, LIVE_FRAMES, LIVE_BATCH)
    offered += LIVE_FRAMES
  }
  return { offered, refused: 0, ms: elapsed }
}

const nobody = new Uint8Array(8)
let next = 0

/** Sends for `ms` milliseconds; `rate` in frames per second, 0 for as many as possible. */
function send(rate: number, ms: number): Sending {
  if (live !== null && rate === 0) return emit(live, ms)
  const start = performance.now()
  let offered = 0
  let refused = 0
  let elapsed = 0
  while (elapsed < ms) {
    const due = rate === 0 ? offered + FRAMES_PER_CALL : Math.floor((rate * elapsed) / 1000)
    while (offered < due) {
      const count = Math.min(due - offered, FRAMES_PER_CALL)
      refused += sendRow(count)
      offered += count
    }
    if (rate !== 0) poll(nobody, 0, 1)
    elapsed = performance.now() - start
  }
  return { offered, refused, ms: elapsed }
}

console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  const [rate, ms] = line.split(' ').map(Number)
  console.log(JSON.stringify(send(rate, ms)))
}
