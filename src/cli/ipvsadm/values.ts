/** Values of options: numbers, times, marks, masks, scheduler flags, addresses with ports. */
import type { Family, ServiceProtocol } from '../../balance/rule.js'
import { formatIpv4, formatIpv6, readIpv4, readIpv6, readStrictIpv4 } from './address.js'
import { badUsage } from './messages.js'
import { HostWanted, type Names } from './names.js'

export const INT_MAX = 2147483647
export const PORT_MAX = 65535
/** 31 days, in seconds. */
const TIMEOUT_MAX = 2678400
const PERSISTENT_DEFAULT = 360

/** As strtol(3) in base 10 reads a whole text; null if it is no number or out of range. */
export function readNumber(text: string, min: number, max: number): number | null {
  if (!/^[ \t\n\v\f\r]*[+-]?[0-9]+$/.test(text)) return null
  const value = Number(text.trim())
  return value >= min && value <= max ? value + 0 : null
}

/** A time in seconds; `null` stands for the persistence that is meant by a bare `-p`. */
export function readTimeout(text: string | null, min: number): number {
  if (text === null) return PERSISTENT_DEFAULT
  const seconds = readNumber(text, min, TIMEOUT_MAX)
  if (seconds === null) throw badUsage(`invalid timeout value \`${text}' specified`)
  return seconds
}

export function readFwmark(text: string): number {
  const mark = readNumber(text, 1, 0xffffffff)
  if (mark === null) throw badUsage(`invalid fwmark value \`${text}' specified`)
  return mark
}

/** @param family of the service, if one stands before the mask on the line. */
export function readNetmask(text: string, family: Family | null, names: Names): string {
  if (family === 'inet6') {
    const digits = /^[ \t\n\v\f\r]*\+?([0-9]+)/.exec(text)?.[1]
    const length = Number(digits ?? 0)
    if (length < 1 || length > 128) throw badUsage('illegal ipv6 netmask specified')
    return String(length)
  }
  const mask = readIpv4OrHost(text, names)
  if (mask === null) throw badUsage('illegal virtual server persistent mask specified')
  return mask
}

/** Scheduler flag bits by name; the schedulers a name is for, if not for any. */
const SCHEDULER_FLAGS: Readonly<Record<string, { bit: number; scheduler?: string }>> = {
  'flag-1': { bit: 0x08 },
  'flag-2': { bit: 0x10 },
  'flag-3': { bit: 0x20 },
  'sh-fallback': { bit: 0x08, scheduler: 'sh' },
  'sh-port': { bit: 0x10, scheduler: 'sh' },
  'mh-fallback': { bit: 0x08, scheduler: 'mh' },
  'mh-port': { bit: 0x10, scheduler: 'mh' },
}

export function readSchedulerFlags(text: string, scheduler: string): number {
  let bits = 0
  for (const name of text.split(',')) {
    if (name === '') continue
    if (!Object.hasOwn(SCHEDULER_FLAGS, name)) throw badUsage(`invalid scheduler flag \`${name}'`)
    const flag = SCHEDULER_FLAGS[name]!
    if ((flag.scheduler ?? scheduler) !== scheduler) {
      throw badUsage(`incompatible scheduler flag \`${name}'`)
    }
    bits |= flag.bit
  }
  return bits
}

/**
 * The flags as a listing names them, in the order fallback, port; flag-3 has no name with sh, mh.
 */
export function schedulerFlagNames(bits: number, scheduler: string): string {
  const names = Object.entries(SCHEDULER_FLAGS)
  const own = scheduler === 'sh' || scheduler === 'mh' ? scheduler : undefined
  return names
    .filter(([, flag]) => flag.scheduler === own && (bits & flag.bit) !== 0)
    .map(([name]) => name)
    .join(',')
}

export function readMulticast(text: string): string {
  if (text.includes(':')) {
    const groups = readIpv6(text)
    if (groups === null || groups[0]! >> 8 !== 0xff) {
      throw badUsage(`invalid IPv6 mcast-group \`${text}'`)
    }
    return formatIpv6(groups)
  }
  const address = readStrictIpv4(text)
  if (address === null || address >>> 28 !== 0xe) {
    throw badUsage(`invalid IPv4 mcast-group \`${text}'`)
  }
  return formatIpv4(address)
}

export interface Endpoint {
  readonly family: Family
  readonly address: string
  /** null if none was written. */
  readonly port: number | null
}

/**
 * `HOST[:PORT]`; null if it is none. An IPv6 address with a port needs brackets. Brackets around
 * anything else are taken away, its port with them: that is what ipvsadm does.
 */
export function readEndpoint(
  text: string,
  protocol: ServiceProtocol | null,
  names: Names,
): Endpoint | null {
  if (/^[0-9]*$/.test(text)) return null
  let host = text
  let port: string | null = null
  if (text.startsWith('[')) {
    const close = text.indexOf(']')
    if (close < 0 || text[close + 1] !== ':') return null
    host = text.slice(1, close)
    port = text.slice(close + 2)
  }
  const groups = readIpv6(host)
  if (groups !== null) {
    return withPort({ family: 'inet6', address: formatIpv6(groups) }, port, protocol, names)
  }
  const colon = host.lastIndexOf(':')
  port = colon < 0 ? null : host.slice(colon + 1)
  const address = readIpv4OrHost(colon < 0 ? host : host.slice(0, colon), names)
  return address === null ? null : withPort({ family: 'inet', address }, port, protocol, names)
}

function withPort(
  host: { readonly family: Family; readonly address: string },
  written: string | null,
  protocol: ServiceProtocol | null,
  names: Names,
): Endpoint | null {
  if (written === null) return { ...host, port: null }
  const named = () => (protocol === null ? null : names.port(written, protocol))
  const port = readNumber(written, 0, PORT_MAX) ?? named()
  return port === null ? null : { ...host, port }
}

function readIpv4OrHost(text: string, names: Names): string | null {
  const ipv4 = readIpv4(text)
  if (ipv4 !== null) return formatIpv4(ipv4)
  if (text === '') return null
  const address = names.address(text)
  if (address === undefined) throw new HostWanted(text)
  return address
}
