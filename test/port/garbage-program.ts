/**
 * Run by a test as root.
 *
 *     node garbage-program.js CLIENT-NETNS DIRECTOR-NETNS MAC ENGINE
 *
 * Sends frames into one namespace, forwards them in the other, and prints as JSON how many frames
 * and batches that was, and about how many bytes each function allocated meanwhile, of which V8's
 * profiler saw every 64th or so.
 */
import { type HeapProfiler, Session } from 'node:inspector/promises'
import type { Port } from '../../src/engine/port.js'
import { FORWARDED } from '../../src/engine/verdict.js'
import { addressOf } from '../../src/native/libc.js'
import { insideNamespace } from '../../src/native/namespace.js'
import { openAfPacket } from '../../src/port/af-packet.js'
import { openAfXdp } from '../../src/port/af-xdp.js'
import { SendVector } from '../../src/port/send-vector.js'
import { build } from '../../src/wire/build.js'
import { RawPeer } from './raw-peer.js'

const ROW = 256
const SLOT_BYTES = 64
/** V8 compiles what is hot late, and what it interprets allocates for every number above 2^31. */
const WARM_UP_ROUNDS = 2000
const ROUNDS = 2000
const [clientPath, directorPath, mac, engine] = process.argv.slice(2)

const client = insideNamespace(clientPath, () => new RawPeer('eth0'))
const open = engine === 'af_xdp' ? openAfXdp : openAfPacket
const port: Port = insideNamespace(directorPath, () => open({ interfaces: ['in', 'out'] }))
port.serve(['10.9.0.2'])
const memory = new Uint8Array(ROW * SLOT_BYTES)
const base = addressOf(memory)
const row = new SendVector(ROW, 1)
for (let i = 0; i < ROW; i++) {
  const frame = build({
    ethernet: { destination: mac },
    ipv4: { source: '10.9.0.1', destination: '10.9.0.2' },
    udp: { sport: i, dport: 9 },
    payload: 18,
  })
  memory.set(frame, i * SLOT_BYTES)
  row.push(base + i * SLOT_BYTES, frame.length)
}

let frames = 0
let batches = 0

function round(): void {
  row.send(client.fd, 0, ROW)
  let left = ROW
  for (let tries = 0; left > 0 && tries < 100; tries++) {
    const batch = port.receive()
    if (batch.count === 0) {
      port.settle(batch)
      port.wait(10)
      continue
    }
    for (let i = 0; i < batch.count; i++) {
      batch.verdict[i] = FORWARDED
      batch.egress[i] = 1
    }
    frames += batch.count
    left -= batch.count
    batches++
    port.settle(batch)
  }
}

for (let i = 0; i < WARM_UP_ROUNDS; i++) round()
frames = 0
batches = 0
const session = new Session()
session.connect()
await session.post('HeapProfiler.enable')
await session.post('HeapProfiler.startSampling', {
  samplingInterval: 64,
  includeObjectsCollectedByMajorGC: true,
  includeObjectsCollectedByMinorGC: true,
})
for (let i = 0; i < ROUNDS; i++) round()
const { profile } = await session.post('HeapProfiler.stopSampling')
const allocated: Record<string, number> = {}
attribute(profile.head)
console.log(JSON.stringify({ frames, batches, allocated, ...port.counters }))
port.close()
client.close()

/** Adds what each function of ours allocated to `allocated`. */
function attribute(node: HeapProfiler.SamplingHeapProfileNode): void {
  const { url, functionName } = node.callFrame
  if (url.includes('/build') && !url.includes('garbage-program')) {
    allocated[functionName] = (allocated[functionName] ?? 0) + node.selfSize
  }
  for (const child of node.children) attribute(child)
}
