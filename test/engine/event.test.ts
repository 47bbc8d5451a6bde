import t from 'tap'
import { eventOf, isServed, turned } from '../../src/engine/event.js'
import { build, type FrameSpec, viewOf } from '../../src/wire/build.js'

const ip = { source: '10.0.0.1', destination: '10.0.0.2' }
const SEGMENT_AT = 34

function event(spec: FrameSpec, protocol: number, cut = 0): number {
  const frame = build({ ipv4: ip, ...spec })
  return eventOf(protocol, viewOf(frame), SEGMENT_AT, frame.length - cut)
}

t.test('TCP: the flags, all of them', async (t) => {
  for (const [flags, bits] of [
    ['S', 0x02],
    ['SA', 0x12],
    ['FA', 0x11],
    ['R', 0x04],
    ['EC', 0xc0],
    ['.', 0],
  ] as const) {
    t.equal(event({ tcp: { sport: 1, dport: 2, flags } }, 6), bits, flags)
  }
  t.equal(event({ tcp: { sport: 1, dport: 2 } }, 6, 1), -1, 'a byte short')
})

t.test('UDP: whether its header is there', async (t) => {
  t.equal(event({ udp: { sport: 1, dport: 2 } }, 17), 0)
  t.equal(event({ udp: { sport: 1, dport: 2 } }, 17, 1), -1)
})

t.test('SCTP: the first chunk, or an ABORT behind a cookie', async (t) => {
  const of = (...types: number[]) =>
    event({ sctp: { sport: 1, dport: 2, chunks: types.map((type) => ({ type, value: 5 })) } }, 132)
  const [DATA, INIT, ABORT, COOKIE_ECHO, COOKIE_ACK] = [0, 1, 6, 10, 11]
  t.equal(of(INIT), INIT)
  t.equal(of(DATA, ABORT), DATA)
  t.equal(of(COOKIE_ECHO), COOKIE_ECHO)
  t.equal(of(COOKIE_ECHO, DATA), COOKIE_ECHO)
  t.equal(of(COOKIE_ECHO, ABORT), ABORT)
  t.equal(of(COOKIE_ACK, ABORT), ABORT)
  t.equal(of(COOKIE_ECHO, DATA, ABORT), COOKIE_ECHO, 'only right behind it')
  t.equal(of(), -1)
})

t.test('what is served, and the other direction', async (t) => {
  const served = [...Array(256).keys()].filter(isServed)
  t.same(served, [6, 17, 132])
  t.equal(turned((40_000 << 16) | 80), (80 << 16) | 40_000)
  t.equal(turned(-1), -1)
})
