/**
 * The workers of a director, as one: each has its own port, tables and thread, takes its share of
 * the frames (`port/share.ts`), and hears every order. An order is done when all have carried it
 * out; if one ends, all end.
 */

import { parseAddress } from '../balance/address.js'
import type { ExplainedChoice, NextQuestion } from '../control/choice.js'
import type { LoopTimes } from '../control/listing.js'
import { Live } from '../control/live.js'
import type { ArmMode, Share } from '../engine/port.js'
import { TraceReader } from '../engine/trace-ring.js'
import { Wakeup } from '../native/eventfd.js'
import { workerOf } from '../port/share.js'
import { EngineHandle, type EngineOptions, makeMemory } from './engine-handle.js'
import { loopTimes, sumOfLoops } from './loop-meter.js'
import type { CellName } from './memory.js'
import type { Findings, NeighbourReport, Order } from './messages.js'

/** Numbers of the engine that say how a worker stands: of several the greatest is shown. */
const NOT_SUMMED: readonly CellName[] = [
  'tick',
  'aliveMs',
  'dropEntry',
  'dropPacket',
  'secureTcp',
  'ringOccupancy',
  'traces',
]

export class Workers {
  /** What they have made of the rules. */
  readonly live: Live
  /** Settles when the first of them has gone: with nothing if it was told to stop. */
  readonly gone: Promise<Error | undefined>
  readonly #handles: readonly EngineHandle[]
  readonly #wakeups: readonly Wakeup[]

  private constructor(handles: readonly EngineHandle[], wakeups: readonly Wakeup[]) {
    this.#handles = handles
    this.#wakeups = wakeups
    const ticks = (i: number) => handles[i].memory.get('tick')
    this.live = new Live(
      handles.map(({ tables }) => tables),
      ticks,
    )
    this.gone = Promise.race(handles.map(({ gone }) => gone))
  }

  /** Starts `count` workers, and waits until all have opened their ports. */
  static async start(count: number, options: EngineOptions): Promise<Workers> {
    const limits = shareOf(options.limits, count)
    const all = { ...options, limits }
    const memories = Array.from({ length: count }, () => makeMemory(all))
    const isProcess = options.engine === 'libpcap'
    const wakeups = isProcess ? [] : Array.from({ length: count }, () => new Wakeup())
    const company = { options: all, memories, wakeups }
    const handles: EngineHandle[] = []
    try {
      // The first one opens what the others need, if anything; or says what is missing here.
      const first = await EngineHandle.start(company, 0)
      handles.push(first)
      const others = memories.slice(1).map((_, i) => EngineHandle.start(company, i + 1, first.plan))
      const started = await Promise.allSettled(others)
      for (const each of started) if (each.status === 'fulfilled') handles.push(each.value)
      for (const each of started) if (each.status === 'rejected') throw each.reason
      return new Workers(handles, wakeups)
    } catch (error) {
      await stopAll(handles)
      for (const wakeup of wakeups) wakeup.close()
      // Nobody has seen the tables: another engine may be tried, with memory of its own.
      for (const memory of memories) memory.close()
      throw error
    }
  }

  get count(): number {
    return this.#handles.length
  }

  /** How frames are taken here, where that depends on the machine; empty if it doesn't. */
  get modes(): readonly ArmMode[] {
    return this.#handles[0].modes
  }

  async order(order: Order): Promise<void> {
    await this.#each((index) => (this.count === 1 ? order : this.#partOf(order, index)))
  }

  /** What an order to all says to one: its share, and that the first alone speaks for the VIPs. */
  #partOf(order: Order, index: number): Order {
    const { count } = this
    if (order.do === 'serve') return { ...order, share: { index, count, ...order.grain } }
    if (order.do === 'trace') {
      return { ...order, traces: order.traces.map((t) => ({ ...t, rate: t.rate / count })) }
    }
    if (order.do !== 'add-vips' || index === 0) return order
    return { ...order, vips: order.vips.map((vip) => ({ ...vip, announced: false })) }
  }

  async announce(): Promise<void> {
    await this.#handles[0].order({ do: 'announce' })
  }

  /** Each has its own neighbours; where they differ, one that has a MAC address is told. */
  async neighbours(): Promise<NeighbourReport[]> {
    const known = new Map<string, NeighbourReport>()
    for (const { neighbours } of await this.#each(() => ({ do: 'neighbours' }))) {
      for (const report of neighbours ?? []) {
        const key = `${report.arm} ${report.address}`
        if ((known.get(key)?.mac ?? null) === null) known.set(key, report)
      }
    }
    return [...known.values()]
  }

  /** Whom the worker of this client would choose; each knows its own clients. */
  async next(
    question: NextQuestion,
    grain: Pick<Share, 'mask4' | 'prefix6'>,
  ): Promise<ExplainedChoice | null> {
    const { family, words } = parseAddress(question.client) ?? { family: 4, words: [0] }
    const { count } = this
    const key = family === 4 ? [words[0]] : words
    const handle = this.#handles[workerOf(key, { ...grain, count })]
    return (await handle.order({ do: 'next', question })).choice ?? null
  }

  /** Readers of what each worker traces from now on. */
  traced(): TraceReader[] {
    return this.#handles.map(({ memory }) => new TraceReader(memory.traced))
  }

  async stop(): Promise<void> {
    await stopAll(this.#handles)
    for (const wakeup of this.#wakeups) wakeup.close()
  }

  /** Frames that ended with verdict `index`. */
  verdicts(index: number): number {
    return this.#handles.reduce((sum, { memory }) => sum + memory.counts[index], 0)
  }

  get(name: CellName): number {
    const values = this.#handles.map(({ memory }) => memory.get(name))
    return NOT_SUMMED.includes(name)
      ? Math.max(...values)
      : values.reduce((sum, value) => sum + value)
  }

  get loop(): LoopTimes {
    return loopTimes(sumOfLoops(this.#handles.map(({ memory }) => memory.loop)))
  }

  /** Frames of each worker. */
  get frames(): number[] {
    return this.#handles.map(({ memory }) => memory.get('frames'))
  }

  #each(order: (index: number) => Order): Promise<Findings[]> {
    return Promise.all(this.#handles.map((handle, i) => handle.order(order(i))))
  }
}

/** The first one last: the others may stand on what it has opened. */
async function stopAll([first, ...others]: readonly EngineHandle[]): Promise<void> {
  await Promise.all(others.map((handle) => handle.stop()))
  await first?.stop()
}

/** All have all services and destinations; connections are divided among them. */
function shareOf(limits: EngineOptions['limits'], count: number): EngineOptions['limits'] {
  const part = (whole: number) => Math.ceil(whole / count)
  return {
    ...limits,
    connections4: part(limits.connections4),
    connections6: part(limits.connections6),
    templates: part(limits.templates),
  }
}
