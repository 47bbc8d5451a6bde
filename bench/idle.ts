/**
 * What a director costs that has nothing to do: CPU time of all its threads and processes while no
 * frame comes, in percent of one processor, and how often they were woken.
 *
 *   npm run bench:idle -- [--seconds N] [--only ENGINE/WORKERS,…] [--services N] [--threads]
 *
 * Directors one after the other, in a network namespace of their own, with a service and two
 * realservers whose neighbours are known. Needs root.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const PROGRAMS = join(import.meta.dirname, '../src/cli')
/** A director that has just begun compiles, and asks for its neighbours. */
const SETTLING_MS = 3000

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    only: { type: 'string', default: 'af_xdp/1,af_xdp/2,af_packet/1,af_packet/2,libpcap/1' },
    services: { type: 'string', default: '1' },
    threads: { type: 'boolean', default: false },
  },
})
const namespace = `uipvs-idle-${process.pid}`
const folder = mkdtempSync(join(tmpdir(), 'uipvs-bench-idle-'))
const ip = (...args: string[]) => execFileSync('ip', args, { encoding: 'utf8' })

interface Spent {
  readonly name: string
  readonly ns: number
  /** How often the kernel gave it a processor. */
  readonly turns: number
}

/** Every thread of a process and its children, by its number. */
function threadsOf(pid: number): Map<string, Spent> {
  const found = new Map<string, Spent>()
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const task = `/proc/${pid}/task/${tid}`
    const [ns, , turns] = readFileSync(`${task}/schedstat`, 'utf8').split(' ').map(Number)
    found.set(tid, { name: readFileSync(`${task}/comm`, 'utf8').trim(), ns, turns })
    for (const child of readFileSync(`${task}/children`, 'utf8').split(' ').filter(Boolean)) {
      for (const [id, spent] of threadsOf(Number(child))) found.set(id, spent)
    }
  }
  return found
}

async function measure(engine: string, workers: string): Promise<void> {
  const control = join(folder, 'control.sock')
  const options = ['-i', 'd0', '--engine', engine, '--workers', workers, '--control', control]
  const run = [join(PROGRAMS, 'uipvs.js'), 'run', ...options]
  const words = ['netns', 'exec', namespace, process.execPath, ...run]
  const director = spawn('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise((resolve) => director.on('exit', resolve))
  try {
    let said = ''
    const ready = new Promise<void>((resolve) => {
      director.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text
        if (said.includes('uipvs: ready:')) resolve()
      })
    })
    await Promise.race([ready, ended])
    if (!said.includes('uipvs: ready:')) throw new Error(said)
    const rules = Array.from({ length: Number(values.services) }, (_, i) => {
      const vip = `10.${i >> 8}.${i & 255}.1:80`
      return `-A -t ${vip}\n-a -t ${vip} -r 192.168.1.2 -g\n-a -t ${vip} -r 192.168.1.3 -g\n`
    })
    const env = { ...process.env, UIPVS_CONTROL: control }
    const adm = [join(PROGRAMS, 'uipvsadm.js'), '-R']
    execFileSync(process.execPath, adm, { env, input: rules.join('') })
    await sleep(SETTLING_MS)
    const before = threadsOf(director.pid as number)
    const began = performance.now()
    await sleep(Number(values.seconds) * 1000)
    const after = threadsOf(director.pid as number)
    report(`${engine}, ${workers} workers`, before, after, performance.now() - began)
  } finally {
    director.kill('SIGTERM')
    await ended
  }
}

function report(
  name: string,
  before: ReadonlyMap<string, Spent>,
  after: ReadonlyMap<string, Spent>,
  ms: number,
): void {
  const spent = [...after].map(([tid, { name, ns, turns }]) => {
    const old = before.get(tid)
    return { name: `${name} ${tid}`, ns: ns - (old?.ns ?? 0), turns: turns - (old?.turns ?? 0) }
  })
  const row = (name: string, ns: number, turns: number) => {
    const percent = (ns / 1e6 / ms) * 100
    const second = Math.round((turns / ms) * 1000)
    console.log(
      `${name.padEnd(24)} ${percent.toFixed(2).padStart(8)} % ${String(second).padStart(8)}`,
    )
  }
  row(
    name,
    spent.reduce((sum, { ns }) => sum + ns, 0),
    spent.reduce((sum, { turns }) => sum + turns, 0),
  )
  if (!values.threads) return
  for (const each of spent) if (each.turns > 0) row(`  ${each.name}`, each.ns, each.turns)
}

ip('netns', 'add', namespace)
try {
  ip('-n', namespace, 'link', 'add', 'd0', 'type', 'veth', 'peer', 'name', 'd1')
  ip('-n', namespace, 'addr', 'add', '192.168.1.1/24', 'dev', 'd0')
  for (const name of ['lo', 'd0', 'd1']) ip('-n', namespace, 'link', 'set', name, 'up')
  const load = loadavg()[0].toFixed(1)
  const machine = `${cpus()[0].model}, ${cpus().length} processors, Node ${process.version}`
  console.log(`${machine}, load average ${load}; ${values.seconds} s each`)
  console.log(`${''.padEnd(24)} ${'of a core'.padStart(10)} ${'turns/s'.padStart(8)}`)
  for (const each of values.only.split(',')) {
    const [engine = '', workers = '1'] = each.split('/')
    await measure(engine, workers)
  }
} finally {
  ip('netns', 'del', namespace)
  rmSync(folder, { recursive: true, force: true })
}
