/**
 * ARP for IPv4 over Ethernet (RFC 826; linux/if_arp.h).
 *
 *   0       2       4    5    6       8              14         18             24         28
 *   | htype | ptype | hl | pl |  op   |  sender MAC  | sender IP|  target MAC  | target IP|
 *      1     0x0800   6    4
 *
 * `at` is where the ARP packet begins, behind the Ethernet header. Frames are usually padded to 60
 * bytes: what follows the 28 bytes means nothing.
 */
import { type Field, field } from './field.js'

export const BYTES = 28

export const OP_REQUEST = 1
export const OP_REPLY = 2

/** ARPHRD_ETHER. */
const HARDWARE_ETHERNET = 1
const PROTOCOL_IPV4 = 0x0800
/** The two address lengths, 6 and 4 bytes, as the 16-bit number that they make. */
const ADDRESS_LENGTHS = 0x0604

// biome-ignore format: one field a line
export const fields: readonly Field[] = [
  field('hardware type', 0, 2, 'number', 'Kind of link-layer address; 1: Ethernet.'),
  field('protocol type', 2, 2, 'hex', 'Kind of network address, an EtherType; 0x0800: IPv4.'),
  field('hardware length', 4, 1, 'number', 'Bytes of a link-layer address.'),
  field('protocol length', 5, 1, 'number', 'Bytes of a network address.'),
  field('operation', 6, 2, 'number', 'Request or reply.', { names: { [OP_REQUEST]: 'request', [OP_REPLY]: 'reply' } }),
  field('sender mac', 8, 6, 'mac', 'Link-layer address of the sender.'),
  field('sender address', 14, 4, 'ipv4', 'Network address of the sender; 0.0.0.0 in a probe.'),
  field('target mac', 18, 6, 'mac', 'Link-layer address of the target; means nothing in a request.'),
  field('target address', 24, 4, 'ipv4', 'The address asked for, or the one that the reply is for.'),
]

/** Whether `[at, end)` begins with ARP for IPv4 over Ethernet. Any operation is well-formed. */
export function isWellFormed(view: DataView, at: number, end: number): boolean {
  return (
    end - at >= BYTES &&
    view.getUint16(at) === HARDWARE_ETHERNET &&
    view.getUint16(at + 2) === PROTOCOL_IPV4 &&
    view.getUint16(at + 4) === ADDRESS_LENGTHS
  )
}

export function operation(view: DataView, at: number): number {
  return view.getUint16(at + 6)
}

export function senderMacHigh(view: DataView, at: number): number {
  return view.getUint16(at + 8)
}

export function senderMacLow(view: DataView, at: number): number {
  return view.getInt32(at + 10)
}

/** An int32 bit pattern, as all IPv4 addresses. */
export function senderAddress(view: DataView, at: number): number {
  return view.getInt32(at + 14)
}

export function targetMacHigh(view: DataView, at: number): number {
  return view.getUint16(at + 18)
}

export function targetMacLow(view: DataView, at: number): number {
  return view.getInt32(at + 20)
}

/** An int32 bit pattern, as all IPv4 addresses. */
export function targetAddress(view: DataView, at: number): number {
  return view.getInt32(at + 24)
}

/** Writes all 28 bytes. */
export function write(
  view: DataView,
  at: number,
  operation: number,
  senderMacHigh: number,
  senderMacLow: number,
  senderAddress: number,
  targetMacHigh: number,
  targetMacLow: number,
  targetAddress: number,
): void {
  view.setUint16(at, HARDWARE_ETHERNET)
  view.setUint16(at + 2, PROTOCOL_IPV4)
  view.setUint16(at + 4, ADDRESS_LENGTHS)
  view.setUint16(at + 6, operation)
  view.setUint16(at + 8, senderMacHigh)
  view.setInt32(at + 10, senderMacLow)
  view.setInt32(at + 14, senderAddress)
  view.setUint16(at + 18, targetMacHigh)
  view.setInt32(at + 20, targetMacLow)
  view.setInt32(at + 24, targetAddress)
}
