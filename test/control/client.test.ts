import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  ControlClient,
  ControlError,
  controlPath,
  RulesRefused,
  Unreachable,
} from '../../src/control/client.js'

type Answer = (request: IncomingMessage, body: string, response: ServerResponse) => void

/** A socket with something behind it, gone when the test is. */
async function listening(t: Test, answer: Answer): Promise<ControlClient> {
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-client-'))
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    answer(request, body, response)
  })
  const client = new ControlClient(join(folder, 'control.sock'))
  await new Promise<void>((resolve) => server.listen(client.path, resolve))
  t.teardown(() => {
    client.close()
    server.close()
    rmSync(folder, { recursive: true })
  })
  return client
}

t.test('rules are sent as they are, over one connection', async (t) => {
  const seen: unknown[] = []
  const sockets = new Set<unknown>()
  const client = await listening(t, (request, body, response) => {
    sockets.add(request.socket)
    seen.push([request.method, request.url, JSON.parse(body)])
    response.end('{"applied":1}')
  })
  await client.reach()
  await client.rules([{ op: 'flush' }], { atomic: true })
  await client.rules([{ op: 'zero' }], { atomic: false })
  t.same(seen, [
    ['POST', '/v1/rules', { rules: [{ op: 'flush' }], atomic: true }],
    ['POST', '/v1/rules', { rules: [{ op: 'zero' }], atomic: false }],
  ])
  t.equal(sockets.size, 1)
})

t.test('a kept connection that was closed meanwhile is no reason to give up', async (t) => {
  const sockets: IncomingMessage['socket'][] = []
  const client = await listening(t, (request, _body, response) => {
    sockets.push(request.socket)
    response.end('{"pid":1}')
  })
  await client.status()
  // The client's loop has not turned since, so that it writes to a socket without a reader.
  sockets[0]!.destroy()
  t.same(await client.status(), { pid: 1 })
  t.equal(new Set(sockets).size, 2)
})

t.test('a refusal says which rule and why', async (t) => {
  const error = { code: 'EEXIST', subject: 'service', message: 'is there', index: 3, applied: 3 }
  const client = await listening(t, (_request, _body, response) => {
    response.writeHead(409).end(JSON.stringify({ error }))
  })
  const refused = await client.rules([], { atomic: false }).catch((each: unknown) => each)
  t.ok(refused instanceof RulesRefused)
  t.match(refused, error)
})

t.test('answers that make no sense', async (t) => {
  const client = await listening(t, (request, _body, response) => {
    if (request.url === '/v1/table') response.end('<html>')
    else response.writeHead(404).end('no such thing')
  })
  await t.rejects(client.table(), ControlError)
  await t.rejects(client.status(), {
    name: 'ControlError',
    message: `GET /v1/status at ${client.path}: status 404: no such thing`,
  })
})

t.test('connections come whole, or a line each in any pieces', async (t) => {
  const connections = Array.from({ length: 5 }, (_, i) => ({ client: `10.0.0.${i} – ü` }))
  let whole = true
  const client = await listening(t, async (_request, _body, response) => {
    if (whole) return response.end(JSON.stringify({ connections }))
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    const bytes = Buffer.from(connections.map((each) => JSON.stringify(each)).join('\n'))
    for (let at = 0; at < bytes.length; at += 7) {
      response.write(bytes.subarray(at, at + 7))
      await new Promise(setImmediate)
    }
    return response.end()
  })
  t.same(await client.connections(), connections)
  whole = false
  t.same(await client.connections(), connections)
})

t.test('nobody there', async (t) => {
  const client = new ControlClient('/nonexistent/control.sock')
  const expected = { code: 'ENOENT', path: '/nonexistent/control.sock' }
  for (const asked of [client.reach(), client.table()]) {
    const error = await asked.then(null, (each: unknown) => each)
    t.ok(error instanceof Unreachable)
    t.match(error, expected)
  }
})

t.test('where the socket is', async (t) => {
  t.equal(controlPath({ UIPVS_CONTROL: '/x', XDG_RUNTIME_DIR: '/run/user/1' }), '/x')
  t.equal(controlPath({}), '/run/uipvs/control.sock')
})
