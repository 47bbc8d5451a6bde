/** Whom a frame for a VIP was sent to on its segment: the director, by its MAC address. */
import * as ethernet from '../wire/ethernet.js'
import { readFlow } from './flow.js'
import { addressKey, type Mac } from './surroundings.js'

/**
 * Destination MAC address of the frame, if its IP packet goes to one of `vips` (by `addressKey()`).
 */
export function macForVip(bytes: Uint8Array, vips: ReadonlySet<string>): Mac | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const flow = readFlow(view, 0, bytes.length)
  if (flow === null || !vips.has(addressKey(flow.family, flow.destination))) return null
  // A group address is nobody's own.
  if (ethernet.isGroup(view, 0)) return null
  return { high: ethernet.destinationHigh(view, 0), low: ethernet.destinationLow(view, 0) }
}
