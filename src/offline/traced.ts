/** A traced frame in words: `uipvs trace` and the page say the same of it. */
import type { TracedFrame } from '../control/traced-frame.js'
import { ENDINGS } from '../engine/verdict.js'
import { frameText } from './flow.js'

/** Bytes of a frame that its text is made of: all headers. */
export const TEXT_BYTES = 192

export interface TracedText {
  /** `tcp 10.0.0.1:40000 > 192.168.1.110:80 S` */
  readonly frame: string
  /** `forwarded to 192.168.1.2:80 at 02:00:00:00:00:02`, or the verdict alone. */
  readonly outcome: string
  /** `1 of 37`, where others like it were not shown; else empty. */
  readonly share: string
  /** What its verdict means. */
  readonly sentence: string
}

export function bytesOf(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length >> 1)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

export function tracedText(traced: TracedFrame): TracedText {
  const { length, before, verdict, action, realserver, mac, oneOf } = traced
  // As long as it was, or it would look like a frame that was cut on the wire.
  const bytes = new Uint8Array(Math.max(length, TEXT_BYTES))
  bytes.set(bytesOf(before.slice(0, 2 * TEXT_BYTES)))
  const view = new DataView(bytes.buffer)
  const to = action === 'forward' ? 'to' : 'meant for'
  const where = realserver === null ? '' : ` ${to} ${realserver}`
  return {
    frame: before === '' ? `${length} bytes` : frameText(view, 0, length),
    outcome: `${verdict}${where}${mac === null ? '' : ` at ${mac}`}`,
    share: oneOf > 1 ? `1 of ${oneOf}` : '',
    sentence: ENDINGS.find(({ name }) => name === verdict)?.sentence ?? '',
  }
}
