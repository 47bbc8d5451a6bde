/**
 * What an offline director has instead of a network. There is no kernel to ask for routes and
 * nobody to ask for MAC addresses, so:
 *
 *   arm          one, `offline0`, with the director's MAC address
 *   VIPs         the addresses of the services
 *   routes       everything is on the link of that arm; 127.0.0.0/8 and ::1 are the director itself
 *   neighbours   every realserver has a MAC address that never changes: the one that was given,
 *                else the one seen in the capture's own ARP, else 02:00 and the last 32 bits of its
 *                address
 */
import { parseAddress } from '../balance/address.js'
import type { RuleBook } from '../balance/apply.js'
import { markedAddresses } from '../balance/mark-rules.js'
import type { Rule, ServiceKey } from '../balance/rule.js'
import type { Arm } from '../engine/port.js'
import type { Route } from '../link/routes.js'
import type { Vip } from '../link/vips.js'
import { formatMac, parseMac } from '../wire/address.js'

/** A MAC address as two numbers: the first 16 bits and the last 32 (an int32 bit pattern). */
export interface Mac {
  readonly high: number
  readonly low: number
}

/** The director's, where nothing says another: locally administered, as in the tests. */
export const DEFAULT_DIRECTOR_MAC: Mac = { high: 0x0200, low: 0xff01 }
export const DEFAULT_MTU = 1500
const MADE_UP_HIGH = 0x0200

export function macText(mac: Mac): string {
  return formatMac(mac.high, mac.low)
}

/** The MAC address that a realserver has offline if nobody says which. */
export function madeUpMac(family: number, words: Int32Array): Mac {
  return { high: MADE_UP_HIGH, low: family === 4 ? words[0] : words[3] }
}

export function offlineArm(mac: Mac, mtu = DEFAULT_MTU): Arm {
  return { name: 'offline0', macHigh: mac.high, macLow: mac.low, mtu, superframes: true }
}

export function offlineRoutes(): Route[] {
  const route = (family: 4 | 6, word: number, last: number, bits: number, kind: Route['kind']) => ({
    family,
    network: Int32Array.of(word, 0, 0, last),
    prefixBits: bits,
    kind,
    arm: 0,
    gateway: null,
    mtu: 0,
  })
  return [
    route(4, 0, 0, 0, 'unicast'),
    route(6, 0, 0, 0, 'unicast'),
    route(4, 0x7f000000, 0, 8, 'local'),
    route(6, 0, 1, 128, 'local'),
  ]
}

/** The VIPs that rules mean: the addresses of services, and those that mark rules name. */
export function vipsOf(book: RuleBook): Vip[] {
  const keys = [...book.services()].map((slot) => book.serviceKeys[slot] as ServiceKey)
  const addresses = new Set(keys.flatMap((key) => ('address' in key ? [key.address] : [])))
  for (const { address } of markedAddresses(book.marks.rules, keys)) addresses.add(address)
  return [...addresses].flatMap((address) => {
    const parsed = parseAddress(address)
    return parsed === null ? [] : [{ ...parsed, onKernel: false, announced: true }]
  })
}

/** MAC addresses by address, from `RIP=MAC` texts; the text that is none, if one is not. */
export function parseMacs(texts: readonly string[]): ReadonlyMap<string, Mac> | string {
  const macs = new Map<string, Mac>()
  for (const text of texts) {
    const [address = '', mac = ''] = text.split('=')
    const words = parseAddress(address)
    const parsed = parseMac(mac)
    if (words === null || parsed === null) return text
    macs.set(addressKey(words.family, words.words), parsed)
  }
  return macs
}

/** How a realserver's address is known in a map of MAC addresses: however it was written. */
export function addressKey(family: number, words: Int32Array): string {
  return `${family} ${words.join(' ')}`
}

/** The addresses of the services that rules add, by `addressKey()`: whom frames are for. */
export function vipKeysOf(rules: readonly Rule[]): ReadonlySet<string> {
  const keys = new Set<string>()
  for (const rule of rules) {
    if (rule.op !== 'add-service' || !('address' in rule.service)) continue
    const parsed = parseAddress(rule.service.address)
    if (parsed !== null) keys.add(addressKey(parsed.family, parsed.words))
  }
  return keys
}
