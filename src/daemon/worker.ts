/**
 * The packet engine's own thread (af_xdp, af_packet), or process (libpcap, whose addon only lives
 * in the main thread of one). This is the only file that knows that it is a worker: it opens the
 * port, builds the director over the memory it was given, and breathes.
 *
 *   busy:  breathe, breathe, breathe ...          orders are looked for at each tick (10 ms), and
 *                                                 after each order that was found
 *   idle:  a spin (`spin.ts`), then sleep in poll() until a frame, an order or the next tick comes;
 *          after a second of it, until the next fourth tick
 *
 * Orders arrive between breaths, so a frame never sees half a change.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { RuleBook } from '../balance/apply.js'
import type { Balancer } from '../balance/balancer.js'
import type { Limits } from '../balance/limits.js'
import { Peers } from '../balance/peers.js'
import { SCHEDULERS } from '../balance/schedulers/index.js'
import { nextChoice } from '../control/choice.js'
import { ANSWERS_PER_SECOND } from '../engine/director-state.js'
import { Director } from '../engine/forward.js'
import { Loop, TICK_INTERVAL_MS } from '../engine/loop.js'
import type { EventPort, Port } from '../engine/port.js'
import { TraceWriter } from '../engine/trace-ring.js'
import { type TraceOrder, TraceTap } from '../engine/trace-tap.js'
import { NUD_FAILED, NUD_INCOMPLETE, NUD_PROBE, NUD_REACHABLE } from '../link/neighbour.js'
import { SharedMemory, ThreadMemory } from '../native/mapping.js'
import { openAfPacket } from '../port/af-packet.js'
import { AfXdpPort, joinAfXdp, openAfXdp } from '../port/af-xdp.js'
import { formatIpv4, formatIpv6, formatMac } from '../wire/address.js'
import { allowInlining } from './inlining.js'
import { LoopMeter } from './loop-meter.js'
import { WorkerMemory } from './memory.js'
import type { Findings, NeighbourReport, Order, Report, Request, WorkerStart } from './messages.js'
import { takePrecedence } from './precedence.js'
import { Spin } from './spin.js'

/** How long it sleeps at most when nothing at all happens. */
const IDLE_WAIT_MS = 10
/**
 * After a second without a frame or an order it looks after what is due less often: a timer may
 * then be so much late, which no frame sees, for one would wake us.
 */
const LONG_IDLE_MS = 1000
const LONG_IDLE_WAIT_MS = 40

const STATE_NAMES: Record<number, string> = {
  [NUD_INCOMPLETE]: 'INCOMPLETE',
  [NUD_REACHABLE]: 'REACHABLE',
  [NUD_PROBE]: 'PROBE',
  [NUD_FAILED]: 'FAILED',
}

/** 2^32 over the golden ratio: the seeds of all workers are far apart. */
const SEED_STEP = 0x9e3779b1

/** What worker `index` sees of the others. */
function meet(memories: WorkerMemory[], index: number, own: Balancer, limits: Limits): Peers {
  const others = memories.filter((_, i) => i !== index)
  return new Peers(
    own,
    others.map(({ region }) => Peers.destinationsIn(region, limits)),
    memories[0].turns,
  )
}

class Engine {
  readonly #port: Port
  readonly #rules: RuleBook
  readonly #director: Director
  readonly #loop: Loop
  readonly #memory: WorkerMemory
  readonly #traced: TraceWriter
  readonly meter: LoopMeter
  readonly #startedAt = performance.now()
  #breaths = 0
  isStopped = false

  constructor(start: WorkerStart, port: Port) {
    const { limits, seed, kernel, mode, quiet, index, memoryBytes } = start
    const memories = start.memories.map(({ fd, address }) => {
      const shared =
        fd < 0 ? ThreadMemory.at(address, memoryBytes) : SharedMemory.open(fd, memoryBytes)
      return new WorkerMemory(shared.buffer, limits)
    })
    this.#memory = memories[index]
    this.#traced = new TraceWriter(this.#memory.traced)
    this.meter = new LoopMeter(this.#memory.loop)
    // Workers that draw lots draw different ones.
    const ownSeed = (seed + Math.imul(index, SEED_STEP)) | 0
    const rules = new RuleBook(this.#memory.region, limits, ownSeed, SCHEDULERS, { kernel })
    if (memories.length > 1) rules.balancer.peers = meet(memories, index, rules.balancer, limits)
    this.#rules = rules
    this.#port = port
    const { arms, outbox } = port
    const answersPerSecond = Math.ceil(ANSWERS_PER_SECOND / memories.length)
    this.#director = new Director({ rules, arms, outbox, mode, quiet, answersPerSecond })
    this.#loop = new Loop(port, this.#director, () => performance.now(), this.#memory.counts)
  }

  /** More timers are due than one breath has time for: no time to sleep. */
  get isBehind(): boolean {
    return this.#director.balancer.due.isBehind
  }

  breathe(): number {
    this.#breaths++
    return this.#loop.breathe()
  }

  /** Copies what is counted in private to where the main thread reads it. */
  publish(): void {
    const { counters, outbox } = this.#port
    const memory = this.#memory
    memory.set('frames', this.#loop.frames)
    memory.set('breaths', this.#breaths)
    memory.set('tick', this.#director.balancer.tick)
    memory.set('ringDrops', counters.ringDrops)
    memory.set('sendErrors', counters.sendErrors)
    memory.set('ownFrames', this.#director.resolver.sent)
    memory.set('heldFrames', this.#director.resolver.held.count)
    memory.set('outboxOverflows', outbox.overflows)
    const { dropper, sysctls } = this.#director.balancer
    memory.set('entriesDropped', dropper.dropped)
    memory.set('dropEntry', sysctls.drop_entry)
    memory.set('dropPacket', sysctls.drop_packet)
    memory.set('secureTcp', sysctls.secure_tcp)
    memory.set('aliveMs', performance.now() - this.#startedAt)
    memory.set('ringOccupancy', this.#port.occupancy?.() ?? -1)
  }

  /** Carries out an order; what it reports beside being done. */
  obey(order: Order): Findings {
    const director = this.#director
    director.begin(performance.now())
    switch (order.do) {
      case 'rules':
        for (const rule of order.rules) director.apply(rule)
        break
      case 'ways':
        for (const [arm, own] of order.own.entries()) director.resolver.setOwnAddresses(arm, own)
        director.setRoutes(order.routes)
        break
      case 'add-vips':
        director.addVips(order.vips)
        break
      case 'remove-vips':
        director.removeVips(order.vips)
        break
      case 'serve':
        this.#port.serve(order.served, order.shared, order.share)
        break
      case 'announce':
        director.announce()
        break
      case 'trace':
        this.#trace(order.traces)
        break
      case 'neighbours':
        return { neighbours: this.#neighbours() }
      case 'next':
        return { choice: nextChoice(this.#rules, order.question) }
      case 'stop':
        this.isStopped = true
        this.#port.close()
    }
    return {}
  }

  #trace(traces: readonly TraceOrder[]): void {
    const epoch = Date.now() - performance.now()
    const isWanted = traces.length > 0
    this.#memory.set('traces', traces.length)
    const tap = isWanted ? new TraceTap(traces, this.#traced, this.#director, epoch) : null
    this.#loop.tap = tap
  }

  #neighbours(): NeighbourReport[] {
    const { neighbours } = this.#director
    const reports: NeighbourReport[] = []
    for (let n = 0; n < neighbours.highWater; n++) {
      const state = STATE_NAMES[neighbours.state(n)]
      if (state === undefined) continue
      const family = neighbours.family(n) === 4 ? 4 : 6
      const word = (i: number) => neighbours.address(n, i)
      const address =
        family === 4 ? formatIpv4(word(0)) : formatIpv6(word(0), word(1), word(2), word(3))
      const mac = neighbours.isUsable(n)
        ? formatMac(neighbours.macHigh[n], neighbours.macLow[n])
        : null
      reports.push({ arm: neighbours.arm[n], family, address, state, mac })
    }
    return reports
  }
}

function openPort(start: WorkerStart): Port {
  const { engine, interfaces, wakeFds, busyPollMicroseconds, index, plan, memories } = start
  const wakeFd = wakeFds[index]
  if (engine !== 'af_xdp') return openAfPacket({ interfaces, wakeFd })
  if (plan !== undefined) return joinAfXdp(plan, index, { wakeFd, wakeFds })
  const workers = memories.length
  return openAfXdp({ interfaces, wakeFd, wakeFds, workers, busyPollMicroseconds })
}

/** In a thread: the loop has the thread for itself and looks for orders between breaths. */
function runThread(channel: MessagePort, start: WorkerStart): void {
  const port = openPort(start)
  const engine = new Engine(start, port)
  const { modes = [] } = port
  const isFirst = port instanceof AfXdpPort && start.plan === undefined
  report(channel, isFirst ? { kind: 'ready', modes, plan: port.plan } : { kind: 'ready', modes })
  const spin = new Spin()
  let nextLook = 0
  let before = performance.now()
  let lastBusy = before
  let lastOrder = before
  while (!engine.isStopped) {
    const frames = engine.breathe()
    const now = performance.now()
    if (frames > 0 || engine.isBehind) lastBusy = now
    const isIdle = now - lastBusy > spin.ms
    engine.meter.breath(now - before, frames)
    before = now
    if (isIdle || now >= nextLook) {
      nextLook = now + TICK_INTERVAL_MS
      engine.publish()
      // One order, a breath, the next one: a list of 100,000 rules comes in many, and frames go on.
      const got = receiveMessageOnPort(channel)
      if (got !== undefined) {
        const { id, order } = got.message as Request
        report(channel, { kind: 'done', id, ...engine.obey(order) })
        nextLook = now
        lastOrder = now
        continue
      }
      if (isIdle && !engine.isStopped) {
        engine.meter.gap(performance.now() - now)
        const isLong = now - Math.max(lastBusy, lastOrder) > LONG_IDLE_MS
        port.wait(isLong ? LONG_IDLE_WAIT_MS : IDLE_WAIT_MS)
        before = performance.now()
        spin.slept(before - now)
      }
    }
  }
}

function report(channel: MessagePort, message: Report): void {
  channel.postMessage(message)
}

/** In a process of its own: frames and orders are events of its main thread. */
async function runProcess(send: (message: Report) => void): Promise<void> {
  const { openLibpcap } = await import('../port/libpcap.js')
  let engine: Engine | null = null
  process.on('disconnect', () => process.exit(0))
  process.on('message', (message: WorkerStart | Request) => {
    try {
      if ('order' in message) {
        send({ kind: 'done', id: message.id, ...engine?.obey(message.order) })
        if (engine?.isStopped) process.disconnect()
        return
      }
      const port: EventPort = openLibpcap({ interfaces: message.interfaces })
      const started = new Engine(message, port)
      engine = started
      const breathe = (): number => {
        const before = performance.now()
        const frames = started.breathe()
        started.meter.breath(performance.now() - before, frames)
        return frames
      }
      port.onArrival(() => {
        while (breathe() > 0);
      })
      setInterval(() => {
        breathe()
        started.publish()
      }, TICK_INTERVAL_MS)
      send({ kind: 'ready', modes: [] })
    } catch (error) {
      send({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
    }
  })
}

allowInlining()
takePrecedence()
if (parentPort !== null) runThread(parentPort, workerData as WorkerStart)
else if (process.send !== undefined) {
  // The terminal's Ctrl-C reaches the whole process group; the director decides when to stop.
  process.on('SIGINT', () => {})
  const send = process.send.bind(process)
  void runProcess((message) => send(message))
}
