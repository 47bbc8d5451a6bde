/** `uipvs run`, as everybody starts it, with each of its engines. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ControlClient } from '../../control/client.js'
import type { Contestant, Running, StartOptions } from './contestant.js'
import { startProgram } from './program.js'

const PROGRAMS = join(import.meta.dirname, '../../cli')
const SAVED_BYTES_MAX = 1 << 28

interface Counters {
  readonly verdicts: Record<string, number>
  readonly engine: Record<string, number>
}

function uipvs(engine: string, whyNot: Contestant['whyNot'] = () => null): Contestant {
  return {
    name: engine,
    title: `uipvs ${engine}`,
    side: 'uipvs',
    whyNot,
    start: (options) => startDirector(engine, options),
  }
}

export const uipvsContestants: readonly Contestant[] = [
  uipvs('af_xdp'),
  uipvs('af_packet'),
  uipvs('libpcap', ({ workers }) => (workers > 1 ? 'it has one worker only' : null)),
]

async function startDirector(engine: string, options: StartOptions): Promise<Running> {
  const { field, rules, directory, pinning, nodeFlags, workers } = options
  const control = join(directory, `${engine}.sock`)
  const run = ['run', '-i', 'in', '-i', 'out', '--engine', engine, '--rules', '-']
  const node = [...pinning, process.execPath, ...nodeFlags]
  const program = await startProgram(
    field,
    [
      ...[...node, join(PROGRAMS, 'uipvs.js'), ...run],
      ...['--workers', String(workers), '--control', control],
    ],
    { name: 'the director', input: rules.text, isReady: (line) => line.includes(' ready: ') },
  )
  const client = new ControlClient(control)
  return {
    pids: [program.pid, ...childrenOf(program.pid)],
    counts: async () => {
      const { verdicts, engine } = (await client.counters()) as Counters
      const { frames, ringDrops, sendErrors, ownFrames } = engine
      return { forwarded: verdicts.forwarded, frames, ringDrops, sendErrors, ownFrames }
    },
    rules: () => savedRules(control),
    failure: program.failure,
    stop: async () => {
      client.close()
      await program.stop()
    },
  }
}

async function savedRules(control: string): Promise<string> {
  const save = [join(PROGRAMS, 'uipvsadm.js'), '--control', control, '--save', '-n']
  const options = { maxBuffer: SAVED_BYTES_MAX }
  return (await promisify(execFile)(process.execPath, save, options)).stdout
}

/** The engine libpcap lives in a process of its own. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && parentOf(entry) === parent)
    .map(Number)
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in brackets, may hold anything: state and parent follow the last bracket.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return -1 // gone meanwhile
  }
}
