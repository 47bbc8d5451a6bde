/** Scene `two-armed`: clients on one segment, realservers on another, the director on both. */

import { namespacePath } from '../namespaces.js'
import { lacks } from '../requests.js'
import { arpAnswers, packet4, type Scene, type Stage } from '../scene.js'
import { CIP, DIP, macOf, REALSERVERS, VIP } from '../topology.js'
import { isSharedEvenly, ROUNDS, URL } from './web.js'

const BACK_DIP = '10.0.0.1'
const BACK_ROUTER = '10.0.0.253'
const backRip = (i: number) => `10.0.0.${i + 2}`

/** The realservers' wires go to another switch, to which director and router get one more. */
function moveRealservers(stage: Stage): void {
  const path = (host: 'director' | 'router') => namespacePath(stage.lab.state, host)
  stage.mustRun(
    'segment',
    'ip link add back type bridge forward_delay 0 mcast_snooping 0',
    'ip link set back up',
    ...REALSERVERS.map(({ name }) => `ip link set ${name} master back`),
    `ip link add director-back type veth peer name eth1 netns ${path('director')}`,
    `ip link add router-back type veth peer name eth2 netns ${path('router')}`,
    'ip link set director-back master back up',
    'ip link set router-back master back up',
  )
  stage.mustRun(
    'director',
    `ip link set eth1 address ${macOf(BACK_DIP)} up`,
    `ip addr add ${BACK_DIP}/24 dev eth1`,
  )
  stage.mustRun('router', 'ip link set eth2 up', `ip addr add ${BACK_ROUTER}/24 dev eth2`)
  REALSERVERS.forEach(({ name, rip }, i) => {
    stage.mustRun(
      name,
      `ip addr del ${rip}/24 dev eth0`,
      `ip addr add ${backRip(i)}/24 dev eth0`,
      `ip route add default via ${BACK_ROUTER}`,
    )
  })
}

function rules(stage: Stage): void {
  stage.mustRun(
    'director',
    `uipvsadm -A -t ${VIP}:80 -s rr`,
    ...REALSERVERS.map((_, i) => `uipvsadm -a -t ${VIP}:80 -r ${backRip(i)} -g`),
  )
}

export const twoArmed: Scene = {
  name: 'two-armed',
  title: 'a director with an arm on each of two segments',
  question: 'The realservers stand on a segment of their own. Which way does a request take?',
  engine: 'af_packet',
  cannot: () => lacks('curl'),
  remember:
    'Direct Routing needs the director on the segment of the realservers, not the clients on it. A frame leaves by the arm that reaches the realserver, with that arm as its source; answers take the router.',
  async play(stage) {
    stage.heading('a second segment, 10.0.0.0/24, with the realservers on it')
    moveRealservers(stage)

    stage.heading('with one arm (uipvs run -i eth0)')
    rules(stage)
    const alone = stage.ask(2, URL)
    stage.claim(
      'nobody is reached: no arm leads to 10.0.0.0/24',
      alone.every((who) => who === 'nobody'),
    )

    stage.heading('with two')
    await stage.restartDirector('-i', 'eth1')
    rules(stage)
    let answers: string[] = []
    let front: Awaited<ReturnType<typeof stage.watch>> = []
    const back = await stage.watch(
      'director',
      async () => {
        front = await stage.watch('director', () => {
          answers = stage.ask(ROUNDS, URL)
        })
      },
      'eth1',
    )
    stage.claim('each realserver has its share', isSharedEvenly(answers))
    const isRequest = (frame: (typeof front)[number]) => {
      const packet = packet4(frame)
      return packet?.source === CIP && packet.destination === VIP
    }
    const came = front.filter(isRequest)
    const left = back.filter(isRequest)
    stage.note(`${came.length} packets of the client came by eth0, ${left.length} left by eth1`)
    stage.claim('what came by eth0 left by eth1', came.length > 0 && left.length === came.length)
    const source = Buffer.from(macOf(BACK_DIP).replaceAll(':', ''), 'hex')
    stage.claim(
      `with eth1 (${macOf(BACK_DIP)}) as the source of each frame`,
      left.every(({ bytes }) => source.compare(bytes, 6, 12) === 0),
    )
    const isAnswer = (frame: (typeof front)[number]) => packet4(frame)?.source === VIP
    stage.claim('no answer passed the director, on either arm', ![...front, ...back].some(isAnswer))

    stage.heading('a realserver that answers ARP for the VIP, here')
    stage.mustRun(
      'rs1',
      'echo 0 > /proc/sys/net/ipv4/conf/all/arp_ignore',
      'echo 0 > /proc/sys/net/ipv4/conf/lo/arp_ignore',
    )
    const asked = await stage.watch(
      'router',
      () => {
        stage.forgetNeighbours()
        answers = stage.ask(ROUNDS, URL)
      },
      'eth1',
    )
    const macs = new Set(arpAnswers(asked, VIP))
    stage.claim('it is not heard where the router asks', macs.size === 1 && macs.has(macOf(DIP)))
    stage.claim('and nothing breaks', isSharedEvenly(answers))
  },
}
