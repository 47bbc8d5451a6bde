/** Scene `failure`: a realserver that has died, and a director that does not know it. */
import type { Scene } from '../scene.js'
import { VIP } from '../topology.js'
import { isSharedEvenly, ROUNDS, URL, webService } from './web.js'

const RS1 = '192.168.1.2'

export const failure: Scene = {
  name: 'failure',
  title: 'a realserver dies',
  question: 'rs1 loses its power. Who notices, and what do clients see?',
  remember:
    'IPVS checks nobody: a dead realserver keeps its share until somebody takes it out. That is the work of keepalived, or of a script.',
  async play(stage) {
    webService(stage)
    stage.claim('all is well', isSharedEvenly(stage.ask(ROUNDS, URL)))

    stage.heading('rs1 is gone from the segment')
    stage.mustRun('rs1', 'ip link set eth0 down')
    const answers = stage.ask(ROUNDS, URL)
    const lost = answers.filter((who) => who === 'nobody').length
    stage.claim(
      `its share of the clients waits in vain: ${lost} of ${ROUNDS}`,
      lost === ROUNDS / 3 && !answers.includes('rs1'),
    )
    const { output } = stage.run('director', 'uipvsadm -Ln')
    stage.claim('the table shows it as if nothing were', output.includes(`${RS1}:80`))

    stage.heading('the fix: take it out')
    stage.mustRun('director', `uipvsadm -e -t ${VIP}:80 -r ${RS1} -g -w 0`)
    const without = stage.ask(ROUNDS, URL)
    stage.claim(
      'every client is served, by the other two',
      without.every((who) => who === 'rs2' || who === 'rs3'),
    )

    stage.heading('and back, when it is up')
    stage.mustRun('rs1', 'ip link set eth0 up')
    stage.mustRun('director', `uipvsadm -e -t ${VIP}:80 -r ${RS1} -g -w 1`)
    // Whoever was asked for in vain is not asked again at once.
    const probe = `curl -sS --max-time 1 ${URL}`
    stage.claim('rs1 answers again', await stage.until('client', probe, /rs1/))
    stage.claim('each has its share', isSharedEvenly(stage.ask(ROUNDS, URL)))
  },
}
