/**
 * What asks in the lab's client where no tool of the system does: `node client-program.js
 * REQUESTS`, with REQUESTS a JSON array of {service, address, port, payload?}. Prints one line of
 * JSON for each, in order: {text, milliseconds, port} (port: the client's own), or {error}. With
 * `--at-once` behind it none waits for the answer to the one before, and TCP ports are taken at
 * random: the kernel gives the same ones again soon, and for two minutes the director keeps a port
 * that it knows with the realserver that it had.
 */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'

export interface ClientRequest {
  /**
   * `banner`: the first line that a TCP server sends. `http`: the body of `/`, or with a payload
   * what is said to its upload. `udp`: one answer.
   */
  readonly service: 'banner' | 'http' | 'udp'
  readonly address: string
  readonly port: number
  readonly payload?: string
}

export type ClientAnswer =
  | { readonly text: string; readonly milliseconds: number; readonly port: number }
  | { readonly error: string }

/** net.ipv4.ip_local_port_range, as Linux comes. */
const EPHEMERAL_PORTS = [32_768, 61_000] as const

/** A first SYN that was lost is sent again after a second, and that one two seconds later. */
const PATIENCE_MS = 3500

function askTcp(
  request: ClientRequest,
  localPort?: number,
): Promise<{ text: string; port: number }> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: request.address,
      port: request.port,
      ...(localPort === undefined ? {} : { localPort }),
    })
    let received = ''
    let port = 0
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no answer')))
    socket.setEncoding('latin1')
    socket.on('connect', () => {
      port = socket.localPort ?? 0
      if (request.service === 'http') {
        const head = `Host: ${request.address}\r\nConnection: close\r\n`
        socket.write(
          request.payload === undefined
            ? `GET / HTTP/1.1\r\n${head}\r\n`
            : `POST / HTTP/1.1\r\n${head}Content-Length: ${request.payload.length}\r\n\r\n${request.payload}`,
        )
      }
    })
    socket.on('data', (text) => {
      received += text
      if (request.service === 'banner' && received.includes('\n')) socket.end()
    })
    socket.on('error', reject)
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      const body = request.service === 'http' ? received.split('\r\n\r\n')[1] : received
      resolve({ text: (body ?? '').trim(), port })
    })
  })
}

function askUdp(request: ClientRequest): Promise<{ text: string; port: number }> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(request.address) ? 'udp6' : 'udp4')
    const timer = setTimeout(() => {
      socket.close()
      reject(new Error('no answer'))
    }, PATIENCE_MS)
    // Connected: an answer that does not come from the VIP is dropped, as the article says.
    socket.connect(request.port, request.address, () => {
      const { port } = socket.address()
      socket.on('message', (payload) => {
        clearTimeout(timer)
        socket.close()
        resolve({ text: payload.toString('latin1'), port })
      })
      socket.send(request.payload ?? 'hello')
    })
    socket.on('error', (error) => {
      clearTimeout(timer)
      socket.close()
      reject(error)
    })
  })
}

async function ask(request: ClientRequest, localPort?: number): Promise<ClientAnswer> {
  const began = performance.now()
  try {
    const { text, port } = await (request.service === 'udp'
      ? askUdp(request)
      : askTcp(request, localPort))
    return { text, port, milliseconds: Math.round((performance.now() - began) * 100) / 100 }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

if (process.argv[1] === import.meta.filename) {
  const requests = JSON.parse(process.argv[2] ?? '[]') as ClientRequest[]
  const isAtOnce = process.argv[3] === '--at-once'
  const ports = new Set<number>()
  while (isAtOnce && ports.size < requests.length) ports.add(randomInt(...EPHEMERAL_PORTS))
  const given = [...ports]
  const asked = isAtOnce ? requests.map((request, i) => ask(request, given[i])) : []
  for (const [i, request] of requests.entries()) {
    process.stdout.write(`${JSON.stringify(await (asked[i] ?? ask(request)))}\n`)
  }
}
