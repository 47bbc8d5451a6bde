/**
 * The three parties of libpcap.test.ts, each run in its own network namespace. They obey words on
 * standard input, one line each, and answer each with one line of JSON.
 *
 *   node libpcap-roles.js director IFACE REALSERVER-MAC VIP
 *   node libpcap-roles.js realserver VIP
 *   node libpcap-roles.js client
 */
import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { FORWARDED, NOT_VIP } from '../../src/engine/verdict.js'
import { openLibpcap } from '../../src/port/libpcap.js'
import { completeChecksum } from '../../src/wire/partial-checksum.js'

type Obey = (words: string[]) => unknown

const ETHERTYPE_IPV4 = 0x0800

function director(iface: string, realserverMac: string, vip: string): Obey {
  const port = openLibpcap({ interfaces: [iface] })
  const [own] = port.arms
  const realserver = Uint8Array.from(realserverMac.split(':'), (hex) => Number.parseInt(hex, 16))
  const seen = { frames: 0, forwarded: 0, fromUs: 0, longest: 0 }
  port.onArrival(() => {
    for (let batch = port.receive(); batch.count > 0; batch = port.receive()) {
      for (let i = 0; i < batch.count; i++) {
        const at = batch.offset[i]
        const { view } = batch
        if (view.getUint16(at + 6) === own.macHigh && view.getInt32(at + 8) === own.macLow) {
          seen.fromUs++
        }
        seen.frames++
        seen.longest = Math.max(seen.longest, batch.length[i])
        // As the loop does.
        if (batch.hasUnknownChecksums) completeChecksum(view, at, batch.length[i])
        const isIpv4 = view.getUint16(at + 12) === ETHERTYPE_IPV4
        batch.verdict[i] = isIpv4 ? FORWARDED : NOT_VIP
        batch.egress[i] = 0
        batch.bytes.set(realserver, at)
        view.setUint16(at + 6, own.macHigh)
        view.setInt32(at + 8, own.macLow)
        if (isIpv4) seen.forwarded++
      }
      port.settle(batch)
    }
  })
  port.serve([vip])
  return async ([word, ...rest]) => {
    if (word === 'serve') port.serve(rest)
    if (word === 'swap') {
      // The set of VIPs changes again and again; the VIP that is in use stays in it.
      for (let i = 0; i < Number(rest[0]); i++) {
        port.serve([vip, `10.9.8.${i + 1}`])
        await sleep(40)
      }
    }
    if (word === 'send') {
      const at = port.outbox.reserve(Number(rest[0]), 0)
      port.outbox.bytes.fill(0xff, at, at + Number(rest[0]))
      port.outbox.view.setUint16(at + 12, Number(rest[1]))
      port.flush()
    }
    if (word === 'close') port.close()
    return { ...seen, ...port.counters, arm: own }
  }
}

function realserver(vip: string): Obey {
  const counts = new Map<number, number>()
  const udp = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
  udp.on('message', (bytes) => {
    const number = bytes.readUInt32BE()
    counts.set(number, (counts.get(number) ?? 0) + 1)
  })
  udp.bind(5353, vip)
  const tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', (bytes) => socket.end(Buffer.concat([bytes, Buffer.alloc(100_000, 7)])))
  })
  tcp.listen(80, vip)
  return () => ({
    different: counts.size,
    repeated: [...counts.values()].filter((count) => count > 1).length,
  })
}

function client(): Obey {
  return async ([word, vip, count]) => {
    if (word === 'tcp') return { lengths: await tcpRequests(vip, Number(count)) }
    const udp = createSocket('udp4')
    const bytes = Buffer.alloc(64)
    for (let i = 0; i < Number(count); i++) {
      bytes.writeUInt32BE(i)
      await new Promise((resolve) => udp.send(bytes, 5353, vip, resolve))
      if (i % 2 === 0) await sleep(1)
    }
    udp.close()
    return { sent: Number(count) }
  }
}

async function tcpRequests(vip: string, count: number): Promise<number[]> {
  const lengths: number[] = []
  for (let i = 0; i < count; i++) {
    const request = Buffer.alloc(1000, i)
    const socket = connect(80, vip)
    socket.setTimeout(5000, () => socket.destroy(new Error('no answer within 5 s')))
    socket.write(request)
    const parts: Buffer[] = []
    for await (const part of socket) parts.push(part)
    const answer = Buffer.concat(parts)
    lengths.push(answer.subarray(0, 1000).equals(request) ? answer.length : -1)
  }
  return lengths
}

const [role, ...args] = process.argv.slice(2)
const obey =
  role === 'director'
    ? director(args[0], args[1], args[2])
    : role === 'realserver'
      ? realserver(args[0])
      : client()
console.log(JSON.stringify({ ready: role }))
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await obey(line.split(' '))))
}
process.exit(0)
