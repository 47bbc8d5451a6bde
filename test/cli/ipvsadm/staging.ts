/**
 * Puts into the model what a recorded listing shows: counts, counters, connections. The model has
 * no traffic, so for scenarios with traffic these numbers are read from the recording itself, and
 * what the replay then proves is every column, title, name and order around them.
 */
import type { ServiceProtocol } from '../../../src/balance/rule.js'
import type { Names } from '../../../src/cli/ipvsadm/names.js'
import { readEndpoint } from '../../../src/cli/ipvsadm/values.js'
import type { ModelDestination, ModelDirector, ModelService } from './model-director.js'

const UNIT: Readonly<Record<string, number>> = { '': 1, K: 1e3, M: 1e6 }

export function stage(director: ModelDirector, stdout: string, names: Names): void {
  const lines = stdout.split('\n').filter((line) => line !== '')
  if (lines[0] === 'IPVS connection entries') {
    director.connections = lines.slice(2).map((line) => readConnection(line, names))
    return
  }
  const title = lines.find((line) => line.startsWith('Prot ')) ?? ''
  let service: ModelService | undefined
  for (const line of lines.slice(lines.indexOf(title) + 2)) {
    const words = line.trim().split(/\s+/)
    if (line.startsWith('  -> ')) {
      const server = endpoint(words[1]!, protocolOf(service!), names)
      const destination = service!.destinations.find(
        (each) => each.address === server.address && each.port === server.port,
      )!
      stageNumbers(destination, title, words.slice(2))
    } else {
      const protocol = words[0]!.toLowerCase() as ServiceProtocol
      const { address, port } = endpoint(words[1]!, protocol, names)
      service = director.services.find(
        (each) =>
          'address' in each.service &&
          each.service.protocol === protocol &&
          each.service.address === address &&
          each.service.port === port,
      )!
      if (/Conns|CPS/.test(title)) stageNumbers(service, title, words.slice(2))
    }
  }
}

function stageNumbers(
  target: ModelDestination | ModelService,
  title: string,
  words: string[],
): void {
  const numbers = words.map(readAmount)
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = numbers
  if (title.includes('Conns')) {
    target.statistics = { connections: a, inPackets: b, outPackets: c, inBytes: d, outBytes: e }
  } else if (title.includes('CPS')) {
    target.rates = {
      connectionsPerSecond: a,
      inPacketsPerSecond: b,
      outPacketsPerSecond: c,
      inBytesPerSecond: d,
      outBytesPerSecond: e,
    }
  } else {
    const destination = target as ModelDestination
    destination.active = numbers.at(-2)!
    destination.inactive = numbers.at(-1)!
    if (title.includes('PersistConn')) destination.persistent = b
  }
}

function readAmount(word: string): number {
  const [, digits, unit] = /^(\d+)([KM]?)$/.exec(word) ?? []
  return digits === undefined ? Number.NaN : Number(digits) * UNIT[unit!]!
}

function readConnection(line: string, names: Names) {
  const [pro, expire, state, client, vip, destination, engine, data] = line.split(/\s+/)
  const protocol = pro!.toLowerCase() as ServiceProtocol
  const [minutes, seconds] = expire!.split(':').map(Number)
  const [c, v, d] = [client, vip, destination].map((each) => endpoint(each!, protocol, names))
  return {
    protocol,
    expires: minutes! * 60 + seconds!,
    state: state!,
    client: c!.address,
    clientPort: c!.port,
    vip: v!.address,
    vport: v!.port,
    destination: d!.address,
    destinationPort: d!.port,
    template: c!.port === 0,
    ...(engine === undefined ? {} : { pe: { name: engine, data: data! } }),
  }
}

function endpoint(text: string, protocol: ServiceProtocol, names: Names) {
  const { address, port } = readEndpoint(text, protocol, names)!
  return { address, port: port! }
}

function protocolOf({ service }: ModelService): ServiceProtocol {
  return (service as { protocol: ServiceProtocol }).protocol
}
