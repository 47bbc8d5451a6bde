/** Times under way, in numbers: what a histogram of nanoseconds says, in µs. */
import { encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js'

export interface Times {
  readonly frames: number
  readonly mean: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export function timesOf(histogram: Histogram): Times {
  // It tells percentiles to three digits, rounded up, and the greatest value as it was.
  const at = (percentile: number) =>
    microseconds(Math.min(histogram.getValueAtPercentile(percentile), histogram.maxValue))
  return {
    frames: histogram.totalCount,
    mean: microseconds(histogram.mean),
    p50: at(50),
    p99: at(99),
    p999: at(99.9),
    max: microseconds(histogram.maxValue),
  }
}

/** To the nanosecond, as a histogram has no more. */
function microseconds(nanoseconds: number): number {
  return Math.round(nanoseconds) / 1000
}

export function timesText({ p50, p99, p999, max }: Times): string {
  const us = (value: number) => `${value.toFixed(1)} µs`
  return `p50 ${us(p50)}, p99 ${us(p99)}, p99.9 ${us(p999)}, max ${us(max)}`
}

/** HdrHistogram's own form, compressed, as text: others can be added to it. */
export function packed(histogram: Histogram): string {
  return encodeIntoCompressedBase64(histogram)
}
