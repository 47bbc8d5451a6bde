/**
 * How the model chooses: each scheduler in the fewest words, over plain objects. Written from the
 * semantics reference; only the schedulers without a hash.
 */
export interface ModelDestination {
  readonly n: number
  weight: number
  upper: number
  lower: number
  isOver: boolean
  isAvailable: boolean
}

export interface ModelPool {
  /** The last added first. */
  list: ModelDestination[]
  active(destination: ModelDestination): number
  total(destination: ModelDestination): number
  /** What an active connection costs, where an inactive one costs 1. */
  readonly activeCost: number
}

export abstract class ModelScheduler {
  protected readonly pool: ModelPool

  constructor(pool: ModelPool) {
    this.pool = pool
  }

  abstract choose(): ModelDestination | null

  /** A destination was added or edited. */
  changed(): void {}

  /** A destination was taken out of the list, from this place. */
  removed(_destination: ModelDestination, _place: number): void {}

  protected get eligible(): ModelDestination[] {
    return this.pool.list.filter((each) => each.weight > 0 && !each.isOver)
  }
}

/** The first of those with the least cost. */
function cheapest(list: ModelDestination[], cost: (d: ModelDestination) => number) {
  let best: ModelDestination | null = null
  for (const each of list) if (best === null || cost(each) < cost(best)) best = each
  return best
}

class RoundRobin extends ModelScheduler {
  #cursor: ModelDestination | null = null

  choose(): ModelDestination | null {
    const { list } = this.pool
    const place = this.#cursor === null ? -1 : list.indexOf(this.#cursor)
    const around = this.#cursor === null ? [] : list.slice(0, place + 1)
    const next = [...list.slice(place + 1), ...around].find((d) => this.eligible.includes(d))
    if (next !== undefined) this.#cursor = next
    return next ?? null
  }

  override removed(destination: ModelDestination, place: number): void {
    if (this.#cursor === destination) this.#cursor = this.pool.list[place - 1] ?? null
  }
}

class WeightedRoundRobin extends ModelScheduler {
  #cursor: ModelDestination | null = null
  #level = 0
  #step = 1
  #most = 0

  override changed(): void {
    const weights = this.pool.list.map(({ weight }) => weight).filter((weight) => weight > 0)
    const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
    this.#step = weights.reduce(gcd, 0) || 1
    this.#most = Math.max(0, ...weights) - (this.#step - 1)
    this.#cursor = null
    if (this.#level > this.#most || this.#level === 0) this.#level = this.#most
    else if (this.#step > 1) this.#level = Math.trunc(this.#level / this.#step) * this.#step + 1
  }

  override removed(): void {
    this.changed()
  }

  choose(): ModelDestination | null {
    if (this.#most === 0) return null
    const { list } = this.pool
    const start = this.#cursor
    let stop: ModelDestination | null = null
    let isLast = false
    let wrapped = false
    for (;;) {
      const place = this.#cursor === null ? -1 : list.indexOf(this.#cursor)
      for (const each of list.slice(place + 1)) {
        const isGood = !each.isOver && each.weight >= this.#level
        if (isGood || each === stop) {
          this.#cursor = each
          return isGood ? each : null
        }
      }
      this.#cursor = null
      this.#level -= this.#step
      if (this.#level <= 0) {
        this.#level = this.#most
        if (isLast || start === null) return null
        wrapped = true
      }
      isLast = this.#level <= this.#step
      if (isLast && wrapped && start !== null) stop = start
    }
  }
}

class LeastConnection extends ModelScheduler {
  choose(): ModelDestination | null {
    return cheapest(this.eligible, (each) => this.overhead(each))
  }

  protected overhead(each: ModelDestination): number {
    const active = this.pool.active(each)
    return this.pool.activeCost * active + (this.pool.total(each) - active)
  }
}

class WeightedLeastConnection extends LeastConnection {
  override choose(): ModelDestination | null {
    return cheapest(this.eligible, (each) => this.overhead(each) / each.weight)
  }
}

class ShortestExpectedDelay extends ModelScheduler {
  choose(): ModelDestination | null {
    return cheapest(this.eligible, (each) => (this.pool.active(each) + 1) / each.weight)
  }
}

class NeverQueue extends ShortestExpectedDelay {
  override choose(): ModelDestination | null {
    return this.eligible.find((each) => this.pool.active(each) === 0) ?? super.choose()
  }
}

class Failover extends ModelScheduler {
  choose(): ModelDestination | null {
    return cheapest(this.eligible, (each) => -each.weight)
  }
}

class Overflow extends ModelScheduler {
  choose(): ModelDestination | null {
    const room = this.eligible.filter((each) => this.pool.active(each) <= each.weight)
    return cheapest(room, (each) => -each.weight)
  }
}

const KINDS: Record<string, new (pool: ModelPool) => ModelScheduler> = {
  rr: RoundRobin,
  wrr: WeightedRoundRobin,
  lc: LeastConnection,
  wlc: WeightedLeastConnection,
  sed: ShortestExpectedDelay,
  nq: NeverQueue,
  fo: Failover,
  ovf: Overflow,
}

export const MODEL_SCHEDULERS = Object.keys(KINDS)

export function makeModelScheduler(name: string, pool: ModelPool): ModelScheduler {
  const Kind = KINDS[name] as new (pool: ModelPool) => ModelScheduler
  return new Kind(pool)
}
