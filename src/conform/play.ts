/**
 * Plays a recording through our director: every packet, command and listing, at the time at which
 * the kernel had it, and tells where we differ.
 */
import { RuleError } from '../balance/rule.js'
import { DEFAULT_KERNEL, type FollowedKernel } from '../balance/thresholds.js'
import { isSameListing, isSameOut } from './compare.js'
import { LISTINGS } from './listings.js'
import { outcome } from './outcome.js'
import { frameBytes } from './packet-bytes.js'
import type { Arguments, CommandOut, Recording, Step } from './recording.js'
import { World } from './world.js'

/** A step whose outcome is another than the kernel's. */
export interface Difference {
  /** From 1; 0 for what stands before the first step. */
  readonly step: number
  readonly what: string
  readonly recorded: string
  readonly ours: string
  /** Services and connections of ours at that point, as ipvsadm lists them. */
  readonly tables: string
}

/** A difference before the tables are looked at. */
type Found = Omit<Difference, 'tables'>

export interface PlayOptions {
  /** Differences that are looked for at most. */
  readonly limit?: number
  /** The kernel to follow, where they differ. */
  readonly kernel?: FollowedKernel
}

/**
 * The differences of a recording, at most `limit` of them; after the first others may only
 * follow.
 */
export async function play(
  recording: Recording,
  { limit = 1, kernel = DEFAULT_KERNEL }: PlayOptions = {},
): Promise<Difference[]> {
  const world = new World(recording, kernel)
  const differences: Difference[] = []
  const note = async (found: Found | null) => {
    if (found !== null) differences.push({ ...found, tables: await tablesOf(world) })
  }
  for (const [i, args] of recording.setup.entries()) {
    await note(compareCommand(0, args, await world.ipvsadm(args), recording.setup_out[i]))
  }
  for (const [i, step] of recording.steps.entries()) {
    if (differences.length >= limit) break
    world.advance(step.at_ms)
    await note(await playStep(world, recording, step, i + 1))
  }
  return differences.slice(0, limit)
}

async function tablesOf(world: World): Promise<string> {
  const services = await world.ipvsadm(['-Ln'])
  const connections = await world.ipvsadm(['-Lnc'])
  return `${services.stdout}${connections.stdout}`
}

async function playStep(
  world: World,
  recording: Recording,
  step: Step,
  number: number,
): Promise<Found | null> {
  if ('send' in step) {
    const frame = frameBytes(step.send, recording.vip, number)
    const ours = outcome(frame, world.send(frame))
    if (isSameOut(ours, step.out)) return null
    return {
      step: number,
      what: `send ${JSON.stringify(step.send)}`,
      recorded: JSON.stringify(step.out),
      ours: JSON.stringify(ours),
    }
  }
  if ('run' in step) {
    return compareCommand(number, step.run, await world.ipvsadm(step.run), step)
  }
  if ('snapshot' in step) {
    const { stdout } = await world.ipvsadm(LISTINGS[step.snapshot])
    if (isSameListing(step.snapshot, stdout, step.stdout)) return null
    return { step: number, what: `listing ${step.snapshot}`, recorded: step.stdout, ours: stdout }
  }
  return 'sysctl' in step ? setSysctls(world, step.sysctl, number) : null
}

function setSysctls(
  world: World,
  values: Readonly<Record<string, string>>,
  step: number,
): Found | null {
  try {
    for (const [name, value] of Object.entries(values)) world.sysctl(name, value)
    return null
  } catch (error) {
    if (!(error instanceof RuleError)) throw error
    return { step, what: `sysctl ${JSON.stringify(values)}`, recorded: 'set', ours: error.message }
  }
}

function compareCommand(
  step: number,
  args: Arguments,
  ours: CommandOut,
  recorded: CommandOut,
): Found | null {
  if (ours.rc === recorded.rc && ours.stdout === recorded.stdout) return null
  return {
    step,
    what: `ipvsadm ${args.join(' ')}`,
    recorded: `${recorded.rc} ${JSON.stringify(recorded.stdout)}`,
    ours: `${ours.rc} ${JSON.stringify(ours.stdout)}`,
  }
}
