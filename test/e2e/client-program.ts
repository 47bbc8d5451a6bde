/**
 * What runs in the client: takes tasks from the test over Node's channel (`child.send`) and sends
 * back what came of each. `segment.ts` is the other end.
 */
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, isIPv6, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { pour, stream } from './realserver-program.js'

/** Long enough for every retransmission that a test provokes on purpose. */
const PATIENCE_MS = 15_000
/** Ports of `keepAsking`, from the first on, and of `datagram`, from the last down. */
const FIRST_PORT = 2_000
const LAST_PORT = 65_535

export interface Target {
  readonly address: string
  readonly port: number
  /** The client's own address, where it has several. */
  readonly from?: string
}

/** Who answered the connection from `port`, or the code of the error that it met. */
export interface Answer {
  readonly port: number
  readonly text?: string
  readonly error?: string
}

export interface Tasks {
  /**
   * `count` connections, `parallel` at a time, each until the server hangs up. With `fromPort` each
   * has a port of its own: one that was used before belongs to the connection before for a while.
   */
  banners(task: Target & { count: number; parallel: number; fromPort?: number }): Promise<Answer[]>
  /**
   * Connections until `stop` names the same id, each with a port of its own. Without a pause before
   * each, a quick machine has used up all ports after some fifteen seconds.
   */
  keepAsking(task: Target & { id: string; parallel: number; pauseMs?: number }): Promise<Answer[]>
  stop(task: { id: string }): Promise<void>
  download(task: Target & { bytes: number }): Promise<{ bytes: number; digest: string }>
  /** What the server says it got. */
  upload(task: Target & { bytes: number }): Promise<string>
  /** One datagram from a socket of its own, with a port not used before, and the answer to it. */
  datagram(task: Target & { text: string }): Promise<Answer>
  /** Opens a connection that stays. */
  open(task: Target & { id: string }): Promise<Answer>
  /** Sends a line over it: the answer, or the error that ended it. */
  say(task: { id: string; text: string }): Promise<Answer>
  hangUp(task: { id: string }): Promise<void>
}

/** The next port of `datagram`. */
let lastPort = LAST_PORT

const stopped = new Set<string>()
const conversations = new Map<string, Socket>()

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error)
}

function dial({ address, port, from }: Target, localPort?: number): Socket {
  const own = {
    ...(localPort === undefined ? {} : { localPort }),
    ...(from === undefined ? {} : { localAddress: from }),
  }
  const socket = connect({ host: address, port, noDelay: true, ...own })
  socket.setTimeout(PATIENCE_MS, () =>
    socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
  )
  return socket
}

function banner(target: Target, localPort?: number): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = dial(target, localPort)
    let text = ''
    let port = 0
    let error: string | undefined
    socket.on('connect', () => {
      port = socket.localPort ?? 0
    })
    socket.on('data', (piece) => {
      text += piece
    })
    socket.on('error', (reason) => {
      error = codeOf(reason)
    })
    socket.on('close', () => {
      const answer = text.trim()
      if (answer !== '') resolve({ port, text: answer })
      else resolve({ port, error: error ?? 'EMPTY' })
    })
  })
}

async function inParallel(parallel: number, ask: () => Promise<Answer | undefined>) {
  const answers: Answer[] = []
  const worker = async () => {
    for (let answer = await ask(); answer !== undefined; answer = await ask()) answers.push(answer)
  }
  await Promise.all(Array.from({ length: parallel }, worker))
  return answers
}

/** Everything that the server sends until it hangs up. */
async function collect(socket: Socket): Promise<string> {
  let text = ''
  for await (const piece of socket) text += piece
  return text
}

const tasks: Tasks = {
  banners({ count, parallel, fromPort, ...target }) {
    let next = 0
    return inParallel(parallel, async () => {
      if (next === count) return undefined
      const localPort = fromPort === undefined ? undefined : fromPort + next
      next++
      return await banner(target, localPort)
    })
  },

  keepAsking({ id, parallel, pauseMs = 0, ...target }) {
    let next = FIRST_PORT
    return inParallel(parallel, async () => {
      if (pauseMs > 0) await sleep(pauseMs)
      if (stopped.has(id)) return undefined
      if (next > LAST_PORT) throw new Error(`${id}: no port is left that was not used`)
      return await banner(target, next++)
    })
  },

  async stop({ id }) {
    stopped.add(id)
  },

  async download({ bytes, ...target }) {
    const socket = dial(target)
    socket.write(String(bytes))
    const hash = createHash('sha256')
    let got = 0
    for await (const piece of socket) {
      hash.update(piece)
      got += piece.length
    }
    return { bytes: got, digest: hash.digest('hex') }
  },

  async upload({ bytes, ...target }) {
    const socket = dial(target)
    const answer = collect(socket)
    await pour(socket, stream(bytes))
    socket.end()
    return (await answer).trim()
  },

  async datagram({ address, port, text, from }) {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    try {
      socket.bind(lastPort--, from)
      await once(socket, 'listening')
      // Connected: an answer that doesn't come from the VIP itself is none.
      socket.connect(port, address)
      await once(socket, 'connect')
      const answered = once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })
      socket.send(text)
      const [payload] = await answered
      return { port: socket.address().port, text: payload.toString() }
    } catch (error) {
      return { port: 0, error: codeOf(error) }
    } finally {
      socket.close()
    }
  },

  async open({ id, ...target }) {
    const socket = dial(target)
    socket.setTimeout(0)
    socket.on('error', () => {}) // `say` reports it
    conversations.set(id, socket)
    return await converse(socket, 'hello')
  },

  async say({ id, text }) {
    return await converse(conversations.get(id)!, text)
  },

  async hangUp({ id }) {
    conversations.get(id)?.end()
  },
}

async function converse(socket: Socket, text: string): Promise<Answer> {
  if (socket.errored) return { port: 0, error: codeOf(socket.errored) }
  try {
    const answered = once(socket, 'data', { signal: AbortSignal.timeout(PATIENCE_MS) })
    socket.write(`${text}\n`)
    const [line] = await answered
    return { port: socket.localPort ?? 0, text: line.toString().trim() }
  } catch (error) {
    return { port: socket.localPort ?? 0, error: codeOf(error) }
  }
}

if (process.argv[1] === import.meta.filename) {
  process.on('disconnect', () => process.exit(0))
  process.on(
    'message',
    async ({ id, name, task }: { id: number; name: keyof Tasks; task: never }) => {
      try {
        process.send!({ id, result: await tasks[name](task) })
      } catch (error) {
        process.send!({ id, error: codeOf(error) })
      }
    },
  )
  process.send!({ id: 0, result: 'ready' })
}
