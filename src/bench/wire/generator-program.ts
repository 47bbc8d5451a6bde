/**
 * The generator: frames of one size and many flows over a packet socket, 256 for each system call
 * (sendmmsg), all prepared before the first one leaves. Or, live, made by the kernel: an XDP
 * program gives each the headers of a flow by chance and puts it on the wire (live-program.ts).
 *
 * The first line of its standard input says what to send (`Traffic`, as JSON). Each further line,
 * `RATE MS KIND`, makes it send for so long: as many frames a second (over a packet socket in a
 * burst each millisecond or so, live one by one); or, if the rate is 0, as many as it can. Then it
 * answers with one line of JSON, `{"offered": frames, "refused": frames, "ms": …}`. `open` sends a
 * SYN of each TCP flow. It ends with its input.
 */
import { createInterface } from 'node:readline'
import { linkAddress } from '../../native/if-packet.js'
import { readInterface } from '../../native/interfaces.js'
import { addressOf, bind, check, poll, socket } from '../../native/libc.js'
import { AF_PACKET, SO_SNDBUFFORCE, SOCK_RAW, SOL_SOCKET, tryOption } from '../../native/socket.js'
import { SendVector } from '../../port/send-vector.js'
import { formatIpv4, parseIpv4 } from '../../wire/address.js'
import { build } from '../../wire/build.js'
import type { GeneratorKind, Load } from './generator.js'
import { LiveFrames } from './live-program.js'
import type { Target } from './rules.js'

export interface Traffic extends Load {
  readonly interface: string
  /** The MAC address that the frames go to. */
  readonly mac: string
  /** Flows go to them in turn. */
  readonly targets: readonly Target[]
}

/** What the first line led to. */
export interface Ready {
  /** null where the kernel makes frames, or was not asked to. */
  readonly whyNotLive: string | null
}

/** What a further line led to. */
export interface Sending {
  /** Frames handed to the kernel, and how many of them it refused. */
  readonly offered: number
  readonly refused: number
  readonly ms: number
}

const FRAMES_PER_CALL = 256
/** Of Ethernet, IPv4 and the protocol. */
const HEADERS_BYTES = { udp: 14 + 20 + 8, tcp: 14 + 20 + 20 } as const
const FIRST_SOURCE = parseIpv4('10.80.0.1')!
const PORTS_PER_SOURCE = 64
const FIRST_PORT = 10_000
const SEND_BUFFER_BYTES = 8 << 20
/** Openings of connections between two pauses of a millisecond: no director shall miss one. */
const OPENINGS_AT_ONCE = 64

class Sender {
  readonly #traffic: Traffic
  readonly #fd: number
  readonly #live: LiveFrames | null
  readonly #frames: Row
  /** The SYNs of TCP flows, in no larger frames than they need. */
  readonly #openings: Row
  readonly #nobody = new Uint8Array(8)
  whyNotLive: string | null = null

  constructor(traffic: Traffic) {
    this.#traffic = traffic
    const found = readInterface(traffic.interface)
    this.#fd = check(socket(AF_PACKET, SOCK_RAW, 0), 'socket AF_PACKET', found.name)
    tryOption(this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES)
    // Protocol 0: it only sends.
    const address = linkAddress(AF_PACKET, found.index, 0)
    check(bind(this.#fd, address, address.byteLength), 'bind', found.name)
    const { flows, targets } = traffic
    const all = Array.from({ length: flows }, (_, flow) => this.#frame(flow, 'A'))
    // A row of whole calls: fewer flows than one call holds are repeated.
    const length = Math.ceil(flows / FRAMES_PER_CALL) * FRAMES_PER_CALL
    this.#frames = new Row(
      Array.from({ length }, (_, i) => all[i % flows]),
      FRAMES_PER_CALL,
    )
    const opened = Array.from({ length: flows }, (_, flow) => flow)
      .filter((flow) => targets[flow % targets.length].protocol === 'tcp')
      .map((flow) => this.#frame(flow, 'S'))
    this.#openings = new Row(opened, OPENINGS_AT_ONCE)
    this.#live = traffic.isLive ? this.#tryLive(found.index, all) : null
  }

  /** Before Linux 5.18, and without root's rights in the machine, the kernel makes no frames. */
  #tryLive(ifindex: number, frames: readonly Uint8Array[]): LiveFrames | null {
    try {
      return new LiveFrames(ifindex, frames)
    } catch (error) {
      this.whyNotLive = (error as Error).message
      return null
    }
  }

  #frame(flow: number, flags: string): Uint8Array {
    const { mac, targets, bytes } = this.#traffic
    const { protocol, address, port } = targets[flow % targets.length]
    const sport = FIRST_PORT + (flow % PORTS_PER_SOURCE)
    return build({
      ethernet: { destination: mac },
      ipv4: {
        source: formatIpv4(FIRST_SOURCE + Math.floor(flow / PORTS_PER_SOURCE)),
        destination: address,
      },
      ...(protocol === 'udp'
        ? { udp: { sport, dport: port } }
        : { tcp: { sport, dport: port, flags } }),
      payload: bytes - HEADERS_BYTES[protocol],
    })
  }

  open(): void {
    for (let call = 0; call < this.#openings.calls; call++) {
      this.#openings.send(this.#fd, OPENINGS_AT_ONCE)
      poll(this.#nobody, 0, 1)
    }
  }

  /** Sends for `ms` milliseconds; `rate` in frames per second, 0 for as many as possible. */
  send(rate: number, ms: number, kind: GeneratorKind): Sending {
    if (this.#live !== null && kind === 'live') return this.#live.send(rate, ms)
    const start = performance.now()
    let offered = 0
    let refused = 0
    let elapsed = 0
    while (elapsed < ms) {
      const due = rate === 0 ? offered + FRAMES_PER_CALL : Math.floor((rate * elapsed) / 1000)
      while (offered < due) {
        const count = Math.min(due - offered, FRAMES_PER_CALL)
        refused += this.#frames.send(this.#fd, count)
        offered += count
      }
      if (rate !== 0) poll(this.#nobody, 0, 1)
      elapsed = performance.now() - start
    }
    return { offered, refused, ms: elapsed }
  }
}

/** Frames that are sent again and again, from memory that the kernel knows. */
class Row {
  readonly #vectors: SendVector[] = []
  readonly #memory: Uint8Array
  #next = 0

  constructor(frames: readonly Uint8Array[], perCall: number) {
    const slotBytes = Math.max(0, ...frames.map(({ length }) => (length + 63) & ~63))
    this.#memory = new Uint8Array(Math.max(1, frames.length * slotBytes))
    for (const [i, frame] of frames.entries()) {
      if (i % perCall === 0) this.#vectors.push(new SendVector(perCall, 1))
      this.#memory.set(frame, i * slotBytes)
      this.#vectors.at(-1)!.push(addressOf(this.#memory) + i * slotBytes, frame.length)
    }
  }

  get calls(): number {
    return this.#vectors.length
  }

  /** Hands the next `count` frames to the kernel, a call's worth at most; how many it refused. */
  send(fd: number, count: number): number {
    const vector = this.#vectors[this.#next]
    this.#next = this.#next + 1 === this.#vectors.length ? 0 : this.#next + 1
    return vector.send(fd, 0, Math.min(count, vector.count))
  }
}

let sender: Sender | null = null
for await (const line of createInterface({ input: process.stdin })) {
  if (sender === null) {
    sender = new Sender(JSON.parse(line) as Traffic)
    const ready: Ready = { whyNotLive: sender.whyNotLive }
    console.log(JSON.stringify(ready))
  } else if (line === 'open') {
    sender.open()
    console.log('open')
  } else {
    const [rate, ms, kind] = line.split(' ')
    console.log(JSON.stringify(sender.send(Number(rate), Number(ms), kind as GeneratorKind)))
  }
}
