/**
 * One frame through a director, with everything it meets on its way put on record. Nothing here
 * decides anything: the director does, as on any wire. What can be seen from outside is noted
 * before (connection, service, candidates, counters) and after (connection, counters, bytes), and
 * compared.
 */

import { FLAG_INACTIVE, NONE } from '../balance/connection.js'
import { STAT_CONNECTIONS } from '../balance/destination.js'
import { serviceText } from '../balance/judge.js'
import { SCTP_STATES } from '../balance/sctp-state.js'
import { SERVICE_ONE_PACKET } from '../balance/service.js'
import { TCP_STATES } from '../balance/tcp-state.js'
import { TICK_MS } from '../balance/timer-wheel.js'
import { candidatesOf, choiceOf, cluesOf, realserverText } from '../control/choice.js'
import { HOP_LOCAL } from '../engine/director-state.js'
import { Outbox } from '../engine/port.js'
import { DESTINATION_GONE, ENDINGS, NO_DESTINATION, type Verdict } from '../engine/verdict.js'
import { LARGEST_FRAME } from '../port/captured-frame.js'
import { MemoryPort } from '../port/memory.js'
import { formatMac } from '../wire/address.js'
import { describe } from '../wire/describe.js'
import * as ethernet from '../wire/ethernet.js'
import * as ipv4 from '../wire/ipv4.js'
import { destinationByMac, type Found, findConnection } from './connection-of.js'
import type {
  ExplainedChange,
  ExplainedConnection,
  ExplainedLayer,
  ExplainedLookup,
  Explanation,
} from './explanation.js'
import { addressText, type Flow, flowText, frameText, quotedFlow, readFlow } from './flow.js'
import { Ledger } from './ledger.js'
import { OfflineDirector, type OfflineOptions } from './offline-director.js'
import { DEFAULT_MTU, type Mac, macText, offlineArm } from './surroundings.js'

export interface ExplainerOptions extends OfflineOptions {
  readonly directorMac: Mac
  /** MTU of the arm in bytes; matters in kernel mode. */
  readonly mtu?: number
}

/** Takes frames of any length, and has room for answers as the ports of a running director have. */
class OneFramePort extends MemoryPort {
  override readonly outbox = new Outbox(new ArrayBuffer(64 * 2048), 64, 2048)
}

export class Explainer {
  readonly offline: OfflineDirector
  readonly #port: OneFramePort
  readonly #options: ExplainerOptions

  /** @throws RefusedRule */
  constructor(options: ExplainerOptions) {
    const arms = [offlineArm(options.directorMac, options.mtu ?? DEFAULT_MTU)]
    this.#port = new OneFramePort({ arms, slots: 1, slotBytes: LARGEST_FRAME, batch: 1 })
    this.#options = options
    this.offline = new OfflineDirector(this.#port, options)
  }

  /** Lets a frame pass that came at `timestampMs`; what became of it. */
  play(bytes: Uint8Array, timestampMs: number): Verdict {
    this.offline.advanceTo(timestampMs)
    this.#port.sent.length = 0
    this.#port.verdicts.length = 0
    this.#port.inject(bytes)
    this.offline.breathe()
    return this.#port.verdicts[0]
  }

  /** The frame that was played last, as it left; nothing, if it did not leave. */
  get left(): Uint8Array {
    const sent = this.#port.sent.find((frame) => frame.origin === 'forwarded')
    return sent?.bytes ?? new Uint8Array(0)
  }

  explain(bytes: Uint8Array, timestampMs: number): Explanation {
    this.offline.advanceTo(timestampMs)
    const { book, director, loop } = this.offline
    const { balancer } = director
    const view = viewOf(bytes)
    const flow = readFlow(view, 0, bytes.length)
    const related = flow === null ? null : quotedFlow(view, flow)
    const asked = related ?? flow
    const before = asked === null ? null : findConnection(balancer, asked)
    const connectionBefore = before === null ? null : this.#connection(before)
    const matched = flow === null ? NONE : this.#service(flow)
    const standing = {
      candidates: matched === NONE ? [] : candidatesOf(book, matched),
      omitted: 0,
      clues: matched === NONE ? [] : cluesOf(book, matched),
    }
    const templates = balancer.templates.count
    const connections = this.#connectionsEver()
    const ledger = new Ledger(book, loop.counts)

    const verdict = this.play(bytes, timestampMs)

    const isOpened = this.#connectionsEver() > connections
    const after = asked === null ? null : findConnection(balancer, asked)
    const destination = this.#destinationOf(before, after, isOpened, matched)
    const isChosen = isOpened || verdict === NO_DESTINATION
    const choice = isChosen
      ? choiceOf(book, matched, standing, isOpened ? destination : NONE, {
          isByTemplate: balancer.chosenTemplate !== NONE && balancer.templates.count === templates,
        })
      : null
    const sent = this.#port.sent.find((frame) => frame.origin === 'forwarded')
    const served =
      destination >= 0 || sent === undefined
        ? destination
        : destinationByMac(director, viewOf(sent.bytes))
    const service = this.#serviceOf(matched, served)
    const { name, action, sentence } = ENDINGS[verdict]
    return {
      frame: frameText(view, 0, bytes.length),
      hexBefore: hexOf(bytes),
      hexAfter: sent === undefined ? null : hexOf(sent.bytes),
      mode: this.#options.mode,
      directorMac: macText(this.#options.directorMac),
      layers: layersOf(bytes),
      isForDirector: bytes.length >= ethernet.HEADER_BYTES && director.isOurs(0, view, 0),
      destination: flow === null ? null : this.#destination(flow),
      connection:
        asked === null || asked.ports === null
          ? null
          : {
              key: flowText(asked),
              isRelated: related !== null,
              before: connectionBefore,
              after: after === null ? null : this.#connection(after),
              outcome: outcomeOf(before, after, isOpened, connectionBefore, verdict),
            },
      service,
      choice,
      realserver: served < 0 ? null : this.#realserver(served),
      isPacketUnchanged: sent === undefined ? null : isPacketSame(bytes, sent.bytes),
      changes: sent === undefined ? [] : changesOf(bytes, sent.bytes),
      counters: ledger.changes(),
      answers: this.#port.sent
        .filter((frame) => frame.origin === 'own')
        .map(({ bytes: own }) => ({
          summary: frameText(viewOf(own), 0, own.length),
          hex: hexOf(own),
          layers: layersOf(own),
        })),
      verdict: { name, action, sentence },
    }
  }

  #connectionsEver(): number {
    const { services } = this.offline.director.balancer
    return services.statistic(services.capacity, STAT_CONNECTIONS)
  }

  #connection({ table, slot }: Found): ExplainedConnection {
    const { book, director } = this.offline
    const protocol = table.protocol(slot)
    const destination = table.destination(slot)
    return {
      state: stateName(protocol, table.state(slot)),
      isActive: !table.hasFlag(slot, FLAG_INACTIVE),
      realserver: destination === NONE ? 'none' : realserverText(book, destination),
      expires: Math.max(
        0,
        Math.floor(((table.due(slot) - director.balancer.tick) * TICK_MS) / 1000),
      ),
      packets: table.packets(slot),
    }
  }

  /** The service that the rules have for this packet, if it came without a connection. */
  #service(flow: Flow): number {
    if (flow.ports === null) return NONE
    const [w0, w1, w2, w3] = flow.destination
    const { services, marks, flow: asked } = this.offline.director.balancer
    const port = flow.ports & 0xffff
    asked.family = flow.family
    asked.protocol = flow.protocol
    asked.client.set(flow.source)
    asked.vip.set(flow.destination)
    asked.vipPort = port
    asked.clientPort = flow.ports >>> 16
    const mark = marks.of(asked)
    return services.match(flow.family, flow.protocol, w0, w1, w2, w3, port, mark)
  }

  #serviceOf(matched: number, destination: number): Explanation['service'] {
    const { book, director } = this.offline
    const owner = destination < 0 ? NONE : director.balancer.destinations.service(destination)
    const slot = owner === NONE ? matched : owner
    const key = slot === NONE ? undefined : book.serviceKeys[slot]
    const settings = slot === NONE ? undefined : book.serviceSettings[slot]
    if (key === undefined || settings === undefined) return null
    return { key: serviceText(key), scheduler: settings.scheduler, persistent: settings.persistent }
  }

  #destinationOf(
    before: Found | null,
    after: Found | null,
    isOpened: boolean,
    service: number,
  ): number {
    const { balancer, lastDestination } = this.offline.director
    if (after !== null) return after.table.destination(after.slot)
    const isOnePacket = service !== NONE && balancer.services.hasFlag(service, SERVICE_ONE_PACKET)
    if (isOpened && isOnePacket) return lastDestination
    return before === null ? NONE : before.table.destination(before.slot)
  }

  #realserver(destination: number): NonNullable<Explanation['realserver']> {
    const { book, director } = this.offline
    const address = book.destinationNames[destination]?.address ?? ''
    const hop = director.hops[destination]
    if (hop < 0) return { address, mac: null, origin: hop === HOP_LOCAL ? 'itself' : null }
    const { macHigh, macLow } = director.neighbours
    return {
      address,
      mac: formatMac(macHigh[hop], macLow[hop]),
      origin: this.offline.macOrigin(hop),
    }
  }

  #destination(flow: Flow): NonNullable<Explanation['destination']> {
    const [w0, w1, w2, w3] = flow.destination
    const isVip = this.offline.director.vips.find(flow.family, w0, w1, w2, w3) >= 0
    return { address: addressText(flow.family, flow.destination), isVip }
  }
}

function outcomeOf(
  before: Found | null,
  after: Found | null,
  isOpened: boolean,
  connectionBefore: ExplainedConnection | null,
  verdict: Verdict,
): ExplainedLookup['outcome'] {
  if (isOpened) {
    if (after === null) return 'one-packet'
    return before === null ? 'created' : 'replaced'
  }
  if (before === null || connectionBefore === null) return 'none'
  const isCounted = before.table.packets(before.slot) !== connectionBefore.packets
  return isCounted || verdict === DESTINATION_GONE ? 'hit' : 'passed over'
}

function stateName(protocol: number, state: number): string {
  if (protocol === ipv4.PROTO_TCP) return TCP_STATES[state] ?? String(state)
  if (protocol === ipv4.PROTO_SCTP) return SCTP_STATES[state] ?? String(state)
  return 'UDP'
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function layersOf(bytes: Uint8Array): ExplainedLayer[] {
  return describe(viewOf(bytes), 0, bytes.length).map((layer) => ({
    name: layer.name,
    bytes: layer.bytes,
    fields: layer.fields.map(({ name, value }) => ({ name, value })),
  }))
}

/** The fields that were written, as they were and as they are. */
function changesOf(before: Uint8Array, after: Uint8Array): ExplainedChange[] {
  const then = describe(viewOf(before), 0, before.length)
  const now = describe(viewOf(after), 0, after.length)
  return then.flatMap((layer, l) =>
    layer.fields.flatMap((field, f) => {
      const value = now[l]?.fields[f]?.value ?? ''
      if (value === field.value) return []
      return [{ layer: layer.name, field: field.name, before: field.value, after: value }]
    }),
  )
}

/** Whether all behind the MAC addresses left byte for byte as it came. */
function isPacketSame(before: Uint8Array, after: Uint8Array): boolean {
  if (before.length !== after.length) return false
  return before.every((byte, i) => i < ethernet.TYPE_OFFSET || byte === after[i])
}
