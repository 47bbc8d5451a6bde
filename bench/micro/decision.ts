/**
 * CPU ns per frame of existing connections: parse, find the connection, account, rewrite; and
 * beside it the same path written in C (`bench/limit/limit.c`), over the same frames and tables.
 *
 * Each number of flows has a process of its own (three directors in one share type feedback, which
 * no real director does), and JavaScript and C take turns, so that a slow minute hits all alike.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directorFor, nsPerFrame, open } from './director.js'
import { inDisorder, tcpFrame6 } from './frames.js'
import { best, inChild, line, type Measurement, median, type Options } from './measurement.js'

const RECORDS = 1_100_000
const SLOT_BYTES = 64
const SOURCE = new URL('../../../bench/limit/limit.c', import.meta.url).pathname

/** Compiles the limit; null, with the reason printed, where there is no compiler. */
function compile(folder: string): string | null {
  const program = join(folder, 'limit')
  try {
    execFileSync('gcc', ['-O2', '-o', program, SOURCE], { stdio: 'pipe' })
    return program
  } catch (error) {
    console.log(`without the limit in C: ${(error as Error).message.split('\n')[0]}`)
    return null
  }
}

function limitOf(program: string, flows: number, options: Options): number[] {
  const frames = inDisorder(flows)
  const ring = new Uint8Array(frames.length * SLOT_BYTES)
  for (const [i, frame] of frames.entries()) ring.set(frame, i * SLOT_BYTES)
  const { rounds, hugePages } = options
  const args = [flows, options.frames, rounds, RECORDS, hugePages ? 1 : 0].map(String)
  const text = execFileSync(program, args, { input: ring, encoding: 'utf8' })
  return text.trim().split('\n').map(Number)
}

export const decision: Measurement = {
  name: 'decision',
  title: 'a frame of an existing connection, CPU ns (js: through forward(); C: bench/limit)',

  run(options) {
    const folder = mkdtempSync(join(tmpdir(), 'uipvs-limit-'))
    try {
      // The limit in C knows IPv4 only.
      const program = options.ipv6 ? null : compile(folder)
      const rows = options.flows.map((flows) => ({
        flows,
        ours: [] as number[],
        limit: [] as number[],
        ratios: [] as number[],
      }))
      for (let repeat = 0; repeat < options.repeats; repeat++) {
        for (const row of rows) {
          const ours = inChild<number[]>('decision', String(row.flows), options)
          row.ours.push(...ours)
          if (program === null) continue
          const limit = limitOf(program, row.flows, options)
          row.limit.push(...limit)
          row.ratios.push(median(ours) / median(limit))
        }
      }
      console.log(line(['flows', 'js best', 'js median', 'C best', 'C median', 'ratio']))
      for (const { flows, ours, limit, ratios } of rows) {
        const c = program === null ? [] : [best(limit), median(limit), median(ratios).toFixed(2)]
        console.log(line([String(flows), best(ours), median(ours), ...c]))
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  },

  child(options, flows) {
    const { hugePages, ipv6 } = options
    const bench = ipv6 ? directorFor(16, hugePages, RECORDS) : directorFor(RECORDS, hugePages)
    open(bench, 0, Number(flows), 'S', ipv6 ? tcpFrame6('S') : undefined)
    bench.port.preload(inDisorder(Number(flows), ipv6 ? tcpFrame6('A') : undefined))
    nsPerFrame(bench.loop, options.frames)
    if (options.isTraced === true) console.log('warm:')
    return Array.from({ length: options.rounds }, () => nsPerFrame(bench.loop, options.frames))
  },
}
