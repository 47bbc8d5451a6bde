import t from 'tap'
import {
  ACCEPTED,
  DISCARDED,
  judgeAsHost,
  judgeHopByHop,
  refusalCode,
  refusalPointer,
} from '../../src/engine/options6.js'

const HOP = 0
const ROUTING = 43
const DESTINATION = 60
const TCP = 6

/** An IPv6 packet with these extension headers, each given without its next header and length. */
function packetOf(...headers: readonly [kind: number, data: readonly number[]][]) {
  const kinds = [...headers.map(([kind]) => kind), TCP]
  const bytes = new Array<number>(40).fill(0)
  bytes[0] = 0x60
  bytes[6] = kinds[0] as number
  for (const [i, [, data]] of headers.entries()) {
    bytes.push(kinds[i + 1] as number, (data.length + 2) / 8 - 1, ...data)
  }
  bytes[5] = bytes.length - 40
  return { view: new DataView(Uint8Array.from(bytes).buffer), end: bytes.length }
}

/** `ok`, `drop`, or code and pointer of the answer. */
function told(judgement: number): string {
  if (judgement === ACCEPTED) return 'ok'
  if (judgement === DISCARDED) return 'drop'
  return `4/${refusalCode(judgement)} at ${refusalPointer(judgement)}`
}

function hop(...data: number[]): string {
  const { view, end } = packetOf([HOP, data])
  return told(judgeHopByHop(view, 0, end))
}

function host(kind: number, ...data: number[]): string {
  const { view, end } = packetOf([kind, data])
  return told(judgeAsHost(view, 0, end))
}

t.test('hop-by-hop options', async (t) => {
  t.equal(hop(1, 4, 0, 0, 0, 0), 'ok', 'padding')
  t.equal(hop(0, 0, 0, 0, 0, 0), 'ok', 'single bytes of padding')
  t.equal(hop(1, 4, 0, 9, 0, 0), 'drop', 'padding that is not 0')
  t.equal(hop(1, 12, ...new Array(12).fill(0)), 'drop', 'more padding than any alignment needs')
  t.equal(hop(1, 5, 0, 0, 0, 0), 'drop', 'an option that leaves the header')
  t.equal(hop(0, 0, 0, 0, 0, 1), 'drop', 'an option without its length')
  t.equal(hop(5, 2, 0, 0, 1, 0), 'ok', 'router alert')
  t.equal(hop(5, 4, 0, 0, 0, 0), 'drop', 'router alert of another length')
  t.equal(hop(0x0a, 4, 0, 0, 0, 0), 'ok', 'unknown: skip')
  t.equal(hop(0x4a, 4, 0, 0, 0, 0), 'drop', 'unknown: discard')
  t.equal(hop(0x8a, 4, 0, 0, 0, 0), '4/2 at 42', 'unknown: answer')
  t.equal(hop(1, 0, 0xca, 2, 0, 0), '4/2 at 44', 'unknown: answer, not to groups')
  t.equal(hop(0xc2, 4, 0, 0, 0x10, 0), '4/0 at 44', 'a jumbogram that is none')
  t.equal(hop(0xc2, 4, 0, 1, 0, 0), '4/0 at 42', 'a jumbogram with a payload length')
  t.equal(hop(1, 0, 0xc2, 2, 0, 0), 'drop', 'a jumbogram of another length')
  const many = new Array(9).fill([0x1e, 0]).flat()
  t.equal(hop(...many, 0, 0, 0, 0), 'drop', 'more options than anybody sends')
  t.equal(hop(...many.slice(2), 0, 0, 0, 0, 0, 0), 'ok', 'as many as Linux takes')
})

t.test('hop-by-hop options are looked at where they may stand only', async (t) => {
  const { view, end } = packetOf([DESTINATION, [0x8a, 4, 0, 0, 0, 0]])
  t.equal(told(judgeHopByHop(view, 0, end)), 'ok')
  const long = packetOf([HOP, [1, 4, 0, 0, 0, 0]])
  long.view.setUint8(41, 200)
  t.equal(told(judgeHopByHop(long.view, 0, long.end)), 'drop', 'a header that leaves the packet')
})

t.test('what the host at the end looks at', async (t) => {
  t.equal(host(DESTINATION, 0x8a, 4, 0, 0, 0, 0), '4/2 at 42')
  t.equal(host(DESTINATION, 0xc9, 4, 0, 0, 0, 0), 'drop', 'a home address')
  t.equal(host(DESTINATION, 5, 4, 0, 0, 0, 0), 'ok', 'router alert means nothing here')
  t.equal(host(HOP, 0x8a, 4, 0, 0, 0, 0), 'ok', 'looked at before')
  t.equal(host(ROUTING, 0, 0, 0, 0, 0, 0), 'ok', 'nowhere else to go')
  t.equal(host(ROUTING, 0, 1, 0, 0, 0, 0), '4/0 at 42')
  t.equal(host(ROUTING, 99, 1, 0, 0, 0, 0), '4/0 at 42')
  for (const kind of [2, 3, 4]) t.equal(host(ROUTING, kind, 1, 0, 0, 0, 0), 'drop')
  const { view, end } = packetOf(
    [ROUTING, [0, 0, 0, 0, 0, 0]],
    [DESTINATION, [0x80, 0, 0, 0, 0, 0]],
  )
  t.equal(told(judgeAsHost(view, 0, end)), '4/2 at 50', 'behind another header')
})
