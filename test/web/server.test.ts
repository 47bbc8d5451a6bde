/** `uipvs run --web`: who gets in, what is told, what may be changed. */
import { request } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { TableListing } from '../../src/control/listing.js'
import { type Live, liveThere } from '../../src/web/live.js'
import { WebServer } from '../../src/web/server.js'
import { makeFolder, startDirector } from '../control/director-process.js'

const RULES = 'docs/examples/rules.ipvs'

interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
}

interface Asked {
  readonly method?: string
  readonly token?: string
  readonly host?: string
  readonly body?: string
  /** Until this stands in the body, instead of its end. */
  readonly until?: RegExp
}

function ask(base: string, path: string, asked: Asked = {}): Promise<Answer> {
  const { method = 'GET', token, host, body, until } = asked
  const headers = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(host !== undefined && { host }),
  }
  return new Promise((resolve, reject) => {
    const asking = request(new URL(path, base), { method, headers, agent: false }, (response) => {
      let text = ''
      const done = () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text })
        asking.destroy()
      }
      response.setEncoding('utf8')
      response.on('data', (piece) => {
        text += piece
        if (until?.test(text) === true) done()
      })
      response.on('end', done)
    })
    asking.on('error', reject)
    asking.end(body)
  })
}

/** A director of rules only, with a page; where it is, and the token. */
async function webOf(t: Test) {
  const folder = makeFolder(t)
  const path = join(folder, 'control.sock')
  const args = ['--rules', RULES, '--web', '127.0.0.1:0']
  const director = await startDirector(t, path, { args })
  const [, base = '', token = ''] = /(http:\/\/127\.0\.0\.1:\d+\/)#(\S+)/.exec(director.log()) ?? []
  t.match(base, /^http/, director.log())
  return { base, token, client: director.client }
}

t.test('files are for all, what a director tells is for those with the token', async (t) => {
  const { base, token } = await webOf(t)
  const page = await ask(base, '/')
  t.equal(page.status, 200)
  t.match(page.headers['content-security-policy'], "connect-src 'self'")
  t.match(page.body, 'live.js')
  t.notMatch(page.body, token)
  for (const file of ['index.html', 'page.js', 'page.css', 'live.js', 'live.css']) {
    t.equal((await ask(base, `/${file}`)).status, 200, file)
  }
  for (const path of ['/etc/passwd', '/..%2f..%2fpackage.json', '/../../package.json', '/x']) {
    t.equal((await ask(base, path)).status, 404, path)
  }
  t.equal((await ask(base, '/', { method: 'POST' })).status, 405)

  for (const path of ['/api/events', '/api/rules', '/api/nothing']) {
    t.equal((await ask(base, path)).status, 401, path)
    t.equal((await ask(base, path, { token: `${token}x` })).status, 401, path)
    t.equal((await ask(base, `${path}?token=${token}`)).status, 401, 'not in the address')
  }
  t.equal((await ask(base, '/api/nothing', { token })).status, 404)
  t.equal((await ask(base, '/api/lab', { method: 'POST', token, body: '{}' })).status, 404)
  t.equal((await ask(base, '/', { host: 'evil.example' })).status, 403, 'no name, whoever made it')
  t.equal((await ask(base, '/', { host: 'localhost:80' })).status, 200)
})

t.test('moments come by themselves, rules go in', async (t) => {
  const { base, token, client } = await webOf(t)
  const until = /event: moment\n[\s\S]*\n\n[\s\S]*event: moment\n.*\n\n/
  const events = await ask(base, '/api/events', { token, until })
  const [, data = ''] = /event: moment\ndata: (.*)\n/.exec(events.body) ?? []
  const moment = JSON.parse(data)
  t.equal(moment.table.services.length, 2)
  t.equal(moment.status.engine, 'none')
  t.same(moment.connections, [])

  const service = { protocol: 'tcp', address: '192.168.1.110', port: 22 }
  const edit = (port: number) => ({
    op: 'edit-destination',
    service,
    destination: { address: '192.168.1.2', port },
    settings: { method: 'route', weight: 9, upperThreshold: 0, lowerThreshold: 0 },
  })
  const post = (rules: readonly object[]) =>
    ask(base, '/api/rules', { method: 'POST', token, body: JSON.stringify({ rules }) })
  t.equal((await post([edit(22)])).status, 200)
  const weights = async () => {
    const { services } = (await client.table()) as TableListing
    return services.flatMap(({ destinations }) => destinations.map(({ weight }) => weight))
  }
  t.same(await weights(), [1, 1, 9, 0, 2, 1])
  const refused = await post([
    { ...edit(22), settings: { ...edit(22).settings, weight: 3 } },
    edit(23),
  ])
  t.equal(refused.status, 409)
  t.match(JSON.parse(refused.body).error, /destination/i)
  t.same(await weights(), [1, 1, 9, 0, 2, 1], 'all or none')
  for (const body of ['', '[', '{"rules": 1}', '{"rules": [{"op": "reap", "slots": [1]}]}']) {
    t.equal((await ask(base, '/api/rules', { method: 'POST', token, body })).status, 400, body)
  }
})

t.test('a director that does not answer is told, and its return as well', async (t) => {
  let isGone = true
  const path = join(makeFolder(t), 'control.sock')
  const there = liveThere((await startDirector(t, path)).client)
  const status = async () => {
    if (isGone) throw new Error('nobody answers')
    return there.status()
  }
  const live: Live = {
    status,
    table: there.table,
    counters: there.counters,
    connections: there.connections,
    apply: there.apply,
    next: there.next,
    trace: there.trace,
    marks: there.marks,
    sysctls: there.sysctls,
  }
  const server = new WebServer({ live })
  t.teardown(() => server.close())
  const base = (await server.listen('127.0.0.1', 0)).split('#')[0]
  const { token } = server
  const first = await ask(base, '/api/events', { token, until: /\n\n/ })
  t.match(first.body, 'event: gone\ndata: {"error":"nobody answers"}')
  isGone = false
  t.match((await ask(base, '/api/events', { token, until: /\n\n/ })).body, 'event: moment')
})
