/** `uipvs bench --director kernel|uipvs`: the director's half of a benchmark between machines. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import {
  between,
  DIRECTORS,
  type DirectorKind,
  type DirectorSetUp,
  NoDirector,
  type Passed,
  read,
  setUpKernel,
  setUpUipvs,
} from '../bench/director.js'
import { Ended, endOnSignals } from '../lab/ending.js'
import { readInterface } from '../native/interfaces.js'
import { needRoot, numberOption } from './bench.js'
import { readWireRules } from './bench-wire.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from './failure.js'

export interface DirectorFlags {
  readonly director?: DirectorKind
  readonly interface?: readonly string[]
  readonly rules?: string
  readonly engine?: string
  readonly workers?: string
  readonly duration?: number
  readonly json?: true
}

const LOOK_MS = 1000

export function addDirectorOptions(bench: Command): void {
  bench
    .option('--director <kind>', `be the director of two machines: ${DIRECTORS.join(' or ')}`)
    .option('-i, --interface <name>', 'with --director: its interface; again for a second one', all)
    .option('--rules <file>', 'with --director: in the format of ipvsadm-save')
    .option('--engine <engine>', 'with --director uipvs: as of uipvs run')
    .option('--workers <n>', 'with --director uipvs: as of uipvs run')
    .option(
      '--duration <seconds>',
      'with --director: for how long; by default until Ctrl-C',
      numberOption('--duration', 1, 86_400),
    )
    .option('--json', 'with --director: print the sums as JSON')
}

function all(name: string, names: readonly string[] = []): string[] {
  return [...names, name]
}

/** Without `--director` there is nothing to do: the help says what there is. */
export async function direct(flags: DirectorFlags, bench: Command): Promise<void> {
  const { director, interface: interfaces = [], rules: file } = flags
  if (bench.args.length > 0) {
    // What commander says by itself of a command that has no action: with what was meant, perhaps.
    ;(bench as unknown as { unknownCommand(): never }).unknownCommand()
  }
  if (director === undefined) {
    bench.outputHelp({ error: true })
    process.exitCode = EXIT_USAGE
    return
  }
  if (!DIRECTORS.includes(director)) {
    const hint = `it is ${DIRECTORS.join(' or ')}`
    throw new CliFailure(`there is no director '${director}' (--director)`, EXIT_USAGE, hint)
  }
  if (interfaces.length === 0 || file === undefined) {
    const hint = 'uipvs bench --director uipvs -i eth0 --rules rules.ipvs'
    throw new CliFailure('a director needs an interface and rules (-i, --rules)', EXIT_USAGE, hint)
  }
  needRoot()
  for (const name of interfaces) readInterface(name)
  const rules = readWireRules(file)
  const ended = endOnSignals(() => {})
  let setUp: DirectorSetUp
  try {
    setUp = await (director === 'kernel'
      ? setUpKernel(interfaces, rules.text, rules.vips)
      : setUpUipvs(interfaces, rules.text, runOptions(flags), ended))
  } catch (error) {
    if (error instanceof Ended) {
      process.exitCode = error.status
      return
    }
    if (!(error instanceof NoDirector)) throw error
    throw new CliFailure(error.message, EXIT_FAILED)
  }
  try {
    await watch(interfaces, flags, Promise.race([ended, setUp.failure]))
  } finally {
    await setUp.stop()
  }
}

function runOptions({ engine, workers }: DirectorFlags): string[] {
  return [
    ...(engine === undefined ? [] : ['--engine', engine]),
    ...(workers === undefined ? [] : ['--workers', workers]),
  ]
}

/** A line each second while frames pass; the sums of those seconds at the end. */
async function watch(
  interfaces: readonly string[],
  { duration = Number.POSITIVE_INFINITY, json }: DirectorFlags,
  ended: Promise<never>,
): Promise<void> {
  process.stderr.write('uipvs: ready: start the generator; Ctrl-C ends it\n')
  const busy: Passed[] = []
  const deadline = performance.now() + duration * 1000
  let before = read(interfaces)
  const look = () => {
    const now = read(interfaces)
    const passed = between(before, now)
    before = now
    // A second in which only ARP came says nothing of frames.
    if (passed.received < FRAMES_TELLING) return
    busy.push(passed)
    if (json !== true) process.stdout.write(`${lineOf(passed)}\n`)
  }
  try {
    while (performance.now() < deadline) {
      await Promise.race([sleep(Math.min(LOOK_MS, deadline - performance.now())), ended])
      look()
    }
  } catch (error) {
    if (!(error instanceof Ended)) throw error
    // What came since the last look belongs to the sums.
    look()
  }
  const sums = sumOf(busy)
  if (json === true) process.stdout.write(`${JSON.stringify(sums, null, 2)}\n`)
  else process.stdout.write(`in all: ${lineOf(sums)}\n`)
}

const FRAMES_TELLING = 100

function sumOf(parts: readonly Passed[]): Passed {
  const sum = (of: (part: Passed) => number) => parts.reduce((all, part) => all + of(part), 0)
  const seconds = sum((part) => part.seconds)
  const received = sum((part) => part.received)
  const busySeconds = sum((part) => (part.busyPercent / 100) * part.seconds)
  return {
    seconds,
    received,
    sent: sum((part) => part.sent),
    dropped: sum((part) => part.dropped),
    busyPercent: seconds > 0 ? (100 * busySeconds) / seconds : 0,
    microsecondsPerFrame: received > 0 ? (busySeconds * 1e6) / received : null,
  }
}

function lineOf({ seconds, received, sent, dropped, busyPercent, microsecondsPerFrame }: Passed) {
  const rate = (frames: number) => Math.round(frames / Math.max(seconds, 1e-3))
  const cost = microsecondsPerFrame === null ? '' : `, ${microsecondsPerFrame.toFixed(2)} µs each`
  return (
    `${seconds.toFixed(1)} s: received ${rate(received)} a second, sent ${rate(sent)}, ` +
    `no room for ${dropped}; ${busyPercent.toFixed(0)} % of a processor${cost}`
  )
}
