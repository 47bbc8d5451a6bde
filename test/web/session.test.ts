/** What the page makes of a capture, without a browser: the same as `uipvs replay` does. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { ENDINGS } from '../../src/engine/verdict.js'
import { replay } from '../../src/offline/replay.js'
import { Capture } from '../../src/port/capture.js'
import { readCapture } from '../../src/port/replay.js'
import { PlainPcapReader } from '../../src/web/page/plain-pcap.js'
import { Session, type Sources } from '../../src/web/page/session.js'

const CAPTURE = new Uint8Array(readFileSync('docs/examples/clients.pcap'))
const RULES = readFileSync('docs/examples/rules.ipvs', 'utf8')
const EXAMPLE: Sources = { capture: CAPTURE, rules: RULES, mode: 'textbook' }

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

t.test('every frame has the verdict that replay gives it', async (t) => {
  for (const mode of ['textbook', 'kernel'] as const) {
    const session = await Session.open({ ...EXAMPLE, mode })
    const told: string[] = []
    const rules = session.rules.map(({ rule }) => rule)
    const source = once(CAPTURE)
    await replay(
      source,
      { rules, mode },
      { frame: ({ verdict }) => told.push(ENDINGS[verdict].name) },
    )
    t.ok(told.length > 20)
    t.same(
      session.rows.map(({ verdict }) => ENDINGS[verdict].name),
      told,
      mode,
    )
  }
})

t.test('a frame is explained the same whichever way one comes to it', async (t) => {
  const forwards = await Session.open(EXAMPLE)
  const count = forwards.rows.length
  const inOrder = Array.from({ length: count }, (_, i) => forwards.at(i))
  const order = fc.array(fc.nat(count - 1), { minLength: 1, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(order, async (indexes) => {
      const session = await Session.open(EXAMPLE)
      for (const i of indexes) t.same(session.at(i), inOrder[i], `frame ${i}`)
    }),
    { numRuns: 8 },
  )
  for (const [i, { explanation }] of inOrder.entries()) {
    t.equal(explanation.verdict.name, ENDINGS[forwards.rows[i].verdict].name)
  }
})

t.test('the tables are those of the moment', async (t) => {
  const session = await Session.open(EXAMPLE)
  t.equal(session.at(0).tables.connectionCount, 0)
  const { tables } = session.at(2)
  t.equal(tables.connectionCount, 1)
  t.match(tables.connections[0], { state: 'ESTABLISHED', client: '192.168.1.254', vport: 80 })
  const web = tables.services.find(({ service }) => service === 'tcp 192.168.1.110:80')
  const third = web?.realservers.find(({ realserver }) => realserver === '192.168.1.3:80')
  t.match(third, { active: 1, packets: 2, weight: 2, isEligible: true, score: 128 })
  const quiet = web?.realservers.find(({ realserver }) => realserver === '192.168.1.4:80')
  t.match(quiet, { weight: 0, isEligible: false })
  t.equal(session.at(0).tables.connectionCount, 0, 'and back again')
})

t.test('what cannot be opened is told in a sentence', async (t) => {
  const open = (change: Partial<Sources>) => Session.open({ ...EXAMPLE, ...change })
  const bad = (change: Partial<Sources>, message: RegExp) =>
    t.rejects(open(change), { name: 'Unopenable', message }, String(message))
  await bad({ rules: '-A -t 192.168.1.110:80 -s rr\nnonsense' }, /nonsense.*line 2.*rules are -A/)
  await bad({ rules: '# two\n-A -t 1.2.3.4:80\n-A -t 1.2.3.4:80' }, /line 3/)
  await bad({ rules: '-A -t www.example:80' }, /illegal virtual server.*line 1/)
  await bad({ capture: new Uint8Array(0) }, /empty file/)
  await bad({ capture: new Uint8Array(40) }, /neither pcap nor pcapng/)
  await bad({ capture: CAPTURE.slice(0, 24) }, /holds no frame/)
  const linkType = CAPTURE.slice()
  linkType[20] = 113
  await bad({ capture: linkType }, /only Ethernet.*113/)
})

t.test('a capture that ends early shows the frames before', async (t) => {
  const session = await Session.open({ ...EXAMPLE, capture: CAPTURE.slice(0, -5) })
  t.match(session.problem, /truncated/)
  t.equal(session.rows.length, (await Session.open(EXAMPLE)).rows.length - 1)
})

t.test('both readers of pcap read the same, whatever the bytes', async (t) => {
  const both = async (bytes: Uint8Array) => {
    const read = async (capture: Capture) => {
      const frames = []
      for await (const frame of capture) frames.push({ ...frame, bytes: [...frame.bytes] })
      return { frames, problem: capture.problem }
    }
    const plain = await read(new Capture(once(bytes), () => new PlainPcapReader()))
    const other = await read(readCapture(bytes.slice()))
    t.same(plain, other)
    return plain.frames.length
  }
  t.equal(await both(CAPTURE), 29)
  const change = fc.tuple(fc.nat(300), fc.nat(255))
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const bytes = CAPTURE.slice()
      for (const [at, value] of changes) bytes[at] = value
      await both(bytes)
    }),
    { numRuns: 60 },
  )
})
