/**
 * The director once more, slow and obvious: maps, objects and text, written from the semantics
 * reference and from nothing else. What model.test.ts drives: one address family at a time, TCP,
 * UDP and SCTP, the schedulers of model-schedulers.ts, weights, thresholds of both kernels,
 * persistence, destinations that go and come back, and the settings that decide about these.
 */
import {
  type ModelDestination as Destination,
  type ModelScheduler,
  makeModelScheduler,
} from './model-schedulers.js'

type Protocol = 'tcp' | 'udp' | 'sctp'

/** From a state, on SYN, FIN, ACK, RST. */
const NEXT_TCP: Record<string, string> = {
  NO: 'SR CL ES CL',
  ES: 'ES FW ES CL',
  SR: 'SR TW ES SR',
  FW: 'SR FW FW CL',
  TW: 'SR TW TW CL',
  CL: 'SR CL CL CL',
}
/** From a state, on the chunks of SCTP_EVENTS. */
const NEXT_SCTP: Record<string, string> = {
  NO: 'ES I1 ES SR CL CL CL',
  I1: 'I1 IN ES I1 IN CL CL',
  IN: 'IN IN ES IN IN CL CL',
  ES: 'ES ES ES SR CL ES CL',
  SR: 'SR SR SR SR SR CL CL',
  CL: 'CL IN CL CL CL CL CL',
}
export const SCTP_EVENTS = ['DATA', 'INIT', 'ECHO', 'SHUT', 'SHUT-ACK', 'SHUT-DONE', 'ABORT']
const TCP_TIMEOUT_S: Record<string, number> = { ES: 900, SR: 60, FW: 120, TW: 120, CL: 10 }
const SCTP_TIMEOUT_S: Record<string, number> = { ES: 900, I1: 4, IN: 61, SR: 61, CL: 61 }
const UDP_TIMEOUT_S = 300
const PROLONGED_S = 60
const ACTIVE: Record<Protocol, string[]> = { tcp: ['ES', 'SR'], udp: [], sctp: ['ES'] }

export interface ModelPacket {
  readonly protocol: Protocol
  readonly client: string
  readonly sport: number
  readonly dport: number
  /** Letters of S F A R; for SCTP one of SCTP_EVENTS. */
  readonly event: string
}

export interface ModelLimits {
  readonly weight: number
  readonly upper: number
  readonly lower: number
}

interface Connection {
  readonly key: string
  readonly protocol: Protocol
  readonly destination: Destination
  readonly template: Template | null
  state: string
  due: number
}

interface Template {
  key: string
  readonly destination: Destination
  /** Ticks that it lives after a new connection. */
  timeout: number
  due: number
}

interface Service {
  readonly scheduler: ModelScheduler
  /** Seconds; 0: not persistent. */
  readonly persistent: number
  readonly list: Destination[]
}

export class ModelDirector {
  readonly services = new Map<string, Service>()
  /** Every destination that ever was, by service and number. */
  readonly destinations = new Map<string, Destination>()
  /** Oldest first. */
  connections: Connection[] = []
  templates: Template[] = []
  /** Ticks of 10 ms. */
  tick = 0
  readonly sysctls: Record<string, number> = { conn_reuse_mode: 1 }
  readonly #isNewer: boolean
  /** What clients count as one for persistence. */
  readonly #network: (client: string) => string
  /** From then on connections without destination are looked for. */
  #sweep = Number.POSITIVE_INFINITY

  constructor(kernel = '6.1.176', network = (client: string) => client) {
    this.#isNewer = kernel === '6.1.192'
    this.#network = network
  }

  addService(key: string, scheduler: string, persistent: number): boolean {
    if (this.services.has(key)) return false
    const list: Destination[] = []
    const pool = {
      list,
      active: (each: Destination) => this.active(each),
      total: (each: Destination) => this.total(each),
      activeCost: this.#isNewer ? 257 : 256,
    }
    this.services.set(key, { scheduler: makeModelScheduler(scheduler, pool), persistent, list })
    return true
  }

  deleteService(key: string): boolean {
    const service = this.services.get(key)
    if (service === undefined) return false
    for (const { n } of [...service.list]) this.delete(key, n)
    return this.services.delete(key)
  }

  add(key: string, n: number, limits: ModelLimits): boolean {
    const service = this.services.get(key)
    if (service === undefined || service.list.some((each) => each.n === n)) return false
    const fresh = { n, weight: 0, upper: 0, lower: 0, isOver: false, isAvailable: true }
    const destination = this.destinations.get(`${key} ${n}`) ?? fresh
    this.destinations.set(`${key} ${n}`, destination)
    destination.isAvailable = true
    service.list.unshift(destination)
    this.#set(service, destination, limits)
    return true
  }

  edit(key: string, n: number, limits: ModelLimits): boolean {
    const service = this.services.get(key)
    const destination = service?.list.find((each) => each.n === n)
    if (service === undefined || destination === undefined) return false
    this.#set(service, destination, limits)
    return true
  }

  delete(key: string, n: number): boolean {
    const service = this.services.get(key)
    const at = service?.list.findIndex((each) => each.n === n) ?? -1
    if (service === undefined || at < 0) return false
    const [destination] = service.list.splice(at, 1) as [Destination]
    destination.isAvailable = false
    service.scheduler.removed(destination, at)
    if (this.sysctls.expire_nodest_conn) this.#sweep = this.tick + 1
    return true
  }

  #set(service: Service, destination: Destination, { weight, upper, lower }: ModelLimits): void {
    const before = { ...destination }
    Object.assign(destination, { weight, upper, lower })
    if (!this.#isNewer) {
      if (upper === 0 || upper > before.upper) destination.isOver = false
    } else if (upper !== before.upper || lower !== before.lower) {
      const total = this.total(destination)
      if (upper === 0 || total < this.#floor(destination)) destination.isOver = false
      else if (total >= upper) destination.isOver = true
    }
    service.scheduler.changed()
  }

  /** The newer kernel: below this one that was full takes connections again. */
  #floor({ upper, lower }: Destination): number {
    return lower !== 0 ? lower : upper - Math.floor(upper / 4)
  }

  of(destination: Destination): Connection[] {
    return this.connections.filter((each) => each.destination === destination)
  }

  active(destination: Destination): number {
    return this.of(destination).filter((each) => ACTIVE[each.protocol].includes(each.state)).length
  }

  total(destination: Destination): number {
    return this.of(destination).length
  }

  persistent(destination: Destination): number {
    return this.templates.filter((each) => each.destination === destination).length
  }

  /** What becomes of a packet: `forwarded 3`, or the name of another verdict. */
  packet(packet: ModelPacket): string {
    const { protocol, client, sport, dport, event } = packet
    const key = `${protocol} ${client}:${sport} ${dport}`
    let connection = this.connections.findLast((each) => each.key === key)
    if (connection !== undefined) {
      const standing = this.#standing(connection, packet)
      if (standing === 'gone') return 'destination-gone'
      if (standing === 'over') connection = undefined
    }
    if (connection === undefined) {
      const service = this.services.get(`${protocol} ${dport}`)
      if (service === undefined) {
        if (protocol === 'sctp') return 'protocol-unreachable'
        return event.includes('R') ? 'unanswerable' : 'no-service'
      }
      if (protocol === 'tcp' && event.includes('R')) return 'unanswerable'
      if (!this.#opens(packet)) return 'not-an-opening'
      const opened = this.#open(service, key, packet)
      if (opened === null) return 'no-destination'
      connection = opened
    }
    this.#move(connection, event)
    return `forwarded ${connection.destination.n}`
  }

  #opens({ protocol, event }: ModelPacket): boolean {
    if (protocol === 'udp') return true
    if (protocol === 'tcp') return event.includes('S') || (this.sysctls.sloppy_tcp ?? 0) !== 0
    return event === 'INIT'
  }

  #standing(connection: Connection, { protocol, event }: ModelPacket): 'live' | 'over' | 'gone' {
    const { destination, state, template } = connection
    if (!destination.isAvailable && this.services.size === 0) return 'over'
    const { conn_reuse_mode: mode = 1, expire_nodest_conn: expires = 0 } = this.sysctls
    const isOpening =
      (protocol === 'tcp' && event.includes('S')) || (protocol === 'sctp' && event === 'INIT')
    const ended = protocol === 'sctp' ? ['CL'] : mode & 2 ? ['TW', 'CL', 'FW'] : ['TW', 'CL']
    const isDrained = expires !== 0 && destination.weight === 0
    const isReused = mode !== 0 && template === null && ended.includes(state)
    if ((isOpening && (isDrained || isReused)) || (!destination.isAvailable && expires !== 0)) {
      connection.due = this.tick
      return 'over'
    }
    return destination.isAvailable ? 'live' : 'gone'
  }

  #open(service: Service, key: string, { protocol, client, dport }: ModelPacket) {
    let template: Template | null = null
    let destination: Destination | null = null
    if (service.persistent > 0) {
      template = this.#templateFor(`${protocol} ${this.#network(client)} ${dport}`, service)
      if (template === null) return null
      destination = template.destination
      template.due = this.tick + template.timeout
    } else destination = service.scheduler.choose()
    if (destination === null) return null
    const due = this.tick + 300
    const connection: Connection = { key, protocol, destination, template, state: 'NO', due }
    this.connections.push(connection)
    const total = this.total(destination)
    const { upper } = destination
    if (this.#isNewer ? total === upper : upper !== 0 && total >= upper) destination.isOver = true
    return connection
  }

  #templateFor(key: string, service: Service): Template | null {
    const known = this.templates.find((each) => each.key === key)
    if (known !== undefined) {
      const { isAvailable, weight } = known.destination
      if (isAvailable && (weight > 0 || !this.sysctls.expire_quiescent_template)) return known
      known.key = 'invalid'
    }
    const destination = service.scheduler.choose()
    if (destination === null) return null
    const timeout = service.persistent * 100
    const template = { key, destination, timeout, due: this.tick + timeout }
    this.templates.push(template)
    return template
  }

  /** State and timer. */
  #move(connection: Connection, event: string): void {
    let seconds: number | undefined = UDP_TIMEOUT_S
    if (connection.protocol === 'tcp') {
      const letter = ['R', 'S', 'F', 'A'].find((each) => event.includes(each))
      const cells = (NEXT_TCP[connection.state] as string).split(' ')
      connection.state = letter === undefined ? 'CL' : (cells['SFAR'.indexOf(letter)] as string)
      seconds = TCP_TIMEOUT_S[connection.state]
    } else if (connection.protocol === 'sctp') {
      const cells = (NEXT_SCTP[connection.state] as string).split(' ')
      connection.state = cells[SCTP_EVENTS.indexOf(event)] as string
      seconds = SCTP_TIMEOUT_S[connection.state]
    }
    connection.due = this.tick + (seconds as number) * 100
  }

  /** What is due ends: connections, then templates, then what has no destination. */
  expire(): void {
    for (const each of this.connections.filter(({ due }) => due <= this.tick)) this.#end(each)
    for (const template of this.templates.filter(({ due }) => due <= this.tick)) {
      if (this.#controls(template) > 0) {
        template.timeout = PROLONGED_S * 100
        template.due = this.tick + template.timeout
      } else this.templates = this.templates.filter((each) => each !== template)
    }
    if (this.tick < this.#sweep) return
    this.#sweep = Number.POSITIVE_INFINITY
    for (const each of this.connections.filter((c) => !c.destination.isAvailable)) this.#end(each)
    this.templates = this.templates.filter(
      (each) => each.destination.isAvailable || this.#controls(each) > 0,
    )
  }

  #controls(template: Template): number {
    return this.connections.filter((each) => each.template === template).length
  }

  #end(connection: Connection): void {
    const { destination } = connection
    const before = this.total(destination)
    this.connections = this.connections.filter((each) => each !== connection)
    const { upper, lower } = destination
    if (this.#isNewer) {
      if (before === this.#floor(destination)) destination.isOver = false
    } else {
      const total = before - 1
      if (upper === 0 || (lower !== 0 ? total < lower : 4 * total < 3 * upper)) {
        destination.isOver = false
      }
    }
  }
}
