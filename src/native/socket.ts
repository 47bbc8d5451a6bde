/**
 * What all sockets share: `bits/socket.h`, `asm-generic/socket.h`, `linux/socket.h`, `poll.h`.
 * Layouts are those of LP64 Linux (x86_64, arm64); see `native-notes/socket.md`.
 *
 * Descriptors, options and messages only. What is said of packets is in `if-packet.ts`.
 */
import { check, getsockopt, setsockopt } from './libc.js'

export const AF_INET = 2
export const AF_PACKET = 17
export const SOCK_RAW = 3
export const SOCK_DGRAM = 2
export const SOCK_CLOEXEC = 0o2000000
export const SOCK_NONBLOCK = 0o4000

export const SOL_SOCKET = 1
export const SO_ERROR = 4
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_ATTACH_FILTER = 26
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
/** `asm-generic/socket.h`: a call polls the device for so many µs, instead of an interrupt. */
export const SO_BUSY_POLL = 46
export const SO_PREFER_BUSY_POLL = 69
export const SO_BUSY_POLL_BUDGET = 70

export const MSG_DONTWAIT = 0x40

export const POLLIN = 0x001
export const POLLOUT = 0x004
export const POLLERR = 0x008
export const POLLHUP = 0x010

/** sendmmsg(2) takes no more messages than this at once (`linux/uio.h`). */
export const UIO_MAXIOV = 1024

/** Size and field offsets in bytes, host byte order. */
export const iovec = { size: 16, iov_base: 0, iov_len: 8 } as const
export const msghdr = {
  size: 56,
  msg_name: 0,
  msg_namelen: 8,
  msg_iov: 16,
  msg_iovlen: 24,
  msg_control: 32,
  msg_controllen: 40,
  msg_flags: 48,
} as const
export const mmsghdr = { size: 64, msg_hdr: 0, msg_len: 56 } as const
export const pollfd = { size: 8, fd: 0, events: 4, revents: 6 } as const

/** Sets an integer option; throws with its name if the kernel refuses. */
export function setOption(fd: number, level: number, name: number, value: number, what: string) {
  check(setsockopt(fd, level, name, new Int32Array([value]), 4), 'setsockopt', what)
}

/** Sets an integer option if the kernel allows it, and says whether it did. */
export function tryOption(fd: number, level: number, name: number, value: number): boolean {
  return setsockopt(fd, level, name, new Int32Array([value]), 4) === 0
}

const errorValue = new Int32Array(1)
const errorBytes = new Uint32Array(1)

/** Takes the error that waits in a socket (which `poll` shows as POLLERR); 0 if there is none. */
export function takeError(fd: number): number {
  errorBytes[0] = 4
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, errorValue, errorBytes) === 0 ? errorValue[0] : 0
}
