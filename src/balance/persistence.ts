/**
 * Persistence: the connections of a client go where its first one went (`ip_vs_sched_persist`).
 * What is remembered is a template; which connections share one is a matter of its key:
 *
 *   packet to the service's own port        client & mask, VIP, port
 *   service with port 0, or FTP's           client & mask, VIP, 0
 *   service by firewall mark                client & mask, the mark: all protocols and ports
 */
import { NONE } from './connection.js'
import type { DestinationTable } from './destination.js'
import type { Flow } from './scheduler.js'
import { FTP_PORT, type ServiceTable } from './service.js'
import type { Sysctls } from './sysctl.js'
import { TemplateKey, type TemplateTable } from './template.js'
import { type Expirer, TICKS_PER_S } from './timer-wheel.js'

/** A template that is still needed when its time is up stays this much longer, again and again. */
const PROLONG_TICKS = 60 * TICKS_PER_S

export class Persistence implements Expirer {
  /** The tick of the current breath. */
  tick = 0
  readonly #services: ServiceTable
  readonly #destinations: DestinationTable
  readonly #templates: TemplateTable
  readonly #sysctls: Sysctls
  readonly #key = new TemplateKey()

  constructor(
    services: ServiceTable,
    destinations: DestinationTable,
    templates: TemplateTable,
    sysctls: Sysctls,
  ) {
    this.#services = services
    this.#destinations = destinations
    this.#templates = templates
    this.#sysctls = sysctls
  }

  /** The template that decides for this flow, or NONE. One that no longer holds is put aside. */
  find(service: number, flow: Flow): number {
    this.#fillKey(service, flow)
    const template = this.#templates.find(this.#key)
    if (template === NONE || this.#isValid(template)) return template
    this.#templates.invalidate(template)
    return NONE
  }

  /** What `find` would say; changes nothing. */
  peek(service: number, flow: Flow): number {
    this.#fillKey(service, flow)
    const template = this.#templates.find(this.#key)
    return template !== NONE && this.#isValid(template) ? template : NONE
  }

  /** A template for the flow of the last `find`; NONE if there is no room. */
  remember(service: number, destination: number): number {
    const timeout = this.#services.timeout(service) * TICKS_PER_S
    const due = (this.tick + timeout) | 0
    const template = this.#templates.insert(this.#key, destination, timeout, due)
    if (template !== NONE) this.#destinations.addPersistent(destination, 1)
    return template
  }

  /** A connection was opened under this template: it is needed, for its full time. */
  control(template: number): void {
    this.#templates.addControls(template, 1)
    const due = (this.tick + this.#templates.timeout(template)) | 0
    this.#templates.wheel.reschedule(template, due)
  }

  /** A connection under this template has ended. */
  release(template: number): void {
    this.#templates.addControls(template, -1)
  }

  expire(template: number): void {
    const templates = this.#templates
    if (templates.controls(template) > 0) {
      templates.setTimeout(template, PROLONG_TICKS)
      templates.wheel.file(template, (this.tick + PROLONG_TICKS) | 0)
      return
    }
    this.#destinations.addPersistent(templates.destination(template), -1)
    templates.remove(template)
  }

  #isValid(template: number): boolean {
    const destination = this.#templates.destination(template)
    if (!this.#destinations.isAvailable(destination)) return false
    return (
      this.#sysctls.expire_quiescent_template === 0 || this.#destinations.weight(destination) !== 0
    )
  }

  #fillKey(service: number, flow: Flow): void {
    const services = this.#services
    const key = this.#key
    const mask = services.netmask(service)
    key.family = flow.family
    for (let i = 0; i < 4; i++) {
      const bits = Math.min(32, Math.max(0, mask - 32 * i))
      const wordMask = flow.family === 4 ? mask : bits === 0 ? 0 : -1 << (32 - bits)
      key.words[i] = flow.client[i] & wordMask
      key.words[4 + i] = flow.vip[i]
    }
    const port = services.port(service)
    key.protocol = flow.protocol
    key.vport = 0
    if (services.fwmark(service) !== 0) {
      key.protocol = 0
      key.words.fill(0, 4)
      key.words[4] = services.fwmark(service)
    } else if (flow.vipPort === port && port !== FTP_PORT) {
      key.vport = port
    }
  }
}
