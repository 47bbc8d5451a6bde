/** What most scenes begin with: the realservers' HTTP as one service. */
import type { Stage } from '../scene.js'
import { REALSERVERS, VIP } from '../topology.js'

export const URL = `http://${VIP}/`

/** Requests that go round: twice to each realserver. */
export const ROUNDS = 2 * REALSERVERS.length

export function webService(stage: Stage, options = '-s rr'): void {
  stage.mustRun(
    'director',
    `uipvsadm -A -t ${VIP}:80 ${options}`,
    ...REALSERVERS.map(({ rip }) => `uipvsadm -a -t ${VIP}:80 -r ${rip} -g`),
  )
}

/** Whether each realserver answered the same number of requests. */
export function isSharedEvenly(answers: readonly string[]): boolean {
  const counts = REALSERVERS.map(({ name }) => answers.filter((who) => who === name).length)
  return counts.every((count) => count > 0 && count === counts[0])
}
