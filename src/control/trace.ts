/**
 * A trace over the control socket: what is asked for, and the lines that come. One JSON object a
 * line, frames as they are decided and counts now and then; `docs/control-api.md` describes them.
 */
import type { ServerResponse } from 'node:http'
import { parseFilter } from '../engine/trace-filter.js'
import { FilterError } from '../engine/trace-value.js'
import type { TraceCounts, TracedFrame } from './traced-frame.js'

export interface TraceRequest {
  /** docs/trace.md has its words; empty: all frames. */
  readonly filter: string
  /** Frames a second at most, on average. */
  readonly rate: number
  /** Bytes of each frame that are told. */
  readonly bytes: number
}

export const TRACE_RATE_DEFAULT = 1000
export const TRACE_RATE_MAX = 20_000
const BYTES_MAX = 65_535

export type { TraceCounts, TracedFrame }
export type TraceLine = TracedFrame | TraceCounts

/** Takes lines; false: it has no room for them now, and they are lost. */
export type TraceListener = (lines: readonly TraceLine[]) => boolean

/** Frames can't be traced, as a sentence. */
export class TraceRefused extends Error {
  override readonly name = 'TraceRefused'
}

/** What a query string asks for, or what is wrong with it. */
export function traceRequest(query: string): TraceRequest | string {
  const given = new URLSearchParams(query)
  for (const name of given.keys()) {
    if (!['filter', 'rate', 'bytes'].includes(name)) return `a trace has no '${name}'`
  }
  const rate = Number(given.get('rate') ?? TRACE_RATE_DEFAULT)
  const bytes = Number(given.get('bytes') ?? 0)
  if (!(rate > 0 && rate <= TRACE_RATE_MAX)) {
    return `the rate is more than 0 and at most ${TRACE_RATE_MAX} frames a second`
  }
  if (!Number.isInteger(bytes) || bytes < 0 || bytes > BYTES_MAX) {
    return `the bytes of a frame are 0 to ${BYTES_MAX}`
  }
  const filter = given.get('filter') ?? ''
  try {
    parseFilter(filter)
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    return `${error.message} (column ${error.column + 1} of the filter)`
  }
  return { filter, rate, bytes }
}

type Open = (listener: TraceListener) => Promise<() => void>

/** Sends a trace until nobody reads any more. */
export async function sendTrace(response: ServerResponse, open: Open): Promise<void> {
  const gone = new Promise<void>((resolve) => response.on('close', resolve))
  const close = await open((lines) => {
    if (response.writableNeedDrain) return false
    response.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    return true
  })
  // The reader is told that the trace runs, before any frame comes.
  if (!response.headersSent) {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.flushHeaders()
  }
  await gone
  close()
}
