/**
 * Fuzzes the targets of test/fuzz/targets.ts:
 *
 *     node scripts/fuzz.mjs [SECONDS [SEED [TARGET [ITERATION]]]]
 *
 * 600 seconds by default, from a seed that is printed. With ITERATION that one input is run again.
 * UIPVS_BUILD names another build folder than `build`. Exits 1 at the first failure, after printing
 * the input and the command that repeats it; a run that hangs for 30 seconds is a failure as well.
 */
import { join } from 'node:path'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const ROOT = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..')
const BUILD = process.env.UIPVS_BUILD ?? join(ROOT, 'build')
const HANG_MS = 30_000
const REPORT_MS = 10_000

if (isMainThread) main()
else await work(workerData)

function main() {
  const [seconds = '600', seed = String(Math.floor(Date.now() / 1000)), target, iteration] =
    process.argv.slice(2)
  if (!(Number(seconds) > 0) || !Number.isInteger(Number(seed))) {
    console.error('uipvs: usage: node scripts/fuzz.mjs [SECONDS [SEED [TARGET [ITERATION]]]]')
    process.exit(2)
  }
  console.log(`fuzzing for ${seconds} s, seed ${seed}`)
  // A target that hangs can't say so itself: it leaves its number here, and it is watched.
  const progress = new Int32Array(new SharedArrayBuffer(8))
  const job = { seconds: Number(seconds), seed: Number(seed), target, iteration, progress }
  const worker = new Worker(new URL(import.meta.url), { workerData: job })
  const names = []
  let last = 0
  let lastChange = Date.now()
  setInterval(() => {
    const now = Atomics.load(progress, 0)
    if (now !== last) lastChange = Date.now()
    last = now
    if (Date.now() - lastChange < HANG_MS) return
    const name = names[Atomics.load(progress, 1)]
    console.error(`${name} hangs\nagain: node scripts/fuzz.mjs 1 ${seed} '${name}' ${now}`)
    process.exit(1)
  }, 1000).unref()
  worker.on('message', ({ list, line, failure }) => {
    if (list !== undefined) names.push(...list)
    if (line !== undefined) console.log(line)
    if (failure !== undefined) {
      console.error(failure)
      process.exitCode = 1
    }
  })
  worker.on('error', (error) => {
    console.error(`uipvs: ${error.message} (has the project been built? npm run build)`)
    process.exitCode = 1
  })
}

async function work({ seconds, seed, target, iteration, progress }) {
  const { targets } = await import(join(BUILD, 'test/fuzz/targets.js'))
  const { report, runOnce } = await import(join(BUILD, 'test/fuzz/run.js'))
  const chosen = targets.filter((one) => target === undefined || one.name === target)
  if (chosen.length === 0) throw new Error(`no target is called ${target}`)
  parentPort.postMessage({ list: chosen.map((one) => one.name) })
  const until = Date.now() + seconds * 1000
  let nextReport = Date.now() + REPORT_MS
  let i = iteration === undefined ? 0 : Number(iteration)
  do {
    for (const [index, one] of chosen.entries()) {
      Atomics.store(progress, 1, index)
      Atomics.store(progress, 0, i)
      const failure = await runOnce(one, seed, i)
      if (failure !== null) return parentPort.postMessage({ failure: report(failure) })
    }
    i++
    if (Date.now() >= nextReport) {
      parentPort.postMessage({ line: `${i} inputs for each of ${chosen.length} targets` })
      nextReport += REPORT_MS
    }
  } while (iteration === undefined && Date.now() < until)
  const count = iteration === undefined ? i : 1
  parentPort.postMessage({
    line: `no failure: ${count} inputs for each of ${chosen.length} targets`,
  })
}
