/**
 * The director once more, slow and obvious: maps, objects and text, written from the semantics
 * reference and from nothing else. Only what model.test.ts drives: IPv4, TCP and UDP, rr, wrr, lc
 * and wlc, weights, thresholds (as 6.1.176), destinations that go and come back.
 */
const STATES = ['NO', 'ES', 'SS', 'SR', 'FW', 'TW', 'CL', 'CW', 'LA', 'LI', 'SA'] as const
type State = (typeof STATES)[number]

/** From a state, on SYN, FIN, ACK, RST. */
const NEXT: Record<string, string> = {
  NO: 'SR CL ES CL',
  ES: 'ES FW ES CL',
  SR: 'SR TW ES SR',
  FW: 'SR FW FW CL',
  TW: 'SR TW TW CL',
  CL: 'SR CL CL CL',
}
const TIMEOUT_S: Record<string, number> = { ES: 900, SR: 60, FW: 120, TW: 120, CL: 10 }
const UDP_TIMEOUT_S = 300
const ACTIVE = ['ES', 'SS', 'SR', 'SA']

export interface ModelPacket {
  readonly protocol: 'tcp' | 'udp'
  readonly client: string
  readonly sport: number
  readonly dport: number
  /** Letters of S F A R. */
  readonly flags: string
}

interface Destination {
  readonly n: number
  weight: number
  upper: number
  isOver: boolean
  isAvailable: boolean
}

interface Connection {
  readonly key: string
  readonly destination: Destination
  state: State
  due: number
}

interface Service {
  readonly scheduler: string
  list: Destination[]
  cursor: Destination | null
  level: number
  step: number
  most: number
}

export class ModelDirector {
  readonly services = new Map<string, Service>()
  /** Every destination that ever was, by service and number. */
  readonly destinations = new Map<string, Destination>()
  /** Oldest first. */
  connections: Connection[] = []
  /** Ticks of 10 ms. */
  tick = 0

  addService(key: string, scheduler: string): boolean {
    if (this.services.has(key)) return false
    const service = { scheduler, list: [], cursor: null, level: 0, step: 1, most: 0 }
    this.services.set(key, service)
    return true
  }

  deleteService(key: string): boolean {
    for (const destination of this.services.get(key)?.list ?? []) destination.isAvailable = false
    return this.services.delete(key)
  }

  add(key: string, n: number, weight: number, upper: number): boolean {
    const service = this.services.get(key)
    if (service === undefined || service.list.some((each) => each.n === n)) return false
    const old = this.destinations.get(`${key} ${n}`)
    const destination = old ?? { n, weight, upper: 0, isOver: false, isAvailable: true }
    this.destinations.set(`${key} ${n}`, destination)
    destination.isAvailable = true
    service.list.unshift(destination)
    this.#set(service, destination, weight, upper)
    return true
  }

  edit(key: string, n: number, weight: number, upper: number): boolean {
    const service = this.services.get(key)
    const destination = service?.list.find((each) => each.n === n)
    if (service === undefined || destination === undefined) return false
    this.#set(service, destination, weight, upper)
    return true
  }

  delete(key: string, n: number): boolean {
    const service = this.services.get(key)
    const at = service?.list.findIndex((each) => each.n === n) ?? -1
    if (service === undefined || at < 0) return false
    const [destination] = service.list.splice(at, 1) as [Destination]
    destination.isAvailable = false
    if (service.scheduler === 'wrr') this.#measure(service)
    else if (service.cursor === destination) service.cursor = service.list[at - 1] ?? null
    return true
  }

  #set(service: Service, destination: Destination, weight: number, upper: number): void {
    if (upper === 0 || upper > destination.upper) destination.isOver = false
    destination.weight = weight
    destination.upper = upper
    if (service.scheduler === 'wrr') this.#measure(service)
  }

  of(destination: Destination): Connection[] {
    return this.connections.filter((each) => each.destination === destination)
  }

  active(destination: Destination): number {
    return this.of(destination).filter(({ state }) => ACTIVE.includes(state)).length
  }

  total(destination: Destination): number {
    return this.of(destination).length
  }

  /** What becomes of a packet: `forwarded 3`, or the name of another verdict. */
  packet(packet: ModelPacket): string {
    const { protocol, client, sport, dport, flags } = packet
    const key = `${protocol} ${client}:${sport} ${dport}`
    const isSyn = protocol === 'tcp' && flags.includes('S')
    let connection = this.connections.findLast((each) => each.key === key)
    if (isSyn && ['TW', 'CL'].includes(connection?.state ?? '')) {
      const isServed = (connection as Connection).destination.isAvailable || this.services.size > 0
      if (isServed) (connection as Connection).due = this.tick
      connection = undefined
    } else if (connection !== undefined && !connection.destination.isAvailable) {
      if (this.services.size > 0) return 'destination-gone'
      connection = undefined
    }
    if (connection === undefined) {
      const service = this.services.get(`${protocol} ${dport}`)
      if (service === undefined) return flags.includes('R') ? 'unanswerable' : 'no-service'
      if (protocol === 'tcp' && flags.includes('R')) return 'unanswerable'
      if (protocol === 'tcp' && !isSyn) return 'not-an-opening'
      const destination = this.#choose(service)
      if (destination === null) return 'no-destination'
      connection = { key, destination, state: 'NO', due: this.tick + 300 }
      this.connections.push(connection)
      if (destination.upper !== 0 && this.total(destination) >= destination.upper) {
        destination.isOver = true
      }
    }
    if (protocol === 'tcp') {
      const event = ['R', 'S', 'F', 'A'].find((letter) => flags.includes(letter))
      const cells = (NEXT[connection.state] as string).split(' ')
      const next = event === undefined ? 'CL' : cells['SFAR'.indexOf(event)]
      connection.state = next as State
    }
    const seconds = protocol === 'udp' ? UDP_TIMEOUT_S : (TIMEOUT_S[connection.state] as number)
    connection.due = this.tick + seconds * 100
    return `forwarded ${connection.destination.n}`
  }

  /** What is due ends. */
  expire(): void {
    for (const connection of this.connections.filter(({ due }) => due <= this.tick)) {
      this.connections = this.connections.filter((each) => each !== connection)
      const { destination } = connection
      const total = this.total(destination)
      if (destination.upper === 0 || 4 * total < 3 * destination.upper) destination.isOver = false
    }
  }

  #choose(service: Service): Destination | null {
    const { scheduler, list } = service
    if (scheduler === 'wrr') return this.#chooseWrr(service)
    const eligible = (each: Destination) => each.weight > 0 && !each.isOver
    if (scheduler === 'rr') {
      const place = service.cursor === null ? -1 : list.indexOf(service.cursor)
      const around = service.cursor === null ? [] : list.slice(0, place + 1)
      const next = [...list.slice(place + 1), ...around].find(eligible) ?? null
      if (next !== null) service.cursor = next
      return next
    }
    const cost = (each: Destination) => {
      const active = this.active(each)
      const overhead = 256 * active + (this.total(each) - active)
      return scheduler === 'lc' ? overhead : overhead / each.weight
    }
    let best: Destination | null = null
    for (const each of list.filter(eligible)) {
      if (best === null || cost(each) < cost(best)) best = each
    }
    return best
  }

  #measure(service: Service): void {
    const weights = service.list.map(({ weight }) => weight).filter((weight) => weight > 0)
    const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
    service.step = weights.reduce(gcd, 0) || 1
    service.most = Math.max(0, ...weights) - (service.step - 1)
    service.cursor = null
    if (service.level > service.most || service.level === 0) service.level = service.most
    else if (service.step > 1) {
      service.level = Math.trunc(service.level / service.step) * service.step + 1
    }
  }

  #chooseWrr(service: Service): Destination | null {
    if (service.most === 0) return null
    const { list, step, most, cursor: start } = service
    let stop: Destination | null = null
    let isLast = false
    let wrapped = false
    for (;;) {
      const place = service.cursor === null ? -1 : list.indexOf(service.cursor)
      for (const each of list.slice(place + 1)) {
        const isGood = !each.isOver && each.weight >= service.level
        if (isGood || each === stop) {
          service.cursor = each
          return isGood ? each : null
        }
      }
      service.cursor = null
      service.level -= step
      if (service.level <= 0) {
        service.level = most
        if (isLast || start === null) return null
        wrapped = true
      }
      isLast = service.level <= step
      if (isLast && wrapped && start !== null) stop = start
    }
  }
}
