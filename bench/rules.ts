/**
 * What rules cost in bulk: restoring a file, listing it, single changes beside it, and how long the
 * worker of a running director did not look at its ring meanwhile.
 *
 *   npm run bench:rules -- [--services N] [--destinations N] [--engine NAME]
 *
 * A director in a network namespace of its own, without traffic; `uipvsadm` as anybody calls it,
 * timed from outside, so that the start of the program is in it. Needs root.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ControlClient } from '../src/control/client.js'
import type { Counters } from '../src/control/listing.js'

const PROGRAMS = join(import.meta.dirname, '../src/cli')
const SINGLE_RUNS = 5

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '10000' },
    destinations: { type: 'string', default: '10' },
    engine: { type: 'string', default: 'auto' },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'uipvs-bench-rules-'))
const namespace = `uipvs-rules-${process.pid}`
const control = join(folder, 'control.sock')
const env = { ...process.env, UIPVS_CONTROL: control }

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'inherit' })

function rules(): string {
  const lines: string[] = []
  for (let i = 0; i < Number(values.services); i++) {
    const vip = `10.${i >> 8}.${i & 255}.1:80`
    lines.push(`-A -t ${vip} -s wlc`)
    for (let n = 2; n < 2 + Number(values.destinations); n++) {
      lines.push(`-a -t ${vip} -r 192.168.1.${n}:80 -g -w 1`)
    }
  }
  return `${lines.join('\n')}\n`
}

/** Seconds that a call of uipvsadm takes. */
function seconds(args: readonly string[], input = ''): number {
  const start = performance.now()
  const program = join(PROGRAMS, 'uipvsadm.js')
  execFileSync(process.execPath, [program, ...args], { env, input, maxBuffer: 1 << 28 })
  return (performance.now() - start) / 1000
}

function single(name: string, argsOf: (n: number) => string[]): void {
  const times = Array.from({ length: SINGLE_RUNS }, (_, n) => seconds(argsOf(n)) * 1000)
  times.sort((a, b) => a - b)
  const [least, median, most] = [times[0], times[SINGLE_RUNS >> 1], times[SINGLE_RUNS - 1]]
  const brackets = `(${least.toFixed(0)}..${most.toFixed(0)})`
  console.log(`${name.padEnd(22)} ${median.toFixed(0).padStart(6)} ms ${brackets}`)
}

async function measure(): Promise<void> {
  const vip = (n: number) => `172.16.0.${n + 1}:80`
  console.log(`-R                     ${seconds(['-R'], rules()).toFixed(2).padStart(6)} s`)
  console.log(`-Ln                    ${seconds(['-Ln']).toFixed(2).padStart(6)} s`)
  single('-A', (n) => ['-A', '-t', vip(n)])
  single('-a', (n) => ['-a', '-t', vip(n), '-r', '192.168.1.9'])
  single('-Ln -t (one service)', (n) => ['-Ln', '-t', vip(n)])
  single('-D', (n) => ['-D', '-t', vip(n)])
  const client = new ControlClient(control)
  const { loop } = (await client.counters()) as Counters
  client.close()
  console.log(`longest gap of the worker ${loop.longestGapMs.toFixed(1)} ms`)
}

ip('netns', 'add', namespace)
let director: ReturnType<typeof spawn> | null = null
try {
  ip('-n', namespace, 'link', 'add', 'd0', 'type', 'veth', 'peer', 'name', 'd1')
  ip('-n', namespace, 'addr', 'add', '192.168.1.1/24', 'dev', 'd0')
  for (const name of ['lo', 'd0', 'd1']) ip('-n', namespace, 'link', 'set', name, 'up')
  const run = [join(PROGRAMS, 'uipvs.js'), 'run', '-i', 'd0', '--engine', values.engine]
  const words = ['netns', 'exec', namespace, process.execPath, ...run]
  director = spawn('ip', words, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  await new Promise<void>((resolve, reject) => {
    director?.on('exit', () => reject(new Error('the director did not start')))
    director?.stderr?.setEncoding('utf8').on('data', (text: string) => {
      process.stdout.write(text)
      if (text.includes('uipvs: ready:')) resolve()
    })
  })
  const load = loadavg()[0].toFixed(1)
  console.log(`${cpus()[0].model}, ${cpus().length} processors, load average ${load}`)
  console.log(`${values.services} services with ${values.destinations} destinations each`)
  await measure()
} finally {
  if (director?.exitCode === null) {
    director.removeAllListeners('exit')
    const gone = new Promise((resolve) => director?.on('exit', resolve))
    director.kill('SIGTERM')
    await gone
  }
  ip('netns', 'del', namespace)
  rmSync(folder, { recursive: true, force: true })
}
