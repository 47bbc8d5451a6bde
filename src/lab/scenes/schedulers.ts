/** Scene `schedulers`: the same requests under each scheduler. */
import type { Scene, Stage } from '../scene.js'
import { REALSERVERS, VIP } from '../topology.js'
import { URL } from './web.js'

const REQUESTS = 12
/** Of rs1, rs2 and rs3. */
const WEIGHTS = [1, 2, 3]

/** What one client that asks twelve times, one after the other, must see; the others may vary. */
const MUST: readonly [scheduler: string, what: string, holds: (counts: number[]) => boolean][] = [
  // These two count connections, also those that have ended and are still in the table: so first.
  ['lc', 'each as many connections', (counts) => counts.join() === '4,4,4'],
  ['wlc', 'more to the heavier', ([a = 0, , c = 0]) => a < c],
  ['rr', 'each in turn, weights do not matter', (counts) => counts.join() === '4,4,4'],
  ['wrr', 'in proportion to weight', (counts) => counts.join() === '2,4,6'],
  ['fo', 'all to the highest weight', (counts) => counts.join() === '0,0,12'],
  ['sh', 'one client, one realserver', (counts) => counts.includes(REQUESTS)],
  ['dh', 'one destination, one realserver', (counts) => counts.includes(REQUESTS)],
  ['mh', 'one client, one realserver', (counts) => counts.includes(REQUESTS)],
]

function requests(stage: Stage, scheduler: string): number[] {
  stage.mustRun('director', `uipvsadm -E -t ${VIP}:80 -s ${scheduler}`)
  const line = `for i in $(seq ${REQUESTS}); do curl -sS --max-time 2 ${URL}; done | sort | uniq -c`
  const { output } = stage.run('client', line)
  return REALSERVERS.map(({ name }) => Number(new RegExp(`(\\d+) ${name}`).exec(output)?.[1] ?? 0))
}

export const schedulers: Scene = {
  name: 'schedulers',
  title: 'the same requests under each scheduler',
  question: `Weights 1, 2 and 3, and one client that asks ${REQUESTS} times. Who gets what?`,
  remember:
    'Hashing schedulers (sh, dh, mh) need many clients to be fair; the counting ones (lc, wlc) show what they can when requests differ in length.',
  async play(stage) {
    stage.mustRun(
      'director',
      `uipvsadm -A -t ${VIP}:80`,
      ...REALSERVERS.map(
        ({ rip }, i) => `uipvsadm -a -t ${VIP}:80 -r ${rip} -g -w ${WEIGHTS[i] ?? 1}`,
      ),
    )
    const plot: string[] = []
    for (const [scheduler, what, holds] of MUST) {
      stage.heading(scheduler)
      const counts = requests(stage, scheduler)
      const bars = counts.map((count) => '█'.repeat(count).padEnd(REQUESTS + 1)).join(' ')
      plot.push(`${scheduler.padEnd(5)} ${bars} ${counts.join(' ')}`)
      stage.claim(`${scheduler}: ${what} (${counts.join(', ')})`, holds(counts))
    }
    stage.heading('in one picture: rs1, rs2, rs3')
    for (const line of plot) stage.note(line)
  },
}
