import fc from 'fast-check'
import t from 'tap'
import { type Route, RouteTable } from '../../src/link/routes.js'

const SEED = 20261122

function route(family: 4 | 6, words: readonly number[], prefixBits: number, arm = 0): Route {
  const network = Int32Array.from({ length: 4 }, (_, i) => words[i] ?? 0)
  return { family, network, prefixBits, kind: 'unicast', arm, gateway: null, mtu: 0 }
}

const ip = (a: number, b: number, c: number, d: number) =>
  Int32Array.of((a << 24) | (b << 16) | (c << 8) | d, 0, 0, 0)

t.test('the longest prefix wins, then the first given', async (t) => {
  const table = new RouteTable()
  table.replace([
    route(4, [0], 0, 1),
    route(4, [ip(10, 0, 0, 0)[0] as number], 8, 2),
    route(4, [ip(10, 1, 0, 0)[0] as number], 16, 3),
    route(4, [ip(10, 1, 2, 3)[0] as number], 32, 4),
    route(4, [ip(10, 1, 0, 0)[0] as number], 16, 5),
  ])
  t.equal(table.lookup(4, ip(10, 1, 2, 3))?.arm, 4)
  t.equal(table.lookup(4, ip(10, 1, 2, 4))?.arm, 3)
  t.equal(table.lookup(4, ip(10, 2, 0, 1))?.arm, 2)
  t.equal(table.lookup(4, ip(192, 0, 2, 1))?.arm, 1)
  t.equal(table.lookup(6, Int32Array.of(0, 0, 0, 1)), null, 'the other family has none')
  table.replace([])
  t.equal(table.lookup(4, ip(10, 1, 2, 3)), null)
})

/** The first `bits` bits of four words, as text. */
function prefix(words: Int32Array, bits: number): string {
  return [...words]
    .map((w) => (w >>> 0).toString(2).padStart(32, '0'))
    .join('')
    .slice(0, bits)
}

t.test('agrees with prefixes as text', async (t) => {
  const word = fc.constantFrom(0, 1, -1, 0x20010db8, 0x7fffffff, -0x80000000)
  const words = fc.tuple(word, word, word, word)
  const routes = fc.array(fc.tuple(words, fc.nat({ max: 128 })), { maxLength: 12 })
  const property = fc.property(routes, words, (list, wanted) => {
    const table = new RouteTable()
    table.replace(list.map(([network, bits], arm) => route(6, network, bits, arm)))
    const address = Int32Array.from(wanted)
    let best = -1
    for (const [arm, [network, bits]] of list.entries()) {
      if (prefix(address, bits) !== prefix(Int32Array.from(network), bits)) continue
      if (best < 0 || bits > (list[best] as [unknown, number])[1]) best = arm
    }
    return (table.lookup(6, address)?.arm ?? -1) === best
  })
  fc.assert(property, { seed: SEED, numRuns: 2000 })
  t.pass('2000 tables')
})
