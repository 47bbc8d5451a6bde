/** `uipvs trace` against a director that forwards real packets, and tshark as another reader. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { TracedFrame } from '../../src/control/trace.js'
import { BANNER } from './realserver-program.js'
import {
  CLIENT,
  engineMissing,
  makeSegment,
  type Segment,
  tally,
  UIPVS,
  until,
  VIP,
} from './segment.js'

t.setTimeout(120_000)

interface Tracing {
  readonly process: ChildProcess
  out(): string
  said(): string
  /** Ends it as Ctrl-C does; its exit status. */
  stop(): Promise<number | null>
}

/** Starts a trace, and waits until the director has begun it. */
async function startTrace(t: Test, segment: Segment, words: readonly string[]): Promise<Tracing> {
  const args = [UIPVS, 'trace', '--control', segment.control.path, ...words]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text) => {
      texts[name] += text
    })
  }
  const closed = once(child, 'close')
  const tracing = {
    process: child,
    out: () => texts.stdout,
    said: () => texts.stderr,
    stop: async () => {
      child.kill('SIGINT')
      const [status] = await closed
      return status
    },
  }
  await until('the trace', () => texts.stderr.includes('tracing'))
  return tracing
}

const linesOf = (tracing: Tracing) =>
  tracing
    .out()
    .split('\n')
    .filter((line) => line !== '')
const framesOf = (tracing: Tracing) =>
  linesOf(tracing).map((line) => JSON.parse(line) as TracedFrame)

t.test('a trace of everything, and some with filters, while a client asks', async (t) => {
  const segment = await makeSegment(t)
  if (segment === undefined) return
  await segment.startDirector()
  await segment.addService('tcp', BANNER)

  const all = await startTrace(t, segment, ['--json'])
  const one = await startTrace(t, segment, ['--json', 'realserver', segment.rip(1)])
  const none = await startTrace(t, segment, ['verdict', 'no-service', 'or', 'port', '81'])
  const text = await startTrace(t, segment, ['tcp', 'dst', 'port', String(BANNER)])
  const answers = await segment.client('banners', {
    address: VIP,
    port: BANNER,
    count: 4,
    parallel: 1,
  })
  t.same(tally(answers), { rs1: 2, rs2: 2 })
  await segment.client('banners', { address: VIP, port: 81, count: 1, parallel: 1 })
  const { verdicts } = await segment.counters()
  const isThere = (name: string) => framesOf(all).filter(({ verdict }) => verdict === name).length
  await until('all that was forwarded', () => isThere('forwarded') === verdicts.forwarded)
  await until('the refused one', () => linesOf(none).length > 0)
  for (const tracing of [all, one, none, text]) t.equal(await tracing.stop(), 0)

  const frames = framesOf(all)
  t.equal(isThere('no-service'), 1)
  t.equal(isThere('neighbour-held'), verdicts['neighbour-held'])
  for (const { verdict, realserver, mac, before, after, oneOf, arm } of frames) {
    t.equal(oneOf, 1)
    t.equal(arm, 'eth0')
    if (verdict !== 'forwarded') continue
    t.match(realserver, new RegExp(`^192\\.168\\.1\\.[23]:${BANNER}$`))
    const macs = 24
    t.equal(after?.slice(macs), before.slice(macs), 'six bytes of destination and six of source')
    t.equal(after?.slice(0, 12), (mac ?? '').replaceAll(':', ''))
    t.not(after?.slice(0, 12), before.slice(0, 12))
  }
  t.match(all.said(), /^\d+ frames shown\n0 frames matched but not shown.*\n0 frames lost/m)

  const to = (n: number) =>
    frames.filter(({ realserver: to }) => to === `${segment.rip(n)}:${BANNER}`)
  t.ok(to(1).length > 0 && to(2).length > 0)
  t.same(framesOf(one), to(1), 'the filter shows what it names, and all of it')
  t.equal(linesOf(none).length, 1)
  const refused = new RegExp(
    `^\\d\\d:\\d\\d:\\d\\d\\.\\d{6} tcp ${CLIENT}:\\d+ > ${VIP}:81 S +no-service$`,
  )
  t.match(linesOf(none)[0], refused)
  t.equal(linesOf(text).length, to(1).length + to(2).length)
  t.match(linesOf(text).at(-1), / [SFPA]+ +forwarded to 192\.168\.1\.[23]:\d+ at [0-9a-f:]{17}$/)
})

const TSHARK = spawnSync('tshark', ['--version']).status === 0
const COUNT = 40
/** A port at which no realserver listens. */
const CLOSED = 8181

t.test('tshark reads a trace from a pipe: both sides, verdicts as comments', async (t) => {
  if (!TSHARK) return t.plan(0, 'tshark is not installed')
  const segment = await makeSegment(t)
  if (segment === undefined) return
  await segment.startDirector()
  await segment.addService('tcp', BANNER)
  await segment.ask(VIP, BANNER)

  const trace = `'${process.execPath}' ${UIPVS} trace --control ${segment.control.path}`
  const fields = ['interface_name', 'packet_flags_direction', 'comment'].map(
    (name) => `frame.${name}`,
  )
  const columns = [
    ...fields,
    'eth.src',
    'eth.dst',
    'ip.src',
    'ip.dst',
    'tcp.seq_raw',
    'tcp.checksum',
  ]
  const shark = `tshark -n -r - -T fields ${columns.map((name) => `-e ${name}`).join(' ')}`
  const filter = `tcp dst port ${BANNER} or realserver ${segment.rip(1)}`
  const pipe = spawn('sh', ['-c', `${trace} -c ${COUNT} -w - '${filter}' | ${shark}`])
  t.teardown(() => pipe.kill('SIGKILL'))
  let [out, said] = ['', '']
  pipe.stdout.setEncoding('utf8').on('data', (text) => {
    out += text
  })
  pipe.stderr.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  const closed = once(pipe, 'close')
  await until('the trace', () => said.includes('tracing'))
  const asking = { id: 'load', address: VIP, port: BANNER, parallel: 2, pauseMs: 2 }
  const load = segment.client('keepAsking', asking)
  const [status] = await closed
  await segment.client('stop', { id: 'load' })
  await load
  t.equal(status, 0, said)
  const rows = out
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
  t.equal(rows.length, 2 * COUNT, 'each once as it came and once as it left')
  for (let i = 0; i < rows.length; i += 2) {
    const [came = [], left = []] = rows.slice(i, i + 2)
    t.same([came[0], left[0]], ['eth0', 'eth0'])
    t.same([Number(came[1]), Number(left[1])], [1, 2], 'in, then out')
    t.match(came[2], /^forwarded: Sent to its realserver\. \(192\.168\.1\.[23]:\d+\)$/)
    t.match(left[2], /^to 192\.168\.1\.[23]:\d+$/)
    t.equal(left[3], came[4], 'from the director')
    t.not(left[4], came[4], 'to another machine')
    t.same(left.slice(5), came.slice(5), 'the packet is the same')
  }
})

for (const engine of ['af_packet', 'libpcap'] as const) {
  const reason = engineMissing(engine)
  t.test(`${engine} under load: filters show their own; readers that go`, async (t) => {
    if (reason !== false) return t.plan(0, reason)
    const segment = await makeSegment(t)
    if (segment === undefined) return
    const workers = engine === 'af_packet' ? ['--workers', '2'] : []
    const director = await segment.startDirector(['-i', 'eth0', '--engine', engine, ...workers])
    await segment.addService('tcp', BANNER)
    await segment.addService('tcp', CLOSED, { numbers: [1] })
    await segment.ask(VIP, BANNER)
    const traces = async () => (await segment.counters()).engine.traces
    t.equal(await traces(), 0, 'nobody traces, so no frame is looked at')

    const load = { id: 'load', address: VIP, port: BANNER, parallel: 4, pauseMs: 1 }
    const answers = segment.client('keepAsking', load)
    const all = await startTrace(t, segment, ['--json', '--rate', '50'])
    const rare = await startTrace(t, segment, ['--json', `vip ${VIP}:${CLOSED}`])
    const killed = await startTrace(t, segment, ['realserver', segment.rip(2)])
    t.equal(await traces(), 3)
    for (let n = 0; n < 5; n++) await segment.ask(VIP, CLOSED)
    await until('the rare ones', () => framesOf(rare).filter(isOpening).length === 5)
    await until('more than the rate allows', () => framesOf(all).some(({ oneOf }) => oneOf > 1))
    killed.process.kill('SIGKILL')
    await until('one reader less', async () => (await traces()) === 2)
    await segment.client('stop', { id: 'load' })
    await answers
    t.equal(await all.stop(), 0)
    t.equal(await rare.stop(), 0)
    await until('no reader any more', async () => (await traces()) === 0)

    for (const { before, oneOf, verdict } of framesOf(rare)) {
      t.equal(portOf(before), CLOSED)
      t.equal(oneOf, 1)
      t.match(verdict, /^(forwarded|neighbour-held)$/)
    }
    const [, shown, sampled] = /(\d+) frames? shown\n(\d+) frames? matched/.exec(all.said()) ?? []
    t.equal(Number(shown), framesOf(all).length)
    t.ok(Number(sampled) > 0, `${sampled} were not shown`)
    const weights = framesOf(all).reduce((sum, { oneOf }) => sum + oneOf, 0)
    const { frames } = (await segment.counters()).engine
    t.ok(weights <= Number(shown) + Number(sampled) && Number(shown) + Number(sampled) <= frames!)

    const last = await startTrace(t, segment, [])
    director.process.kill('SIGTERM')
    const [status] = await once(last.process, 'close')
    t.equal(status, 1)
    t.match(last.said(), /uipvs: the director has ended; nobody answers at .*\n$/)
  })
}

const portOf = (hex: string) => Number.parseInt(hex.slice(72, 76), 16)
const isOpening = ({ before }: TracedFrame) => (Number.parseInt(before.slice(94, 96), 16) & 2) !== 0

t.test('head, and -c, see as much as they want', async (t) => {
  const segment = await makeSegment(t)
  if (segment === undefined) return
  // The control socket is there before the engine is.
  const director = segment.launchDirector()
  await until('the control socket', () => existsSync(segment.control.path))
  const early = await segment.control.trace({ filter: '', rate: 1, bytes: 0 })
  t.not(await director.ready, null, 'a trace that was asked too early has waited')
  await early.return(undefined)
  await segment.addService('tcp', BANNER)
  const asking = { id: 'load', address: VIP, port: BANNER, parallel: 1, pauseMs: 2 }
  const load = segment.client('keepAsking', asking)
  const trace = [process.execPath, UIPVS, 'trace', '--control', segment.control.path, 'tcp']
  const shell = (line: string) => {
    return new Promise<{ out: string; said: string; status: unknown }>((resolve) => {
      const child = spawn('bash', ['-o', 'pipefail', '-c', line, 'trace', ...trace])
      t.teardown(() => child.kill('SIGKILL'))
      let [out, said] = ['', '']
      child.stdout.on('data', (text) => {
        out += text
      })
      child.stderr.on('data', (text) => {
        said += text
      })
      child.on('close', (status) => resolve({ out, said, status }))
    })
  }
  const head = await shell('"$@" | head -n 3')
  t.equal(head.out.split('\n').length, 4)
  t.match(head.said, /frames shown\n/)
  t.notMatch(head.said, /EPIPE/)
  t.equal(head.status, 0)
  const written = await shell('"$@" -w - | head -c 24 | wc -c')
  t.match(written, { status: 0, out: /^24\n/ })
  const counted = await shell('"$@" -n -c 5')
  t.equal(counted.out.split('\n').length, 6)
  t.match(counted, { status: 0, said: /^tracing.*\n5 frames shown\n/ })
  await until('no reader any more', async () => (await segment.counters()).engine.traces === 0)
  await segment.client('stop', { id: 'load' })
  await load
})
