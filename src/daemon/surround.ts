/**
 * Keeps what is around the rules in step with them: the VIPs, the ways, the port's filter, the
 * guard. Only what has changed is sent, in pieces that a worker takes between two breaths: one more
 * service among thousands must neither cost as much as all of them, nor stop the frames.
 */
import type { RuleBook } from '../balance/apply.js'
import type { Vip } from '../link/vips.js'
import type { GrainSize } from './grain.js'
import type { Guard } from './guard.js'
import type { Order } from './messages.js'
import type { Network } from './network.js'
import { servedBy, sharedWithKernel } from './served.js'

/** VIPs in an order: some hundred microseconds of a worker. */
const VIPS_PER_ORDER = 128
/** New addresses that a port is told of at a time: AF_XDP makes a system call for each. */
const SERVED_PER_ORDER = 256

interface Known {
  readonly vip: Vip
  readonly flags: string
}

export class Surround {
  readonly #network: Network
  readonly #guard: Guard | null
  readonly #isAnnounced: boolean
  readonly #send: (order: Order) => Promise<unknown>
  #vips = new Map<string, Known>()
  #ways = ''
  #filter = ''
  #served: ReadonlySet<string> = new Set()

  constructor(
    network: Network,
    guard: Guard | null,
    isAnnounced: boolean,
    send: (order: Order) => Promise<unknown>,
  ) {
    this.#network = network
    this.#guard = guard
    this.#isAnnounced = isAnnounced
    this.#send = send
  }

  /** Resolves when the worker has taken over what follows from the rules. */
  async update(book: RuleBook, grain: GrainSize): Promise<void> {
    const { vips: served, services } = servedBy(book)
    const network = this.#network
    // First the own kernel is silenced, then frames are taken: no frame is answered twice.
    const guarded = network.guarded(served, services, this.#isAnnounced)
    this.#guard?.update(guarded)
    const orders = [...this.#wayOrders(served), ...this.#vipOrders(served)]
    const shared = sharedWithKernel(guarded)
    const filter = JSON.stringify([served, shared, grain])
    if (filter !== this.#filter) {
      for (const part of growing(this.#served, served, SERVED_PER_ORDER)) {
        orders.push({ do: 'serve', served: part, shared, grain })
      }
    }
    this.#filter = filter
    this.#served = new Set(served)
    await Promise.all(orders.map((order) => this.#send(order)))
  }

  *#wayOrders(served: readonly string[]): Generator<Order> {
    const ways = { routes: this.#network.routes(), own: this.#network.own(served) }
    const text = JSON.stringify(ways)
    if (text === this.#ways) return
    this.#ways = text
    yield { do: 'ways', ...ways }
  }

  #vipOrders(served: readonly string[]): Order[] {
    const before = this.#vips
    const now = new Map<string, Known>()
    const added: Vip[] = []
    for (const address of served) {
      const isLocal = this.#network.isLocal(address)
      const flags = `${isLocal}`
      const known = before.get(address)
      if (known?.flags === flags) {
        now.set(address, known)
        continue
      }
      const [vip] = this.#network.vips([address], this.#isAnnounced)
      if (vip === undefined) continue
      now.set(address, { vip, flags })
      added.push(vip)
    }
    const removed = [...before].flatMap(([address, { vip }]) => (now.has(address) ? [] : [vip]))
    this.#vips = now
    return [
      ...inPieces(added, VIPS_PER_ORDER).map((vips): Order => ({ do: 'add-vips', vips })),
      ...inPieces(removed, VIPS_PER_ORDER).map((vips): Order => ({ do: 'remove-vips', vips })),
    ]
  }
}

/** Lists that lead from `before` to `after`, each with at most `size` new ones. */
export function growing(
  before: ReadonlySet<string>,
  after: readonly string[],
  size: number,
): (readonly string[])[] {
  const fresh = after.filter((each) => !before.has(each))
  if (fresh.length <= size) return [after]
  const kept = after.filter((each) => before.has(each))
  const steps = Array.from({ length: Math.ceil(fresh.length / size) - 1 }, (_, k) => [
    ...kept,
    ...fresh.slice(0, (k + 1) * size),
  ])
  return [...steps, after]
}

export function inPieces<T>(list: readonly T[], size: number): T[][] {
  const pieces: T[][] = []
  for (let at = 0; at < list.length; at += size) pieces.push(list.slice(at, at + size))
  return pieces
}
