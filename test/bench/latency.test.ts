/** `uipvs bench latency` and `--director`, for real, and what is made of their figures. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { between } from '../../src/bench/director.js'
import { aims, idleTable } from '../../src/bench/idle.js'
import { type LatencySummary, summarizeLatency } from '../../src/bench/latency.js'
import { emptyHistogram } from '../../src/bench/stamped-receiver.js'
import { packed } from '../../src/bench/times.js'
import { hasRootsRights } from '../../src/lab/rootless.js'
import { cannotHaveLinuxDirector } from '../../src/uml/linux-director.js'
import { makeNamespaces } from '../namespaces.js'

t.setTimeout(180_000)

const PROGRAM = join(import.meta.dirname, '..', '..', 'src', 'cli', 'uipvs.js')
const needsRoot = hasRootsRights() ? false : 'needs root'
const folder = mkdtempSync(join(tmpdir(), 'uipvs-latency-test-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const rules = join(folder, 'rules')
writeFileSync(rules, '-A -u 10.5.0.100:9 -s rr\n-a -u 10.5.0.100:9 -r 10.6.0.3:9 -g -w 1\n')

t.test('rounds of one contestant are one histogram', async (t) => {
  const histogram = (...microseconds: number[]) => {
    const made = emptyHistogram()
    for (const us of microseconds) made.recordValue(us * 1000)
    return packed(made)
  }
  const crossing = (contestant: string, round: number, histogram: string, lost: number) => {
    const counts = { received: 2, lost, reordered: 0, duplicates: 0, ringDrops: 0, idle: null }
    return { ...counts, contestant, round, histogram }
  }
  const { summaries } = summarizeLatency(
    [
      crossing('generator', 0, histogram(1, 2), 0),
      crossing('af_xdp', 0, histogram(10, 20), 1),
      crossing('af_xdp', 1, histogram(30, 40), 0),
    ],
    ['generator', 'af_xdp'],
  )
  const [alone, ours] = summaries
  t.same([alone.times.frames, ours.times.frames], [2, 4])
  t.equal(Math.round(ours.times.max), 40)
  t.equal(Math.round(ours.times.p50), 20, 'of both rounds')
  t.equal(ours.lost, 1 / 5)
  t.equal(alone.addedP99, 0)
  t.ok(ours.addedP99 > 37 && ours.addedP99 < 39, `${ours.addedP99}`)
})

t.test('how ours stand against what is aimed at', async (t) => {
  const added = new Map([
    ['ip_forward', 4],
    ['af_xdp', 10],
    ['af_packet', 30],
  ])
  const titles = new Map([['af_xdp', 'uipvs af_xdp']])
  t.match(aims(['af_xdp'], added, new Map([['af_xdp', 0.5]]), titles), [
    /^uipvs af_xdp adds 10\.0 µs .* 2\.5 times what ip_forward adds \(4\.0 µs\); .* at most 2/,
    /^uipvs af_xdp takes 0\.50 % of a processor while nothing comes; the aim is under 2 %$/,
  ])
  t.same(aims(['af_xdp'], new Map([['af_xdp', 1]]), new Map(), titles), [], 'nobody to compare')
  t.same(idleTable(new Map(), titles), [])
  t.match(idleTable(new Map([['af_xdp', 0.5]]), titles), [{ rows: [['uipvs af_xdp', '0.50']] }])
})

t.test('CPU time for each frame', async (t) => {
  const time = { wall: 0, idle: 0, stolen: 0, interrupts: 0 }
  const from = { received: 5, sent: 5, dropped: 0, time, at: 0 }
  const later = { wall: 2000, idle: 1500, stolen: 100, interrupts: 0 }
  const to = { received: 100_005, sent: 90_005, dropped: 7, time: later, at: 1000 }
  t.same(between(from, to), {
    seconds: 1,
    received: 100_000,
    sent: 90_000,
    dropped: 7,
    busyPercent: 40,
    microsecondsPerFrame: 4,
  })
  t.equal(between(from, { ...from, at: 10 }).microsecondsPerFrame, null)
})

t.test('a short run, beside Linux in user mode', { skip: needsRoot }, async (t) => {
  const report = join(folder, 'report')
  const uml = cannotHaveLinuxDirector() === false
  const { status, stdout, stderr } = await ending(
    ...[
      'latency',
      '--rounds',
      '1',
      '--duration',
      '0.5',
      '--rate',
      '2000',
      '--idle',
      '0.3',
      '--json',
    ],
    ...['--opponent', 'uml_ipvs', '--engine', 'af_packet', '--report', report],
  )
  t.equal(status, 0, stderr)
  const { latency } = JSON.parse(stdout)
  const summaries: LatencySummary[] = latency.summaries
  const names = ['generator', ...(uml ? ['uml_ipvs'] : []), 'af_packet']
  t.same(
    summaries.map(({ contestant }) => contestant),
    names,
  )
  for (const { contestant, times } of summaries) {
    t.ok(times.frames > 100, `${contestant}: ${times.frames} frames`)
    t.ok(times.p50 > 0 && times.p50 <= times.p99 && times.p99 <= times.max, contestant)
  }
  for (const { contestant, received, duplicates, idle } of latency.crossings) {
    t.ok(received > 0)
    t.equal(duplicates, 0)
    // Whoever is a process idles, and none of them spins for as long as it may.
    t.equal(idle === null, contestant === 'generator', `${contestant}: ${idle}`)
    t.ok(idle === null || idle >= 0)
  }
  t.match(readFileSync(join(report, 'report.md'), 'utf8'), /the wire alone/)
  t.match(readFileSync(join(report, 'latency.svg'), 'utf8'), /^<svg.*<\/svg>\s*$/s)
  const left = readdirSync('/run/netns').filter((name) => /^uipvs-bench-/.test(name))
  t.notOk(
    left.some((name) => name.includes(`-${bench?.pid}-`)),
    'no namespace remains',
  )
})

t.test('the director of two machines counts what passes it', async (t) => {
  const lab = makeNamespaces(t, {
    hosts: ['gen', 'director', 'sink'],
    links: [
      ['gen:eth0', 'director:in'],
      ['director:out', 'sink:eth0'],
    ],
    ipv6: false,
  })
  if (lab === undefined) return
  lab.run('gen', 'ip addr add 10.5.0.1/24 dev eth0')
  lab.run('sink', 'ip addr add 10.6.0.3/24 dev eth0')
  lab.run('director', 'ip addr add 10.5.0.2/24 dev in; ip addr add 10.6.0.2/24 dev out')
  const arms = ['-i', 'in', '-i', 'out', '--rules', rules, '--engine', 'af_packet']
  const child = lab.spawn(
    'director',
    process.execPath,
    [PROGRAM, 'bench', '--director', 'uipvs', ...arms, '--json'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let out = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  await new Promise<void>((resolve) => {
    let said = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('start the generator')) resolve()
    })
    child.on('close', () => resolve())
  })
  const send = ['send', '-i', 'eth0', '--to', '10.5.0.100:9', '--rate', '2000', '--json']
  const sent = lab.run('gen', `${process.execPath} ${PROGRAM} bench ${send.join(' ')} --duration 3`)
  child.kill('SIGINT')
  const [status] = await once(child, 'close')
  t.equal(status, 0)
  const sums = JSON.parse(out)
  const frames = JSON.parse(sent).sent
  t.ok(sums.received > frames / 3, `${sums.received} of ${frames} in seconds that were looked at`)
  t.ok(sums.sent > sums.received / 2, `${sums.sent} sent`)
  t.ok(sums.microsecondsPerFrame > 0)
})

t.test('what can not be: said in a sentence', async (t) => {
  const cases: [RegExp, number, ...string[]][] = [
    [/no director 'foo' \(--director\); it is kernel or uipvs/, 2, '--director', 'foo'],
    [/needs an interface and rules/, 2, '--director', 'uipvs'],
    [/no UDP service, which can't be measured/, 1, 'latency', '--rules', tcpRules()],
  ]
  for (const [expected, status, ...words] of cases) {
    if (words[0] === 'latency' && needsRoot !== false) continue
    const done = spawnSync(process.execPath, [PROGRAM, 'bench', ...words], { encoding: 'utf8' })
    t.match(done.stderr, expected)
    t.equal(done.status, status)
  }
})

function tcpRules(): string {
  const path = join(folder, 'tcp')
  writeFileSync(path, '-A -t 10.5.0.100:80 -s rr\n-a -t 10.5.0.100:80 -r 10.6.0.3:80 -g -w 1\n')
  return path
}

let bench: ReturnType<typeof spawn> | null = null

async function ending(...words: string[]) {
  bench = spawn(process.execPath, [PROGRAM, 'bench', ...words], { stdio: 'pipe' })
  let [stdout, stderr] = ['', '']
  bench.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  bench.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [status] = await once(bench, 'close')
  return { status: status as number | null, stdout, stderr }
}
