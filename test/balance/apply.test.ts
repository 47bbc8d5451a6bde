import fc from 'fast-check'
import t from 'tap'
import type { RuleBook } from '../../src/balance/apply.js'
import { METHOD_MASQ, METHOD_TUNNEL, OVERLOAD } from '../../src/balance/destination.js'
import type { Rule, ServiceKey, SyncDaemon } from '../../src/balance/rule.js'
import { SERVICE_ONE_PACKET, SERVICE_PERSISTENT } from '../../src/balance/service.js'
import {
  addDestination,
  addService,
  type BookOptions,
  deleteDestination,
  editDestination,
  editService,
  key,
  listOf,
  makeBook,
  picks,
  refusalOf,
  SEED,
  slotOf,
  VIP,
  VIP6,
} from './rule-book.js'
import { agreed, freeSlots, snapshot } from './snapshot.js'

const MARK: ServiceKey = { fwmark: 6, family: 'inet' }
const DAEMON: SyncDaemon = {
  role: 'master',
  interface: 'eth0',
  syncid: 1,
  maxlen: 1460,
  group: '224.0.0.81',
  port: 8848,
  ttl: 1,
}

function bookOf(rules: readonly Rule[], options: BookOptions = {}): RuleBook {
  const book = makeBook(options)
  for (const rule of rules) book.apply(rule)
  return book
}

const SURROUNDINGS = {
  isBroadcast: (address: string) => address === '10.0.0.255',
  isLocal: (address: string) => address === '10.0.0.254' || address === 'fe80::1',
  hasInterface: (name: string) => name === 'eth0',
}

/**
 * A sentence, what there is before, the rule, and `code subject` of the refusal (null: accepted).
 */
type Case = readonly [sentence: string, before: readonly Rule[], rule: Rule, refusal: string | null]

const service = addService()
const one = [service, addDestination('10.0.0.1')]
const bad = (changes: object, rule = addDestination('10.0.0.2')): Rule =>
  ({ ...rule, settings: { ...(rule as { settings: object }).settings, ...changes } }) as Rule
const at = (address: string, port = 80): Rule =>
  ({ ...addDestination('10.0.0.2'), destination: { address, port } }) as Rule

const CASES: readonly Case[] = [
  ['a service that is there', [service], addService(), 'EEXIST service'],
  ['the same address, another port', [service], addService(key(81)), null],
  ['the same address, another protocol', [service], addService(key(80, 'udp')), null],
  ['a mark', [service], addService(MARK), null],
  ['a mark that is there', [addService(MARK)], addService(MARK), 'EEXIST service'],
  [
    'the same mark of the other family',
    [addService(MARK)],
    addService({ fwmark: 6, family: 'inet6' }),
    null,
  ],
  ['no address', [], addService(key(80, 'tcp', 'example')), 'EINVAL service'],
  ['a port beyond 65535', [], addService(key(65_536)), 'EINVAL service'],
  ['an unknown scheduler', [], addService(key(), { scheduler: 'best' }), 'ENOENT scheduler'],
  ['no scheduler', [], addService(key(), { scheduler: 'none' }), null],
  ['an unknown persistence engine', [], addService(key(), { pe: 'http' }), 'ENOENT scheduler'],
  [
    'a persistence that is too long',
    [],
    addService(key(), { persistent: 2_678_401 }),
    'EINVAL service',
  ],
  ['a netmask of the other family', [], addService(key(), { netmask: '64' }), 'EINVAL service'],
  ['editing what is not there', [], editService(key(), {}), 'ESRCH service'],
  [
    'editing with an unknown scheduler',
    one,
    editService(key(), { scheduler: 'x' }),
    'ENOENT scheduler',
  ],
  ['editing with a bad netmask', one, editService(key(), { netmask: '' }), 'EINVAL service'],
  ['deleting what is not there', one, { op: 'delete-service', service: key(81) }, 'ESRCH service'],
  [
    'a destination without its service',
    [],
    addDestination('10.0.0.1'),
    'ESRCH destination-service',
  ],
  ['a destination that is there', one, addDestination('10.0.0.1'), 'EEXIST destination'],
  ['the same destination with another port', one, at('10.0.0.1', 81), null],
  ['no address of a destination', one, at('10.0.0'), 'EINVAL destination'],
  ['a port of a destination beyond 65535', one, at('10.0.0.2', 65_536), 'EINVAL destination'],
  ['the other family', one, at('2001:db8::1'), 'EAFNOSUPPORT destination'],
  ['the other family by a tunnel', one, bad({ method: 'tunnel' }, at('2001:db8::1')), null],
  ['multicast', one, at('224.0.0.1'), 'EINVAL destination'],
  ['unspecified', one, at('0.0.0.0'), 'EINVAL destination'],
  ['broadcast', one, at('10.0.0.255'), 'EINVAL destination'],
  ['one of our own addresses', one, at('10.0.0.254'), null],
  ['a negative weight', one, bad({ weight: -1 }), 'ERANGE destination'],
  ['a weight beyond 31 bits', one, bad({ weight: 2 ** 31 }), 'ERANGE destination'],
  ['the largest weight', one, bad({ weight: 2 ** 31 - 1 }), null],
  ['half a weight', one, bad({ weight: 0.5 }), 'ERANGE destination'],
  ['lower above upper', one, bad({ upperThreshold: 4, lowerThreshold: 5 }), 'ERANGE destination'],
  ['lower without upper', one, bad({ lowerThreshold: 1 }), 'ERANGE destination'],
  ['lower equal to upper', one, bad({ upperThreshold: 4, lowerThreshold: 4 }), null],
  ['upper beyond 31 bits', one, bad({ upperThreshold: 2 ** 31 }), 'ERANGE destination'],
  [
    'editing a destination without its service',
    [],
    editDestination('10.0.0.1'),
    'ESRCH destination-service',
  ],
  [
    'editing a destination that is not there',
    one,
    editDestination('10.0.0.9'),
    'ENOENT destination',
  ],
  [
    'editing with thresholds out of order',
    one,
    editDestination('10.0.0.1', { lowerThreshold: 1 }),
    'ERANGE destination',
  ],
  [
    'deleting a destination without its service',
    [],
    deleteDestination('10.0.0.1'),
    'ESRCH destination-service',
  ],
  [
    'deleting a destination that is not there',
    one,
    deleteDestination('10.0.0.9'),
    'ENOENT destination',
  ],
  ['zeroing a service that is not there', one, { op: 'zero', service: key(81) }, 'ESRCH service'],
  ['zeroing all', one, { op: 'zero' }, null],
  ['timeouts', [], { op: 'set-timeouts', tcp: 10, tcpfin: 20, udp: 30 }, null],
  [
    'a negative timeout',
    [],
    { op: 'set-timeouts', tcp: -1, tcpfin: 20, udp: 30 },
    'EINVAL timeout',
  ],
  [
    'a timeout that is too long',
    [],
    { op: 'set-timeouts', tcp: 1, tcpfin: 1, udp: 2_678_401 },
    'EINVAL timeout',
  ],
  ['an unknown setting', [], { op: 'set-sysctl', name: 'speed', value: '1' }, 'ENOENT sysctl'],
  [
    'a setting that is no number',
    [],
    { op: 'set-sysctl', name: 'sloppy_tcp', value: 'on' },
    'EINVAL sysctl',
  ],
  [
    'a setting beyond its range',
    [],
    { op: 'set-sysctl', name: 'sloppy_tcp', value: '2147483648' },
    'EINVAL sysctl',
  ],
  ['a daemon', [], { op: 'start-daemon', daemon: DAEMON }, null],
  [
    'a second master',
    [{ op: 'start-daemon', daemon: DAEMON }],
    { op: 'start-daemon', daemon: { ...DAEMON, syncid: 2 } },
    'EALREADY daemon',
  ],
  [
    'a backup beside a master',
    [{ op: 'start-daemon', daemon: DAEMON }],
    { op: 'start-daemon', daemon: { ...DAEMON, role: 'backup' } },
    null,
  ],
  [
    'a daemon on no interface',
    [],
    { op: 'start-daemon', daemon: { ...DAEMON, interface: 'eth9' } },
    'ENODEV daemon',
  ],
  [
    'stopping a daemon that does not run',
    [{ op: 'start-daemon', daemon: DAEMON }],
    { op: 'stop-daemon', role: 'backup' },
    'ESRCH daemon',
  ],
  ['flushing nothing', [], { op: 'flush' }, null],
  ['reaping what is not in the trash', one, { op: 'reap', slots: [0, 5] }, null],
]

t.test('every refusal leaves everything as it was; everything else is accepted', async (t) => {
  for (const [sentence, before, rule, refusal] of CASES) {
    const book = bookOf(before, { surroundings: SURROUNDINGS })
    const was = snapshot(book)
    t.equal(refusalOf(book, rule), refusal, sentence)
    if (refusal !== null) t.same(snapshot(book), was, `${sentence}: nothing has changed`)
  }
})

t.test('link-local destinations of IPv6 only if they are our own', async (t) => {
  const six = key(80, 'tcp', VIP6)
  const book = bookOf([addService(six)], { surroundings: SURROUNDINGS })
  t.equal(refusalOf(book, addDestination('fe80::2', {}, six)), 'EINVAL destination')
  t.equal(refusalOf(book, addDestination('fe80::1', {}, six)), null)
  t.equal(refusalOf(book, addDestination('2001:db8::2', {}, six)), null)
  t.equal(refusalOf(book, addDestination('::', {}, six)), 'EINVAL destination')
})

t.test('full tables', async (t) => {
  const book = bookOf([addService(key(1)), addService(key(2))], {
    limits: { services: 2, destinations: 2 },
  })
  book.apply(addDestination('10.0.0.1', {}, key(1)))
  book.apply(addDestination('10.0.0.2', {}, key(1)))
  const was = snapshot(book)
  t.equal(refusalOf(book, addService(key(3))), 'ENOSPC service')
  t.equal(refusalOf(book, addDestination('10.0.0.3', {}, key(2))), 'ENOSPC destination')
  t.same(snapshot(book), was)
  book.apply(deleteDestination('10.0.0.1', key(1)))
  t.equal(
    refusalOf(book, addDestination('10.0.0.3', {}, key(2))),
    'ENOSPC destination',
    'the trash still holds its record',
  )
  t.equal(refusalOf(book, addDestination('10.0.0.1', {}, key(1))), null, 'which comes back to it')
  book.apply(deleteDestination('10.0.0.1', key(1)))
  book.apply({ op: 'reap', slots: [0] })
  t.equal(refusalOf(book, addDestination('10.0.0.3', {}, key(2))), null)
})

t.test('settings of services and destinations arrive where they are read', async (t) => {
  const book = bookOf([
    addService(key(), { persistent: 300, ops: true, netmask: '255.255.0.0', schedulerFlags: 0x18 }),
    addDestination('10.0.0.1', { weight: 9, method: 'masq', upperThreshold: 8, lowerThreshold: 3 }),
  ])
  const { services, destinations } = book.balancer
  t.ok(services.hasFlag(0, SERVICE_PERSISTENT) && services.hasFlag(0, SERVICE_ONE_PACKET))
  t.same(
    [services.timeout(0), services.netmask(0), services.schedulerFlags(0)],
    [300, -65536, 0x18],
  )
  const seen = () => [
    destinations.weight(0),
    destinations.method(0),
    destinations.upper(0),
    destinations.lower(0),
  ]
  t.same(seen(), [9, METHOD_MASQ, 8, 3])
  const tunnel = { type: 'gue', port: 6080, checksum: 'csum' } as const
  book.apply(editDestination('10.0.0.1', { weight: 2, method: 'tunnel', tunnel }))
  t.same(seen(), [2, METHOD_TUNNEL, 0, 0])
  t.same(book.destinationNames[0], { address: '10.0.0.1', tunnel })
  book.apply(editService(key(), {}))
  t.notOk(services.hasFlag(0, SERVICE_PERSISTENT) || services.hasFlag(0, SERVICE_ONE_PACKET))
})

t.test(
  'editing with the same scheduler keeps its state, with another one begins anew',
  async (t) => {
    const book = bookOf([service, ...[1, 2, 3].map((n) => addDestination(`10.0.0.${n}`))])
    t.equal(picks(book, 1), '3')
    book.apply(editService(key(), { persistent: 5 }))
    t.equal(picks(book, 1), '2')
    book.apply(editService(key(), { scheduler: 'lc' }))
    t.equal(picks(book, 2), '3 3')
    book.apply(editService(key(), { scheduler: 'none' }))
    t.equal(picks(book, 1), '-')
  },
)

t.test('timeouts: 0 leaves one as it is; other states and SCTP are not touched', async (t) => {
  const book = makeBook()
  const { balancer } = book
  const before = [...balancer.tcpTimeouts]
  book.apply({ op: 'set-timeouts', tcp: 0, tcpfin: 33, udp: 0 })
  t.same(
    [balancer.tcpTimeouts[1], balancer.tcpTimeouts[4], balancer.udpTimeout],
    [90_000, 3300, 30_000],
  )
  book.apply({ op: 'set-timeouts', tcp: 7, tcpfin: 0, udp: 9 })
  t.same([balancer.tcpTimeouts[1], balancer.tcpTimeouts[4], balancer.udpTimeout], [700, 3300, 900])
  before[1] = 700
  before[4] = 3300
  t.same([...balancer.tcpTimeouts], before)
})

t.test('settings of Linux by name', async (t) => {
  const book = makeBook()
  book.apply({ op: 'set-sysctl', name: 'conn_reuse_mode', value: ' 2\n' })
  book.apply({ op: 'set-sysctl', name: 'sloppy_sctp', value: '-1' })
  t.same([book.balancer.sysctls.conn_reuse_mode, book.balancer.sysctls.sloppy_sctp], [2, -1])
})

t.test('daemons start and stop by role', async (t) => {
  const book = makeBook()
  const backup = { ...DAEMON, role: 'backup' } as const
  book.apply({ op: 'start-daemon', daemon: DAEMON })
  book.apply({ op: 'start-daemon', daemon: backup })
  t.same(book.daemons, [DAEMON, backup])
  book.apply({ op: 'stop-daemon', role: 'master' })
  t.same(book.daemons, [backup])
})

t.test('the trash: what is added again comes back to the head, with all that it was', async (t) => {
  const book = bookOf([
    service,
    ...[1, 2, 3].map((n) => addDestination(`10.0.0.${n}`, { weight: n })),
  ])
  const { destinations, services } = book.balancer
  const slot = slotOf(book, '10.0.0.1')
  destinations.addActive(slot, 4)
  destinations.countInput(slot, 1000)
  destinations.setFlag(slot, OVERLOAD)
  const epoch = book.destinationEpochs[slot]
  book.apply(deleteDestination('10.0.0.1'))
  t.same([...book.trash()], [slot])
  t.same(listOf(book), ['10.0.0.3', '10.0.0.2'])
  t.equal(services.destinations(0), 2)
  t.notOk(destinations.isAvailable(slot))
  book.apply(addDestination('10.0.0.1', { weight: 7, upperThreshold: 0 }))
  t.same([...book.trash()], [])
  t.same(listOf(book), ['10.0.0.1', '10.0.0.3', '10.0.0.2'])
  t.equal(slotOf(book, '10.0.0.1'), slot)
  t.same(
    [destinations.active(slot), destinations.weight(slot), destinations.lastWeight(slot)],
    [4, 7, 7],
  )
  t.equal(destinations.statistic(slot, 1), 1)
  t.equal(book.destinationEpochs[slot], epoch)
})

t.test('the trash of a service that was made again: statistics begin anew', async (t) => {
  const book = bookOf(one)
  const { destinations } = book.balancer
  destinations.addActive(0, 4)
  book.apply(deleteDestination('10.0.0.1'))
  book.apply(addDestination('10.0.0.1'))
  t.equal(book.moved, -1, 'back in the service that it was in')
  book.apply({ op: 'delete-service', service: key() })
  book.apply(addService())
  t.equal(book.moved, -1)
  book.apply(addDestination('10.0.0.1'))
  t.equal(slotOf(book, '10.0.0.1'), 0)
  t.equal(destinations.active(0), 4, 'connections stay')
  t.equal(book.moved, 0, 'whoever shows statistics is told to count from here')
  book.apply(addDestination('10.0.0.2'))
  t.equal(book.moved, -1)
})

t.test('the trash knows services and ports apart', async (t) => {
  const book = bookOf([service, addService(key(81)), addDestination('10.0.0.1')])
  book.apply(deleteDestination('10.0.0.1'))
  book.apply(addDestination('10.0.0.1', {}, key(81)))
  t.same([...book.trash()], [0], 'the same address in another service is another destination')
  t.same(listOf(book, key(81)), ['10.0.0.1'])
})

t.test('flush empties all services into the trash', async (t) => {
  const book = bookOf([...one, addService(MARK), addDestination('10.0.0.5', {}, MARK)])
  book.apply({ op: 'flush' })
  t.same([...book.services()], [])
  t.same([...book.trash()].sort(), [0, 1])
  t.equal(book.findService(key()), undefined)
  const { services } = book.balancer
  t.same([services.count4, services.count6], [0, 0])
})

/** Random rules, most of which make sense; some are refused. */
function anyRule(): fc.Arbitrary<Rule> {
  const keys = fc.constantFrom<ServiceKey>(
    key(80),
    key(81),
    key(80, 'udp'),
    key(80, 'tcp', VIP6),
    MARK,
  )
  const number = fc.integer({ min: 1, max: 5 })
  const settings = fc.record({ weight: fc.nat({ max: 3 }), upperThreshold: fc.nat({ max: 3 }) })
  const isSix = (service: ServiceKey) => 'address' in service && service.address === VIP6
  const name = (service: ServiceKey, n: number) =>
    isSix(service) ? `2001:db8::${n}` : `10.0.0.${n}`
  return fc.oneof(
    {
      weight: 2,
      arbitrary: fc
        .tuple(keys, fc.constantFrom('rr', 'wrr', 'lc', 'wlc'))
        .map(([k, scheduler]) => addService(k, { scheduler })),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(keys, fc.constantFrom('rr', 'wlc', 'no'))
        .map(([k, scheduler]) => editService(k, { scheduler })),
    },
    { weight: 1, arbitrary: keys.map((k): Rule => ({ op: 'delete-service', service: k })) },
    {
      weight: 5,
      arbitrary: fc
        .tuple(keys, number, settings)
        .map(([k, n, s]) => addDestination(name(k, n), s, k)),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(keys, number, settings)
        .map(([k, n, s]) => editDestination(name(k, n), s, k)),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(keys, number).map(([k, n]) => deleteDestination(name(k, n), k)),
    },
    {
      weight: 2,
      arbitrary: fc
        .array(fc.nat({ max: 12 }), { maxLength: 3 })
        .map((slots): Rule => ({ op: 'reap', slots })),
    },
    { weight: 1, arbitrary: fc.constant<Rule>({ op: 'flush' }) },
  )
}

t.test('main and worker agree: accepted rules lead every copy to the same slots', async (t) => {
  const property = fc.property(fc.array(anyRule(), { maxLength: 60 }), fc.nat(), (rules, noise) => {
    const limits = { destinations: 10, services: 4 }
    const judge = makeBook({ limits, surroundings: SURROUNDINGS })
    const worker = makeBook({ limits })
    for (const rule of rules) {
      const was = snapshot(judge)
      if (refusalOf(judge, rule) !== null) {
        t.same(snapshot(judge), was) || t.bailout('a refused rule changed something')
        continue
      }
      // The worker's copy has traffic; it must not matter for who is where.
      const { destinations } = worker.balancer
      for (let d = 0; d < 10; d++) if (destinations.isUsed(d)) destinations.addActive(d, noise % 3)
      worker.apply(rule)
      t.same(agreed(worker), agreed(judge)) || t.bailout('the copies differ')
    }
    t.same(freeSlots(worker), freeSlots(judge)) || t.bailout('free slots differ')
  })
  fc.assert(property, { seed: SEED, numRuns: 100 })
})

t.test('VIPs of both families side by side', async (t) => {
  const six = key(80, 'tcp', VIP6)
  const book = bookOf([service, addService(six), addDestination('2001:db8::5', {}, six)])
  t.same(listOf(book, six), ['2001:db8::5'])
  t.not(book.findService(key(80, 'tcp', VIP)), book.findService(six))
})
