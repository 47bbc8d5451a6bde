/**
 * What asks in the lab's client where no tool of the system does: `node client-program.js
 * REQUESTS`, with REQUESTS a JSON array of {service, address, port, payload?}. Prints one line of
 * JSON for each, in order: {text, milliseconds, port} (port: the client's own), or {error}.
 */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'

export interface ClientRequest {
  /**
   * `banner`: the first line that a TCP server sends. `http`: the body of `/`. `udp`: one answer.
   */
  readonly service: 'banner' | 'http' | 'udp'
  readonly address: string
  readonly port: number
  readonly payload?: string
}

export type ClientAnswer =
  | { readonly text: string; readonly milliseconds: number; readonly port: number }
  | { readonly error: string }

const PATIENCE_MS = 3000

function askTcp(request: ClientRequest): Promise<{ text: string; port: number }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: request.address, port: request.port })
    let received = ''
    let port = 0
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no answer')))
    socket.setEncoding('latin1')
    socket.on('connect', () => {
      port = socket.localPort ?? 0
      if (request.service === 'http') {
        socket.write(`GET / HTTP/1.1\r\nHost: ${request.address}\r\nConnection: close\r\n\r\n`)
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
      reject(error)
    })
  })
}

async function ask(request: ClientRequest): Promise<ClientAnswer> {
  const began = performance.now()
  try {
    const { text, port } = await (request.service === 'udp' ? askUdp(request) : askTcp(request))
    return { text, port, milliseconds: Math.round((performance.now() - began) * 100) / 100 }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

if (process.argv[1] === import.meta.filename) {
  const requests = JSON.parse(process.argv[2] ?? '[]') as ClientRequest[]
  for (const request of requests) {
    process.stdout.write(`${JSON.stringify(await ask(request))}\n`)
  }
}
