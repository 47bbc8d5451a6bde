/** Scene `arp`: a realserver that does not keep the VIP secret. */
import { setTimeout as sleep } from 'node:timers/promises'
import { arpAnswers, type Scene, type Stage } from '../scene.js'
import { DIP, macOf, VIP } from '../topology.js'
import { isSharedEvenly, ROUNDS, URL, webService } from './web.js'

const RS1_MAC = macOf('192.168.1.2')
const DIRECTOR_MAC = macOf(DIP)
/** Who answers first is a race. A few are enough to see the realserver win one. */
const RACES = 12
/** The director announces a new VIP twice, a second apart; the second time would undo a race. */
const ANNOUNCING_MS = 1500

const names = ['all', 'lo']
const setTo = (ignore: number, announce: number) =>
  names.flatMap((name) => [
    `echo ${ignore} > /proc/sys/net/ipv4/conf/${name}/arp_ignore`,
    `echo ${announce} > /proc/sys/net/ipv4/conf/${name}/arp_announce`,
  ])

/** Lets the router ask who has the VIP, and returns who said "I" before and after it believed. */
async function whoAnswers(stage: Stage): Promise<Set<string>> {
  const frames = await stage.watch(
    'router',
    () => {
      stage.forgetNeighbours()
      stage.run('client', `curl -sS --max-time 2 -o /dev/null ${URL}`)
    },
    'eth1',
  )
  return new Set(arpAnswers(frames, VIP))
}

export const arp: Scene = {
  name: 'arp',
  title: 'a realserver answers ARP for the VIP',
  question: 'Every realserver has the VIP on lo. What if one of them says so on the segment?',
  remember:
    'A realserver must not answer ARP for the VIP (arp_ignore=1), nor name it when it asks for others (arp_announce=2).',
  async play(stage) {
    webService(stage)
    stage.heading('rs1 is left as Linux comes: it answers for any address that it has')
    stage.mustRun('rs1', ...setTo(0, 0))
    await sleep(ANNOUNCING_MS)

    let answered = new Set<string>()
    let believed = ''
    let races = 0
    while (races < RACES && !believed.includes(RS1_MAC)) {
      races++
      answered = await whoAnswers(stage)
      believed = stage.run('router', `ip neigh show ${VIP}`).output
    }
    stage.claim(
      'the director and rs1 both answered "who has the VIP?"',
      answered.has(DIRECTOR_MAC) && answered.has(RS1_MAC),
    )
    stage.claim(
      `the router believed rs1 (race ${races} of at most ${RACES})`,
      believed.includes(RS1_MAC),
    )

    stage.heading('what breaks: rs1 has the VIP to itself, and the director counts nothing')
    stage.mustRun('director', 'uipvsadm -Z')
    const alone = stage.ask(ROUNDS, URL)
    stage.claim(
      'rs1 answered every request',
      alone.every((who) => who === 'rs1'),
    )
    const { output } = stage.run('director', 'uipvsadm -Ln --stats')
    const counted = new RegExp(`${VIP}:80 +0 +0 `).test(output)
    stage.claim('no connection and no packet passed the director', counted)

    stage.heading('the fix, on rs1; and the router has to forget what it believes')
    stage.mustRun('rs1', ...setTo(1, 2))
    const silent = await whoAnswers(stage)
    stage.claim('only the director answers now', silent.size === 1 && silent.has(DIRECTOR_MAC))
    stage.claim('every realserver has its share again', isSharedEvenly(stage.ask(ROUNDS, URL)))
  },
}
