/** One arm of the port af_xdp: an interface, and a socket for each of its receive queues. */
import type { Arm } from '../engine/port.js'
import { receiveQueues } from '../native/ethtool.js'
import { ARPHRD_ETHER } from '../native/if-packet.js'
import { mtuOfChunk } from '../native/if-xdp.js'
import { type Interface, readInterface } from '../native/interfaces.js'
import { SystemCallError } from '../native/libc.js'
import { chunkBytesFor, type Umem } from './umem.js'
import { XskSocket } from './xsk-socket.js'

export interface FoundArm extends Interface {
  readonly queues: number
}

/** What the named interfaces are, and the chunk that holds a frame of any of them. */
export function findArms(names: readonly string[]): { arms: FoundArm[]; chunkBytes: number } {
  if (names.length === 0) throw new Error('no interface was named; give one with -i')
  const arms = names.map((name) => {
    const found = readInterface(name)
    if (found.hardwareType !== ARPHRD_ETHER) {
      throw new Error(
        `${name} does not carry Ethernet frames (hardware type ${found.hardwareType}); ` +
          'choose an Ethernet interface, `ip link` lists them',
      )
    }
    if (chunkBytesFor(found.mtu) === undefined) {
      const most = mtuOfChunk()
      throw new Error(
        `the MTU of ${name} is ${found.mtu}, af_xdp holds packets of up to ${most} bytes ` +
          `(${name}); \`ip link set ${name} mtu ${most}\`, or use --engine af_packet`,
      )
    }
    return { ...found, queues: receiveQueues(name) }
  })
  const largest = Math.max(...arms.map((arm) => arm.mtu))
  return { arms, chunkBytes: chunkBytesFor(largest) as number }
}

interface SocketOptions {
  readonly entries: number
  readonly busyPollMicroseconds: number
  readonly copy: boolean
}

/** Opens all sockets: without copies if every device can do that, else all with copies. */
export function openArms(found: readonly FoundArm[], umem: Umem, options: SocketOptions): XdpArm[] {
  try {
    return openAll(found, umem, options)
  } catch (error) {
    // One umem has one mode: the first device may offer zero-copy where another has none.
    const isBind = error instanceof SystemCallError && error.call === 'bind AF_XDP'
    const isShared = found.length > 1 || found.some((arm) => arm.queues > 1)
    if (options.copy || !isBind || !isShared) throw error
    umem.reset()
    return openAll(found, umem, { ...options, copy: true })
  }
}

function openAll(found: readonly FoundArm[], umem: Umem, options: SocketOptions): XdpArm[] {
  const arms: XdpArm[] = []
  try {
    for (const each of found) arms.push(new XdpArm(each, umem, arms[0]?.sockets[0], options))
    return arms
  } catch (error) {
    for (const arm of arms) arm.close()
    throw error
  }
}

export class XdpArm implements Arm {
  readonly name: string
  readonly index: number
  readonly macHigh: number
  readonly macLow: number
  readonly mtu: number
  readonly superframes = false
  /** By queue. */
  readonly sockets: readonly XskSocket[]

  constructor(
    found: FoundArm,
    umem: Umem,
    first: XskSocket | undefined,
    { entries, busyPollMicroseconds, copy }: SocketOptions,
  ) {
    this.name = found.name
    this.index = found.index
    this.macHigh = found.macHigh
    this.macLow = found.macLow
    this.mtu = found.mtu
    const sockets: XskSocket[] = []
    try {
      for (let queue = 0; queue < found.queues; queue++) {
        const options = {
          interface: found.name,
          index: found.index,
          queue,
          entries,
          copy,
          busyPollMicroseconds,
          first: first ?? sockets[0],
        }
        sockets.push(new XskSocket(umem, options))
      }
    } catch (error) {
      for (const socket of sockets) socket.close()
      throw error
    }
    this.sockets = sockets
  }

  /** By which socket the frames leave that came in on `queue`, of this arm or another. */
  wayOut(queue: number): XskSocket {
    const { sockets } = this
    return sockets[queue < sockets.length ? queue : queue % sockets.length]
  }

  close(): void {
    for (const socket of this.sockets) socket.close()
  }
}
