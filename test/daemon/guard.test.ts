/**
 * The guard against a real kernel that would like to answer. Every case runs twice, without the
 * guard and with it: without, the kernel must be caught in the act, or the case proves nothing.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { Guard, type GuardState } from '../../src/daemon/guard.js'
import { NOT_VIP } from '../../src/engine/verdict.js'
import { readInterface, runTool } from '../../src/native/interfaces.js'
import { openAfPacket } from '../../src/port/af-packet.js'
import { build, buildFragments, type FrameSpec } from '../../src/wire/build.js'
import { makeNamespaces } from '../namespaces.js'
import { RawPeer } from '../port/raw-peer.js'

const VIP = '192.0.2.110'
const VIP6 = '2001:db8::110'
const CLIENT = '192.0.2.1'
const CLIENT6 = '2001:db8::1'
/** Solicited-node group of VIP6 (RFC 4291 section 2.7.1), and its MAC address. */
const GROUP6 = 'ff02::1:ff00:110'
const GROUP6_MAC = '33:33:ff:00:01:10'

type Stack = ReturnType<typeof makeStack>

/** A client that is ours, and a director whose kernel is awake. */
function makeStack(t: Parameters<typeof makeNamespaces>[0]) {
  const lab = makeNamespaces(t, {
    hosts: ['client', 'director'],
    links: [['client:eth0', 'director:eth0']],
  })
  if (lab === undefined) return undefined
  // The client's kernel must keep silent, or its own answers are taken for the director's.
  lab.run(
    'client',
    `sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
     ip link set eth0 arp off`,
  )
  const mac = lab.macOf('client:eth0')
  lab.run(
    'director',
    `ip addr add 192.0.2.2/24 dev eth0
     ip addr add 2001:db8::2/64 dev eth0 nodad
     ip neigh add ${CLIENT} lladdr ${mac} dev eth0 nud permanent
     ip neigh add ${CLIENT6} lladdr ${mac} dev eth0 nud permanent
     sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
     sysctl -qw net.ipv4.icmp_msgs_per_sec=10000`,
  )
  const client = lab.inside('client', () => new RawPeer('eth0'))
  t.teardown(() => client.close())
  client.drain(300)
  const ethernet = { source: mac, destination: lab.macOf('director:eth0') }
  const guard = lab.inside('director', () => new Guard({ interfaces: ['eth0'] }))

  /**
   * Frames that the director's kernel sends because of these, neighbour discovery of its own aside.
   */
  const answers = (...frames: Uint8Array[]): Uint8Array[] => {
    for (const frame of frames) client.send(frame)
    return client.drain(120).filter((frame) => !isOwnDiscovery(frame))
  }
  return { lab, client, ethernet, guard, answers }
}

/** Router solicitations, MLD reports: a kernel with IPv6 speaks unasked. */
function isOwnDiscovery(frame: Uint8Array): boolean {
  if (frame[12] !== 0x86 || frame[13] !== 0xdd) return false
  return (frame[20] === 58 && frame[54] === 133) || (frame[20] === 0 && frame[62] === 143)
}

function frames(stack: NonNullable<Stack>) {
  const { ethernet } = stack
  const four = { source: CLIENT, destination: VIP }
  const six = { source: CLIENT6, destination: VIP6 }
  const make = (spec: FrameSpec) => build({ ethernet, ...spec })
  return {
    make,
    syn: (dport: number) => make({ ipv4: four, tcp: { sport: 40000, dport } }),
    syn6: (dport: number) => make({ ipv6: six, tcp: { sport: 40000, dport } }),
    udp: (dport: number) => make({ ipv4: four, udp: { sport: 40000, dport }, payload: 'x' }),
    udp6: (dport: number) => make({ ipv6: six, udp: { sport: 40000, dport }, payload: 'x' }),
    who: () =>
      build({
        ethernet: { source: ethernet.source, destination: 'ff:ff:ff:ff:ff:ff' },
        arp: { senderMac: ethernet.source, sender: CLIENT, target: VIP },
      }),
    solicit: () =>
      build({
        ethernet: { source: ethernet.source, destination: GROUP6_MAC },
        ipv6: { source: CLIENT6, destination: GROUP6, hopLimit: 255 },
        icmpv6: { type: 135, target: VIP6, linkLayer: ethernet.source },
      }),
  }
}

function served(onKernel: boolean, arp = true): GuardState {
  return {
    vips: [VIP, VIP6].map((address) => ({ address, onKernel, arp })),
    services: [VIP, VIP6].flatMap((address) => [
      { protocol: 'tcp' as const, address, port: 80 },
      { protocol: 'udp' as const, address, port: 53 },
    ]),
  }
}

t.test('a VIP that the kernel holds too', async (t) => {
  const stack = makeStack(t)
  if (stack === undefined) return
  const { lab, guard, answers } = stack
  lab.run(
    'director',
    `ip addr add ${VIP}/32 dev eth0
     ip addr add ${VIP6}/128 dev eth0 nodad
     sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1`,
  )
  stack.client.drain(200)
  const f = frames(stack)
  const toServices: [string, Uint8Array][] = [
    ['TCP', f.syn(80)],
    ['TCP over IPv6', f.syn6(80)],
    ['UDP', f.udp(53)],
    ['UDP over IPv6', f.udp6(53)],
    ['ARP', f.who()],
    ['neighbour solicitation', f.solicit()],
    [
      'TCP with a priority tag',
      build({
        ethernet: { ...stack.ethernet, vlan: 0 },
        ipv4: { source: CLIENT, destination: VIP },
        tcp: { sport: 1, dport: 80 },
      }),
    ],
  ]
  for (const [what, frame] of toServices) t.equal(answers(frame).length, 1, `${what}: answered`)
  lab.inside('director', () => guard.update(served(true)))
  for (const [what, frame] of toServices) t.equal(answers(frame).length, 0, `${what}: silent`)

  t.equal(answers(f.syn(22)).length, 1, 'another port of the VIP is the kernel’s: its RST')
  t.equal(answers(f.syn6(22)).length, 1)
  t.equal(answers(f.udp(54)).length, 1, 'its port unreachable')
  const ping = f.make({ ipv4: { source: CLIENT, destination: VIP }, icmp: { type: 8 }, payload: 8 })
  t.equal(answers(ping).length, 1, 'its echo reply')
  const own = f.make({
    ipv4: { source: CLIENT, destination: '192.0.2.2' },
    tcp: { sport: 1, dport: 80 },
  })
  t.equal(answers(own).length, 1, 'and its own address is nobody else’s')

  const quote = { ipv4: { source: VIP, destination: CLIENT }, tcp: { sport: 80, dport: 40000 } }
  const error = { ipv4: { source: CLIENT, destination: VIP }, icmp: { type: 3, code: 1, quote } }
  t.equal(answers(f.make(error)).length, 0, 'an ICMP error is left to it, and not answered')

  lab.inside('director', () => guard.update(served(true, false)))
  t.equal(answers(f.who()).length, 1, 'with --no-arp the kernel answers ARP as before')
  t.equal(answers(f.solicit()).length, 1)
  t.equal(answers(f.syn(80)).length, 0)

  lab.inside('director', () => guard.remove())
  lab.inside('director', () => guard.remove())
  t.equal(answers(f.syn(80)).length, 1, 'removed, also twice')
})

t.test('fragments to a VIP that the kernel holds too', async (t) => {
  const stack = makeStack(t)
  if (stack === undefined) return
  const { lab, guard, answers, ethernet } = stack
  lab.run('director', `ip addr add ${VIP}/32 dev eth0\nip addr add ${VIP6}/128 dev eth0 nodad`)
  stack.client.drain(200)
  const four = { ipv4: { source: CLIENT, destination: VIP } }
  const six = { ipv6: { source: CLIENT6, destination: VIP6 } }
  for (const ip of [four, six]) {
    const what = ip === four ? 'IPv4' : 'IPv6'
    const pieces = (dport: number) =>
      buildFragments({ ethernet, ...ip, udp: { sport: 9, dport }, payload: 2000 }, 1000)
    t.equal(answers(...pieces(53)).length, 1, `${what}: answered without a guard`)
    lab.inside('director', () => guard.update(served(true)))
    t.equal(answers(...pieces(53)).length, 0, `${what}: silent`)
    lab.inside('director', () => guard.remove())
  }
  lab.inside('director', () => guard.update(served(true)))
  // Another datagram id: the pieces of the served one still lie in the kernel.
  const other = buildFragments(
    { ethernet, ipv4: { ...four.ipv4, id: 7 }, udp: { sport: 9, dport: 54 }, payload: 2000 },
    1000,
  )
  t.equal(answers(...other).length, 1, 'a datagram for the kernel is put together')
})

t.test('a VIP that the kernel lacks, on a director that routes', async (t) => {
  const stack = makeStack(t)
  if (stack === undefined) return
  const { lab, guard, answers } = stack
  const somewhere = '02:00:00:00:00:77'
  lab.run(
    'director',
    `sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
     sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
     ip neigh add ${VIP} lladdr ${somewhere} dev eth0 nud permanent
     ip neigh add ${VIP6} lladdr ${somewhere} dev eth0 nud permanent`,
  )
  stack.client.drain(200)
  const f = frames(stack)
  const all: [string, Uint8Array][] = [
    ['TCP', f.syn(80)],
    ['TCP over IPv6', f.syn6(80)],
    ['a port without service', f.udp(9999)],
    ['ICMP', f.make({ ipv4: { source: CLIENT, destination: VIP }, icmp: { type: 8 } })],
  ]
  for (const [what, frame] of all) t.ok(answers(frame).length >= 1, `${what}: routed once more`)
  lab.inside('director', () => guard.update(served(false)))
  for (const [what, frame] of all) t.equal(answers(frame).length, 0, `${what}: silent`)
})

t.test('what the guard drops, the director still receives', async (t) => {
  const stack = makeStack(t)
  if (stack === undefined) return
  const { lab, guard, client } = stack
  lab.run('director', `ip addr add ${VIP}/32 dev eth0`)
  lab.inside('director', () => guard.update(served(true)))
  const port = lab.inside('director', () => openAfPacket({ interfaces: ['eth0'] }))
  t.teardown(() => port.close())
  port.serve([VIP, VIP6])
  const f = frames(stack)
  const sent = [f.syn(80), f.udp(53), f.who(), f.syn6(80), f.solicit()]
  for (const frame of sent) client.send(frame)
  const got: Uint8Array[] = []
  for (let rounds = 0; rounds < 20 && got.length < sent.length; rounds++) {
    const batch = port.receive()
    for (let i = 0; i < batch.count; i++) {
      got.push(batch.bytes.slice(batch.offset[i], batch.offset[i] + batch.length[i]))
      batch.verdict[i] = NOT_VIP
    }
    port.settle(batch)
    if (batch.count === 0) port.wait(50)
  }
  t.same(got, sent)
})

t.test('what a killed director left is removed, what a living one has is not', async (t) => {
  const stack = makeStack(t)
  if (stack === undefined) return
  const { lab, guard } = stack
  lab.inside('director', () => guard.update(served(true)))
  const script = `
    import { Guard } from '${new URL('../../src/daemon/guard.js', import.meta.url)}'
    const guard = new Guard({ interfaces: ['eth0'], name: 'uipvs_victim' })
    guard.update(${JSON.stringify(served(true))})
    console.log('ready')
    setInterval(() => {}, 1000)`
  const victim = lab.spawn('director', 'node', ['--input-type=module', '-e', script])
  await once(victim.stdout!, 'data')
  t.same(
    lab.inside('director', () => Guard.cleanStale()),
    [],
    'both are alive',
  )
  const second = new Guard({ interfaces: ['eth0'], name: 'uipvs_victim' })
  t.throws(
    () => lab.inside('director', () => second.assertFree()),
    { code: 'EBUSY', message: `pid ${victim.pid}` },
    'its interfaces are taken',
  )
  const overlapping = new Guard({ interfaces: ['lo', 'eth0'] })
  t.throws(
    () => lab.inside('director', () => overlapping.assertFree()),
    { code: 'EBUSY', message: `serves eth0 (pid ${victim.pid})` },
    'one of several is',
  )
  lab.inside('director', () => new Guard({ interfaces: ['lo'] }).assertFree())
  const gone = once(victim, 'exit')
  victim.kill('SIGKILL')
  await gone
  lab.inside('director', () => second.assertFree())
  t.match(lab.run('director', 'nft list tables'), /uipvs_victim/, 'the table outlives it')
  t.same(
    lab.inside('director', () => Guard.cleanStale()),
    ['uipvs_victim'],
  )
  t.match(lab.run('director', 'nft list tables'), /uipvs_eth0/)
})

t.test('works in an unprivileged user namespace', async (t) => {
  const script = `
    import { Guard } from '${new URL('../../src/daemon/guard.js', import.meta.url)}'
    const guard = new Guard({ interfaces: ['lo'] })
    guard.update(${JSON.stringify(served(false))})
    guard.update(${JSON.stringify(served(true))})
    guard.remove()
    console.log('done')`
  const child = spawn('unshare', ['-Urn', process.execPath, '--input-type=module', '-e', script])
  const output: string[] = []
  child.stdout.on('data', (chunk) => output.push(String(chunk)))
  child.stderr.on('data', (chunk) => output.push(String(chunk)))
  await once(child, 'close')
  const text = output.join('')
  if (/unshare.*(not permitted|failed)/i.test(text)) {
    t.plan(0, `this kernel allows no user namespaces: ${text.trim()}`)
    return
  }
  t.equal(text, 'done\n')
})

t.test('names and spellings', async (t) => {
  t.equal(new Guard({ interfaces: ['eth0.5', 'br-lan'] }).table, 'uipvs_eth0_5_br_lan')
  t.throws(() => new Guard({ interfaces: [] }))
  const rules = new Guard({ interfaces: ['eth0'] }).ruleset({
    vips: [{ address: '2001:DB8:0::1', onKernel: true, arp: false }],
    services: [
      { protocol: 'tcp', address: '2001:db8::1', port: 80 },
      { protocol: 'tcp', address: '2001:db8:0:0::1', port: 80 },
      { protocol: 'sctp', address: '2001:db8::1', port: 0 },
    ],
  })
  t.match(rules, /set port6 .* elements = \{ 2001:db8::1 \. tcp \. 80 \}/)
  t.match(rules, /set all6 .* elements = \{ 2001:db8::1 \. sctp \}/)
  t.throws(
    () =>
      new Guard({ interfaces: ['eth0'] }).ruleset({
        vips: [{ address: 'x', onKernel: true, arp: true }],
        services: [],
      }),
    /no IP address/,
  )
  t.throws(() => runTool('nft-that-nobody-has', [], 'nftables'), /apt-get install nftables/)
  t.equal(readInterface('lo').hardwareType, 772)
})
