/**
 * What is fuzzed. A target makes an input from a seed, and `run` throws if the program does with it
 * anything but what it should. To add one (a parser of a text): write it like those in
 * capture-targets.ts and forward-targets.ts, and name it in the list below; scripts/fuzz.mjs and
 * fuzz.test.ts run whatever stands here.
 */
import { captureTargets } from './capture-targets.js'
import type { Chance } from './chance.js'
import { forwardTargets } from './forward-targets.js'
import { frameTargets } from './frame-targets.js'
import { offlineTargets } from './offline-targets.js'

export interface Target {
  readonly name: string
  make(chance: Chance): Uint8Array
  /** `chance` goes on where `make` left it. */
  run(input: Uint8Array, chance: Chance): void | Promise<void>
}

export const targets: readonly Target[] = [
  ...captureTargets,
  ...frameTargets,
  ...forwardTargets,
  ...offlineTargets,
]
