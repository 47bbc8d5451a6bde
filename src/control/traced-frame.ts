/** What a trace tells: also to the page, so nothing of Node. */
import type { Action } from '../engine/verdict.js'

export interface TracedFrame {
  readonly type: 'frame'
  /** Seconds since 1970, of the batch that it came in. */
  readonly time: number
  /** Which of the director's workers took it, from 0 on, and on which interface it came. */
  readonly worker: number
  readonly arm: string
  /** Bytes of the whole frame. */
  readonly length: number
  readonly verdict: string
  readonly action: Action
  /** `192.168.1.2:80`: where it went, or would have gone; null if it came not that far. */
  readonly realserver: string | null
  /** Of a frame that was forwarded: the MAC address that it was sent to, and by which interface. */
  readonly mac: string | null
  readonly egress: string | null
  /** It is one of so many that match, of which the others are not shown. */
  readonly oneOf: number
  /** In hexadecimal digits, up to `bytes` of it: as it came, and as it left if it was forwarded. */
  readonly before: string
  readonly after: string | null
}

/** Since the trace began. */
export interface TraceCounts {
  readonly type: 'counts'
  /** Frames that match the filter: about, where not all were looked at. */
  readonly matched: number
  readonly shown: number
  /** Taken, and overwritten or not sent because the reader was too slow. */
  readonly lost: number
}
