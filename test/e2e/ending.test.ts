/** How a director ends, and what the next one finds. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packets } from './frames.js'
import { BANNER, CHAT } from './realserver-program.js'
import { engineMissing, makeSegment, type Segment, until, VIP } from './segment.js'

t.setTimeout(180_000)

function rulesFile(segment: Segment, lines: readonly string[]): string {
  const file = join(segment.directory, 'rules')
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

const RULES = (segment: Segment) =>
  [BANNER, CHAT].flatMap((port) => [
    `-A -t ${VIP}:${port} -s rr`,
    `-a -t ${VIP}:${port} -r ${segment.rip(1)}:${port} -g -w 1`,
    `-a -t ${VIP}:${port} -r ${segment.rip(2)}:${port} -g -w 1`,
  ])

for (const engine of ['af_packet', 'libpcap'] as const) {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    t.test(`${signal}, ${engine}: nothing is left`, { skip: engineMissing(engine) }, async (t) => {
      const segment = await makeSegment(t, { realservers: 1 })
      if (segment === undefined) return
      const director = await segment.startDirector(['-i', 'eth0', '--engine', engine])
      t.comment(`ready after ${director.readyMs} ms`)
      await segment.addService('tcp', BANNER)
      t.match(segment.nftRuleset(), /table netdev uipvs_eth0 \{[\s\S]*drop/)
      director.process.kill(signal)
      t.equal(await director.ended, 0, director.said())
      t.match(director.said(), /uipvs: stopped\n$/)
      t.equal(segment.nftRuleset(), '', 'no guard')
      t.notOk(existsSync(segment.control.path), 'no socket')
    })
  }
}

t.test('ended while it begins', async (t) => {
  const segment = await makeSegment(t, { realservers: 1 })
  if (segment === undefined) return
  const director = segment.launchDirector()
  await until('its socket', () => existsSync(segment.control.path))
  director.process.kill('SIGTERM')
  t.equal(await director.ended, 0, director.said())
  t.equal(segment.nftRuleset(), '', 'no guard')
  t.notOk(existsSync(segment.control.path), 'no socket')
})

t.test('killed: clients are not reset, and the next director takes over', async (t) => {
  const segment = await makeSegment(t, { vipOnDirector: true })
  if (segment === undefined) return
  const options = ['-i', 'eth0', '--rules', rulesFile(segment, RULES(segment))]
  const first = await segment.startDirector(options)
  const opened = await segment.client('open', { id: 'a', address: VIP, port: CHAT })
  t.match(opened.text, /^rs[12] hello$/)
  first.process.kill('SIGKILL')
  t.equal(await first.ended, 'SIGKILL')

  t.match(segment.nftRuleset(), /uipvs_eth0/, 'its guard stays')
  const fromDirector = segment.tapSender(t, 'director')
  const atDirector = segment.tap(t, 'director')
  const late = segment.client('say', { id: 'a', text: 'nobody there?' })
  await until('that arrives', () => packets(atDirector, 'destination', VIP).length > 0)
  t.same(packets(fromDirector, 'source', VIP), [], 'its kernel does not answer for it')

  const second = await segment.startDirector(options)
  t.match(second.said(), /removed uipvs_eth0, left by a director that is gone/)
  t.match(segment.nftRuleset(), new RegExp(`uipvs director ${second.pid} `), 'a guard of its own')
  t.match((await segment.ask()).text, /^rs[12]$/, 'new connections work at once')
  t.equal((await late).error, 'ECONNRESET', 'old ones are unknown: their next packet is reset')
  t.match((await segment.client('open', { id: 'b', address: VIP, port: CHAT })).text, /hello/)
})

t.test('the process of libpcap dies', { skip: engineMissing('libpcap') }, async (t) => {
  const segment = await makeSegment(t, { realservers: 1 })
  if (segment === undefined) return
  const director = await segment.startDirector(['-i', 'eth0', '--engine', 'libpcap'])
  await segment.addService('tcp', BANNER)
  const { pid } = director
  process.kill(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')), 'SIGKILL')
  t.equal(await director.ended, 1)
  t.match(director.said(), /^uipvs: the packet engine has ended: .* \(eth0\); .*$/m)
  t.equal(segment.nftRuleset(), '', 'no guard')
  t.notOk(existsSync(segment.control.path), 'no socket')
})

t.test('the interface is removed', async (t) => {
  const segment = await makeSegment(t, { realservers: 1 })
  if (segment === undefined) return
  const director = await segment.startDirector()
  await segment.addService('tcp', BANNER)
  segment.lab.run('director', 'ip link del eth0')
  t.equal(await director.ended, 1)
  t.match(director.said(), /^uipvs: the packet engine has ended: the interface eth0 is gone .*$/m)
  t.notOk(existsSync(segment.control.path), 'no socket')
})

t.test('the interface goes down and comes up', async (t) => {
  const segment = await makeSegment(t, { vipOnDirector: true })
  if (segment === undefined) return
  await segment.startDirector()
  await segment.addService('tcp', BANNER)
  t.match((await segment.ask()).text, /^rs[12]$/)
  segment.lab.run('director', 'ip link set eth0 down')
  const breaths = (await segment.counters()).engine.breaths
  await until('it goes on', async () => (await segment.counters()).engine.breaths > breaths + 20)
  segment.lab.run('director', 'ip link set eth0 up')
  await until('it works again', async () => (await segment.ask()).text !== undefined)
})
