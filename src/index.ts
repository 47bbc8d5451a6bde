/**
 * uipvs as a library: the pure core (codecs, tables, rules, the journey of a frame), the ports that
 * frames come in by, and the client of a running director. The core and the memory port touch
 * nothing of the machine; af_packet and libpcap need its permission (CAP_NET_RAW), af_xdp root's.
 *
 *     import { Director, MemoryPort, RuleBook } from 'uipvs'
 */

// Who should serve a connection: rules as values, what carries them out, and the tables.
export { RuleBook } from './balance/apply.js'
export * from './balance/rule.js'
export type { Candidate, Flow, Pool, Scheduler, SchedulerFactory } from './balance/scheduler.js'
export { SCHEDULERS } from './balance/schedulers/index.js'
// Decision recordings of Linux's IPVS, played through ours.
export { type Difference, type PlayOptions, play } from './conform/play.js'
export type { Recording } from './conform/recording.js'
// A running director, from outside.
export { ControlClient, controlPath } from './control/client.js'
export type * from './control/listing.js'
// What happens to a frame, and the interface that every port implements.
export { Batch } from './engine/batch.js'
export type { DirectorOptions, Mode } from './engine/director-state.js'
export { Director } from './engine/forward.js'
export {
  type Arm,
  type ArmMode,
  Outbox,
  type Port,
  type PortCounters,
  type SharedVip,
} from './engine/port.js'
export { ACTION, type Action, ENDINGS, type Verdict, verdictOf } from './engine/verdict.js'
// A whole director without a network: one frame explained, or a capture replayed.
export { Explainer, type ExplainerOptions } from './offline/explain.js'
export type { Explanation } from './offline/explanation.js'
export { OfflineDirector, type OfflineOptions, RefusedRule } from './offline/offline-director.js'
export { type ReplaySummary, type ReplayWatcher, replay } from './offline/replay.js'
// Where frames come from.
export { type AfPacketOptions, openAfPacket } from './port/af-packet.js'
export { type AfXdpOptions, openAfXdp } from './port/af-xdp.js'
export { type LibpcapOptions, openLibpcap } from './port/libpcap.js'
export { MemoryPort, type MemoryPortOptions, type SentFrame } from './port/memory.js'
export { openPcapng, type PcapngFile, PcapngWriter } from './port/pcapng.js'
export {
  Capture,
  type CapturedFrame,
  type ReplayOptions,
  ReplayPort,
  readCapture,
} from './port/replay.js'
// What the bytes say. Each layout is a module of its own: `ipv4.ttl(view, at)`.
export * from './wire/address.js'
export * as arp from './wire/arp.js'
export { build, buildFragments, buildPacket, type FrameSpec } from './wire/build.js'
export * as checksum from './wire/checksum.js'
export {
  type DescribedField,
  describe,
  describePacket,
  formatField,
  type Layer,
} from './wire/describe.js'
export * as ethernet from './wire/ethernet.js'
export * as icmp from './wire/icmp.js'
export * as icmpv6 from './wire/icmpv6.js'
export * as ipv4 from './wire/ipv4.js'
export * as ipv6 from './wire/ipv6.js'
export * as sctp from './wire/sctp.js'
export * as tcp from './wire/tcp.js'
export * as transport from './wire/transport.js'
export * as udp from './wire/udp.js'
