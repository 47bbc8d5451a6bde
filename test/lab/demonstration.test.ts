/** The whole of it: the director, the article's rules, real requests, and what the wires show. */
import { createRequire } from 'node:module'
import t from 'tap'
import { type Demonstration, demonstrate, failuresOf } from '../../src/lab/demonstration.js'
import { hasIpv6 } from '../../src/lab/lab.js'
import { needsRoot, standingLab } from './standing.js'

// For the whole file: it starts many programs, on a machine that may be busy.
t.setTimeout(300_000)

function hasCap(): boolean {
  try {
    createRequire(import.meta.url)('cap')
    return true
  } catch {
    return false
  }
}

const SETTINGS = [
  { engine: 'af_xdp', vipOnDirector: true },
  { engine: 'af_xdp', vipOnDirector: false },
  { engine: 'af_packet', vipOnDirector: true },
  { engine: 'af_packet', vipOnDirector: false },
  { engine: 'libpcap', vipOnDirector: true },
] as const

for (const { engine, vipOnDirector } of SETTINGS) {
  const skip =
    needsRoot || (engine === 'libpcap' && !hasCap() ? 'the package cap is not here' : false)
  const title = `${engine}, the VIP ${vipOnDirector ? 'also' : 'not'} on the director's kernel`
  t.test(title, { skip, timeout: 90_000 }, async (t) => {
    const lab = standingLab(t, { engine, vipOnDirector })
    lab.switchOffloadsOff()
    await lab.startRealservers()
    await lab.startDirector()
    const told: string[] = []
    const done = await demonstrate(lab, hasIpv6(), (part) => told.push(...Object.keys(part)))
    t.same(done.failures, [], lab.log('director'))
    t.same(told, ['rules', 'requests', 'frame', 'traffic', 'listings', 'missing'])
    t.equal(done.traffic.repliesAtDirector, 0, 'no reply passed the director')
    t.ok(done.traffic.repliesAtClient >= done.requests.length - 1, 'all reached the client')
    t.equal(done.traffic.unchanged, done.traffic.towardsDirector, 'no IP packet was changed')
    t.ok(
      done.frame!.changed.every((offset) => offset < 12),
      'only MAC addresses differ',
    )
    const [stats, connections] = done.listings
    t.match(stats!.output, /TCP +192\.168\.1\.110:22 +6 /, 'six connections to ssh')
    t.match(connections!.output, /UDP .* 192\.168\.1\.110:7 /)
  })
}

/** A demonstration in which everything went well, to be spoilt. */
const GOOD: Omit<Demonstration, 'failures'> = {
  lab: 'uipvs1',
  engine: 'af_packet',
  rootless: false,
  vipOnDirector: true,
  rules: [{ command: 'uipvsadm -A', status: 0, output: '' }],
  requests: ['rs1', 'rs2', 'rs3'].map((name) => ({
    service: 'http',
    command: 'curl',
    answeredBy: name,
    text: name,
  })),
  frame: {
    before: '00',
    after: '00',
    changed: [],
    sha256Before: '',
    sha256After: '',
    unchanged: true,
  },
  traffic: {
    towardsDirector: 9,
    forwarded: 9,
    unchanged: 9,
    repliesAtDirector: 0,
    repliesAtClient: 9,
  },
  listings: [],
  missing: [],
}

t.test('every way to fail is noticed', (t) => {
  const { traffic, requests } = GOOD
  const spoilt: [Partial<Demonstration>, RegExp][] = [
    [{ rules: [{ command: 'uipvsadm -A', status: 255, output: 'no' }] }, /exit status 255: no/],
    [{ requests: [{ ...requests[0]!, answeredBy: null, text: '' }, ...requests] }, /no answer/],
    [{ requests: requests.slice(1) }, /http: rs1 answered nobody/],
    [{ frame: null }, /no frame passed/],
    [{ traffic: { ...traffic, forwarded: 7, unchanged: 7 } }, /2 frames did not leave/],
    [{ traffic: { ...traffic, unchanged: 8 } }, /1 IP packets were changed/],
    [{ traffic: { ...traffic, repliesAtDirector: 3 } }, /3 replies passed the director/],
    [{ traffic: { ...traffic, repliesAtClient: 0 } }, /no reply reached the client/],
  ]
  t.same(failuresOf(GOOD), [])
  for (const [change, expected] of spoilt) {
    const failures = failuresOf({ ...GOOD, ...change })
    t.equal(failures.length, 1, expected.source)
    t.match(failures[0], expected)
  }
  t.end()
})
