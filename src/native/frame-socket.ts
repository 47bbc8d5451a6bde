/**
 * A plain packet socket (packet(7)) for tools that look at a few frames or send a few: the lab's
 * captures and the doctor's ARP requests. One system call a frame and no ring: the director's own
 * port is `port/af-packet.ts`. It sees frames in both directions, those that this host sends too.
 *
 *   struct sockaddr_ll (linux/if_packet.h), 20 bytes, in host byte order unless noted:
 *     0 u16 sll_family    2 be16 sll_protocol   4 s32 sll_ifindex   8 u16 sll_hatype
 *    10 u8  sll_pkttype  11 u8   sll_halen     12 u8[8] sll_addr
 */
import koffi from 'koffi'

const AF_PACKET = 17
const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2000000
const ETH_P_ALL = 0x0003
const SOL_SOCKET = 1
const SO_RCVBUF = 8
const MSG_DONTWAIT = 0x40
const MSG_TRUNC = 0x20
const EINTR = 4
const EAGAIN = 11
const ENETDOWN = 100
const SOCKADDR_LL_BYTES = 20
const RECEIVE_BUFFER_BYTES = 8 << 20

/** sll_pkttype of a frame that this host has sent (linux/if_packet.h). */
const PACKET_OUTGOING = 4

const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const void *address, uint32_t bytes)')
const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int name, const void *value, uint32_t bytes)',
)
const recvfrom = libc.func(
  'long recvfrom(int fd, void *buffer, size_t bytes, int flags, void *address, void *addressBytes)',
)
const send = libc.func('long send(int fd, const void *buffer, size_t bytes, int flags)')
const close = libc.func('int close(int fd)')
const ifNameToIndex = libc.func('uint32_t if_nametoindex(const char *name)')

/** Network byte order of a 16-bit number, as the number that a little-endian host stores for it. */
function htons(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8)
}

export class FrameSocketError extends Error {
  override readonly name = 'FrameSocketError'
  readonly errno: number

  constructor(call: string, errno: number) {
    super(`${call} failed with errno ${errno}${errno === 1 ? ' (CAP_NET_RAW is needed)' : ''}`)
    this.errno = errno
  }
}

export interface ReceivedFrame {
  /** A copy, from the Ethernet header on. */
  readonly bytes: Uint8Array
  /** Whether this host has sent it. */
  readonly outgoing: boolean
}

export class FrameSocket {
  readonly #fd: number
  readonly #buffer = new Uint8Array(65_536 + 64)
  readonly #address = new Uint8Array(SOCKADDR_LL_BYTES)
  readonly #addressBytes = new Int32Array(1)

  constructor(interfaceName: string) {
    const index: number = ifNameToIndex(interfaceName)
    if (index === 0) throw new Error(`no interface is called ${interfaceName}`)
    this.#fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))
    if (this.#fd < 0) throw new FrameSocketError('socket(AF_PACKET)', koffi.errno())
    const room = Int32Array.of(RECEIVE_BUFFER_BYTES)
    setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUF, room, 4) // as much of it as net.core.rmem_max allows
    const address = new DataView(new ArrayBuffer(SOCKADDR_LL_BYTES))
    address.setUint16(0, AF_PACKET, true)
    address.setUint16(2, ETH_P_ALL)
    address.setInt32(4, index, true)
    if (bind(this.#fd, new Uint8Array(address.buffer), SOCKADDR_LL_BYTES) < 0) {
      const errno = koffi.errno()
      close(this.#fd)
      throw new FrameSocketError(`bind(${interfaceName})`, errno)
    }
  }

  /** The next frame, or null if none waits. Never blocks. */
  receive(): ReceivedFrame | null {
    for (;;) {
      this.#addressBytes[0] = SOCKADDR_LL_BYTES
      const flags = MSG_DONTWAIT | MSG_TRUNC
      const { byteLength } = this.#buffer
      const address = this.#address
      const got: number = Number(
        recvfrom(this.#fd, this.#buffer, byteLength, flags, address, this.#addressBytes),
      )
      if (got >= 0) {
        return {
          bytes: this.#buffer.slice(0, Math.min(got, byteLength)),
          outgoing: this.#address[10] === PACKET_OUTGOING,
        }
      }
      const errno = koffi.errno()
      if (errno === EINTR) continue
      if (errno === EAGAIN || errno === ENETDOWN) return null
      throw new FrameSocketError('recvfrom', errno)
    }
  }

  send(frame: Uint8Array): void {
    if (Number(send(this.#fd, frame, frame.byteLength, 0)) < 0) {
      throw new FrameSocketError('send', koffi.errno())
    }
  }

  close(): void {
    close(this.#fd)
  }
}
