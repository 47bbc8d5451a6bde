/**
 * A scenario to both, and whether they differ. A recording on a busy machine may catch a connection
 * in the very moment in which it times out, so a difference counts only if it shows again: what the
 * director does wrong, it does wrong every time.
 */
import { type Difference, play } from '../conform/play.js'
import type { Recording } from '../conform/recording.js'
import type { Recorder } from './recorder.js'
import type { Scenario } from './scenario.js'

const ATTEMPTS = 3

export interface Trial {
  readonly recording: Recording
  /** What the last recording differs in, when every one did. */
  readonly difference: Difference | undefined
  /** Recordings that were made. */
  readonly attempts: number
}

export async function attempt(recorder: Recorder, scenario: Scenario): Promise<Trial> {
  for (let attempts = 1; ; attempts++) {
    const recording = await recorder.record(scenario)
    const [difference] = await play(recording)
    if (difference === undefined || attempts === ATTEMPTS) {
      return { recording, difference, attempts }
    }
  }
}
