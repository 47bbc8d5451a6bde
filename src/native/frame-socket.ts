/**
 * A plain packet socket (packet(7)) for tools that look at a few frames or send a few: the lab's
 * captures, the doctor's ARP requests, the oracle's packets. One system call a frame and no ring:
 * the director's own port is `port/af-packet.ts`. Unless told otherwise it sees frames in both
 * directions, those that this host sends too.
 */
import { ETH_P_ALL, linkAddress, PACKET_IGNORE_OUTGOING, SOL_PACKET } from './if-packet.js'
import { type Interface, readInterface } from './interfaces.js'
import {
  bind,
  check,
  close,
  errno,
  errnoOf,
  ioctl,
  poll,
  read,
  SystemCallError,
  socket,
  write,
} from './libc.js'
import {
  AF_PACKET,
  POLLIN,
  pollfd,
  SO_RCVBUF,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_SOCKET,
  setOption,
  tryOption,
} from './socket.js'

/** As much of it as net.core.rmem_max allows is taken. */
const RECEIVE_BUFFER_BYTES = 8 << 20
/** The largest GRO aggregate that IPv4 can name, with its Ethernet header and room to spare. */
const FRAME_BYTES_MAX = 65_535 + 64

/** asm-generic/sockios.h: when the frame that was read last came, as a timespec. */
const SIOCGSTAMPNS = 0x8907
const TIMESPEC_BYTES = 16

const EINTR = errnoOf('EINTR')
/** What `read` says when there is no frame: none has come, or the interface has gone down. */
const NO_FRAME = new Set([errnoOf('EAGAIN'), errnoOf('ENETDOWN')])

export class FrameSocket {
  readonly interface: Interface
  readonly #fd: number
  readonly #buffer = new Uint8Array(FRAME_BYTES_MAX)
  readonly #time = new DataView(new ArrayBuffer(TIMESPEC_BYTES))

  readonly #poll = new Int32Array(pollfd.size / 4)

  /** With `incomingOnly` it does not see what this host sends. */
  constructor(interfaceName: string, options: { readonly incomingOnly?: boolean } = {}) {
    this.interface = readInterface(interfaceName)
    const type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK
    // Protocol 0 hears nothing: no frame of another interface comes in before `bind`.
    this.#fd = check(socket(AF_PACKET, type, 0), 'socket AF_PACKET', interfaceName)
    tryOption(this.#fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    const address = linkAddress(AF_PACKET, this.interface.index, ETH_P_ALL)
    try {
      if (options.incomingOnly === true) {
        setOption(this.#fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, 'PACKET_IGNORE_OUTGOING')
      }
      check(bind(this.#fd, address, address.byteLength), 'bind', interfaceName)
    } catch (error) {
      close(this.#fd)
      throw error
    }
  }

  /** A copy of the next frame, from its Ethernet header on; null if none waits. Never blocks. */
  receive(): Uint8Array | null {
    for (;;) {
      const got = Number(read(this.#fd, this.#buffer, FRAME_BYTES_MAX))
      if (got >= 0) return this.#buffer.slice(0, got)
      const why = errno()
      if (NO_FRAME.has(why)) return null
      if (why !== EINTR) throw new SystemCallError('read', why, this.interface.name)
    }
  }

  /**
   * When the frame that `receive()` gave last came, in µs of the wall clock; null if the kernel
   * does not tell. Asked for once before the first frame, it makes the kernel note the time of all.
   */
  arrival(): number | null {
    if (ioctl(this.#fd, SIOCGSTAMPNS, this.#time) === -1) return null
    const seconds = Number(this.#time.getBigInt64(0, true))
    return seconds * 1e6 + Number(this.#time.getBigInt64(8, true)) / 1e3
  }

  /** Blocks this thread until a frame waits, and says whether one does; or `ms` have passed. */
  wait(ms: number): boolean {
    this.#poll[pollfd.fd >> 2] = this.#fd
    this.#poll[pollfd.events >> 2] = POLLIN
    return poll(this.#poll, 1, ms) > 0
  }

  send(frame: Uint8Array): void {
    check(Number(write(this.#fd, frame, frame.byteLength)), 'write', this.interface.name)
  }

  close(): void {
    close(this.#fd)
  }
}
