/**
 * What `uipvs run --metrics` tells Prometheus: every name, type, label and meaning, in one list.
 * docs/metrics.md is compared with it.
 *
 * `node_ipvs_*` are those of node_exporter's ipvs collector (its names, labels, values and texts),
 * so that dashboards and alerts made for kernel IPVS go on working. `uipvs_*` are ours. How many
 * series there are is bounded: by the lists named here, and for backends by the rules.
 */
import { ENDINGS } from '../engine/verdict.js'
import type { Totals } from './accounts.js'
import type { Counters, Status } from './listing.js'

const DEFENCES = [
  ['drop_entry', 'dropEntry'],
  ['drop_packet', 'dropPacket'],
  ['secure_tcp', 'secureTcp'],
] as const

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly labels?: Labels
  readonly value: number
  /** Of a histogram: the name with its suffix. */
  readonly metricName?: string
}

/** A destination of a service, or several that node_exporter's labels don't tell apart. */
export interface Backend {
  readonly labels: Labels
  active: number
  inactive: number
  weight: number
}

/** All that one scrape tells, read at one time. */
export interface Snapshot {
  readonly version: string
  readonly startedAt: number
  readonly totals: Totals
  readonly backends: readonly Backend[]
  readonly counters: Counters
  readonly status: Status
  /** How much is in each table, by its name in `Limits`. */
  readonly entries: Readonly<Record<string, number>>
  /** Neighbours by state. */
  readonly neighbours: Readonly<Record<string, number>>
  readonly notServed: Readonly<Record<'masq' | 'tunnel', number>>
  readonly daemons: Readonly<Record<'master' | 'backup', number>>
}

export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly samples: (snapshot: Snapshot) => readonly Sample[]
}

function one(value: (s: Snapshot) => number): Family['samples'] {
  return (s) => [{ value: value(s) }]
}

/** A number of the engine: see `CELL_NAMES` of daemon/memory.ts. */
function engine(name: string, scale = 1): Family['samples'] {
  return one(({ counters }) => (counters.engine[name] ?? 0) * scale)
}

function backends(value: (backend: Backend) => number): Family['samples'] {
  return (s) => s.backends.map((backend) => ({ labels: backend.labels, value: value(backend) }))
}

function by(
  label: string,
  numbers: (s: Snapshot) => Readonly<Record<string, number>>,
): Family['samples'] {
  return (s) =>
    Object.entries(numbers(s)).map(([name, value]) => ({ labels: { [label]: name }, value }))
}

/** The last bucket has no bound of its own: `+Inf`. Bounds are 1, 2, 4 … µs. */
function breaths({ counters }: Snapshot): Sample[] {
  const name = 'uipvs_breath_duration_seconds'
  const { breaths, busyMs } = counters.loop
  let sum = 0
  const samples = breaths.map((count, i): Sample => {
    sum += count
    const le = i === breaths.length - 1 ? '+Inf' : String((1 << i) / 1e6)
    return { metricName: `${name}_bucket`, labels: { le }, value: sum }
  })
  samples.push({ metricName: `${name}_sum`, value: busyMs / 1000 })
  samples.push({ metricName: `${name}_count`, value: sum })
  return samples
}

/** Modes 2 and 3 are on; 1 waits for memory to become low. */
function defences({ counters: { engine } }: Snapshot): Sample[] {
  return DEFENCES.map(([defence, cell]) => {
    const isOn = (engine[cell] ?? 0) >= 2
    return { labels: { defence }, value: isOn ? 1 : 0 }
  })
}

function idleSeconds({ counters }: Snapshot): number {
  return Math.max(0, (counters.engine.aliveMs ?? 0) - counters.loop.busyMs) / 1000
}

function occupancy({ counters, status }: Snapshot): Sample[] {
  const value = counters.engine.ringOccupancy ?? -1
  return value < 0 || status.engine === 'none' ? [] : [{ value }]
}

// biome-ignore format: one family an entry, as a table
export const NODE_FAMILIES: readonly Family[] = [
  { name: 'node_ipvs_backend_connections_active', type: 'gauge', samples: backends((b) => b.active),
    help: 'The current active connections by local and remote address.' },
  { name: 'node_ipvs_backend_connections_inactive', type: 'gauge', samples: backends((b) => b.inactive),
    help: 'The current inactive connections by local and remote address.' },
  { name: 'node_ipvs_backend_weight', type: 'gauge', samples: backends((b) => b.weight),
    help: 'The current backend weight by local and remote address.' },
  { name: 'node_ipvs_connections_total', type: 'counter', samples: one((s) => s.totals.statistics.connections),
    help: 'The total number of connections made.' },
  { name: 'node_ipvs_incoming_bytes_total', type: 'counter', samples: one((s) => s.totals.statistics.inBytes),
    help: 'The total amount of incoming data.' },
  { name: 'node_ipvs_incoming_packets_total', type: 'counter', samples: one((s) => s.totals.statistics.inPackets),
    help: 'The total number of incoming packets.' },
  { name: 'node_ipvs_outgoing_bytes_total', type: 'counter', samples: one((s) => s.totals.statistics.outBytes),
    help: 'The total amount of outgoing data.' },
  { name: 'node_ipvs_outgoing_packets_total', type: 'counter', samples: one((s) => s.totals.statistics.outPackets),
    help: 'The total number of outgoing packets.' },
]

// biome-ignore format: one family an entry, as a table
export const UIPVS_FAMILIES: readonly Family[] = [
  { name: 'uipvs_build_info', type: 'gauge',
    help: 'Always 1; what runs, in the labels.',
    samples: ({ version, status: { engine, mode } }) =>
      [{ labels: { version, engine, mode, node: process.versions.node }, value: 1 }] },
  { name: 'uipvs_start_time_seconds', type: 'gauge', samples: one((s) => s.startedAt / 1000),
    help: 'When the director started, in seconds since 1970.' },
  { name: 'uipvs_frames_total', type: 'counter',
    help: 'Frames by how their journey ended (docs/verdicts.md), and what became of them.',
    samples: ({ counters }) => ENDINGS.map(({ name, action }) => (
      { labels: { verdict: name, action }, value: counters.verdicts[name] ?? 0 })) },
  { name: 'uipvs_ring_drops_total', type: 'counter', samples: engine('ringDrops'),
    help: 'Frames that the kernel dropped because the receive ring was full.' },
  { name: 'uipvs_ring_occupancy_ratio', type: 'gauge', samples: occupancy,
    help: 'Share of the fullest receive ring that waited for the worker at its last tick, 0 to 1; missing where the engine cannot tell.' },
  { name: 'uipvs_send_errors_total', type: 'counter', samples: engine('sendErrors'),
    help: 'Frames that the kernel refused to send.' },
  { name: 'uipvs_own_frames_total', type: 'counter', samples: engine('ownFrames'),
    help: 'Frames of the director itself: ARP, neighbour discovery, and frames that had waited for a neighbour.' },
  { name: 'uipvs_outbox_overflows_total', type: 'counter', samples: engine('outboxOverflows'),
    help: 'Frames of the director itself that found no room to leave.' },
  { name: 'uipvs_held_frames', type: 'gauge', samples: engine('heldFrames'),
    help: 'Frames that wait for the MAC address of their realserver.' },
  { name: 'uipvs_breaths_total', type: 'counter', samples: engine('breaths'),
    help: 'Looks at the receive ring, with or without frames.' },
  { name: 'uipvs_breath_duration_seconds', type: 'histogram', samples: breaths,
    help: 'How long a breath with frames took: receive, decide, send.' },
  { name: 'uipvs_loop_gaps_total', type: 'counter', samples: one((s) => s.counters.loop.gaps),
    help: 'Stretches of more than a millisecond in which the worker, awake, did not look at its ring.' },
  { name: 'uipvs_loop_gap_longest_seconds', type: 'gauge', samples: one((s) => s.counters.loop.longestGapMs / 1000),
    help: 'The longest such stretch since the start.' },
  { name: 'uipvs_worker_idle_seconds_total', type: 'counter',
    help: 'Time of the worker without frames, asleep or looking in vain; its rate is the idle fraction.',
    samples: one(idleSeconds) },
  { name: 'uipvs_worker_seconds_total', type: 'counter', samples: engine('aliveMs', 1 / 1000),
    help: 'Time since the worker began.' },
  { name: 'uipvs_table_entries', type: 'gauge', samples: by('table', (s) => s.entries),
    help: 'What is in each table now.' },
  { name: 'uipvs_table_entries_max', type: 'gauge', samples: by('table', (s) => ({ ...s.status.limits })),
    help: 'What each table can hold.' },
  { name: 'uipvs_defence_on', type: 'gauge', samples: defences,
    help: 'Whether a defence against load (docs/defence.md) is at work now, 0 or 1.' },
  { name: 'uipvs_entries_dropped_total', type: 'counter', samples: engine('entriesDropped'),
    help: 'Connections and templates that drop_entry ended.' },
  { name: 'uipvs_neighbours', type: 'gauge', samples: by('state', (s) => s.neighbours),
    help: 'Realservers and gateways by the state of their MAC address, as ip neigh names it.' },
  { name: 'uipvs_destinations_not_served', type: 'gauge', samples: by('method', (s) => s.notServed),
    help: 'Destinations that are stored and listed, but get no frames: masq (-m) and tunnel (-i).' },
  { name: 'uipvs_sync_daemons_not_served', type: 'gauge', samples: by('role', (s) => s.daemons),
    help: 'Synchronisation daemons that are stored and listed, and do nothing.' },
]

export const FAMILIES: readonly Family[] = [...NODE_FAMILIES, ...UIPVS_FAMILIES]
