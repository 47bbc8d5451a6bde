/** Scene `kernel-rst`: the director's own kernel answers, where nothing keeps it from doing so. */
import { packet4, type Scene, type Stage, TCP_RST } from '../scene.js'
import { CIP, VIP } from '../topology.js'
import { isSharedEvenly, ROUNDS, URL, webService } from './web.js'

/** How many resets from the VIP left the director while the client asked, and who answered. */
async function resets(stage: Stage): Promise<{ count: number; answers: string[] }> {
  let answers: string[] = []
  const frames = await stage.watch('director', () => {
    answers = stage.ask(ROUNDS, URL)
  })
  const count = frames.filter((frame) => {
    const packet = packet4(frame)
    const isToClient = packet?.source === VIP && packet.destination === CIP
    return isToClient && (packet.tcpFlags & TCP_RST) !== 0
  }).length
  stage.note(`${count} resets left the director`)
  return { count, answers }
}

export const kernelRst: Scene = {
  name: 'kernel-rst',
  title: "the director's own kernel resets the connections",
  question: 'The VIP is on eth0:0, and a packet socket only copies. What does the kernel do?',
  // XDP takes frames away from the kernel; a packet socket leaves it a copy.
  engine: 'af_packet',
  director: ['--no-guard'],
  remember:
    'A kernel that has the VIP and no listener resets what the director forwards. The guard (nftables, ingress) keeps it out.',
  async play(stage) {
    webService(stage)
    stage.heading('without the guard (uipvs run -i eth0 --no-guard)')
    const without = await resets(stage)
    stage.claim('the kernel reset connections that the director forwarded', without.count > 0)
    stage.claim(
      'and clients were left without an answer',
      without.answers.some((who) => who === 'nobody'),
    )

    stage.heading('the fix: the guard, which is there unless one forbids it')
    await stage.restartDirector()
    webService(stage)
    const { output } = stage.run('director', 'nft list tables netdev')
    stage.claim('the kernel has its table', output.includes('uipvs_eth0'))
    const guarded = await resets(stage)
    stage.claim('no reset left the director', guarded.count === 0)
    stage.claim('and every realserver had its share', isSharedEvenly(guarded.answers))
  },
}
