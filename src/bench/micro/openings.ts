/** New connections a second: SYNs of ever new flows through forward(), until the table is full. */
import { CONNECTIONS_FULL, FORWARDED } from '../../engine/verdict.js'
import { directorFor } from './director.js'
import { setFlow, tcpFrame } from './frames.js'
import { best, type Measurement, median } from './measurement.js'

const RING = 4096

export const openings: Measurement = {
  name: 'openings',
  title: 'new connections: SYNs of ever new flows, wlc over three realservers',

  steps: ({ repeats }) => repeats,

  async run(options, { inChild }) {
    const million: number[] = []
    for (let repeat = 0; repeat < options.repeats; repeat++) {
      million.push(...(await inChild<number[]>('openings', '', options)))
    }
    const top = Math.max(...million)
    const row = [top.toFixed(2), median(million).toFixed(2), (1000 / top).toFixed(1)]
    return {
      table: {
        title: this.title,
        head: ['', 'best M/s', 'median M/s', 'best ns'],
        rows: [['of CPU time', ...row]],
      },
      data: { millionsPerSecond: million },
      remarks: [],
    }
  },

  /** Millions a second of CPU time, for each ring of frames; best of pieces of 256 Ki. */
  child(options) {
    const { connections } = options
    const { loop, port } = directorFor({ connections, hugePages: options.hugePages })
    const frames = Array.from({ length: RING }, () => tcpFrame('S'))
    const rates: number[] = []
    let us = 0
    let piece = 0
    for (let flow = 0; flow + RING <= connections; flow += RING) {
      for (const [i, frame] of frames.entries()) setFlow(frame, flow + i)
      port.preload(frames)
      const start = process.cpuUsage()
      for (let left = RING; left > 0; ) left -= loop.breathe()
      const used = process.cpuUsage(start)
      us += used.user + used.system
      piece += RING
      if (piece < 1 << 18) continue
      rates.push(piece / us)
      us = piece = 0
    }
    const made = loop.counts[FORWARDED]
    const full = loop.counts[CONNECTIONS_FULL]
    if (made < connections - RING || full > 0) throw new Error(`${made} were made, ${full} refused`)
    return rates.length === 0 ? [best([piece / us])] : rates
  },
}
