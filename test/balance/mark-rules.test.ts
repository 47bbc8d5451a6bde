import t from 'tap'
import { MarkBook, markText, onlyDestination } from '../../src/balance/mark-rules.js'
import { LOCAL_MARKS_MAX, MARKS_MAX, MarkTable } from '../../src/balance/marks.js'
import { type MarkRule, RuleError } from '../../src/balance/rule.js'

/** The code with which something is refused, or ''. */
function refusal(act: () => void): string {
  try {
    act()
    return ''
  } catch (error) {
    if (!(error instanceof RuleError)) throw error
    return error.code
  }
}

t.test('what is no rule is refused, and nothing has changed', async (t) => {
  const book = new MarkBook(new MarkTable())
  const wrong: [code: string, rule: MarkRule][] = [
    ['EINVAL', { mark: -1 }],
    ['EINVAL', { mark: 4294967296 }],
    ['EINVAL', { mark: 1.5 }],
    ['EINVAL', { mark: 1, source: 'localhost' }],
    ['EINVAL', { mark: 1, source: '10.0.0.0/33' }],
    ['EINVAL', { mark: 1, source: '10.0.0.0/' }],
    ['EINVAL', { mark: 1, source: '10.0.0.0/8/8' }],
    ['EINVAL', { mark: 1, destination: '::/129' }],
    ['EINVAL', { mark: 1, ports: [80, 80] }],
    ['EINVAL', { mark: 1, protocol: 'icmp', ports: [80, 80] }],
    ['EINVAL', { mark: 1, protocol: 'tcp', ports: [81, 80] }],
    ['EINVAL', { mark: 1, protocol: 'tcp', ports: [0, 65536] }],
    ['EAFNOSUPPORT', { mark: 1, source: '10.0.0.0/8', destination: '::1' }],
    ['EAFNOSUPPORT', { mark: 1, protocol: 'icmpv6', destination: '10.0.0.1' }],
  ]
  for (const [code, rule] of wrong) {
    t.equal(
      refusal(() => book.add(rule)),
      code,
      JSON.stringify(rule),
    )
  }
  t.same(book.rules, [])
})

t.test('a rule is there once, and deleted by what it says', async (t) => {
  const book = new MarkBook(new MarkTable())
  const http: MarkRule = { mark: 1, protocol: 'tcp', ports: [80, 80] }
  const dns: MarkRule = { mark: 1, protocol: 'udp', ports: [53, 53], source: undefined }
  book.add(http)
  book.add(dns)
  t.equal(
    refusal(() => book.add({ ...http })),
    'EEXIST',
  )
  t.equal(
    refusal(() => book.delete({ mark: 1 })),
    'ENOENT',
  )
  book.delete({ mark: 1, protocol: 'udp', ports: [53, 53] })
  t.same(book.rules, [http])
  book.flush()
  t.same(book.rules, [])
})

t.test('there is an end to them', async (t) => {
  const book = new MarkBook(new MarkTable())
  for (let mark = 1; mark <= MARKS_MAX; mark++) book.add({ mark })
  t.equal(
    refusal(() => book.add({ mark: 0 })),
    'ENOSPC',
  )
  for (let mark = 1; mark <= LOCAL_MARKS_MAX; mark++) book.addLocal(mark)
  book.addLocal(1)
  t.equal(
    refusal(() => book.addLocal(LOCAL_MARKS_MAX + 1)),
    'ENOSPC',
  )
  t.equal(
    refusal(() => book.addLocal(0)),
    'EINVAL',
  )
  t.equal(
    refusal(() => book.deleteLocal(9999)),
    'ENOENT',
  )
  t.equal(book.local.length, LOCAL_MARKS_MAX)
})

t.test('rules as text, and the address that one is about', async (t) => {
  const rule: MarkRule = {
    mark: 9,
    protocol: 'tcp',
    source: '10.0.0.0/8',
    destination: '192.168.1.110',
    ports: [80, 89],
  }
  t.equal(markText(rule), '9 --proto tcp --src 10.0.0.0/8 --dst 192.168.1.110 --dport 80:89')
  t.equal(markText({ mark: 1, protocol: 'udp', ports: [53, 53] }), '1 --proto udp --dport 53')
  const targets = ['192.168.1.110', '192.168.1.110/32', '192.168.1.0/24', '::1', '::1/128', '::/32']
  t.same(
    targets.map((destination) => onlyDestination({ mark: 1, destination })),
    ['192.168.1.110', '192.168.1.110', null, '::1', '::1', null],
  )
  t.equal(onlyDestination({ mark: 1 }), null)
})
