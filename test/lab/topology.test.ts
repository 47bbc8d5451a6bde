import t from 'tap'
import { Capture, etherType } from '../../src/lab/capture.js'
import { hasIpv6 } from '../../src/lab/lab.js'
import {
  ARTICLE,
  CIP,
  DIP,
  DIP6,
  HOSTS,
  macOf,
  NAMESPACES,
  REALSERVERS,
  SILENCE_LINES,
  steps,
  VIP,
  VIP6,
} from '../../src/lab/topology.js'
import { ETH_P_ARP } from '../../src/wire/ethernet.js'
import { needsRoot, standingLab } from './standing.js'

// For the whole file: it starts many programs, on a machine that may be busy.
t.setTimeout(300_000)

t.test('the plan has the article’s addresses and its four lines', (t) => {
  const plan = steps(ARTICLE, (namespace) => namespace)
  t.same(
    plan.map(({ namespace }) => namespace),
    NAMESPACES,
    'every namespace is set up once, wires first',
  )
  for (const { name } of REALSERVERS) {
    const lines = plan.find(({ namespace }) => namespace === name)!.lines
    const silent = lines.indexOf(SILENCE_LINES[3])
    const address = lines.findIndex((line) => line.includes(`${VIP}/32 dev lo`))
    t.ok(silent >= 0 && address > silent, `${name} is silenced before it has the VIP`)
    t.same(
      SILENCE_LINES.filter((line) => !lines.includes(line)),
      [],
      `${name} has all four lines`,
    )
  }
  t.end()
})

t.test('the VIP stays off the director, and IPv6 off the lab, where it is so wished', (t) => {
  const plan = steps({ ...ARTICLE, vipOnDirector: false, ipv6: false }, (namespace) => namespace)
  const director = plan.find(({ namespace }) => namespace === 'director')!
  t.notOk(director.lines.some((line) => line.includes(VIP)))
  const all = plan.flatMap(({ lines }) => lines).join('\n')
  t.notMatch(all, /ipv6|2001:db8/)
  t.end()
})

t.test('the figure stands as drawn', { skip: needsRoot }, async (t) => {
  const lab = standingLab(t)
  const ping = (address: string) => lab.run('client', ['ping', '-c1', '-W2', address])
  for (const address of [DIP, ...REALSERVERS.map(({ rip }) => rip)]) {
    const { status, stdout } = ping(address)
    t.equal(status, 0, `the client reaches ${address}`)
    t.match(stdout, /ttl=63/, 'by way of the router')
  }
  if (hasIpv6()) {
    for (const address of [DIP6, ...REALSERVERS.map(({ rip6 }) => rip6)]) {
      const { status, stdout } = ping(address)
      t.equal(status, 0, `the client reaches ${address}`)
      t.match(stdout, /ttl=63/, 'by way of the router')
    }
  }
  for (const host of HOSTS) {
    const { stdout } = lab.run(host, ['ls', '/sys/class/net'])
    const expected = host === 'router' ? ['eth0', 'eth1', 'lo'] : ['eth0', 'lo']
    t.same(stdout.trim().split('\n'), expected, `${host} has the article's interfaces`)
  }
  t.match(lab.run('client', ['ip', '-4', 'addr', 'show', 'eth0']).stdout, `inet ${CIP}/24`)
  t.match(lab.run('rs2', ['ip', '-4', 'addr', 'show', 'lo']).stdout, /192\.168\.1\.110\/32.*lo:0/)
})

t.test(
  'no realserver answers ARP or neighbour discovery for the VIP',
  { skip: needsRoot },
  async (t) => {
    // Without the VIP on the director and without a director, only a realserver could answer.
    const lab = standingLab(t, { vipOnDirector: false })
    const capture = await Capture.start(lab, 'router', 'eth1')
    t.equal(lab.run('client', ['ping', '-c1', '-W1', VIP]).status, 1, 'nobody answers')
    if (hasIpv6()) t.equal(lab.run('client', ['ping', '-c1', '-W1', VIP6]).status, 1, 'nor by IPv6')
    const frames = capture.stop()
    const asked = frames.filter((frame) => frame.outgoing && etherType(frame.bytes) === ETH_P_ARP)
    t.ok(asked.length > 0, 'the router has asked')
    const macs = lab.run('router', ['ip', 'neigh', 'show', 'dev', 'eth1']).stdout
    const ofVip = macs.split('\n').filter((line) => line.startsWith(VIP) || line.startsWith(VIP6))
    t.ok(ofVip.length > 0, 'and remembers that it has')
    t.same(
      ofVip.filter((line) => line.includes('lladdr')),
      [],
      'but has learnt no MAC address for the VIP',
    )
  },
)

t.test(
  'with ARP not silenced a realserver does answer: the lines do the work',
  { skip: needsRoot },
  async (t) => {
    const lab = standingLab(t, { vipOnDirector: false })
    lab.run('rs2', [
      'sh',
      '-c',
      'for f in lo all; do echo 0 > /proc/sys/net/ipv4/conf/$f/arp_ignore; done',
    ])
    lab.run('client', ['ping', '-c1', '-W1', VIP])
    const neighbours = lab.run('router', ['ip', 'neigh', 'show', VIP]).stdout
    t.match(neighbours, macOf('192.168.1.3'), 'rs2 has taken the VIP')
  },
)

t.test(
  'a realserver asks for the client with its own address, not with the VIP',
  { skip: needsRoot },
  async (t) => {
    const lab = standingLab(t)
    await lab.startRealservers()
    const capture = await Capture.start(lab, 'rs1')
    // From the VIP, as an answer to a client would be.
    lab.run('rs1', ['ping', '-c1', '-W1', '-I', VIP, CIP])
    const asked = capture.stop().filter((f) => f.outgoing && etherType(f.bytes) === ETH_P_ARP)
    t.ok(asked.length > 0)
    const senders = asked.map(({ bytes }) => bytes.subarray(28, 32).join('.'))
    t.same([...new Set(senders)], ['192.168.1.2'])
  },
)
