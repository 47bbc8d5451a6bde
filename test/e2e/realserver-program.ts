/**
 * What runs on a realserver: `node realserver-program.js NAME ADDRESS…`. Every service says NAME,
 * so that a client knows who answered, and is bound to the VIP alone. Prints `ready`.
 */
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIPv6, type Socket } from 'node:net'

export const BANNER = 80
export const DOWNLOAD = 81
export const UPLOAD = 82
export const CHAT = 83
export const ECHO = 7

const PIECE_BYTES = 1 << 16

/**
 * The first `bytes` bytes of a stream that both sides can make: each piece differs from the last.
 */
export function* stream(bytes: number): Generator<Buffer> {
  for (let sent = 0; sent < bytes; sent += PIECE_BYTES) {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, bytes - sent))
    for (let i = 0; i + 4 <= piece.length; i += 4) {
      piece.writeUInt32LE(Math.imul(sent + i, 2654435761) >>> 0, i)
    }
    yield piece
  }
}

export function digestOf(pieces: Iterable<Uint8Array>): string {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

/** Writes all pieces, no faster than they are taken. */
export async function pour(socket: Socket, pieces: Iterable<Uint8Array>): Promise<void> {
  for (const piece of pieces) if (!socket.write(piece)) await once(socket, 'drain')
}

type Service = (socket: Socket, name: string) => void

const SERVICES: Record<number, Service> = {
  [BANNER]: (socket, name) => socket.end(`${name}\n`),
  [DOWNLOAD]: (socket) =>
    socket.once('data', async (wanted) => {
      await pour(socket, stream(Number(wanted.toString())))
      socket.end()
    }),
  [UPLOAD]: (socket, name) => {
    const hash = createHash('sha256')
    socket.on('data', (piece) => hash.update(piece))
    socket.on('end', () => socket.end(`${name} ${hash.digest('hex')}\n`))
  },
  [CHAT]: (socket, name) => socket.on('data', (line) => socket.write(`${name} ${line}`)),
}

async function serve(name: string, address: string): Promise<void> {
  const listening = Object.entries(SERVICES).map(([port, service]) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {}) // a client that resets is its own business
      if (Number(port) !== UPLOAD) socket.on('end', () => socket.end())
      service(socket, name)
      socket.resume()
    })
    server.listen({ host: address, port: Number(port), backlog: 4096 })
    return once(server, 'listening')
  })
  const echo = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  echo.on('message', (payload, client) => {
    echo.send(Buffer.concat([Buffer.from(`${name} `), payload]), client.port, client.address)
  })
  echo.bind({ address, port: ECHO })
  await Promise.all([...listening, once(echo, 'listening')])
}

if (process.argv[1] === import.meta.filename) {
  const [name = '', ...addresses] = process.argv.slice(2)
  for (const address of addresses) await serve(name, address)
  process.stdout.write('ready\n')
}
