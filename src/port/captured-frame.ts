/**
 * One frame of a capture, whatever the format, what can be wrong with a capture, and the interface
 * of the readers of the formats (pcap.ts, pcapng-reader.ts), which capture-file.ts drives.
 */
import type { ByteWindow } from './byte-window.js'

/** LINKTYPE_ETHERNET, https://www.tcpdump.org/linktypes.html */
export const LINK_ETHERNET = 1
/** The longest frame that is believed, in bytes: MAXIMUM_SNAPLEN of libpcap. */
export const LARGEST_FRAME = 262144

export interface CapturedFrame {
  /** Position in the capture, from 0. */
  readonly index: number
  /** When it was captured, in ms since 1970, with a fraction (a double holds a quarter of a µs). */
  readonly timestampMs: number
  /** What was captured of it; these bytes belong to whoever reads. */
  readonly bytes: Uint8Array
  /** Its length on the wire, in bytes: more than `bytes.length` where the capture cut it. */
  readonly originalLength: number
  /** LINKTYPE_ value. */
  readonly linkType: number
  /** Name of the interface, where the capture tells. */
  readonly interface?: string
  readonly direction?: 'in' | 'out'
  /** First comment of the packet (pcapng). */
  readonly comment?: string
}

export interface CaptureProblem {
  readonly kind: 'unreadable' | 'truncated' | 'malformed' | 'unsupported'
  /** A sentence with the place in it. */
  readonly message: string
  /** The frame that could not be read, from 0. */
  readonly record: number
  /** Where in the capture the unreadable part begins, in bytes. */
  readonly offset: number
}

/**
 * What a reader of one format says when asked to go on: a frame; that it needs to see so many
 * bytes; that it has passed over something (null); or what is wrong. It never waits.
 */
export type Step =
  | { readonly frame: CapturedFrame }
  | { readonly problem: CaptureProblem }
  | number
  | null

export interface CaptureReader {
  step(window: ByteWindow, index: number): Step
}

export function problemAt(
  kind: CaptureProblem['kind'],
  what: string,
  record: number,
  offset: number,
): CaptureProblem {
  return { kind, message: `${what} at record ${record} (offset ${offset})`, record, offset }
}
