import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { RuleError } from '../../src/balance/rule.js'
import { ControlClient } from '../../src/control/client.js'
import type { ConnectionListing } from '../../src/control/listing.js'
import { type Controlled, ControlServer } from '../../src/control/server.js'
import { BAD_REQUESTS } from './bad-requests.js'
import { makeFolder, startDirector, UIPVS } from './director-process.js'

const service = { protocol: 'tcp', address: '192.168.1.110', port: 80 } as const
const settings = {
  scheduler: 'rr',
  persistent: 0,
  netmask: '255.255.255.255',
  ops: false,
  pe: '',
  schedulerFlags: 0,
}
const addService = { op: 'add-service', service, settings } as const
const addDestination = (address: string) => ({
  op: 'add-destination' as const,
  service,
  destination: { address, port: 80 },
  settings: { method: 'route' as const, weight: 1, upperThreshold: 0, lowerThreshold: 0 },
})

interface Response {
  readonly status: number
  readonly type: string | undefined
  readonly text: string
}

/** A request with exactly this body. */
function ask(path: string, method: string, url: string, body = ''): Promise<Response> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: path, method, path: url }, async (response) => {
      let text = ''
      for await (const piece of response.setEncoding('utf8')) text += piece
      resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'], text })
    })
    asking.on('error', reject)
    asking.end(body)
  })
}

t.test('a director of its own', async (t) => {
  const folder = makeFolder(t)
  const { path, client, child, ended } = await startDirector(t, join(folder, 'sub/control.sock'))

  await t.test('only its owner may open the socket', async (t) => {
    t.equal(statSync(path).mode & 0o777, 0o600)
    t.ok(statSync(path).isSocket())
  })

  await t.test('a second director does not start, and does no harm', async (t) => {
    const second = await startDirector(t, path)
    const { status, stderr } = await second.ended
    t.equal(status, 1)
    t.match(stderr, /^uipvs: .*another director.*\n/)
    t.ok(stderr.includes(path) && stderr.includes('--control'), stderr)
    t.match(await client.status(), { pid: child.pid })
  })

  await client.rules([addService, addDestination('192.168.1.2')], { atomic: false })
  const before = await client.table()

  await t.test('bad requests have status 400 and a sentence, and change nothing', async (t) => {
    for (const [sentence, body, where] of BAD_REQUESTS) {
      const answer = await ask(path, 'POST', '/v1/rules', JSON.stringify(body))
      t.equal(answer.status, 400, sentence)
      const { error } = JSON.parse(answer.text)
      t.match(error, { code: 'EINVAL', subject: 'request', message: where, index: 0, applied: 0 })
    }
    for (const body of ['', '{', 'flush', '{"rules": [{"op": "flush"}]} {}', '\u0000']) {
      const answer = await ask(path, 'POST', '/v1/rules', body)
      t.equal(answer.status, 400, JSON.stringify(body))
      t.match(JSON.parse(answer.text).error.message, /not JSON/)
    }
    t.same(await client.table(), before)
  })

  await t.test('what there is not', async (t) => {
    for (const [method, url] of [
      ['GET', '/'],
      ['GET', '/v1/rules'],
      ['DELETE', '/v1/table'],
      ['POST', '/v1/table'],
      ['GET', '/v1/tables'],
      ['GET', '/v2/table'],
      ['GET', '/v1/../v1/table'],
    ] as const) {
      const answer = await ask(path, method, url)
      t.equal(answer.status, 404, `${method} ${url}`)
      t.ok(JSON.parse(answer.text).error.message.includes(`${method} ${url}`))
    }
    const query = await ask(path, 'GET', '/v1/table?pretty')
    t.equal(query.status, 200, 'a query means nothing')
  })

  await t.test('what is no HTTP ends that connection and no other', async (t) => {
    const socket = connect(path)
    let heard = ''
    socket.setEncoding('utf8').on('data', (text) => {
      heard += text
    })
    socket.write('ipvsadm -L\n\n\r\n')
    await new Promise((resolve) => socket.on('close', resolve))
    t.match(heard, /^HTTP\/1\.1 400/)
    t.match(await client.status(), { pid: child.pid })
  })

  await t.test('rules stop at the first that is refused; atomic ones do not begin', async (t) => {
    const rules = [
      addDestination('192.168.1.3'),
      addDestination('192.168.1.2'),
      { op: 'flush' } as const,
    ]
    const refused = (atomic: boolean) => client.rules(rules, { atomic }).catch((each) => each)
    t.match(await refused(true), { code: 'EEXIST', subject: 'destination', index: 1, applied: 0 })
    t.same(await client.table(), before)
    t.match(await refused(false), { code: 'EEXIST', subject: 'destination', index: 1, applied: 1 })
    const [listed] = (await client.table()).services
    t.same(
      listed?.destinations.map(({ address }) => address),
      ['192.168.1.3', '192.168.1.2'],
    )
  })

  await t.test('requests at the same time are carried out one after the other', async (t) => {
    const clients = Array.from({ length: 8 }, () => new ControlClient(path))
    t.teardown(() => {
      for (const each of clients) each.close()
    })
    await Promise.all(
      clients.map((each, i) =>
        each.rules(
          Array.from({ length: 25 }, (_, k) => addDestination(`10.0.${i}.${k + 1}`)),
          { atomic: i % 2 === 0 },
        ),
      ),
    )
    const [listed] = (await client.table()).services
    t.equal(listed?.destinations.length, 202)
    const lists = (listed?.destinations ?? []).slice(0, 200).map(({ address }) => address)
    for (let at = 0; at < 200; at += 25) {
      const networks = new Set(lists.slice(at, at + 25).map((each) => each.split('.')[2]))
      t.equal(networks.size, 1, 'the rules of a request stay together')
    }
  })

  await t.test('SIGTERM ends it, and the socket is gone', async (t) => {
    child.kill('SIGTERM')
    const { status, stderr } = await ended
    t.equal(status, 0)
    t.match(stderr, /uipvs: stopped\n$/)
    t.throws(() => statSync(path), { code: 'ENOENT' })
  })
})

t.test('a socket that a killed director left behind is taken over', async (t) => {
  const path = join(makeFolder(t), 'control.sock')
  const first = await startDirector(t, path)
  first.child.kill('SIGKILL')
  await first.ended
  t.ok(statSync(path).isSocket(), 'it is left')
  const second = await startDirector(t, path)
  t.match(await second.client.status(), { pid: second.child.pid })
})

t.test('rules to begin with, as ipvsadm-save writes them', async (t) => {
  const folder = makeFolder(t)
  const file = join(folder, 'rules')
  writeFileSync(
    file,
    '-A -t 192.168.1.110:80 -s rr\n-a -t 192.168.1.110:80 -r 192.168.1.2:80 -g -w 4\n',
  )
  const good = await startDirector(t, join(folder, 'a.sock'), { args: ['--rules', file] })
  t.match((await good.client.table()).services, [
    { destinations: [{ address: '192.168.1.2', weight: 4 }] },
  ])
  writeFileSync(file, `${readFileSync(file, 'utf8')}-a -t 192.168.1.110:80 -r 192.168.1.2:80 -g\n`)
  const bad = await startDirector(t, join(folder, 'b.sock'), { args: ['--rules', file] })
  const { status, stderr } = await bad.ended
  t.equal(status, 1)
  t.match(stderr, /line 3/)
  t.throws(() => statSync(join(folder, 'b.sock')), { code: 'ENOENT' })
  t.ok(UIPVS)
})

/** A server in this process, over a director that does what the test wants. */
async function serve(t: import('tap').Test, changes: Partial<Controlled>): Promise<string> {
  const nothing = async () => {}
  const director = {
    apply: async () => null,
    table: nothing,
    connections: () => [],
    neighbours: nothing,
    counters: () => ({}),
    status: () => ({}),
    announce: nothing,
    ...changes,
  } as unknown as Controlled
  const server = new ControlServer(join(makeFolder(t), 'control.sock'), director)
  await server.listen()
  t.teardown(() => server.close())
  return server.path
}

t.test('connections are streamed, and a slow reader holds nobody up', async (t) => {
  const COUNT = 50_000
  let made = 0
  function* connections(): Generator<ConnectionListing> {
    for (; made < COUNT; made++) yield { client: `10.0.0.${made}`, clientPort: made } as never
  }
  const path = await serve(t, { connections })
  const slow = connect(path)
  slow.pause()
  slow.write('GET /v1/connections HTTP/1.1\r\nhost: a\r\n\r\n')
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.ok(made < COUNT, `${made} were made for a reader that does not read`)
  t.equal((await ask(path, 'GET', '/v1/status')).status, 200)
  slow.destroy()
  made = 0
  const warnings: string[] = []
  const warned = ({ name }: Error) => warnings.push(name)
  process.on('warning', warned)
  t.teardown(() => process.off('warning', warned))
  const { status, type, text } = await ask(path, 'GET', '/v1/connections')
  t.same([status, type], [200, 'application/x-ndjson'])
  const lines = text.trimEnd().split('\n')
  t.equal(lines.length, COUNT)
  t.equal(JSON.parse(lines.at(-1) as string).clientPort, COUNT - 1)
  t.ok(text.endsWith('\n'))
  t.same(warnings, [], 'no listeners pile up')
})

t.test('no connections are no lines', async (t) => {
  const path = await serve(t, {})
  t.match(await ask(path, 'GET', '/v1/connections'), { status: 200, text: '' })
})

t.test('what goes wrong inside is told, and the server goes on', async (t) => {
  const path = await serve(t, {
    table: async () => {
      throw new Error('the engine has ended')
    },
    apply: async () => ({
      error: new RuleError('ENOSPC', 'service', 'full'),
      index: 2,
      applied: 2,
    }),
  })
  const broken = await ask(path, 'GET', '/v1/table')
  t.equal(broken.status, 500)
  t.match(JSON.parse(broken.text).error, { code: 'EFAULT', message: 'the engine has ended' })
  const refused = await ask(path, 'POST', '/v1/rules', '{"rules": [{"op": "flush"}]}')
  t.equal(refused.status, 409)
  t.same(JSON.parse(refused.text), {
    error: { code: 'ENOSPC', subject: 'service', message: 'full', index: 2, applied: 2 },
  })
})

t.test('a place that is taken by something else, or cannot be had', async (t) => {
  const folder = makeFolder(t)
  const path = join(folder, 'control.sock')
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(path, resolve))
  t.teardown(() => other.close())
  const server = new ControlServer(path, {} as Controlled)
  await t.rejects(server.listen(), { message: /another director/ })
  mkdirSync(join(folder, 'd'))
  const onFolder = new ControlServer(join(folder, 'd'), {} as Controlled)
  await t.rejects(onFolder.listen(), { message: /no socket/ })
  const file = join(folder, 'precious')
  writeFileSync(file, 'precious')
  const onFile = new ControlServer(file, {} as Controlled)
  await t.rejects(onFile.listen(), { message: /no socket/ })
  t.equal(readFileSync(file, 'utf8'), 'precious', 'a file that is no socket is left alone')
  await t.rejects(new ControlServer('', {} as Controlled).listen(), { message: /empty/ })
  const long = new ControlServer(join(folder, 'x'.repeat(108)), {} as Controlled)
  await t.rejects(long.listen(), { message: /longer than the 107 bytes/ })
})
