/**
 * Runs targets from a seed. Iteration `i` of a target depends on nothing but the seed and `i`, so a
 * failure is found again with `node scripts/fuzz.mjs 1 SEED TARGET I`.
 */
import { Chance } from './chance.js'
import type { Target } from './targets.js'

export interface Failure {
  readonly target: string
  readonly seed: number
  readonly iteration: number
  readonly input: Uint8Array
  readonly error: unknown
}

export async function runOnce(
  target: Target,
  seed: number,
  iteration: number,
): Promise<Failure | null> {
  // Multiplied, so that neighbouring seeds don't share their iterations.
  const chance = new Chance(Math.imul(seed, 0x2545f491) + iteration)
  const input = target.make(chance)
  const given = input.slice()
  try {
    await target.run(input, chance)
    return null
  } catch (error) {
    return { target: target.name, seed, iteration, input: given, error }
  }
}

/** All that is needed to see it again; the input in hex if it is short, else in base64. */
export function report(failure: Failure): string {
  const bytes = Buffer.from(failure.input)
  const text = bytes.length <= 2048 ? `hex ${bytes.toString('hex')}` : bytes.toString('base64')
  const { error } = failure
  return [
    `${failure.target} failed: ${error instanceof Error ? (error.stack ?? error.message) : error}`,
    `input, ${bytes.length} bytes: ${text}`,
    `again: node scripts/fuzz.mjs 1 ${failure.seed} '${failure.target}' ${failure.iteration}`,
  ].join('\n')
}
