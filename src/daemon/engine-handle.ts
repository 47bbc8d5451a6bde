/**
 * The main thread's side of a worker: starts it, sends orders and waits for their answers, and
 * reads what it publishes.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { Balancer } from '../balance/balancer.js'
import type { ArmMode } from '../engine/port.js'
import type { Wakeup } from '../native/eventfd.js'
import { SystemCallError } from '../native/libc.js'
import { SharedMemory, ThreadMemory } from '../native/mapping.js'
import type { XdpPlan } from '../port/xdp-ground.js'
import { WorkerMemory } from './memory.js'
import type { Findings, Order, Report, WorkerStart } from './messages.js'

/** worker.ts and all that it imports, in one file (scripts/bundle.mjs). */
const WORKER = new URL('./worker.cjs', import.meta.url)
/**
 * Number of the inherited descriptor in a child: behind stdin, stdout, stderr and Node's channel.
 */
const CHILD_MEMORY_FD = 4

interface Waiting {
  resolve(neighbours: Findings): void
  reject(error: Error): void
}

/** Memory for the tables: of all threads, or behind a descriptor for a process of its own. */
export function makeMemory({ engine, limits }: EngineOptions): SharedMemory | ThreadMemory {
  const bytes = WorkerMemory.bytes(limits)
  try {
    return engine === 'libpcap' ? SharedMemory.create(bytes) : ThreadMemory.create(bytes)
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.code !== 'ENOMEM') throw error
    const mib = Math.ceil(bytes / 2 ** 20)
    throw new EngineFailure(
      `this machine does not give ${mib} MiB for the tables (${limits.connections4} IPv4 connections, ${error.call}: ENOMEM); take a smaller --max-connections, or raise the limit (ulimit -v, vm.overcommit_memory)`,
    )
  }
}

export type EngineOptions = Omit<
  WorkerStart,
  'index' | 'memories' | 'memoryBytes' | 'wakeFds' | 'plan'
>

/** What all workers of a director have in common. */
export interface Company {
  readonly options: EngineOptions
  readonly memories: readonly (SharedMemory | ThreadMemory)[]
  /** What ends the sleep of each; none for a process, which sleeps in its event loop. */
  readonly wakeups: readonly Wakeup[]
}

/**
 * The engine could not begin, or has ended. Ports say in words for the operator why they can't be
 * opened; an error in another class, such as a TypeError, is passed on as what it is.
 */
export class EngineFailure extends Error {
  override readonly name = 'EngineFailure'
}

export class EngineHandle {
  /** What the worker publishes, and its tables, to be read only. */
  readonly memory: WorkerMemory
  readonly tables: Balancer
  /**
   * Settles when the worker has gone: with nothing if it was told to stop, else with the reason.
   */
  readonly gone: Promise<Error | undefined>
  /** How it takes frames here, where that depends on the machine; empty if it doesn't. */
  modes: readonly ArmMode[] = []
  /** What it has opened for the other workers, too. */
  plan: XdpPlan | undefined
  readonly #send: (id: number, order: Order) => void
  readonly #waiting = new Map<number, Waiting>()
  #id = 0
  #ready: (error?: Error) => void = () => {}
  #end: (error?: Error) => void = () => {}
  #isStopping = false
  #hasEnded = false

  private constructor(
    { options, memories, wakeups }: Company,
    index: number,
    plan: XdpPlan | undefined,
  ) {
    const { buffer, bytes } = memories[index]
    this.memory = new WorkerMemory(buffer, options.limits)
    this.tables = new Balancer(this.memory.region, options.limits, options.seed, options.kernel)
    this.gone = new Promise((resolve) => {
      this.#end = resolve
    })
    const start = {
      ...options,
      index,
      memories: memories.map((memory) => ({
        fd: memory instanceof SharedMemory ? memory.fd : -1,
        address: memory.address,
      })),
      memoryBytes: bytes,
      wakeFds: wakeups.map(({ fd }) => fd),
      plan,
    }
    const wakeup = wakeups[index]
    this.#send = wakeup === undefined ? this.#startProcess(start) : this.#startThread(start, wakeup)
  }

  /** Starts worker `index` and waits for its port to be open. `plan`: see `WorkerStart`. */
  static async start(company: Company, index: number, plan?: XdpPlan): Promise<EngineHandle> {
    const handle = new EngineHandle(company, index, plan)
    try {
      await new Promise<void>((resolve, reject) => {
        handle.#ready = (error) => (error === undefined ? resolve() : reject(error))
      })
    } catch (error) {
      await handle.gone
      throw error
    }
    return handle
  }

  /** Sends an order; resolves when the worker has carried it out. */
  async order(order: Order): Promise<Findings> {
    // Nobody would ever answer.
    if (this.#hasEnded) throw new EngineFailure('the packet engine has ended')
    const id = ++this.#id
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#send(id, order)
    })
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.order({ do: 'stop' }).catch(() => undefined)
    await this.gone
  }

  #startThread(start: WorkerStart, wakeup: Wakeup): (id: number, order: Order) => void {
    const worker = new Worker(WORKER, { workerData: start })
    worker.on('message', (message: Report) => this.#hear(message))
    worker.on('error', (error) => this.#ended(error))
    worker.on('exit', () => this.#ended())
    return (id, order) => {
      worker.postMessage({ id, order })
      wakeup.wake()
    }
  }

  #startProcess(start: WorkerStart): (id: number, order: Order) => void {
    const child: ChildProcess = fork(fileURLToPath(WORKER), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', start.memories[0].fd],
      // Counters and addresses go through the channel as they are: typed arrays, not JSON objects.
      serialization: 'advanced',
    })
    child.on('message', (message) => this.#hear(message as Report))
    child.on('error', (error) => this.#ended(error))
    child.on('exit', () => this.#ended())
    child.send({ ...start, memories: [{ fd: CHILD_MEMORY_FD, address: 0 }] })
    return (id, order) => {
      if (child.connected) child.send({ id, order })
    }
  }

  #hear(message: Report): void {
    if (message.kind === 'ready') {
      this.modes = message.modes
      this.plan = message.plan
      this.#ready()
    } else if (message.kind === 'failed') this.#ended(new EngineFailure(message.message))
    else {
      this.#waiting.get(message.id)?.resolve(message)
      this.#waiting.delete(message.id)
    }
  }

  #ended(error?: Error): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    const reason = this.#isStopping
      ? undefined
      : (explained(error) ?? new EngineFailure('it ended by itself'))
    this.#ready(reason ?? new EngineFailure('the packet engine was stopped'))
    this.#end(reason)
    for (const waiting of this.#waiting.values()) {
      if (this.#isStopping) waiting.resolve({})
      else waiting.reject(reason as Error)
    }
    this.#waiting.clear()
  }
}

/** A plain Error is how a port says why it can't work. */
function explained(error: Error | undefined): Error | undefined {
  const isPlain = error?.name === 'Error' && !('code' in error)
  return isPlain ? new EngineFailure(error.message) : error
}
