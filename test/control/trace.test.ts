import { join } from 'node:path'
import t from 'tap'
import { ControlClient } from '../../src/control/client.js'
import { type Controlled, ControlServer } from '../../src/control/server.js'
import {
  type TraceListener,
  TraceRefused,
  type TraceRequest,
  traceRequest,
} from '../../src/control/trace.js'
import { makeFolder } from './director-process.js'

const COUNTS = { type: 'counts', matched: 0, shown: 0, lost: 0 } as const

t.test('what a query asks for', async (t) => {
  t.same(traceRequest(''), { filter: '', rate: 1000, bytes: 0 })
  t.same(traceRequest('filter=tcp+port%2080&rate=0.5&bytes=64'), {
    filter: 'tcp port 80',
    rate: 0.5,
    bytes: 64,
  })
  for (const [query, message] of [
    ['fliter=tcp', /no 'fliter'/],
    ['filter=port+x', /'x' is no port: 0 to 65535 \(column 6 of the filter\)/],
    ['rate=0', /rate is more than 0/],
    ['rate=many', /rate is more than 0/],
    ['rate=20001', /at most 20000/],
    ['bytes=-1', /bytes of a frame/],
    ['bytes=1.5', /bytes of a frame/],
  ] as const) {
    t.match(traceRequest(query), message, query)
  }
})

/** A server whose director lets the test trace. */
async function makeServer(t: Parameters<typeof makeFolder>[0], trace: Controlled['trace']) {
  const path = join(makeFolder(t), 'c.sock')
  const server = new ControlServer(path, { trace } as unknown as Controlled)
  await server.listen()
  const client = new ControlClient(path)
  t.teardown(async () => {
    client.close()
    await server.close()
  })
  return client
}

t.test('lines come as they are told, until the reader goes', async (t) => {
  const asked: TraceRequest[] = []
  let tell: TraceListener = () => false
  let ended: () => void = () => {}
  const over = new Promise<void>((resolve) => {
    ended = resolve
  })
  const client = await makeServer(t, async (request, listener) => {
    asked.push(request)
    tell = listener
    return ended
  })
  const request = { filter: 'not (port 80 or verdict drop) && host ::1', rate: 7, bytes: 9 }
  const lines = await client.trace(request)
  t.same(asked, [request])
  t.ok(tell([COUNTS, { ...COUNTS, shown: 1 }]))
  t.same((await lines.next()).value, [COUNTS, { ...COUNTS, shown: 1 }])
  t.ok(tell([{ ...COUNTS, shown: 2 }]))
  t.same((await lines.next()).value, [{ ...COUNTS, shown: 2 }])
  await lines.return(undefined)
  await over
})

t.test('a reader that does not read is not waited for', async (t) => {
  let tell: TraceListener = () => true
  const client = await makeServer(t, async (_, listener) => {
    tell = listener
    return () => {}
  })
  await client.trace({ filter: '', rate: 1, bytes: 0 })
  const many = Array.from({ length: 1000 }, () => COUNTS)
  let taken = 0
  while (tell(many)) {
    if (++taken > 10_000) break
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(taken < 10_000, `${taken} times`)
})

t.test('a refusal is an answer', async (t) => {
  const client = await makeServer(t, async () => {
    throw new TraceRefused('8 traces are running')
  })
  const refused = client.trace({ filter: '', rate: 1, bytes: 0 })
  await t.rejects(refused, { message: '8 traces are running' })
  await t.rejects(client.trace({ filter: 'x', rate: 1, bytes: 0 }), /'x' is no word/)
})
