/** Realservers that come and go: drained, removed, silent, and back again. */
import t, { type Test } from 'tap'
import { BANNER, CHAT } from './realserver-program.js'
import { makeSegment, type Segment, tally, until, VIP, VIP6 } from './segment.js'

t.setTimeout(180_000)

t.test('a realserver is drained, removed, and added again', async (t) => {
  const segment = await makeSegment(t)
  if (segment === undefined) return
  await segment.startDirector()
  await segment.addService('tcp', CHAT)
  const service = ['-t', `${VIP}:${CHAT}`]
  const open = (id: string) => segment.client('open', { id, address: VIP, port: CHAT })
  const say = (id: string, text: string) => segment.client('say', { id, text })

  const first = [(await open('a')).text, (await open('b')).text].sort()
  t.same(first, ['rs1 hello', 'rs2 hello'])
  const onFirst = (await say('a', '?')).text === 'rs1 ?' ? 'a' : 'b'

  await segment.adm(['-e', ...service, '-r', segment.rip(1), '-w', '0'])
  t.equal((await say(onFirst, 'still there?')).text, 'rs1 still there?', 'weight 0: it goes on')
  for (const id of ['c', 'd', 'e']) {
    t.equal((await open(id)).text, 'rs2 hello', 'weight 0: new ones go elsewhere')
  }

  await segment.adm(['-d', ...service, '-r', segment.rip(1)])
  const before = (await segment.counters()).verdicts['destination-gone']
  const unanswered = say(onFirst, 'and now?')
  await until('its packets are dropped', async () => {
    return (await segment.counters()).verdicts['destination-gone'] > before
  })
  t.equal((await say('c', 'you?')).text, 'rs2 you?', 'the others do not notice')
  await segment.adm(['-a', ...service, '-r', segment.rip(1), '-w', '1'])
  t.equal((await unanswered).text, 'rs1 and now?', 'added again, it answers what it missed')
  const again = [(await open('f')).text, (await open('g')).text].sort()
  t.same(again, ['rs1 hello', 'rs2 hello'], 'and takes its part of the new ones')
})

t.test('a realserver vanishes, and returns', async (t) => {
  const segment = await makeSegment(t, { vipOnDirector: true })
  if (segment === undefined) return
  await segment.startDirector()
  await segment.addService('tcp', BANNER, { numbers: [1] })
  for (const vip of [VIP, VIP6]) t.equal((await segment.ask(vip)).text, 'rs1', vip)

  segment.lab.run('switch', 'ip link set rs1 down')
  // Trusted for 30 seconds, asked three times by name and three times at large: then it's gone.
  await until('both addresses are given up', async () => {
    const states = await neighbourStates(segment)
    return states.every((state) => state === 'FAILED')
  })
  await t.test('host unreachable', (t) => refusedBy(t, segment, VIP, 'EHOSTUNREACH'))
  await t.test('host unreachable, IPv6', (t) => refusedBy(t, segment, VIP6, 'EHOSTUNREACH'))

  segment.lab.run('switch', 'ip link set rs1 up')
  await until('it is found again', async () => {
    const states = await neighbourStates(segment)
    return states.every((state) => state === 'REACHABLE')
  })
  for (const vip of [VIP, VIP6]) t.equal((await segment.ask(vip)).text, 'rs1', vip)
})

async function neighbourStates(segment: Segment): Promise<string[]> {
  return (await segment.neighbours()).map(({ state }) => state)
}

async function refusedBy(t: Test, segment: Segment, vip: string, code: string): Promise<void> {
  const before = (await segment.counters()).verdicts['destination-unroutable']
  const asked = { address: vip, port: BANNER, count: 3, parallel: 1 }
  t.same(tally(await segment.client('banners', asked)), { [code]: 3 })
  t.ok((await segment.counters()).verdicts['destination-unroutable'] >= before + 3)
}
