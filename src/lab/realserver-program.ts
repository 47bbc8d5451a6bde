/**
 * What runs in a realserver of the lab: `node realserver-program.js NAME ADDRESS… [--http=PORT]`.
 *
 * Three services, each of which says who answers, bound to the VIP and to nothing else. For UDP the
 * article explains why: a server bound to no address answers with the realserver's own, and the
 * client, who asked the VIP, drops that answer.
 *
 *   80/tcp  HTTP: `/` gives the name; `/bytes/N` gives N bytes that depend on nothing but N, to
 *           compare a download with; anything else 404. What is uploaded (POST) is counted.
 *   22/tcp  the first line of an SSH server, then silence until the client hangs up
 *    7/udp  the name, a space, and what was sent
 *
 * Prints `ready` once all of them listen.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { createServer, isIPv6 } from 'node:net'
import { Readable } from 'node:stream'

export const HTTP_PORT = 80
export const SSH_PORT = 22
export const ECHO_PORT = 7

const CHUNK_BYTES = 65_536
/** More than anybody downloads in a lab; keeps a typing error from running for a day. */
const DOWNLOAD_BYTES_MAX = 16 * 2 ** 30

/** Byte `i` of every download is byte `i % 65536` of this: nothing is periodic within a segment. */
export function downloadPattern(): Buffer {
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (let i = 0; i < CHUNK_BYTES; i++) chunk[i] = (i * 31 + (i >> 8) * 17) & 0xff
  return chunk
}

function* download(bytes: number): Generator<Buffer> {
  const chunk = downloadPattern()
  for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
    yield left >= CHUNK_BYTES ? chunk : chunk.subarray(0, left)
  }
}

function answerUpload(name: string, request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0
  request.on('data', (chunk: Buffer) => (bytes += chunk.length))
  request.on('end', () => response.end(`${name} received ${bytes} bytes\n`))
}

function answerHttp(name: string, path: string, response: ServerResponse): void {
  response.setHeader('Server', `uipvs-lab ${name}`)
  const bytes = Number(/^\/bytes\/(\d+)$/.exec(path)?.[1] ?? -1)
  if (bytes >= 0 && bytes <= DOWNLOAD_BYTES_MAX) {
    response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': bytes,
    })
    Readable.from(download(bytes))
      .on('error', () => {})
      .pipe(response)
  } else if (path === '/') {
    const body = `${name}\n`
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': body.length })
    response.end(body)
  } else {
    response.writeHead(404, { 'Content-Type': 'text/plain' }).end('no such page\n')
  }
}

async function serve(name: string, address: string, httpPort: number): Promise<void> {
  const http = createHttpServer((request, response) =>
    request.method === 'POST'
      ? answerUpload(name, request, response)
      : answerHttp(name, request.url ?? '/', response),
  )
  const ssh = createServer((socket) => {
    socket.on('error', () => {}) // a client that resets the connection is its own business
    socket.write(`SSH-2.0-uipvs-lab ${name}\r\n`)
    socket.resume()
  })
  const echo = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  echo.on('message', (payload, client) => {
    echo.send(Buffer.concat([Buffer.from(`${name} `), payload]), client.port, client.address)
  })
  // One backlog for many clients that come at once: the default of 511 is below what tests do.
  http.listen({ host: address, port: httpPort, backlog: 4096 })
  ssh.listen({ host: address, port: SSH_PORT, backlog: 4096 })
  echo.bind({ address, port: ECHO_PORT })
  await Promise.all([once(http, 'listening'), once(ssh, 'listening'), once(echo, 'listening')])
}

if (process.argv[1] === import.meta.filename) {
  const words = process.argv.slice(2)
  const [name, ...addresses] = words.filter((word) => !word.startsWith('--'))
  const httpPort = words.find((word) => word.startsWith('--http='))?.slice('--http='.length)
  if (name === undefined || addresses.length === 0) {
    process.stderr.write('usage: realserver-program NAME ADDRESS... [--http=PORT]\n')
    process.exit(2)
  }
  for (const address of addresses) await serve(name, address, Number(httpPort ?? HTTP_PORT))
  process.stdout.write('ready\n')
}
