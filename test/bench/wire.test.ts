/** `uipvs bench wire`, for real: what it reports must agree with itself, and nothing may remain. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Field } from '../../src/bench/wire/field.js'
import type { Turn } from '../../src/bench/wire/round.js'
import { DEFAULT_RULES, wireRules } from '../../src/bench/wire/rules.js'
import type { NoLossSummary, Spread, Summary } from '../../src/bench/wire/summary.js'
import { readRules } from '../../src/cli/rules-file.js'
import { ControlClient } from '../../src/control/client.js'
import { aliveProcess } from '../../src/lab/processes.js'
import { hasRootsRights } from '../../src/lab/rootless.js'
import { xdpMissing } from '../port/wire.js'

t.setTimeout(240_000)

const PROGRAM = join(import.meta.dirname, '..', '..', 'src', 'cli', 'uipvs.js')
const needsRoot = hasRootsRights() ? false : 'needs root'
const folder = mkdtempSync(join(tmpdir(), 'uipvs-bench-test-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

const SHORT = ['--duration', '0.5', '--no-search']

/** Two services: what is TCP has to be opened first. */
const RULES = `-A -t 10.77.0.100:80 -s wlc
-a -t 10.77.0.100:80 -r 10.78.0.2:80 -g -w 1
-a -t 10.77.0.100:80 -r 10.78.0.3:80 -g -w 2
-A -u 10.77.0.101:9 -s rr
-a -u 10.77.0.101:9 -r 10.78.0.3:9 -g -w 1
`

interface Report {
  readonly environment: { readonly kernel: string }
  readonly command: string
  readonly wire: {
    readonly rules: { readonly text: string }
    readonly contestants: { readonly name: string }[]
    readonly skipped: { readonly contestant: string; readonly reason: string }[]
    readonly summaries: Summary[]
    readonly noLoss: NoLossSummary[]
    readonly turns: Turn[]
    readonly wrong: string[]
  }
}

t.test('a short race agrees with itself', { skip: needsRoot }, async (t) => {
  const rules = join(folder, 'rules')
  const out = join(folder, 'report')
  writeFileSync(rules, RULES)
  const child = bench(
    ...['--rounds', '1', '--duration', '0.5', '--engine', 'af_packet', '--rate', '20000'],
    ...['--opponent', 'ip_forward,ipvs', '--rules', rules, '--report', out, '--json'],
  )
  const { status, stdout, stderr } = await ending(child)
  const report = JSON.parse(stdout) as Report
  t.same(report, JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')))
  t.match(report.command, `--rules ${rules}`)
  const { wire } = report
  t.equal(wire.rules.text, RULES)
  // IPVS of the kernel is raced or named as left out.
  const names = wire.contestants.map(({ name }) => name)
  const left = wire.skipped.map(({ contestant }) => contestant)
  t.same([...names, ...left].sort(), ['af_packet', 'generator', 'ip_forward', 'ipvs'])
  for (const { reason } of wire.skipped) t.match(reason, /IPVS|ipvsadm/)
  // It was asked for by name.
  const wrong = wire.skipped.map(({ reason }) => `not run: kernel IPVS: ${reason}`)
  t.same(wire.wrong, wrong)
  t.equal(status, wrong.length === 0 ? 0 : 1, stderr)
  t.match(stderr, wrong.length === 0 ? '' : `uipvs: ${wrong[0]}`)
  t.same(
    wire.turns.map(({ contestant }) => contestant),
    names,
  )
  for (const { contestant, measurements, trials, noLoss, rules: listed } of wire.turns) {
    t.equal(measurements.length, 2, contestant)
    for (const { load, offered, delivered, received, counts, ownMs, involvedMs } of measurements) {
      const which = `${contestant}, ${load}`
      t.ok(offered > 5000, `${which}: ${offered} were sent`)
      t.ok(delivered <= offered + (counts?.ownFrames ?? 0) + 10, `${which}: no more came`)
      t.ok(received <= delivered + (counts?.ownFrames ?? 0), `${which}: no more left`)
      t.ok(ownMs <= involvedMs, which)
      if (contestant === 'generator') t.equal(received, 0, which)
      else t.ok(received > offered / 100, `${which}: ${received} were forwarded`)
    }
    if (contestant === 'generator') {
      t.same([trials, noLoss, listed], [[], null, null])
      continue
    }
    // As many trials as the search needs, each of which can be judged.
    t.ok(trials.length >= 2 && noLoss !== null, `${contestant}: ${trials.length} trials`)
    t.ok(trials.every((trial) => trial.received <= trial.delivered + 10))
    const most = Math.max(...trials.map((trial) => trial.deliveredRate))
    t.ok(noLoss!.rate <= most, `${contestant}: ${noLoss!.rate} without loss, ${most} tried`)
    if (contestant === 'af_packet') {
      t.match(listed, '-A -t 10.77.0.100:80 -s wlc\n')
      t.match(listed, '-a -u 10.77.0.101:9 -r 10.78.0.3:9 -g -w 1\n')
    }
  }
  const isSpread = ({ median, least, most }: Spread) => least <= median && median <= most
  for (const summary of wire.summaries) {
    t.ok(isSpread(summary.receivedRate) && isSpread(summary.involvedMicroseconds))
    t.ok(summary.loss.least >= 0 && summary.loss.most <= 1)
  }
  const markdown = readFileSync(join(out, 'report.md'), 'utf8')
  for (const [, file] of markdown.matchAll(/\]\((wire-[a-z-]+\.svg)\)/g)) {
    t.match(readFileSync(join(out, file), 'utf8'), /^<svg .*uipvs af_packet.*<\/svg>\n$/s, file)
  }
  t.match(readdirSync(out).sort(), ['report.json', 'report.md', 'wire-cpu.svg'])
  t.same(remains(child.pid!), [])
})

t.test('ended by Ctrl-C: nothing of it remains', { skip: needsRoot }, async (t) => {
  const engine = xdpMissing() === false ? 'af_xdp' : 'af_packet'
  const child = bench('--engine', engine, '--opponent', 'none', ...SHORT)
  await saying(child, new RegExp(`uipvs ${engine}`))
  const own = await processesOf(child.pid!, 2)
  t.ok(own.length >= 2, `generator and director run: ${own.join()}`)
  child.kill('SIGINT')
  const { status, stderr } = await ending(child)
  t.equal(status, 130, stderr)
  t.notMatch(stderr, /bug|Error/)
  t.same(remains(child.pid!), [])
  t.same(
    own.filter((pid) => aliveProcess(pid) !== null),
    [],
    'processes',
  )
})

t.test('a director that dies is no figure', { skip: needsRoot }, async (t) => {
  const child = bench('--engine', 'af_packet', '--opponent', 'none', ...SHORT)
  await saying(child, /uipvs af_packet/)
  const director = await forwardingDirector(child.pid!)
  process.kill(director, 'SIGKILL')
  const { status, stderr } = await ending(child)
  t.equal(status, 1)
  t.match(stderr, /^uipvs: the director ended.*$/m)
  t.same(remains(child.pid!), [])
})

t.test('killed: the next one takes away what is left', { skip: needsRoot }, async (t) => {
  const child = bench('--engine', 'none', '--opponent', 'none')
  await saying(child, /generator alone/)
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.not(remains(child.pid!).length, 0, 'SIGKILL leaves something')
  const field = new Field(wireRules(DEFAULT_RULES, readRules(DEFAULT_RULES, '')), false)
  t.same(remains(child.pid!), [])
  t.equal(remains(process.pid).length, 4, 'three namespaces and a folder are there now')
  field.close()
  t.same(remains(process.pid), [])
  t.notOk(existsSync(field.directory))
})

function bench(...args: string[]): ChildProcess {
  const words = [PROGRAM, 'bench', 'wire', ...args]
  return spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] })
}

async function ending(child: ChildProcess) {
  let [stdout, stderr] = ['', '']
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, stdout, stderr }
}

/** Waits for a line of progress. */
function saying(child: ChildProcess, what: RegExp): Promise<void> {
  let said = ''
  return new Promise((resolve, reject) => {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (what.test(said)) resolve()
    })
    child.on('exit', () => reject(new Error(`it ended: ${said}`)))
  })
}

/** Namespaces of a benchmark, and its folder. */
function remains(pid: number): string[] {
  return ['/run/netns', tmpdir()].flatMap((place) => {
    const names = existsSync(place) ? readdirSync(place) : []
    return names.filter((name) => name.startsWith(`uipvs-bench-${pid}-`))
  })
}

/** Processes in the namespaces of a benchmark, once there are so many. */
async function processesOf(pid: number, wanted: number): Promise<number[]> {
  for (let attempt = 0; ; attempt++) {
    const inodes = remains(pid)
      .map((name) => join('/run/netns', name))
      .flatMap((path) => (existsSync(path) ? [statSync(path).ino] : []))
    const found = readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry) && inodes.includes(namespaceOf(entry)))
      .map(Number)
    if (found.length >= wanted || attempt > 200) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** The process of `uipvs run`, once it has forwarded something. */
async function forwardingDirector(pid: number): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    for (const each of await processesOf(pid, 2)) {
      if ((await forwardedBy(each)) > 0) return each
    }
  }
  throw new Error('no director forwards')
}

/** 0 where it is no director, not ready yet, or gone meanwhile. */
async function forwardedBy(pid: number): Promise<number> {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    const option = words.indexOf('--control')
    if (option < 0) return 0
    const client = new ControlClient(words[option + 1])
    const counters = await client.counters().finally(() => client.close())
    return (counters as { verdicts: Record<string, number> }).verdicts.forwarded
  } catch {
    return 0
  }
}

function namespaceOf(pid: string): number {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1])
  } catch {
    return -1 // gone meanwhile
  }
}

t.test('bad usage: one line on stderr, status 2', async (t) => {
  const cases: [string[], RegExp][] = [
    [
      ['wire', '--opponent', 'nobody'],
      /^uipvs: there is no 'nobody' \(--opponent\); known are ip_/,
    ],
    [['wire', '--engine', 'fast'], /^uipvs: there is no 'fast' \(--engine\); known are af_xdp, /],
    [['wire', '--duration', '0'], /^uipvs: '0' makes no sense \(--duration\); a number, 0.5 to/],
    [['wire', '--rounds', '1.5'], /\(--rounds\); a whole number, 1 to 1000$/],
    [['wire', '--size', '59'], /\(--size\); a whole number, 60 to 1514$/],
    [['wire', '--workers', '0'], /\(--workers\); a whole number, 1 to 64$/],
    [['wire', '--generator', 'loud'], /'--generator <kind>' argument 'loud' is invalid/],
    [['micro', '--flows', '256,x'], /^uipvs: 'x' makes no sense \(--flows\)/],
    [['micro', '--held', '5'], /^uipvs: unknown option '--held'; .*see 'uipvs bench --help'$/],
    [['connections', '--only', 'none'], /^uipvs: nothing is left to measure \(--only\)/],
    [['connections', '--only', 'rate'], /there is no 'rate' \(--only\); known are openings, /],
    [['connections', '--held', '5'], /\(--held\); a whole number, 200000 to/],
    [['all', '--rate', '1'], /\(--rate\)/],
    [['wires'], /^uipvs: unknown command 'wires'; did you mean 'wire'\?/],
  ]
  for (const [words, message] of cases) {
    const done = uipvs('bench', ...words)
    t.match(done.stderr.trimEnd(), message)
    t.equal(done.stderr.split('\n').length, 2, 'one line')
    t.equal(done.status, 2, words.join(' '))
  }
})

t.test(
  'what can not be done: status 1, before anything is made',
  { skip: needsRoot },
  async (t) => {
    const rules = join(folder, 'unfit')
    writeFileSync(rules, '-A -f 5 -s rr\n')
    const cases: [string[], RegExp][] = [
      [['--rules', rules], /^uipvs: a service by firewall mark \(-f\), which can't be measured \(/],
      [['--rules', '/nowhere'], /^uipvs: ENOENT.*\/nowhere/],
      [['--report', '/proc/nowhere'], /^uipvs: .*\/proc\/nowhere/],
    ]
    for (const [words, message] of cases) {
      const done = uipvs('bench', 'wire', ...words)
      t.match(done.stderr, message)
      t.equal(done.status, 1, words.join(' '))
    }
  },
)

function uipvs(...args: string[]) {
  return spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' })
}
