/**
 * Whether interfaces, addresses or routes have changed: rtnetlink(7), `linux/rtnetlink.h`. The
 * kernel tells a socket of each change; that there was one is all that is taken from it, for what
 * there is now comes from `interfaces.ts`, at the price of three programs that run.
 */
import { bind, check, close, errno, errnoOf, recv, socket } from './libc.js'
import { MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_RAW } from './socket.js'

export const AF_NETLINK = 16
export const NETLINK_ROUTE = 0
export const RTMGRP_LINK = 0x1
export const RTMGRP_IPV4_IFADDR = 0x10
export const RTMGRP_IPV4_ROUTE = 0x40
export const RTMGRP_IPV6_IFADDR = 0x100
export const RTMGRP_IPV6_ROUTE = 0x400

/** `struct sockaddr_nl`. */
export const sockaddr_nl = { size: 12, nl_family: 0, nl_pid: 4, nl_groups: 8 } as const

const GROUPS =
  RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE
const EAGAIN = errnoOf('EAGAIN')
/** A storm of changes may bring them faster than we read; the rest is there the next time. */
const READ_MAX = 1024

/** Of the network namespace that the calling thread is in when it is made. */
export class NetworkWatch {
  readonly #fd: number
  /** What is longer is cut off, and not missed. */
  readonly #message = new Uint8Array(64)
  #isOpen = true

  constructor() {
    const where = 'to hear of new addresses and routes'
    this.#fd = check(
      socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE),
      'socket NETLINK_ROUTE',
      where,
    )
    const address = new DataView(new ArrayBuffer(sockaddr_nl.size))
    address.setUint16(sockaddr_nl.nl_family, AF_NETLINK, true)
    address.setUint32(sockaddr_nl.nl_groups, GROUPS, true)
    try {
      check(bind(this.#fd, address, sockaddr_nl.size), 'bind NETLINK_ROUTE', where)
    } catch (error) {
      close(this.#fd)
      throw error
    }
  }

  /** Whether anything has changed since this was asked last. Never blocks. */
  takeChange(): boolean {
    if (!this.#isOpen) return false
    for (let taken = 0; taken < READ_MAX; taken++) {
      const got = Number(recv(this.#fd, this.#message, this.#message.length, MSG_DONTWAIT))
      // Any other error is one more change: ENOBUFS, that some were lost, is the usual one.
      if (got < 0 && errno() === EAGAIN) return taken > 0
    }
    return true
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    close(this.#fd)
  }
}
