/**
 * `uipvsadm -Lnc` of a million connections, over the real control socket, while a worker forwards.
 * A listing is read from the tables while the worker goes on writing them, so it must not hold the
 * worker up: the longest gap between two of its breaths says whether it does. The control is the
 * same worker for as long, with nobody listing; what it shows is the machine.
 *
 * A gap is also told without the time in which the worker's thread was runnable and another had its
 * processor (/proc/thread-self/schedstat): that is the machine's, too.
 *
 * As in a director, the worker is a thread with precedence and the control socket is served by the
 * main thread. `uipvsadm` is a process of its own: with two processors three want one.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { RuleBook } from '../../balance/apply.js'
import { Balancer } from '../../balance/balancer.js'
import { Region } from '../../balance/region.js'
import { SCHEDULERS } from '../../balance/schedulers/index.js'
import { listConnections } from '../../control/readers.js'
import { type Controlled, ControlServer } from '../../control/server.js'
import { allowInlining } from '../../daemon/inlining.js'
import { takePrecedence } from '../../daemon/precedence.js'
import { ThreadMemory } from '../../native/mapping.js'
import { addRules, limitsFor, makeDirector, open, SEED } from './director.js'
import { inDisorder } from './frames.js'
import type { Measurement, Options } from './measurement.js'

const PROGRAM = new URL('../../cli/uipvsadm.js', import.meta.url).pathname
/** Cells that the worker writes: are connections there, the longest gap in µs, frames, gaps. */
const READY = 0
const LONGEST = 1
const FRAMES = 2
const LONG_GAPS = 3
const STOP = 4
/** The longest gap, and how many were long, without time in which others had the processor. */
const LONGEST_OWN = 5
const LONG_OWN_GAPS = 6
const CELLS = 8
const LONG_GAP_MS = 2
/** Breaths after which the time of waiting is read at the latest. */
const WAITED_EVERY = 100

interface Looked {
  readonly seconds: number
  readonly lines: number
  readonly longestMs: number
  readonly longGaps: number
  readonly longestOwnMs: number
  readonly longOwnGaps: number
  readonly framesPerSecond: number
}

interface Start {
  /** Of the tables, as a director of threads has them. */
  readonly address: number
  readonly bytes: number
  readonly cells: SharedArrayBuffer
  readonly connections: number
}

export const listing: Measurement = {
  name: 'listing',
  title: '`uipvsadm -Lnc` of all connections while a worker forwards (wall clock)',

  steps: ({ repeats }) => repeats,

  async run(options, { inChild }) {
    const all: Record<string, Looked>[] = []
    for (let repeat = 0; repeat < options.repeats; repeat++) {
      all.push(await inChild<Record<string, Looked>>('listing', '', options))
    }
    const head = [
      ...['', 'seconds', 'lines', 'longest gap ms', 'gaps > 2 ms', 'longest own ms'],
      ...['own > 2 ms', 'M frames/s'],
    ]
    const rows = all
      .flatMap((found) => Object.entries(found))
      .map(([name, each]) => [
        name,
        each.seconds.toFixed(2),
        String(each.lines),
        each.longestMs.toFixed(3),
        String(each.longGaps),
        each.longestOwnMs.toFixed(3),
        String(each.longOwnGaps),
        (each.framesPerSecond / 1e6).toFixed(2),
      ])
    return { table: { title: this.title, head, rows }, data: all, remarks: [] }
  },

  async child(options) {
    const folder = mkdtempSync(join(tmpdir(), 'uipvs-listing-'))
    try {
      return await measure(options, join(folder, 'control.sock'))
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
}

async function measure({ connections }: Options, path: string) {
  const limits = limitsFor(connections)
  const memory = ThreadMemory.create(Balancer.bytes(limits))
  const shared = new SharedArrayBuffer(CELLS * 8)
  const cells = new Float64Array(shared)
  const small = { ...limits, connections4: 1 }
  const book = new RuleBook(
    new Region(new ArrayBuffer(Balancer.bytes(small))),
    small,
    0,
    SCHEDULERS,
  )
  addRules((rule) => book.apply(rule))
  const live = new Balancer(new Region(memory.buffer), limits, SEED)
  const worker = new Worker(new URL(import.meta.url), {
    workerData: {
      address: memory.address,
      bytes: memory.bytes,
      cells: shared,
      connections,
    } satisfies Start,
  })
  while (cells[READY] === 0) await sleep(50)
  const server = new ControlServer(path, {
    connections: () => listConnections(book, [{ tables: live, tick: 100 }]),
  } as Partial<Controlled> as Controlled)
  await server.listen()
  await list(path) // compiled, and the pages of both read once
  const withListing = await during(cells, () => list(path))
  const control = await during(cells, () => sleep(withListing.seconds * 1000).then(() => 0))
  await server.close()
  cells[STOP] = 1
  await new Promise((resolve) => worker.once('exit', resolve))
  if (withListing.lines < connections) throw new Error(`only ${withListing.lines} were listed`)
  return { listing: withListing, control }
}

/** Counts lines of `uipvsadm -Lnc` that are connections. */
async function list(path: string): Promise<number> {
  const child = spawn(process.execPath, [PROGRAM, '-Lnc'], {
    env: { ...process.env, UIPVS_CONTROL: path },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let lines = 0
  for await (const piece of child.stdout) {
    for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) lines++
  }
  return lines - 2
}

async function during(cells: Float64Array, action: () => Promise<number>): Promise<Looked> {
  cells[LONGEST] = cells[LONG_GAPS] = cells[LONGEST_OWN] = cells[LONG_OWN_GAPS] = 0
  const frames = cells[FRAMES]
  const start = performance.now()
  const lines = await action()
  const seconds = (performance.now() - start) / 1000
  return {
    seconds,
    lines,
    longestMs: cells[LONGEST],
    longGaps: cells[LONG_GAPS],
    longestOwnMs: cells[LONGEST_OWN],
    longOwnGaps: cells[LONG_OWN_GAPS],
    framesPerSecond: (cells[FRAMES] - frames) / seconds,
  }
}

/** The worker: a director that fills its table and then forwards without a pause. */
function forwardForEver({ address, bytes, cells: shared, connections }: Start): void {
  const memory = ThreadMemory.at(address, bytes).buffer
  const cells = new Float64Array(shared)
  const bench = makeDirector(new Region(memory), limitsFor(connections), inDisorder(connections))
  open(bench, 0, connections)
  const schedstat = openSync('/proc/thread-self/schedstat', 'r')
  const text = new Uint8Array(128)
  let waitedBefore = waitedNs(schedstat, text)
  let breaths = 0
  let before = performance.now()
  const settled = before + 1000
  while (cells[STOP] === 0) {
    cells[FRAMES] += bench.loop.breathe()
    const now = performance.now()
    const gap = now - before
    before = now
    if (gap > cells[LONGEST]) cells[LONGEST] = gap
    if (gap > LONG_GAP_MS) cells[LONG_GAPS]++
    // Reading it leaves garbage, and a collection would be a gap of our own making: seldom, then.
    if (++breaths % WAITED_EVERY !== 0 && gap <= LONG_GAP_MS) continue
    const waited = waitedNs(schedstat, text)
    const own = gap - (waited - waitedBefore) / 1e6
    waitedBefore = waited
    if (own > cells[LONGEST_OWN]) cells[LONGEST_OWN] = own
    if (own > LONG_GAP_MS) cells[LONG_OWN_GAPS]++
    if (cells[READY] === 0 && now > settled) cells[READY] = 1
  }
}

/** How long this thread has waited for a processor: the second number, read without a string. */
function waitedNs(schedstat: number, text: Uint8Array): number {
  readSync(schedstat, text, 0, text.length, 0)
  let at = text.indexOf(32) + 1
  let ns = 0
  for (; text[at] !== 32; at++) ns = ns * 10 + text[at] - 48
  return ns
}

if (parentPort !== null && workerData !== null) {
  allowInlining()
  takePrecedence()
  forwardForEver(workerData as Start)
}
