import t from 'tap'
import { Region } from '../../src/balance/region.js'
import { type TraceLine, TraceRefused } from '../../src/control/trace.js'
import type { Order } from '../../src/daemon/messages.js'
import { openTrace, Tracing } from '../../src/daemon/tracing.js'
import { Batch } from '../../src/engine/batch.js'
import {
  RECORDS,
  TRACE_RING_BYTES,
  TRACES_MAX,
  TraceReader,
  TraceWriter,
} from '../../src/engine/trace-ring.js'
import { verdictOf } from '../../src/engine/verdict.js'
import { build, CLIENT, VIP, World } from '../engine/world.js'

const REQUEST = { filter: 'tcp', rate: 100, bytes: 60 }
const frame = build({ ipv4: { source: CLIENT, destination: VIP }, tcp: { sport: 1, dport: 80 } })

/** Workers that are two rings, and what they were told. */
function makeTracing() {
  const memories = [0, 1].map(() => new ArrayBuffer(TRACE_RING_BYTES))
  const writers = memories.map((memory) => new TraceWriter(new Region(memory)))
  const orders: Order[] = []
  const workers = {
    traced: () => memories.map((memory) => new TraceReader(new Region(memory))),
    order: async (order: Order) => {
      orders.push(order)
      if (order.do !== 'trace') return
      for (const { id, place } of order.traces) for (const writer of writers) writer.open(place, id)
    },
  }
  const { book } = new World()
  const tracing = new Tracing(workers, book, ['eth0', 'eth1'])
  const batch = new Batch(frame.slice().buffer as ArrayBuffer, 1)
  batch.arm = 1
  batch.length[0] = frame.length
  /** Worker `w` traces the frame. */
  const write = (w: number, id: number, verdict: string, destination: number, time: number) => {
    batch.verdict[0] = verdictOf(verdict)
    writers[w]?.matches(id - 1, 2)
    writers[w]?.write(id - 1, id, time, batch, 0, destination, 2, batch.view, 0)
  }
  return { tracing, orders, write }
}

/** A listener that keeps what it hears, and can be waited for. */
function listening() {
  const lines: TraceLine[] = []
  const waiting: (() => void)[] = []
  let takes = true
  return {
    lines,
    takes: (value: boolean) => {
      takes = value
    },
    listener: (more: readonly TraceLine[]) => {
      if (takes) lines.push(...more)
      for (const each of waiting.splice(0)) each()
      return takes
    },
    next: () => new Promise<void>((resolve) => waiting.push(resolve)),
  }
}

t.test('frames of all workers come as lines, by time, with the counts behind them', async (t) => {
  const { tracing, write } = makeTracing()
  const { lines, listener, next } = listening()
  const close = await tracing.open(REQUEST, listener)
  write(0, 1, 'forwarded', 0, 3000.5)
  write(1, 1, 'no-service', -1, 2000.25)
  write(1, 99, 'forwarded', 0, 1)
  await next()
  const before = Buffer.from(frame.subarray(0, 60)).toString('hex')
  const common = { type: 'frame', arm: 'eth1', length: frame.length, oneOf: 2, before }
  t.same(lines, [
    {
      ...common,
      time: 2.00025,
      worker: 1,
      verdict: 'no-service',
      action: 'answer',
      realserver: null,
      mac: null,
      egress: null,
      after: null,
    },
    {
      ...common,
      time: 3.0005,
      worker: 0,
      verdict: 'forwarded',
      action: 'forward',
      realserver: '192.168.1.2:80',
      mac: '02:00:00:00:00:01',
      egress: 'eth0',
      after: before,
    },
    { type: 'counts', matched: 4, shown: 2, lost: 0 },
  ])
  close()
})

t.test('what is overwritten, and what a listener does not take, is told as lost', async (t) => {
  const { tracing, write } = makeTracing()
  const { lines, listener, next, takes } = listening()
  const close = await tracing.open(REQUEST, listener)
  for (let n = 0; n < RECORDS + 10; n++) write(0, 1, 'forwarded', -1, n)
  await next()
  t.match(lines.at(-1), { matched: 2 * RECORDS + 20, shown: RECORDS, lost: 10 })
  takes(false)
  for (let n = 0; n < 5; n++) write(0, 1, 'forwarded', -1, n)
  await next()
  takes(true)
  await next()
  t.match(lines.at(-1), { shown: RECORDS, lost: 15 })
  close()
})

t.test('workers hear of each reader that comes or goes; there is room for eight', async (t) => {
  const { tracing, orders, write } = makeTracing()
  const told = () => {
    const last = orders.at(-1)
    return last?.do === 'trace' ? last.traces.map(({ id, place }) => [id, place]) : []
  }
  const closers = [await tracing.open({ ...REQUEST, filter: 'udp' }, () => true)]
  t.same(orders, [{ do: 'trace', traces: [{ id: 1, place: 0, filter: 'udp', rate: 100 }] }])
  for (let n = 1; n < TRACES_MAX; n++) closers.push(await tracing.open(REQUEST, () => true))
  t.equal(told().length, TRACES_MAX)
  await t.rejects(
    tracing.open(REQUEST, () => true),
    TraceRefused,
  )
  closers[3]?.()
  t.equal(told().length, TRACES_MAX - 1)
  write(0, 4, 'forwarded', -1, 5)
  const { lines, listener, next } = listening()
  const close = await tracing.open(REQUEST, listener)
  t.same(told().at(-1), [9, 3], 'the place of the one that went')
  write(0, 4, 'forwarded', -1, 6)
  write(1, 1, 'forwarded', -1, 7)
  await next()
  t.match(lines.at(-1), { shown: 0 }, 'and none of the frames')
  close()
  for (const [i, each] of closers.entries()) if (i !== 3) each()
  t.same(told(), [])
  await t.rejects(
    openTrace(null, REQUEST, () => true),
    /takes no frames/,
  )
})
