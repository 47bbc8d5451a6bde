/**
 * Ethernet II frames, with the tags of IEEE 802.1Q (IEEE 802.3 clause 3; linux/if_ether.h).
 *
 *   0             6             12     14
 *   | destination |   source    | type | payload ...
 *   | destination |   source    | 8100 | tag  | type | payload ...       one tag: 4 bytes more
 *                                       12     14     16     18
 *
 * A tag shifts the type, and what follows, by VLAN_TAG_BYTES: behind a tag, `type(view, at +
 * VLAN_TAG_BYTES)` is the type of what the tag encloses. The frame check sequence never reaches us.
 *
 * A MAC address is two numbers here: its first 16 bits (`high`, unsigned) and its last 32 (`low`,
 * an int32 bit pattern). Callers know that a header's 14 bytes lie within the frame; this codec has
 * nothing else to doubt.
 */
import { type Field, field } from './field.js'

export const HEADER_BYTES = 14
export const VLAN_TAG_BYTES = 4
/** Offset of the type, and so of the first tag. */
export const TYPE_OFFSET = 12

export const ETH_P_IP = 0x0800
export const ETH_P_ARP = 0x0806
export const ETH_P_8021Q = 0x8100
export const ETH_P_IPV6 = 0x86dd
export const ETH_P_8021AD = 0x88a8

/** ff:ff:ff:ff:ff:ff in two numbers. */
export const BROADCAST_HIGH = 0xffff
export const BROADCAST_LOW = -1

export const TYPE_NAMES: Readonly<Record<number, string>> = {
  [ETH_P_IP]: 'IPv4',
  [ETH_P_ARP]: 'ARP',
  [ETH_P_8021Q]: '802.1Q',
  [ETH_P_IPV6]: 'IPv6',
  [ETH_P_8021AD]: '802.1ad',
}

// biome-ignore format: one field a line
export const fields: readonly Field[] = [
  field('destination', 0, 6, 'mac', 'The station that the frame is for; an odd first byte marks a group of stations.'),
  field('source', 6, 6, 'mac', 'The station that sent the frame.'),
  field('type', 12, 2, 'hex', 'What the payload is (EtherType).', { names: TYPE_NAMES }),
]

/** A tag, from its own type (TPID, 0x8100 or 0x88a8) on. */
// biome-ignore format: one field a line
export const vlanFields: readonly Field[] = [
  field('tag protocol', 0, 2, 'hex', 'Says that a tag follows.', { names: TYPE_NAMES }),
  field('priority', 2, 2, 'number', 'Priority code point, 0 to 7.', { shift: 13, width: 3 }),
  field('drop eligible', 2, 2, 'number', 'May be dropped first in a queue that is full.', { shift: 12, width: 1 }),
  field('vlan id', 2, 2, 'number', 'The VLAN that the frame belongs to; 0: none, only a priority.', { width: 12 }),
]

/** The EtherType, of the payload or of the first tag. */
export function type(view: DataView, at: number): number {
  return view.getUint16(at + 12)
}

/** Whether a frame of this type carries a tag there. */
export function isVlan(type: number): boolean {
  return type === ETH_P_8021Q || type === ETH_P_8021AD
}

/** Which VLAN a tag names. `tagAt` is where the tag's own type (0x8100) stands. */
export function vlanId(view: DataView, tagAt: number): number {
  return view.getUint16(tagAt + 2) & 0x0fff
}

/** Whether the frame is for a group of stations: multicast or broadcast. */
export function isGroup(view: DataView, at: number): boolean {
  return (view.getUint8(at) & 1) !== 0
}

export function destinationHigh(view: DataView, at: number): number {
  return view.getUint16(at)
}

export function destinationLow(view: DataView, at: number): number {
  return view.getInt32(at + 2)
}

export function sourceHigh(view: DataView, at: number): number {
  return view.getUint16(at + 6)
}

export function sourceLow(view: DataView, at: number): number {
  return view.getInt32(at + 8)
}

export function setDestination(view: DataView, at: number, high: number, low: number): void {
  view.setUint16(at, high)
  view.setInt32(at + 2, low)
}

export function setSource(view: DataView, at: number, high: number, low: number): void {
  view.setUint16(at + 6, high)
  view.setInt32(at + 8, low)
}

export function setType(view: DataView, at: number, type: number): void {
  view.setUint16(at + 12, type)
}

/** Writes all 14 bytes. */
export function writeHeader(
  view: DataView,
  at: number,
  destinationHigh: number,
  destinationLow: number,
  sourceHigh: number,
  sourceLow: number,
  type: number,
): void {
  setDestination(view, at, destinationHigh, destinationLow)
  setSource(view, at, sourceHigh, sourceLow)
  setType(view, at, type)
}

/**
 * Writes a tag with priority 0. `tagAt` is where its own type stands; the enclosed type follows.
 */
export function writeTag(view: DataView, tagAt: number, tagProtocol: number, id: number): void {
  view.setUint16(tagAt, tagProtocol)
  view.setUint16(tagAt + 2, id)
}
