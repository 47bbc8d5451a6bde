import fc from 'fast-check'
import t from 'tap'
import { FILTER_CHARACTERS_MAX, parseFilter } from '../../src/engine/trace-filter.js'
import { FilterError } from '../../src/engine/trace-value.js'

/** What is wrong with a filter, and under which character the caret stands. */
const WRONG: readonly [filter: string, caret: string, message: RegExp][] = [
  ['tcp prot 80', '    ^', /'and' or 'or' is missing before 'prot'/],
  ['prot 80', '^', /'prot' is no word of a filter/],
  ['host', '    ^', /an address is missing at the end/],
  ['host www.example.org', '     ^', /'www.example.org' is no address/],
  ['host 10.0.0.256', '     ^', /no address/],
  ['net 10.0.0.1/8', '    ^', /bits behind its prefix/],
  ['net 10.0.0.0/33', '    ^', /no network/],
  ['port 65536', '     ^', /no port: 0 to 65535/],
  ['port http', '     ^', /no port/],
  ['portrange 80-70', '          ^', /no range of ports/],
  ['portrange 80', '          ^', /no range of ports/],
  ['port 80 or', '          ^', /a condition is missing at the end/],
  ['port 80 and and port 81', '            ^', /'and' is no word/],
  ['(port 80', '^', /this '\(' is never closed/],
  ['port 80)', '       ^', /'\)' without a '\('/],
  ['()', ' ^', /'\)' is no word/],
  ['not', '   ^', /a condition is missing/],
  ['verdict forwaded', '        ^', /'forwaded' is no verdict/],
  ['realserver 10.0.0.1:', '           ^', /is not ADDRESS/],
  ['realserver 2001:db8::1]:80', '           ^', /is not ADDRESS/],
  ['vip [10.0.0.1]:80', '    ^', /is not ADDRESS/],
  ['proto hopopt', '      ^', /no protocol/],
  ['proto 256', '      ^', /no protocol/],
  ['arp port 80', '^', /arp has no ports/],
  ['ip host ::1', '^', /ip has no IPv6 addresses/],
  ['tcp and ip6 src net 10.0.0.0/8', '        ^', /ip6 has no IPv4 addresses/],
  ['less many', '     ^', /no number of bytes/],
  ['tcp & udp', '    ^', /missing before '&'/],
  ['src', '   ^', /an address is missing/],
  ['10.0.0.1 10.0.0.2', '         ^', /missing before/],
]

t.test('an error says what is wrong, and where', async (t) => {
  for (const [filter, caret, message] of WRONG) {
    try {
      parseFilter(filter)
      t.fail(`${filter} was accepted`)
    } catch (error) {
      if (!(error instanceof FilterError)) throw error
      t.match(error.message, message, filter)
      t.equal(error.column, caret.length - 1, `${filter}: the place`)
    }
  }
})

t.test('and and or bind equally strong, from left to right, as in pcap-filter', async (t) => {
  const same = (one: string, other: string) => t.same(parseFilter(one), parseFilter(other), one)
  same('tcp or udp and port 53', '(tcp or udp) and port 53')
  same('not tcp and port 53', '(not tcp) and port 53')
  same('! ( tcp || udp )', 'not (tcp or udp)')
  same('tcp port 80 or 443', 'tcp port 80 or tcp port 443')
  same('src 10.0.0.1 or 10.0.0.2', 'src host 10.0.0.1 or src host 10.0.0.2')
  same('(src 10.0.0.1) or 10.0.0.2', 'src host 10.0.0.1 or host 10.0.0.2')
  same('src 10.0.0.1 or tcp or 10.0.0.2', 'src host 10.0.0.1 or tcp or host 10.0.0.2')
  same('src port 80 or 10.0.0.2', 'src port 80 or host 10.0.0.2')
  same('10.0.0.1', 'host 10.0.0.1')
  same('10.0.0.0/8', 'net 10.0.0.0/8')
  same('src or dst port 80', 'port 80')
  same('vip 10.0.0.1:80', 'dst host 10.0.0.1 and dst port 80')
  same('proto \\tcp', 'tcp')
  t.equal(parseFilter(''), null)
  t.equal(parseFilter('  '), null)
})

t.test('any text is a filter or an error with a place in it', async (t) => {
  const words = [
    'host',
    'port',
    'src',
    'dst',
    'and',
    'or',
    'not',
    '(',
    ')',
    'tcp',
    '80',
    '10.0.0.1',
  ]
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc
      .array(fc.constantFrom(...words, 'verdict', 'vip', 'net', '::1', '!'), { maxLength: 12 })
      .map((each) => each.join(' ')),
  )
  const property = fc.property(text, (filter) => {
    try {
      parseFilter(filter)
    } catch (error) {
      if (!(error instanceof FilterError)) throw error
      if (!(error.column >= 0 && error.column <= filter.length)) throw new Error('no place in it')
    }
  })
  fc.assert(property, { seed: 20261127, numRuns: 2000 })
  t.throws(() => parseFilter('('.repeat(200)), FilterError, 'no end of the stack')
  t.throws(() => parseFilter(`${'not '.repeat(900)}tcp`), FilterError)
  t.throws(() => parseFilter('x'.repeat(FILTER_CHARACTERS_MAX + 1)), FilterError)
})
