import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { DestinationTable } from '../../src/balance/destination.js'
import { Region, regionBytes } from '../../src/balance/region.js'
import { parseFilter } from '../../src/engine/trace-filter.js'
import { TraceKey } from '../../src/engine/trace-key.js'
import { guardsOf, matcher, verdictsOf } from '../../src/engine/trace-match.js'
import { type Facts, facts, filters, REALSERVER_PORT, REALSERVERS } from './trace-filters.js'
import { words } from './world.js'

const SEED = 20261127

const destinations = new DestinationTable(
  new Region(new ArrayBuffer(regionBytes(...DestinationTable.pieces(8)))),
  8,
)
const slots = REALSERVERS.map((address) =>
  destinations.create(address.includes(':') ? 6 : 4, 6, words(address), REALSERVER_PORT),
)

/** The frame as the tap sees it, in the middle of other bytes. */
function seen({ bytes, verdict, realserver }: Facts): { view: DataView; key: TraceKey } {
  const arena = new Uint8Array(bytes.length + 64).fill(0xa5)
  arena.set(bytes, 32)
  const view = new DataView(arena.buffer)
  const key = new TraceKey()
  key.read(view, 32, bytes.length)
  key.ended(
    verdict,
    destinations,
    realserver === null ? -1 : slots[REALSERVERS.indexOf(realserver)]!,
  )
  return { view, key }
}

t.test('a filter matches what it means; guards and verdicts keep none of it away', async (t) => {
  let matches = 0
  let kept = 0
  const property = fc.property(
    filters(false),
    fc.array(facts, { minLength: 20 }),
    (filter, list) => {
      const expression = parseFilter(filter.text)
      const match = matcher(expression)
      const guards = guardsOf(expression)
      const verdicts = verdictsOf(expression)
      for (const each of list) {
        const { view, key } = seen(each)
        const isMatch = match(key)
        if (isMatch !== filter.means(each)) throw new Error(`${filter.text}: ${isMatch}`)
        const isAdmitted =
          guards?.some((guard) => guard.admits(view, 32, each.bytes.length)) ?? true
        if (!isAdmitted) kept++
        if (!isMatch) continue
        matches++
        if (!isAdmitted) throw new Error(`${filter.text}: its guards keep a match away`)
        if (verdicts?.[each.verdict] === 0) throw new Error(`${filter.text}: its verdicts do`)
      }
    },
  )
  fc.assert(property, { seed: SEED, numRuns: 1500 })
  t.ok(matches > 3000 && kept > 3000, `${matches} matches, ${kept} kept away`)
})

t.test('guards of one flow keep all others away', async (t) => {
  const guards = guardsOf(parseFilter('vip 192.168.1.110:80 and tcp and src host 10.0.0.1'))
  const admitted = fc.sample(facts, { seed: SEED, numRuns: 3000 }).filter((each) => {
    const { view } = seen(each)
    return guards?.[0]?.admits(view, 32, each.bytes.length)
  })
  // Plain IPv4, and long enough to have ports.
  const plain = admitted.filter(
    ({ bytes }) => bytes.length >= 38 && bytes[12] === 8 && bytes[13] === 0 && bytes[14] === 0x45,
  )
  t.ok(plain.length > 0)
  for (const { source, destination, ports, protocol } of plain) {
    t.same([source, destination, ports?.[1], protocol], ['10.0.0.1', '192.168.1.110', 80, 6])
  }
})

t.test('any bytes can be read', async (t) => {
  const key = new TraceKey()
  const guards = ['port 80', 'host 10.0.0.1', 'ip6 and udp'].flatMap(
    (filter) => guardsOf(parseFilter(filter)) ?? [],
  )
  const property = fc.property(facts, fc.nat(), fc.array(fc.nat(255)), (each, cut, noise) => {
    const bytes = each.bytes.slice(0, cut % (each.bytes.length + 1))
    for (const [i, byte] of noise.entries()) if (i + 12 < bytes.length) bytes[i + 12] = byte
    const view = new DataView(bytes.buffer, 0, bytes.length)
    key.read(view, 0, bytes.length)
    for (const guard of guards) guard.admits(view, 0, bytes.length)
  })
  fc.assert(property, { seed: SEED, numRuns: 2000 })
  t.pass('and nothing is read outside')
})

t.test('tcpdump agrees, where a filter has only its words', async (t) => {
  if (spawnSync('tcpdump', ['--version']).status !== 0) return t.plan(0, 'tcpdump is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-filter-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'frames.pcap')
  // pcap-filter does not look behind tags.
  const frames = fc
    .sample(facts, { seed: SEED, numRuns: 400 })
    .filter(({ bytes }) => bytes[12] !== 0x81)
  writeFileSync(file, capture(frames.map(({ bytes }) => bytes)))
  const list = fc.sample(filters(true), { seed: SEED, numRuns: 60 })
  for (const { text } of list) {
    const match = matcher(parseFilter(text))
    const ours = frames.flatMap((each, i) => (match(seen(each).key) ? [i] : []))
    const args = ['-r', file, '-tt', '-n', '-q', text]
    const { stdout, stderr, status } = spawnSync('tcpdump', args, { encoding: 'utf8' })
    // What can never be true, libpcap refuses to compile.
    if (status !== 0 && /rejects all packets/.test(stderr)) t.same(ours, [], text)
    else
      t.same(
        [...stdout.matchAll(/^(\d+)\.000000 /gm)].map(([, s]) => Number(s)),
        ours,
        text,
      )
  }
})

/** A pcap file in which frame n came at second n. */
function capture(frames: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(24)
  head.writeUInt32LE(0xa1b2c3d4, 0)
  head.writeUInt16LE(2, 4)
  head.writeUInt16LE(4, 6)
  head.writeUInt32LE(65535, 16)
  head.writeUInt32LE(1, 20)
  const records = frames.flatMap((frame, i) => {
    const record = Buffer.alloc(16)
    record.writeUInt32LE(i, 0)
    record.writeUInt32LE(frame.length, 8)
    record.writeUInt32LE(frame.length, 12)
    return [record, frame]
  })
  return Buffer.concat([head, ...records])
}
