/** `uipvs top` against a director under load, compared with what clients and director counted. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t from 'tap'
import type { Report } from '../../src/cli/top/report.js'
import { BANNER } from './realserver-program.js'
import { makeSegment, tally, UIPVS, until, VIP } from './segment.js'

t.setTimeout(120_000)

t.test('rates of services, realservers and frames, while clients ask', async (t) => {
  const segment = await makeSegment(t)
  if (segment === undefined) return
  await segment.startDirector()
  await segment.rules([
    `-A -t ${VIP}:${BANNER} -s rr`,
    `-a -t ${VIP}:${BANNER} -r ${segment.rip(1)} -g -w 1`,
    `-a -t ${VIP}:${BANNER} -r ${segment.rip(2)} -g -w 1`,
    `-a -t ${VIP}:${BANNER} -r 192.168.1.77 -i -w 0`,
  ])
  const top = spawn(
    process.execPath,
    [UIPVS, 'top', '--json', '--interval', '0.3', '--control', segment.control.path],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.teardown(async () => {
    top.kill('SIGKILL')
    if (top.exitCode === null && top.signalCode === null) await once(top, 'exit')
  })
  const reports: Report[] = []
  createInterface({ input: top.stdout }).on('line', (line) => reports.push(JSON.parse(line)))

  await until('the first look', () => reports.length > 0)
  const load = { id: 'load', address: VIP, port: BANNER, parallel: 4 }
  const answers = segment.client('keepAsking', load)
  await until('a few reports under load', () => {
    return reports.filter(({ services }) => (services[0]?.connectionsPerSecond ?? 0) > 0).length > 4
  })
  await segment.client('stop', { id: 'load' })
  const served = tally(await answers)
  await until('silence again', () => (reports.at(-1)?.actionsPerSecond.forward ?? 1) === 0)
  const last = reports.at(-1) as Report

  // Rates times their seconds are what happened, from the second look on.
  const sum = (rate: (report: Report) => number | undefined) =>
    reports.reduce((all, each) => all + (rate(each) ?? 0) * (each.seconds ?? 0), 0)
  const { verdicts, engine } = await segment.counters()
  // The last frames of a connection may come after the last look.
  const forwarded = sum((r) => r.actionsPerSecond.forward)
  const missing = (verdicts.forwarded as number) - forwarded
  t.ok(missing > -1 && missing < 20, `${forwarded} frames, and ${missing} more`)
  t.ok(last.frames <= (engine.frames as number) && last.frames > 0)
  const clients = Object.values(served).reduce((all, each) => all + each, 0)
  const counted = sum((r) => r.services[0]?.connectionsPerSecond)
  t.ok(Math.abs(counted - clients) < 20, `${counted} of ${clients} connections`)
  for (const address of [segment.rip(1), segment.rip(2)]) {
    const rate = (r: Report) =>
      r.services[0]?.destinations.find((d) => d.address === address)?.packetsPerSecond
    t.ok(sum(rate) > clients, `${address} got a share of the packets`)
  }
  t.ok(
    reports.some(({ busy }) => busy > 0 && busy < 1),
    'the worker was busy, not all the time',
  )
  t.match(last, { engine: /^af_/, interfaces: ['eth0'], notServed: { destinations: 1 } })
  t.match(last.services[0]?.destinations.at(-1), { how: 'tunnel', isServed: false })
})
