/**
 * What is particular to the engine af_xdp: its program takes frames away from the kernel, so the
 * kernel's own must be left alone; and it must be gone when the director is, however that ended.
 */
import t from 'tap'
import { BANNER, CHAT, ECHO } from './realserver-program.js'
import {
  DIRECTOR,
  engineMissing,
  makeSegment,
  type Segment,
  tally,
  until,
  VIP,
  VIP6,
} from './segment.js'

t.setTimeout(180_000)

const skip = engineMissing('af_xdp')
const OTHER_PROGRAM = new URL('./other-program.js', import.meta.url).pathname
const XDP = ['-i', 'eth0', '--engine', 'af_xdp']

/** Whether an XDP program is on the director's interface. */
function hasProgram(segment: Segment): boolean {
  return /xdp/.test(segment.lab.run('director', 'ip link show dev eth0'))
}

t.test("the director's own addresses stay its kernel's", { skip }, async (t) => {
  const segment = await makeSegment(t)
  if (segment === undefined) return
  await segment.serve(['director'], [DIRECTOR])
  await segment.startDirector(XDP)
  await segment.addService('tcp', BANNER)
  const own = await segment.client('banners', {
    address: DIRECTOR,
    port: BANNER,
    count: 20,
    parallel: 4,
  })
  t.same(tally(own), { director: 20 }, 'a server on the same interface, at the same port')
  const served = await segment.client('banners', {
    address: VIP,
    port: BANNER,
    count: 20,
    parallel: 4,
  })
  t.same(tally(served), { rs1: 10, rs2: 10 })
  t.match(segment.lab.run('client', `ping -n -c2 -i0.2 -W2 ${DIRECTOR}`), / 2 received/)

  // Its kernel has neighbours of its own: their answers come to the same MAC address.
  segment.lab.run('director', 'ip neigh flush dev eth0')
  t.match(segment.lab.run('director', `ping -n -c2 -i0.2 -W2 ${segment.rip(1)}`), / 2 received/)
  t.match(segment.lab.run('director', `ping -n -c2 -i0.2 -W2 ${segment.rip6(1)}`), / 2 received/)
})

t.test('VIPs come and go while it runs', { skip }, async (t) => {
  const segment = await makeSegment(t, { vipOnDirector: true })
  if (segment === undefined) return
  await segment.serve(['director'])
  await segment.startDirector(XDP)
  t.equal((await segment.ask(VIP)).text, 'director', "no service: the kernel's")
  const program = () =>
    /prog\/xdp id (\d+)/.exec(segment.lab.run('director', 'ip link show eth0'))?.[1]
  const before = program()
  await segment.addService('tcp', BANNER)
  for (const vip of [VIP, VIP6]) t.match((await segment.ask(vip)).text, /^rs[12]$/, vip)
  t.match((await segment.client('open', { id: 'a', address: VIP, port: CHAT })).text, /^director/)
  await segment.adm(['-D', '-t', `${VIP}:${BANNER}`])
  t.equal((await segment.ask(VIP)).text, 'director', "the service is gone: the kernel's again")
  t.match((await segment.ask(VIP6)).text, /^rs[12]$/, 'the other one goes on')
  await segment.addService('udp', ECHO)
  const large = await segment.client('datagram', {
    address: VIP,
    port: ECHO,
    text: 'f'.repeat(4000),
  })
  t.match(large.text, /^rs[12] f{4000}$/, 'fragments of what is served')
  t.match(segment.lab.run('client', `ping -n -c2 -i0.2 -W2 -s 4000 ${VIP}`), / 2 received/)
  t.ok(before !== undefined && program() === before, 'by the same program')
})

t.test('killed: no program is left, and the next director starts', { skip }, async (t) => {
  const segment = await makeSegment(t)
  if (segment === undefined) return
  const first = await segment.startDirector(XDP)
  t.match(first.said(), /ready: af_xdp \(eth0 native, copy\) on eth0/)
  t.ok(hasProgram(segment))
  first.process.kill('SIGKILL')
  await first.ended
  await until('the program is gone', () => !hasProgram(segment))
  const second = await segment.startDirector(XDP)
  await segment.addService('tcp', BANNER)
  t.match((await segment.ask()).text, /^rs[12]$/)
  second.process.kill('SIGTERM')
  t.equal(await second.ended, 0)
  t.notOk(hasProgram(segment), 'nor after an orderly end')
})

t.test("somebody else's program: refused, and auto goes by another way", { skip }, async (t) => {
  const segment = await makeSegment(t)
  if (segment === undefined) return
  const other = segment.lab.spawn('director', 'node', [OTHER_PROGRAM, 'eth0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => other.stdout!.once('data', resolve))
  const control = ['--control', segment.control.path]
  const refused = await segment.runToEnd([...XDP, ...control])
  t.equal(refused.status, 1)
  t.match(
    refused.stderr,
    /EBUSY \(eth0\); eth0 has an XDP program already: .*ip link show dev eth0/,
  )
  t.equal(refused.stderr.trim().split('\n').length, 1)
  const director = await segment.startDirector()
  t.match(director.said(), /ready: af_packet \(auto: .*; not af_xdp: .*EBUSY/)
  await segment.addService('tcp', BANNER)
  t.match((await segment.ask()).text, /^rs[12]$/)
})

t.test('an MTU that no chunk holds: refused, and auto goes by another way', { skip }, async (t) => {
  const segment = await makeSegment(t, { realservers: 1 })
  if (segment === undefined) return
  segment.lab.run('director', 'ip link set eth0 mtu 9000')
  const refused = await segment.runToEnd([...XDP, '--control', segment.control.path])
  t.equal(refused.status, 1)
  t.match(refused.stderr, /the MTU of eth0 is 9000, af_xdp holds packets of up to 3820 bytes/)
  t.match(refused.stderr, /`ip link set eth0 mtu 3820`, or use --engine af_packet\n$/)
  const director = await segment.startDirector(['-i', 'eth0', '--workers', '2'])
  t.match(director.said(), /ready: af_packet \(auto: .*2 workers; not af_xdp: the MTU of eth0/)
})

t.test('while it runs the MTU grows, and the interface goes down and up', { skip }, async (t) => {
  const segment = await makeSegment(t, { realservers: 1 })
  if (segment === undefined) return
  const director = await segment.startDirector(XDP)
  await segment.addService('udp', ECHO)
  const ask = async (bytes: number) =>
    (await segment.client('datagram', { address: VIP, port: ECHO, text: 'f'.repeat(bytes) })).text
  t.match(await ask(1400), /^rs1 f{1400}$/)
  segment.lab.run('director', 'ip link set eth0 mtu 3000')
  await until('a warning', () => /the MTU of eth0 is 3000 now, .* 1772 .*;/.test(director.said()))
  t.match(await ask(1400), /^rs1 f{1400}$/, 'what fits is forwarded as before')

  const ends = ['client:eth0', 'switch:client', 'switch:director', 'switch:segment', 'switch:rs1']
  for (const [host, device] of [...ends, 'rs1:eth0'].map((end) => end.split(':'))) {
    segment.lab.run(host, `ip link set ${device} mtu 3000`)
  }
  const seen = segment.tap(t, 'rs1')
  segment.lab.run('client', `bash -c 'head -c 2500 /dev/zero > /dev/udp/${VIP}/${ECHO}'`)
  const drops = async () => (await segment.counters()).engine.ringDrops
  await until(
    'a frame that no chunk holds is dropped, and counted',
    async () => (await drops()) > 0,
  )
  t.same(
    seen.drain().filter((frame) => frame.length > 2000),
    [],
  )
  t.match(await ask(1400), /^rs1 f{1400}$/)

  segment.lab.run('director', 'ip link set eth0 down')
  const verdict = async () => (await segment.counters()).verdicts.forwarded
  const before = await verdict()
  segment.lab.run('client', `bash -c 'echo lost > /dev/udp/${VIP}/${ECHO}'`)
  segment.lab.run('director', 'ip link set eth0 up')
  await until('the link is up', () =>
    segment.lab.run('director', 'cat /sys/class/net/eth0/carrier').startsWith('1'),
  )
  t.match(await ask(100), /^rs1 f{100}$/, 'heard again, by itself')
  await until('it is counted', async () => (await verdict()) > before)
  t.equal(await verdict(), before + 1, 'and nothing while it was down')
})

t.test('without CAP_BPF auto takes packet sockets, and says why', { skip }, async (t) => {
  const segment = await makeSegment(t, { realservers: 1 })
  if (segment === undefined) return
  const lacking = ['setpriv', '--bounding-set=-bpf,-sys_admin', '--inh-caps=-bpf,-sys_admin']
  const ended = await segment.runToEnd([...XDP, '--control', segment.control.path], lacking)
  t.equal(ended.status, 1)
  t.match(ended.stderr, /BPF_MAP_CREATE: .*EPERM .*; run it as root, or give it CAP_BPF/)
})

t.test('idle it sleeps', { skip }, async (t) => {
  const segment = await makeSegment(t)
  if (segment === undefined) return
  await segment.startDirector(XDP)
  await segment.addService('tcp', BANNER)
  const breaths = async () => (await segment.counters()).engine.breaths
  const before = await breaths()
  await new Promise((done) => setTimeout(done, 1000))
  const between = (await breaths()) - before
  t.ok(between < 20_000, `${between} breaths in a second or so: awake it takes millions`)
})
