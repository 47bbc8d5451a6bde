/**
 * A SYN flood from ten million sources, through the memory port: what is established stays with its
 * realserver, every packet of it, with the defence and without. Without it the table is full and
 * new clients are refused; with it some get in.
 */
import t from 'tap'
import { ES, NEXT_STATE } from '../../src/balance/tcp-state.js'
import type { Batch } from '../../src/engine/batch.js'
import { CONNECTIONS_FULL, FORWARDED, SHED } from '../../src/engine/verdict.js'
import { MemoryPort } from '../../src/port/memory.js'
import * as ethernet from '../../src/wire/ethernet.js'
import { build, CLIENT, VIP, World } from './world.js'

const SOURCES = 10_000_000
const BATCH = 64
/** 100,000 frames a second. */
const BATCH_MS = 0.64
/** What 0.65 s of the flood fill. */
const TABLE = 65_536
const ESTABLISHED = 500
const FIRST_SOURCE = 0x0b000000
const FIRST_CLIENT = 0x0a000000
const FIRST_NEWCOMER = 0x09000000
const SYN = 0x02
const ACK = 0x10

/** In a batch: an established client's segment, a newcomer's SYN and ACK, and the flood. */
const OLD = 0
const NEW_SYN = 1
const NEW_ACK = 2
/** A newcomer's ACK comes so many batches behind its SYN: 32 ms. */
const HANDSHAKE = 50

class FloodPort extends MemoryPort {
  sources = 0
  batches = 0
  /** Packets of established clients that were not forwarded, or to another realserver. */
  disturbed = 0
  accepted = 0
  homes = new Uint8Array(ESTABLISHED)
  isFlooding = false

  override receive(): Batch {
    const batch = super.receive()
    if (!this.isFlooding) return batch
    for (let i = 0; i < batch.count; i++) {
      const { view } = batch
      const frame = batch.offset[i]
      ethernet.setDestination(view, frame, 0x0200, 1)
      if (i === OLD) write(view, frame, FIRST_CLIENT + (this.batches % ESTABLISHED), ACK)
      else if (i === NEW_SYN) write(view, frame, FIRST_NEWCOMER + this.batches, SYN)
      else if (i === NEW_ACK) write(view, frame, FIRST_NEWCOMER + this.batches - HANDSHAKE, ACK)
      else write(view, frame, FIRST_SOURCE + this.sources++, SYN)
    }
    return batch
  }

  override settle(batch: Batch): void {
    super.settle(batch)
    if (!this.isFlooding) return
    const home = batch.view.getUint8(batch.offset[OLD] + 5)
    const client = this.batches % ESTABLISHED
    if (batch.verdict[OLD] !== FORWARDED || home !== this.homes[client]) this.disturbed++
    if (batch.verdict[NEW_ACK] === FORWARDED) this.accepted++
    this.batches++
  }
}

/** Source address and TCP flags of a frame, with the header's checksum mended. */
function write(view: DataView, frame: number, source: number, flags: number): void {
  let sum = (~view.getUint16(frame + 24) & 0xffff) + 0x2_0000
  sum -= view.getUint16(frame + 26) + view.getUint16(frame + 28)
  view.setUint32(frame + 26, source)
  sum += view.getUint16(frame + 26) + view.getUint16(frame + 28) - 2
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(frame + 24, ~sum & 0xffff)
  view.setUint8(frame + 47, flags)
}

const frameOf = (flags: string) =>
  build({ ipv4: { source: CLIENT, destination: VIP }, tcp: { sport: 999, dport: 80, flags } })

/** A world with established clients, after ten million others have knocked. */
function flood(mode: number): { world: World; port: FloodPort; modes: Set<number> } {
  const arms = [{ macHigh: 0x0200, macLow: 1 }]
  const port = new FloodPort({ arms, discard: true, batch: BATCH })
  const limits = { connections4: TABLE }
  const world = new World({ services: [{ to: [2, 3, 4] }], limits, port })
  for (const name of ['drop_entry', 'drop_packet', 'secure_tcp']) {
    world.apply({ op: 'set-sysctl', name, value: `${mode}` })
  }
  for (let client = 0; client < ESTABLISHED; client++) {
    for (const flags of [SYN, ACK]) {
      const frame = frameOf('S')
      write(new DataView(frame.buffer), 0, FIRST_CLIENT + client, flags)
      port.inject(frame)
      world.loop.breathe()
    }
    port.homes[client] = homeOf(world, client)
  }
  port.preload(Array.from({ length: BATCH }, () => frameOf('S')))
  port.isFlooding = true
  const modes = new Set<number>()
  while (port.sources < SOURCES) {
    world.now += BATCH_MS
    world.loop.breathe()
    if (port.batches % 100 === 0) modes.add(world.book.balancer.sysctls.drop_entry)
  }
  return { world, port, modes }
}

/** The number of the realserver of an established client. */
function homeOf(world: World, client: number): number {
  const { connections4, destinations, services } = world.book.balancer
  const vip = services.address(0, 0)
  const slot = connections4.find4(6, FIRST_CLIENT + client, vip, (999 << 16) | 80)
  if (slot < 0 || connections4.state(slot) !== ES) return 0
  return destinations.address(connections4.destination(slot)) & 0xff
}

function homesOf(world: World): number[] {
  return Array.from({ length: ESTABLISHED }, (_, client) => homeOf(world, client))
}

/** The flood is over, for so long. */
function calm(world: World, port: FloodPort, ms: number): void {
  port.isFlooding = false
  port.preload([build({ ethernet: { type: 0x9999 } })])
  world.wait(ms)
}

t.test('without defence: the table fills, new clients are refused politely', async (t) => {
  const { world, port } = flood(0)
  const { counts } = world.loop
  t.equal(port.disturbed, 0, `of ${port.batches} packets of established clients`)
  t.same(homesOf(world), [...port.homes])
  t.equal(world.book.balancer.connections4.count, TABLE)
  t.ok(counts[CONNECTIONS_FULL] > SOURCES / 2, `${counts[CONNECTIONS_FULL]} were refused`)
  t.equal(counts[SHED], 0)
  t.equal(
    counts.reduce((a, b) => a + b),
    world.loop.frames,
    'every frame has one verdict',
  )
  // A minute later what the flood opened has timed out, and the newcomers that got in are there.
  calm(world, port, 61_000)
  t.equal(world.book.balancer.connections4.count, ESTABLISHED + port.accepted)
})

t.test('with it: some of the new clients get in, and it ends with the flood', async (t) => {
  const { world, port, modes } = flood(1)
  const { counts } = world.loop
  const { balancer } = world.book
  t.equal(port.disturbed, 0, `of ${port.batches} packets of established clients`)
  t.same(homesOf(world), [...port.homes])
  t.same(modes, new Set([1, 2]), 'automatic modes are moved when memory gets low')
  t.ok(balancer.dropper.dropped > 0 && counts[SHED] > 0)
  t.equal(
    counts.reduce((a, b) => a + b),
    world.loop.frames,
    'every frame has one verdict',
  )
  t.ok(port.accepted > 0, `${port.accepted} of ${port.batches} newcomers were established`)
  calm(world, port, 130_000)
  t.equal(balancer.sysctls.drop_entry, 1)
  t.equal(balancer.defence.tcpTable, NEXT_STATE)
})
