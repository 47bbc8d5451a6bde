/**
 * The other end of the wire in a test: a packet socket that sends bytes as they are and keeps what
 * arrives, on its own, without a ring (so that a mistake in ours can't hide itself).
 */
import {
  ETH_P_ALL,
  linkAddress,
  PACKET_IGNORE_OUTGOING,
  SOL_PACKET,
} from '../../src/native/if-packet.js'
import { readInterface } from '../../src/native/interfaces.js'
import { bind, check, close, poll, read, sendto, socket } from '../../src/native/libc.js'
import {
  AF_PACKET,
  POLLIN,
  pollfd,
  SO_RCVBUFFORCE,
  SOCK_RAW,
  SOL_SOCKET,
  setOption,
  tryOption,
} from '../../src/native/socket.js'

export class RawPeer {
  readonly fd: number
  readonly #poll = new Uint8Array(pollfd.size)
  readonly #buffer = new Uint8Array(256 * 1024)

  /** Open it with `lab.inside(host, () => new RawPeer('eth0'))`. */
  constructor(name: string) {
    const { index } = readInterface(name)
    this.fd = check(socket(AF_PACKET, SOCK_RAW, 0), 'socket', name)
    setOption(this.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, 'PACKET_IGNORE_OUTGOING')
    tryOption(this.fd, SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    const address = linkAddress(AF_PACKET, index, ETH_P_ALL)
    check(bind(this.fd, address, address.length), 'bind', name)
    new Int32Array(this.#poll.buffer)[0] = this.fd
    new Int16Array(this.#poll.buffer)[pollfd.events >> 1] = POLLIN
  }

  send(frame: Uint8Array): void {
    check(sendto(this.fd, frame, frame.length, 0, null, 0), 'sendto', `${frame.length} bytes`)
  }

  /** The next frame, or undefined if none comes within `ms`. */
  next(ms: number): Uint8Array | undefined {
    if (poll(this.#poll, 1, ms) <= 0) return undefined
    const bytes = read(this.fd, this.#buffer, this.#buffer.length)
    return bytes < 0 ? undefined : this.#buffer.slice(0, bytes)
  }

  /** Up to `count` frames, waiting `ms` for each at most. */
  take(count: number, ms = 500): Uint8Array[] {
    const frames: Uint8Array[] = []
    while (frames.length < count) {
      const frame = this.next(ms)
      if (frame === undefined) break
      frames.push(frame)
    }
    return frames
  }

  /** All frames that come until `ms` pass without one. */
  drain(ms = 150): Uint8Array[] {
    return this.take(Number.POSITIVE_INFINITY, ms)
  }

  close(): void {
    close(this.fd)
  }
}
