/** Scene `ipv6`: the VIP over IPv6, where neighbour discovery takes the place of ARP. */
import { type CapturedFrame, etherType, ipPacket } from '../capture.js'
import { hasIpv6 } from '../lab.js'
import { lacks } from '../requests.js'
import type { Scene, Stage } from '../scene.js'
import { DIP, macOf, REALSERVERS, VIP6 } from '../topology.js'
import { isSharedEvenly, ROUNDS } from './web.js'

const URL6 = `http://[${VIP6}]/`
const RS1_MAC = macOf('192.168.1.2')
const DIRECTOR_MAC = macOf(DIP)
const ETH_P_IPV6 = 0x86dd
const ROUTER6 = '2001:db8:1::253'
const ICMPV6 = 58
const NEIGHBOUR_ADVERTISEMENT = 136

/** The MAC addresses from which the VIP was advertised (RFC 4861 section 4.4). */
function advertisers(frames: readonly CapturedFrame[]): Set<string> {
  const wanted = Buffer.from('20010db8000100000000000000000110', 'hex')
  const macs = frames
    .filter(({ bytes }) => etherType(bytes) === ETH_P_IPV6)
    .filter(({ bytes }) => {
      const packet = ipPacket(bytes)!
      const message = packet.subarray(40)
      return (
        packet[6] === ICMPV6 &&
        message[0] === NEIGHBOUR_ADVERTISEMENT &&
        message.subarray(8, 24).equals(wanted)
      )
    })
    .map(({ bytes }) => bytes.toString('hex', 6, 12).replace(/..(?=.)/g, '$&:'))
  return new Set(macs)
}

/** Lets the router ask who has the VIP; who said "I". */
async function whoAnswers(stage: Stage): Promise<Set<string>> {
  const frames = await stage.watch(
    'router',
    () => {
      stage.mustRun('router', 'ip -6 neigh flush dev eth1')
      stage.run('client', `curl -sS --max-time 2 -o /dev/null ${URL6}`)
    },
    'eth1',
  )
  return advertisers(frames)
}

/** rs1 speaks to the router as the VIP, and has to ask for it first; whom the router believes. */
function believedAfterWord(stage: Stage): string {
  stage.mustRun('rs1', 'ip -6 neigh flush dev eth0')
  stage.run('rs1', `ping -q -c 1 -W 1 -I ${VIP6} ${ROUTER6} > /dev/null`)
  return stage.run('router', `ip -6 neigh show ${VIP6}`).output
}

const dad = (value: number) =>
  ['all', 'eth0'].map((name) => `echo ${value} > /proc/sys/net/ipv6/conf/${name}/accept_dad`)

export const ipv6: Scene = {
  name: 'ipv6',
  title: 'the VIP over IPv6',
  question: 'IPv6 has no ARP, and no arp_ignore. What keeps a realserver silent about the VIP?',
  cannot: () =>
    hasIpv6() ? lacks('curl', 'ping') : 'take a kernel that has IPv6 (/proc/sys/net/ipv6)',
  remember:
    'VIP/128 on lo is all: Linux answers a solicitation only for an address of the interface that was asked. On eth0 duplicate address detection protects the VIP, until somebody switches that off (accept_dad=0, nodad).',
  async play(stage) {
    stage.mustRun(
      'director',
      `uipvsadm -A -t [${VIP6}]:80 -s rr`,
      ...REALSERVERS.map(({ rip6 }) => `uipvsadm -a -t [${VIP6}]:80 -r [${rip6}]:80 -g`),
    )
    stage.heading('the VIP on lo of every realserver, and no switch set')
    const { output: address } = stage.run('rs1', 'ip -6 addr show dev lo scope global')
    stage.claim('lo does no duplicate address detection', !/tentative|dadfailed/.test(address))
    const silent = await whoAnswers(stage)
    stage.claim(
      'the director alone answers "who has the VIP?"',
      silent.size === 1 && silent.has(DIRECTOR_MAC),
    )
    stage.claim(
      'a word of rs1 as the VIP changes nothing: it asks for the router with its own address',
      believedAfterWord(stage).includes(DIRECTOR_MAC),
    )
    stage.claim('each realserver has its share', isSharedEvenly(stage.ask(ROUNDS, URL6)))

    stage.heading('rs1 has it on eth0 as well, as one would at first')
    stage.mustRun('rs1', ...dad(1), `ip addr add ${VIP6}/128 dev eth0`)
    stage.claim(
      'rs1 asked the segment, heard the director, and does not use the address',
      await stage.until('rs1', `ip -6 addr show dev eth0 to ${VIP6}`, /dadfailed/),
    )
    const defended = await whoAnswers(stage)
    stage.claim('still the director alone answers', !defended.has(RS1_MAC))

    stage.heading('the same with nodad: rs1 does not ask the segment')
    stage.mustRun(
      'rs1',
      `ip addr del ${VIP6}/128 dev eth0`,
      `ip addr add ${VIP6}/128 dev eth0 nodad`,
    )
    const both = await whoAnswers(stage)
    stage.claim(
      'the director and rs1 both answered "who has the VIP?"',
      both.has(DIRECTOR_MAC) && both.has(RS1_MAC),
    )
    stage.claim(
      'and once rs1 says a word as the VIP, the router believes it',
      believedAfterWord(stage).includes(RS1_MAC),
    )
    const alone = stage.ask(3, URL6)
    stage.claim(
      'rs1 has the VIP to itself',
      alone.every((who) => who === 'rs1'),
    )

    stage.heading('the fix: off eth0, and the router has to forget')
    stage.mustRun('rs1', `ip addr del ${VIP6}/128 dev eth0`)
    const fixed = await whoAnswers(stage)
    stage.claim('only the director answers', fixed.size === 1 && fixed.has(DIRECTOR_MAC))
    stage.claim('each has its share again', isSharedEvenly(stage.ask(ROUNDS, URL6)))
    stage.run('director', 'uipvsadm -Ln')
  },
}
