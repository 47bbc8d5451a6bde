/**
 * Run by tests inside a namespace: the dumbest director, between the interfaces `in` and `out`.
 *
 *     node relay-program.js ADDRESS,ADDRESS MAC-BEHIND-IN MAC-BEHIND-OUT
 *
 * Sends every frame out of the other interface, to the MAC address behind that, and prints `ready`;
 * at the end of its standard input it prints what it counted, as JSON.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { FORWARDED } from '../../src/engine/verdict.js'
import { Wakeup } from '../../src/native/eventfd.js'
import { SharedMemory } from '../../src/native/mapping.js'
import { openAfPacket } from '../../src/port/af-packet.js'
import { macWords } from '../namespaces.js'

if (isMainThread) {
  const wakeup = new Wakeup()
  const stop = SharedMemory.create(4096)
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { wakeFd: wakeup.fd, stopFd: stop.fd, arguments: process.argv.slice(2) },
  })
  worker.on('error', (error) => {
    console.error(error)
    process.exit(1)
  })
  worker.on('message', (message) => console.log(message))
  process.stdin.resume()
  process.stdin.on('end', () => {
    Atomics.store(new Int32Array(stop.buffer), 0, 1)
    wakeup.wake()
  })
} else relay()

function relay(): void {
  const [addresses, ...targets] = workerData.arguments as string[]
  const stop = new Int32Array(SharedMemory.open(workerData.stopFd, 4096).buffer)
  const port = openAfPacket({ interfaces: ['in', 'out'], wakeFd: workerData.wakeFd })
  const macs = targets.map(macWords)
  const seen = { frames: 0, aggregates: 0, partial: 0 }
  port.serve(addresses.split(','))
  parentPort?.postMessage('ready')
  while (Atomics.load(stop, 0) === 0) {
    const batch = port.receive()
    const egress = 1 - batch.arm
    for (let i = 0; i < batch.count; i++) {
      const at = batch.offset[i]
      batch.view.setUint16(at, macs[egress][0])
      batch.view.setInt32(at + 2, macs[egress][1])
      batch.view.setUint16(at + 6, port.arms[egress].macHigh)
      batch.view.setInt32(at + 8, port.arms[egress].macLow)
      batch.verdict[i] = FORWARDED
      batch.egress[i] = egress
      seen.frames++
      if (batch.segmentBytes[i] > 0) seen.aggregates++
      if (batch.partialChecksum[i] !== 0) seen.partial++
    }
    const { count } = batch
    port.settle(batch)
    if (count === 0) port.wait(1000)
  }
  parentPort?.postMessage(JSON.stringify({ ...seen, ...port.counters }))
  port.close()
}
