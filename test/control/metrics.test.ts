import { readFileSync } from 'node:fs'
import { get, request } from 'node:http'
import t, { type Test } from 'tap'
import type { Rule } from '../../src/balance/rule.js'
import { sourceOf } from '../../src/control/accounts.js'
import type { Counters, Status } from '../../src/control/listing.js'
import { Live } from '../../src/control/live.js'
import { FAMILIES } from '../../src/control/metric-families.js'
import { type Measured, MetricsServer } from '../../src/control/metrics.js'
import { ENDINGS } from '../../src/engine/verdict.js'
import { addDestination, addService, key, LIMITS, makeBook, VIP6 } from '../balance/rule-book.js'

const LOOP = {
  breaths: [1, 2, ...new Array(14).fill(0), 3],
  busyMs: 1500,
  gaps: 4,
  longestGapMs: 7,
}

function makeDirector(rules: readonly Rule[] = []) {
  const book = makeBook({ limits: { destinations: 4000 } })
  for (const rule of rules) book.apply(rule)
  const source = sourceOf(book, new Live([book.balancer]))
  const counters: Counters = {
    verdicts: { forwarded: 41, 'no-service': 1 },
    engine: {
      frames: 42,
      ringDrops: 5,
      aliveMs: 10_000,
      ringOccupancy: 0.25,
      heldFrames: 2,
      dropEntry: 2,
    },
    loop: LOOP,
    framesByWorker: [42],
  }
  const director: Measured = {
    startedAt: 1_700_000_000_500,
    read: async (look) => look(source),
    counters: () => counters,
    status: () => ({ engine: 'af_packet', mode: 'textbook', limits: LIMITS }) as unknown as Status,
    neighbours: async () => [{ state: 'REACHABLE' }, { state: 'FAILED' }, { state: 'REACHABLE' }],
  }
  return { book, source, director }
}

interface Answer {
  readonly status: number | undefined
  readonly text: string
  readonly type: string | undefined
}

function ask(url: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request(url, { method, agent: false }, async (response) => {
      let text = ''
      for await (const piece of response) text += piece
      resolve({ status: response.statusCode, text, type: response.headers['content-type'] })
    })
    asking.on('error', reject).end()
  })
}

async function serve(t: Test, director: Measured, host = '127.0.0.1'): Promise<string> {
  const server = new MetricsServer(director, '1.2.3')
  t.teardown(() => server.close())
  return await server.listen(host, 0)
}

async function linesOf(t: Test, rules: readonly Rule[] = []): Promise<string[]> {
  const { text } = await ask(await serve(t, makeDirector(rules).director))
  return text.split('\n')
}

t.test('every family, with its type and its help', async (t) => {
  const lines = await linesOf(t)
  for (const { name, type, help } of FAMILIES) {
    t.ok(lines.includes(`# TYPE ${name} ${type}`), name)
    t.ok(lines.includes(`# HELP ${name} ${help}`), name)
  }
  t.equal(new Set(FAMILIES.map(({ name }) => name)).size, FAMILIES.length)
  t.ok(FAMILIES.every(({ name, type }) => /_total$/.test(name) === (type === 'counter')))
})

t.test('the numbers of the director', async (t) => {
  const lines = await linesOf(t)
  const expected = [
    `uipvs_build_info{version="1.2.3",engine="af_packet",mode="textbook",node="${process.versions.node}"} 1`,
    'uipvs_start_time_seconds 1700000000.5',
    'uipvs_frames_total{verdict="forwarded",action="forward"} 41',
    'uipvs_frames_total{verdict="no-service",action="answer"} 1',
    'uipvs_frames_total{verdict="connections-full",action="drop"} 0',
    'uipvs_ring_drops_total 5',
    'uipvs_ring_occupancy_ratio 0.25',
    'uipvs_held_frames 2',
    'uipvs_breath_duration_seconds_bucket{le="0.000001"} 1',
    'uipvs_breath_duration_seconds_bucket{le="0.000002"} 3',
    'uipvs_breath_duration_seconds_bucket{le="0.032768"} 3',
    'uipvs_breath_duration_seconds_bucket{le="+Inf"} 6',
    'uipvs_breath_duration_seconds_sum 1.5',
    'uipvs_breath_duration_seconds_count 6',
    'uipvs_loop_gaps_total 4',
    'uipvs_defence_on{defence="drop_entry"} 1',
    'uipvs_defence_on{defence="secure_tcp"} 0',
    'uipvs_loop_gap_longest_seconds 0.007',
    'uipvs_worker_idle_seconds_total 8.5',
    'uipvs_worker_seconds_total 10',
    'uipvs_neighbours{state="REACHABLE"} 2',
    'uipvs_neighbours{state="FAILED"} 1',
    'uipvs_neighbours{state="PROBE"} 0',
    `uipvs_table_entries_max{table="connections4"} ${LIMITS.connections4}`,
  ]
  for (const line of expected) t.ok(lines.includes(line), line)
  const frames = lines.filter((line) => line.startsWith('uipvs_frames_total{'))
  t.equal(frames.length, ENDINGS.length)
})

t.test('backends, as node_exporter tells them apart', async (t) => {
  const mark = { fwmark: 0xabc, family: 'inet' } as const
  const six = key(53, 'udp', VIP6)
  const mapped = key(54, 'udp', '::ffff:1.2.3.4')
  const lines = await linesOf(t, [
    addService(key(80)),
    addDestination('10.0.0.2', { weight: 7 }),
    addDestination('10.0.0.1', { method: 'masq', weight: 0 }),
    addService(mark),
    addDestination('10.0.0.1', {}, mark),
    addService({ fwmark: 0xabc, family: 'inet6' }),
    addService(six),
    addDestination('::102:304', {}, six),
    addService(mapped),
    addDestination('2001:db8::1', {}, mapped),
    { op: 'start-daemon', daemon: { role: 'backup', interface: 'eth0', syncid: 1 } as never },
  ])
  const weights = lines.filter((line) => line.startsWith('node_ipvs_backend_weight{'))
  const backend = (address: string, mark: string, port: number, proto: string, to: string) =>
    `node_ipvs_backend_weight{local_address="${address}",local_mark="${mark}",` +
    `local_port="${port}",proto="${proto}",remote_address="${to}",remote_port="${port}"}`
  t.same(weights, [
    `${backend('', '00000ABC', 0, 'FWM', '10.0.0.1')} 1`,
    `${backend('1.2.3.4', '', 54, 'UDP', '2001:db8::1')} 1`,
    `${backend('192.168.1.110', '', 80, 'TCP', '10.0.0.1')} 0`,
    `${backend('192.168.1.110', '', 80, 'TCP', '10.0.0.2')} 7`,
    `${backend('2001:db8::110', '', 53, 'UDP', '::102:304')} 1`,
  ])
  for (const line of [
    'uipvs_table_entries{table="services"} 5',
    'uipvs_table_entries{table="destinations"} 5',
    'uipvs_destinations_not_served{method="masq"} 1',
    'uipvs_destinations_not_served{method="tunnel"} 0',
    'uipvs_sync_daemons_not_served{role="backup"} 1',
  ]) {
    t.ok(lines.includes(line), line)
  }
})

t.test(
  'docs/metrics.md has each of them, with its labels, and how many series there are',
  async (t) => {
    const page = readFileSync('docs/metrics.md', 'utf8')
    const rows = [...page.matchAll(/^\| `(\w+_ipvs_\w+|uipvs_\w+)` \| (.*) \| (.*) \| (.*) \|$/gm)]
    const lines = await linesOf(t, [addService(), addDestination('10.0.0.1')])
    const samples = (name: string) =>
      lines.filter((line) => line.replace(/_bucket\{/, '{').match(`^${name}[{ ]`))
    t.same(
      rows.map(([, name, type, , help]) => ({ name, type, help })),
      FAMILIES.map(({ name, type, help }) => ({ name, type, help })),
    )
    for (const [, name = '', , labels = ''] of rows) {
      const found = new Set(samples(name).flatMap((line) => line.match(/\w+(?==")/g) ?? []))
      t.same(new Set(labels.match(/\w+/g)), found, name)
    }
    const ours = lines.filter((line) => line.startsWith('uipvs_'))
    t.match(page, `\`uipvs_*\` has ${ours.length}: \`verdict\` has the ${ENDINGS.length} names`)
    const known = new Set(FAMILIES.map(({ name }) => name))
    const words = page.match(/\b(node_ipvs|uipvs)_\w*[a-z]\b(?!\*)/g) ?? []
    t.same(
      words.map((word) => word.replace(/_bucket$/, '')).filter((word) => !known.has(word)),
      [],
      'no other name, in the examples either',
    )
  },
)

t.test('thousands of backends, in pieces: each once, and each head once', async (t) => {
  const addresses = Array.from({ length: 3500 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
  const lines = await linesOf(t, [
    addService(),
    ...addresses.map((address) => addDestination(address)),
  ])
  const weights = lines.filter((line) => line.startsWith('node_ipvs_backend_weight{'))
  const found = weights.map((line) => /remote_address="([^"]*)"/.exec(line)?.[1])
  t.same(found, addresses.toSorted())
  t.equal(lines.filter((line) => line.startsWith('# ')).length, 2 * FAMILIES.length)
  t.equal(lines.indexOf(''), lines.length - 1, 'no empty line but the end')
})

t.test('what is asked for otherwise', async (t) => {
  const url = await serve(t, makeDirector().director)
  const root = url.replace('metrics', '')
  t.match(await ask(url), { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' })
  t.match(await ask(`${url}?x=1`), { status: 200 })
  t.match(await ask(url, 'HEAD'), { status: 200, text: '' })
  t.match(await ask(root), { status: 200, text: /at \/metrics/ })
  t.match(await ask(`${root}other`), { status: 404, text: /there is no \/other/ })
  t.match(await ask(url, 'POST'), { status: 405 })
  t.match(await serve(t, makeDirector().director, '::1'), /^http:\/\/\[::1\]:\d+\/metrics$/)
})

t.test('scrapes that overlap share one snapshot; the next has its own', async (t) => {
  const { director } = makeDirector()
  let snapshots = 0
  const slow = { ...director }
  slow.neighbours = async () => {
    snapshots++
    await new Promise((resolve) => setTimeout(resolve, 50))
    return []
  }
  const url = await serve(t, slow)
  const answers = await Promise.all(Array.from({ length: 5 }, () => ask(url)))
  t.ok(answers.every(({ status, text }) => status === 200 && text === answers[0]?.text))
  t.ok(snapshots < 5, `${snapshots}`)
  const before = snapshots
  await ask(url)
  t.equal(snapshots, before + 1)
})

t.test('a director that can not tell: 503 and why, and the next scrape is as ever', async (t) => {
  const { director } = makeDirector()
  let isBroken = true
  const broken = { ...director }
  broken.neighbours = async () => {
    if (isBroken) throw new Error('the packet engine has ended')
    return []
  }
  const url = await serve(t, broken)
  t.match(await ask(url), { status: 503, text: /the packet engine has ended/ })
  isBroken = false
  t.match(await ask(url), { status: 200 })
})

t.test('closes also under a client that keeps its connection', async (t) => {
  const server = new MetricsServer(makeDirector().director, '1')
  const url = await server.listen('127.0.0.1', 0)
  await new Promise<void>((resolve) => {
    get(url, { headers: { connection: 'keep-alive' } }, (response) =>
      response.resume().on('end', resolve),
    )
  })
  await server.close()
  await t.rejects(ask(url), { code: 'ECONNREFUSED' })
  await server.close()
})
