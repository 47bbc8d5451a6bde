/** `uipvs trace` against a director that forwards real packets, and tshark as another reader. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { TracedFrame } from '../../src/control/trace.js'
import { BANNER } from './realserver-program.js'
import { CLIENT, makeSegment, type Segment, tally, UIPVS, until, VIP } from './segment.js'

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
