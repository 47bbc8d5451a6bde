/** What the workers count, as the control socket shows it. */
import type { Counters } from '../control/listing.js'
import { ENDINGS } from '../engine/verdict.js'
import { LOOP_CELLS, loopTimes } from './loop-meter.js'
import { CELL_NAMES } from './memory.js'
import type { Workers } from './workers.js'

/** Frames by verdict, and the numbers of the engine; zeros without one. */
export function countersOf(workers: Workers | null): Counters {
  const verdicts = ENDINGS.map((e, i) => [e.name, workers?.verdicts(i) ?? 0] as const)
  const engine = CELL_NAMES.map((name) => [name, workers?.get(name) ?? 0] as const)
  return {
    verdicts: Object.fromEntries(verdicts),
    engine: Object.fromEntries(engine),
    loop: workers?.loop ?? loopTimes(new Float64Array(LOOP_CELLS)),
    framesByWorker: workers?.frames ?? [],
  }
}
