/**
 * A journey: a sentence, what is there before, one frame in, its verdict, and what goes out. The
 * lists of them (journeys-*.ts) are the fixtures of the verdicts: forward.test.ts runs them all,
 * and verdict.test.ts demands one for each ending.
 */
import type { FrameNotes } from '../../src/port/memory.js'
import {
  build,
  type FrameSpec,
  hex,
  realserverMac,
  relayed,
  World,
  type WorldOptions,
} from './world.js'

export type Input = FrameSpec | Uint8Array

/** `{ to: n }`: the frame itself, for realserver n. Else the very frame that leaves. */
export type Out = { readonly to: number; readonly arm?: number; readonly from?: string } | Input

export interface Journey {
  readonly sentence: string
  readonly world?: WorldOptions
  /** Frames that come before, or a change between them and the frame. */
  readonly before?: readonly (Input | ((world: World) => void))[]
  readonly frame: Input
  readonly notes?: FrameNotes
  readonly arm?: number
  readonly verdict: string
  /** Nothing leaves unless it is said here. */
  readonly out?: readonly Out[]
}

export interface Seen {
  readonly verdict: string | undefined
  readonly out: readonly string[]
}

const bytesOf = (input: Input) => (input instanceof Uint8Array ? input : build(input))

export function expected({ frame, verdict, out = [] }: Journey): Seen {
  const frames = out.map((each) => {
    if ('to' in each) {
      const bytes = relayed(bytesOf(frame), realserverMac(each.to), each.from)
      return `arm ${each.arm ?? 0}: ${hex(bytes)}`
    }
    return `arm 0: ${hex(bytesOf(each))}`
  })
  return { verdict, out: frames }
}

export function travel(journey: Journey): Seen & { world: World; own: number } {
  const world = new World(journey.world)
  for (const each of journey.before ?? []) {
    if (typeof each === 'function') each(world)
    else world.send(each)
  }
  // What is due by itself (questions to neighbours) leaves with another breath than the frame.
  world.loop.breathe()
  const { verdicts, sent } = world.sendOn(journey.arm ?? 0, journey.notes ?? {}, journey.frame)
  return {
    world,
    own: sent.filter(({ origin }) => origin === 'own').length,
    verdict: verdicts[0],
    out: sent.map(({ arm, bytes }) => `arm ${arm}: ${hex(bytes)}`),
  }
}
