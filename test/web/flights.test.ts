/** Frames in the figure of the live page: along which lines, and in which time. */
import t from 'tap'
import type { Moment, WireFrame } from '../../src/web/moment.js'
import { Figure, type PlacedHost, pointAt } from '../../src/web/page/figure.js'
import { Flights } from '../../src/web/page/flights.js'
import { quantile, rateBetween } from '../../src/web/page/rates.js'

const frame = (bytes: number): WireFrame => ({
  from: 'client',
  to: 'router',
  wire: 'w',
  at: 0,
  hex: '',
  bytes,
})
const frames = (count: number) => Array.from({ length: count }, (_, i) => frame(i))

const segment = ['router', 'director', 'rs1', 'rs2', 'rs3']
const article = [
  { name: 'client', wires: ['cable'], vip: null },
  { name: 'router', wires: ['cable', 'segment'], vip: null },
  ...segment.slice(1).map((name) => ({ name, wires: ['segment'], vip: 'lo' })),
]

t.test('the article: rows below the client, ways along the lines, from box to box', async (t) => {
  const figure = new Figure(article)
  const at = (name: string) => figure.hosts.get(name) ?? t.fail(name)
  const rows = new Set([...figure.hosts.values()].map(({ y }) => y))
  t.equal(rows.size, 3)
  t.same(
    [...figure.wires.values()].map(({ name, isCable }) => [name, isCable]),
    [
      ['cable', true],
      ['segment', false],
    ],
  )
  const way = figure.wayOf('director', 'rs3', 'segment')
  const [director, rs3] = ['director', 'rs3'].map((name) => at(name) as PlacedHost)
  t.same(
    way.map(({ x }) => x),
    [director.x, director.x, rs3.x, rs3.x],
  )
  t.equal(way[0].y, director.y - director.height / 2)
  t.same(pointAt(way, 0), way[0])
  t.same(pointAt(way, 1), way[3])
  t.equal(pointAt(way, 0.5).y, figure.wires.get('segment')?.y)
  t.same(figure.wayOf('nobody', 'rs1', 'segment'), [])
  t.same(figure.othersOn('segment', 'router'), segment.slice(1))
  t.equal(figure.joints.length, 7)
})

t.test('two arms: realservers stand below the director', async (t) => {
  const figure = new Figure([
    { name: 'client', wires: ['front'], vip: null },
    { name: 'director', wires: ['front', 'back'], vip: 'eth0:0' },
    { name: 'rs1', wires: ['back'], vip: 'lo' },
    { name: 'rs2', wires: ['back'], vip: 'lo' },
  ])
  const y = (name: string) => figure.hosts.get(name)?.y ?? 0
  t.ok(y('client') < y('director') && y('director') < y('rs1') && y('rs1') === y('rs2'))
  const [, corner] = figure.wayOf('director', 'rs2', 'back')
  t.ok(corner.y > y('director') && corner.y < y('rs2'))
  const boxes = [...figure.hosts.values()]
  t.ok(boxes.every((box) => box.y + box.height / 2 < figure.height))
})

t.test('frames depart one after the other and arrive', async (t) => {
  const flights = new Flights()
  flights.add(frames(3))
  t.equal(flights.advance(1).length, 1)
  t.equal(flights.advance(10).length, 0, 'a pause between two')
  t.equal(flights.advance(2000).length, 2)
  flights.advance(2000)
  t.equal(flights.flying.length, 0)
})

t.test('of too many the newest are kept, and a pause keeps the oldest', async (t) => {
  const flights = new Flights()
  flights.add(frames(1000))
  t.equal(flights.waiting, 120)
  t.equal(flights.advance(1)[0].bytes, 880)
  flights.speed = 'stopped'
  flights.add(frames(1000))
  t.equal(flights.waiting, 120)
  t.equal(flights.advance(5000).length, 0, 'time stands still')
  flights.step()
  t.same(
    flights.advance(1).map(({ bytes }) => bytes),
    [881],
    'but for one',
  )
})

t.test('slow motion is slower', async (t) => {
  const part = (speed: 'full' | 'slow') => {
    const flights = new Flights()
    flights.speed = speed
    flights.add(frames(1))
    flights.advance(1)
    flights.advance(100)
    return flights.flying[0].part
  }
  t.equal(Math.round(part('full') / part('slow')), 6)
})

function moment(at: number, count: number): Moment {
  const statistics = { connections: count, inPackets: 10 * count, inBytes: 400 * count }
  const destinations = [{ address: '192.168.1.2', statistics }]
  return {
    at,
    table: { services: [{ statistics, destinations }] },
    counters: {
      verdicts: { forwarded: 10 * count, shed: 0 },
      loop: { breaths: [0, count, count] },
    },
  } as unknown as Moment
}

t.test('rates are differences by time', async (t) => {
  const rate = rateBetween(moment(1000, 5), moment(3000, 25))
  t.match(rate, { at: 3, packets: 100, bytes: 4000, medianMicroseconds: 2, slowMicroseconds: 4 })
  t.same([...(rate?.connections ?? [])], [['192.168.1.2', 10]])
  t.same([...(rate?.verdicts ?? [])], [['forwarded', 100]])
  t.equal(rateBetween(moment(1, 1), moment(1, 1)), null, 'no time has passed')
  t.equal(rateBetween(moment(0, 9), moment(1000, 2))?.packets, 0, 'counters that were zeroed')
  t.ok(Number.isNaN(quantile([0, 0], 0.5)))
})
