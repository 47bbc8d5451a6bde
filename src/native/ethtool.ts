/**
 * Offloads of an interface: work on frames that its kernel leaves to hardware, or does for many
 * frames at once (`linux/ethtool.h`, ioctl SIOCETHTOOL of `linux/sockios.h`). By ioctl, so that
 * ethtool(8) need not be installed. See `native-notes/ethtool.md`.
 */
import { ifreq } from './interfaces.js'
import { addressOf, check, close, ioctl, socket } from './libc.js'
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from './socket.js'

export const SIOCETHTOOL = 0x8946

/** What each command takes or fills: `data` is 0 or 1, or bits for ETHTOOL_GFLAGS. */
export const ethtool_value = { size: 8, cmd: 0, data: 4 } as const
/** What ETHTOOL_GCHANNELS fills: queues that there could be, and that there are. */
export const ethtool_channels = {
  size: 36,
  cmd: 0,
  max_rx: 4,
  max_tx: 8,
  max_other: 12,
  max_combined: 16,
  rx_count: 20,
  tx_count: 24,
  other_count: 28,
  combined_count: 32,
} as const
/** The member of `struct ifreq` that points to it lies where all members of its union do. */
const IFR_DATA = ifreq.ifr_flags

export const ETHTOOL_GRXCSUM = 0x14
export const ETHTOOL_SRXCSUM = 0x15
export const ETHTOOL_GTXCSUM = 0x16
export const ETHTOOL_STXCSUM = 0x17
export const ETHTOOL_GSG = 0x18
export const ETHTOOL_SSG = 0x19
export const ETHTOOL_GTSO = 0x1e
export const ETHTOOL_STSO = 0x1f
export const ETHTOOL_GGSO = 0x23
export const ETHTOOL_SGSO = 0x24
export const ETHTOOL_GGRO = 0x2b
export const ETHTOOL_SGRO = 0x2c
export const ETHTOOL_GFLAGS = 0x25
export const ETHTOOL_GCHANNELS = 0x3c
export const ETH_FLAG_LRO = 0x8000

/** Commands that read and that set each, under the names of `ethtool -K`. */
const COMMANDS = {
  rx: [ETHTOOL_GRXCSUM, ETHTOOL_SRXCSUM],
  tx: [ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM],
  sg: [ETHTOOL_GSG, ETHTOOL_SSG],
  tso: [ETHTOOL_GTSO, ETHTOOL_STSO],
  gso: [ETHTOOL_GGSO, ETHTOOL_SGSO],
  gro: [ETHTOOL_GGRO, ETHTOOL_SGRO],
} as const

export type Offload = keyof typeof COMMANDS

export function offloads(): Offload[] {
  return Object.keys(COMMANDS) as Offload[]
}

function ask(interfaceName: string, cmd: number, data: number, what: string): number {
  const value = new Uint32Array([cmd, data])
  check(command(interfaceName, value), `ioctl SIOCETHTOOL (${what})`, interfaceName)
  return value[ethtool_value.data >> 2]!
}

/** Carries out the command that `value` begins with; what ioctl(2) returned. */
function command(interfaceName: string, value: Uint32Array): number {
  const request = new Uint8Array(ifreq.size)
  request.set(Buffer.from(interfaceName), ifreq.ifr_name)
  new DataView(request.buffer).setBigUint64(IFR_DATA, BigInt(addressOf(value)), true)
  const fd = check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket', interfaceName)
  try {
    return ioctl(fd, SIOCETHTOOL, request)
  } finally {
    close(fd)
  }
}

/** Receive queues of an interface: one where the driver doesn't say. */
export function receiveQueues(interfaceName: string): number {
  const value = new Uint32Array(ethtool_channels.size / 4)
  value[0] = ETHTOOL_GCHANNELS
  if (command(interfaceName, value) === -1) return 1
  const { rx_count, combined_count } = ethtool_channels
  return Math.max(1, value[rx_count >> 2] + value[combined_count >> 2])
}

export function hasOffload(interfaceName: string, offload: Offload): boolean {
  return ask(interfaceName, COMMANDS[offload][0], 0, offload) !== 0
}

/** Needs CAP_NET_ADMIN. A driver may keep an offload on that it cannot do without (EOPNOTSUPP). */
export function setOffload(interfaceName: string, offload: Offload, on: boolean): void {
  ask(interfaceName, COMMANDS[offload][1], on ? 1 : 0, offload)
}

/** Large receive offload: the hardware joins frames, without keeping what it takes to undo that. */
export function hasLargeReceive(interfaceName: string): boolean {
  return (ask(interfaceName, ETHTOOL_GFLAGS, 0, 'lro') & ETH_FLAG_LRO) !== 0
}
