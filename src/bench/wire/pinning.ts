/** Who runs where. */
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** Words before a command that keep it on its processors. */
export interface Pinning {
  readonly generator: readonly string[]
  readonly contestant: readonly string[]
}

/** Generator and contestant on different processors, where there are two and taskset(1). */
export function pinnings(): Pinning {
  const cores = availableParallelism()
  if (cores < 2 || spawnSync('taskset', ['--version']).status !== 0) {
    return { generator: [], contestant: [] }
  }
  return { generator: ['taskset', '-c', '0'], contestant: ['taskset', '-c', `1-${cores - 1}`] }
}
