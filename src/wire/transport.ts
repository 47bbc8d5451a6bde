/**
 * What TCP, UDP and SCTP have in common: they begin with two ports (RFC 9293, 768, 9260).
 *
 *   0             2                  4
 *   | source port | destination port |
 *
 * The `isWellFormed` of each covers these four bytes; the one here is for the packet that an ICMP
 * error quotes, of whose transport there may be no more.
 */

/** Bytes that hold both ports. */
export const PORTS_BYTES = 4

/** Whether `[at, end)` holds both ports. */
export function isWellFormed(_view: DataView, at: number, end: number): boolean {
  return end - at >= PORTS_BYTES
}

/** Both ports as one int32 bit pattern: the source port in the upper 16 bits. */
export function ports(view: DataView, at: number): number {
  return view.getInt32(at)
}

export function sourcePort(view: DataView, at: number): number {
  return view.getUint16(at)
}

export function destinationPort(view: DataView, at: number): number {
  return view.getUint16(at + 2)
}

export function setPorts(
  view: DataView,
  at: number,
  sourcePort: number,
  destinationPort: number,
): void {
  view.setUint16(at, sourcePort)
  view.setUint16(at + 2, destinationPort)
}
