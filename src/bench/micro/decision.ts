/**
 * CPU ns per frame of existing connections: parse, find the connection, account, rewrite; and
 * beside it the same path written in C (`bench/limit/limit.c`), over the same frames and tables.
 *
 * Each number of flows has a process of its own (three directors in one share type feedback, which
 * no real director does), and JavaScript and C take turns, so that a slow minute hits all alike.
 */
import { join } from 'node:path'
import { compile, whyNoCompiler } from '../compiler.js'
import { type Bar, barPlot, type Plot } from '../report/plot.js'
import { directorFor, nsPerFrame, open } from './director.js'
import { inDisorder, tcpFrame6 } from './frames.js'
import { best, type Measurement, median, type Options, type RunProgram } from './measurement.js'

const RECORDS = 1_100_000
const SLOT_BYTES = 64
const HEAD = ['flows', 'js best', 'js median', 'C best', 'C median', 'ratio of medians']

async function limitOf(
  program: string,
  flows: number,
  options: Options,
  runProgram: RunProgram,
): Promise<number[]> {
  const frames = inDisorder(flows)
  const ring = new Uint8Array(frames.length * SLOT_BYTES)
  for (const [i, frame] of frames.entries()) ring.set(frame, i * SLOT_BYTES)
  const { rounds, hugePages } = options
  const args = [flows, options.frames, rounds, RECORDS, hugePages ? 1 : 0].map(String)
  return (await runProgram(program, args, ring)).trim().split('\n').map(Number)
}

interface Row {
  readonly flows: number
  readonly ours: readonly number[]
  readonly limit: readonly number[]
  readonly ratios: readonly number[]
}

function plotOf(rows: readonly Row[]): Plot {
  const bar = (label: string, values: readonly number[], isOurs: boolean): Bar[] => {
    if (values.length === 0) return []
    const [least, most, middle] = [best(values), Math.max(...values), median(values)]
    const value = `${middle.toFixed(0)} (${least.toFixed(0)}..${most.toFixed(0)})`
    return [{ label, median: middle, least, most, value, isOurs }]
  }
  const bars = rows.flatMap(({ flows, ours, limit }) => [
    ...bar(`${flows} flows, uipvs`, ours, true),
    ...bar(`${flows} flows, C`, limit, false),
  ])
  const title = 'A decision about a frame of an existing connection'
  return barPlot('micro-decision', title, 'ns of CPU time: median, least to most', bars)
}

export const decision: Measurement = {
  name: 'decision',
  title: 'a frame of an existing connection, CPU ns (js: through forward(); C: bench/limit)',

  steps: ({ repeats, flows }) => 2 * repeats * flows.length,

  async run(options, { inChild, runProgram, directory }) {
    const reason = options.ipv6 ? 'it knows IPv4 only' : whyNoCompiler()
    const program = join(directory, 'limit')
    if (reason === null) compile('limit/limit.c', program)
    const rows = options.flows.map((flows) => ({
      flows,
      ours: [] as number[],
      limit: [] as number[],
      ratios: [] as number[],
    }))
    for (let repeat = 0; repeat < options.repeats; repeat++) {
      for (const row of rows) {
        const ours = await inChild<number[]>('decision', String(row.flows), options)
        row.ours.push(...ours)
        if (reason !== null) continue
        const limit = await limitOf(program, row.flows, options, runProgram)
        row.limit.push(...limit)
        row.ratios.push(median(ours) / median(limit))
      }
    }
    const cells = rows.map(({ flows, ours, limit, ratios }) => [
      String(flows),
      ...[best(ours), median(ours)].map((ns) => ns.toFixed(1)),
      ...(reason === null
        ? [best(limit).toFixed(1), median(limit).toFixed(1), median(ratios).toFixed(2)]
        : ['', '', '']),
    ])
    return {
      table: { title: this.title, head: HEAD, rows: cells },
      plot: plotOf(rows),
      data: rows,
      remarks: reason === null ? [] : [`without the limit in C: ${reason}`],
    }
  },

  child(options, flows) {
    const { hugePages, ipv6 } = options
    const connections = ipv6 ? { connections: 16, connections6: RECORDS } : { connections: RECORDS }
    const ring = inDisorder(Number(flows), ipv6 ? tcpFrame6('A') : undefined)
    const bench = directorFor({ ...connections, hugePages }, ring)
    const { loop } = bench
    open(bench, 0, Number(flows), 'S', ipv6 ? tcpFrame6('S') : undefined)
    nsPerFrame(loop, options.frames)
    if (options.isTraced === true) console.log('warm:')
    return Array.from({ length: options.rounds }, () => nsPerFrame(loop, options.frames))
  },
}
