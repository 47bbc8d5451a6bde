/** Scene `persistence`: a client that keeps its realserver. */
import type { Scene } from '../scene.js'
import { CIP, VIP } from '../topology.js'
import { isSharedEvenly, ROUNDS, URL, webService } from './web.js'

export const persistence: Scene = {
  name: 'persistence',
  title: 'a client that keeps its realserver',
  question: 'Round robin gives each request to another server. What if a login lives in one?',
  remember:
    '-p makes a template, a line with port 0: as long as it lives, all connections of that client go where it says, whatever the scheduler.',
  async play(stage) {
    webService(stage)
    stage.heading('round robin')
    stage.claim('each realserver answered as often', isSharedEvenly(stage.ask(ROUNDS, URL)))

    stage.heading('the same service, persistent for 300 s')
    stage.mustRun('director', `uipvsadm -E -t ${VIP}:80 -s rr -p 300`)
    const kept = stage.ask(ROUNDS, URL)
    const [first = 'nobody'] = kept
    stage.claim(
      'one realserver answered all',
      first !== 'nobody' && kept.every((who) => who === first),
    )
    const { output } = stage.run('director', 'uipvsadm -Lnc')
    const template = output.split('\n').find((line) => line.includes(`${CIP}:0 `)) ?? ''
    stage.claim('the table has the template', template.includes(`${VIP}:80`))

    stage.heading('even when it is to get nothing new: weight 0')
    const [, rip = ''] = /(192\.168\.1\.\d):80\s*$/.exec(template) ?? []
    stage.mustRun('director', `uipvsadm -e -t ${VIP}:80 -r ${rip} -g -w 0`)
    const still = stage.ask(2, URL)
    stage.claim(
      'the client is still sent there',
      still.every((who) => who === first),
    )
    stage.heading('the fix, if it is to be drained: templates of quiescent servers do not count')
    stage.mustRun('director', 'uipvs sysctl expire_quiescent_template=1')
    const moved = stage.ask(2, URL)
    stage.claim(
      'the client has moved to another',
      moved.every((who) => who !== first && who !== 'nobody'),
    )
  },
}
