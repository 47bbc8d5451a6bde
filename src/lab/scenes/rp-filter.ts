/** Scene `rp-filter`: requests come by one leg and answers leave by another. */

import { namespacePath } from '../namespaces.js'
import { lacks } from '../requests.js'
import { packet4, type Scene, type Stage } from '../scene.js'
import { ANSWERS_BY_LEG, legLines, ROUTER_LEG_LINES } from '../second-leg.js'
import { CIP, VIP } from '../topology.js'
import { isSharedEvenly, ROUNDS, URL, webService } from './web.js'

const COUNTER = 'TcpExtIPReversePathFilter'

const filter = (value: number) => `echo ${value} > /proc/sys/net/ipv4/conf/eth0/rp_filter`

/** Who answered, and how many packets came to rs1 by eth0 and left it by eth1. */
async function ask(stage: Stage) {
  let answers: string[] = []
  let leg: Awaited<ReturnType<typeof stage.watch>> = []
  const frames = await stage.watch('rs1', async () => {
    leg = await stage.watch(
      'rs1',
      () => {
        answers = stage.ask(ROUNDS, URL)
      },
      'eth1',
    )
  })
  const asked = frames.map(packet4).filter((p) => p?.source === CIP && p.destination === VIP)
  const answered = leg.map(packet4).filter((p) => p?.source === VIP && p.destination === CIP)
  stage.note(`rs1: ${asked.length} packets came by eth0, ${answered.length} answers left by eth1`)
  return { answers, asked: asked.length, answered: answered.length }
}

export const rpFilter: Scene = {
  name: 'rp-filter',
  title: 'a realserver with two legs filters by the reverse path',
  question:
    'Requests reach rs1 by eth0, and its answers leave by eth1. What does strict rp_filter make of it?',
  cannot: () => lacks('curl', 'nstat'),
  remember:
    'Strict filtering (1) drops a packet whose answer would leave by another leg, without a word: look at nstat TcpExtIPReversePathFilter. Loose (2) asks only whether there is a way back at all.',
  async play(stage) {
    webService(stage)
    stage.heading('rs1 gets a second leg, and answers the client by it')
    const router = namespacePath(stage.lab.state, 'router')
    stage.mustRun('rs1', ...legLines(router))
    stage.mustRun('router', ...ROUTER_LEG_LINES)
    stage.mustRun('rs1', ANSWERS_BY_LEG, filter(0))
    const open = await ask(stage)
    stage.claim(
      'no filter: all are served, and rs1 answers by eth1',
      isSharedEvenly(open.answers) && open.answered > 0,
    )

    stage.heading('strict, as many hardening guides have it')
    stage.mustRun('rs1', filter(1))
    const before = stage.counter('rs1', COUNTER)
    const strict = await ask(stage)
    stage.claim(
      'the packets still reach rs1, which tcpdump would show',
      strict.asked > 0 && strict.answered === 0,
    )
    stage.claim(
      'its share of the clients waits in vain',
      strict.answers.filter((who) => who === 'nobody').length === ROUNDS / 3,
    )
    stage.claim(
      'only this counter tells of it',
      stage.counter('rs1', COUNTER) - before === strict.asked,
    )

    stage.heading('the fix: loose')
    stage.mustRun('rs1', filter(2))
    const loose = await ask(stage)
    stage.claim('each realserver has its share again', isSharedEvenly(loose.answers))
    stage.claim('rs1 answers by eth1, as it was told to', loose.answered > 0)
  },
}
