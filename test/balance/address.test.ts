import fc from 'fast-check'
import t from 'tap'
import {
  isLinkLocal6,
  isMulticast,
  isUnspecified,
  type ParsedAddress,
  parseAddress,
} from '../../src/balance/address.js'
import { formatIpv4, formatIpv6, parseIpv6 } from '../../src/wire/address.js'
import { SEED } from './rule-book.js'

const parsed = (text: string) => parseAddress(text) as ParsedAddress

t.test('reads what our own formatter writes', async () => {
  const word = fc.oneof(fc.constant(0), fc.integer())
  fc.assert(
    fc.property(word, (address) => {
      const { family, words } = parsed(formatIpv4(address))
      return family === 4 && words[0] === address && words[1] === 0
    }),
    { seed: SEED },
  )
  fc.assert(
    fc.property(word, word, word, word, (...given) => {
      const { family, words } = parsed(formatIpv6(...given))
      return family === 6 && words.every((each, i) => each === given[i])
    }),
    { seed: SEED, numRuns: 1000 },
  )
})

t.test('agrees with the parser of the wire on text of all kinds', async () => {
  const part = fc.constantFrom('', ':', '::', '0', '1', 'ffff', '1:2', '12345', 'g', '.', '1.2.3.4')
  const text = fc.array(part, { maxLength: 9 }).map((parts) => parts.join(''))
  const words = new Int32Array(4)
  fc.assert(
    fc.property(text, (each) => {
      if (!each.includes(':')) return
      const ours = parseAddress(each)
      const theirs = parseIpv6(each, words)
      if ((ours !== null) !== theirs) throw new Error(`${JSON.stringify(each)}: ${ours} ${theirs}`)
      if (ours?.words.some((word, i) => word !== words[i])) {
        throw new Error(`${each}: ${ours.words} ${words}`)
      }
    }),
    { seed: SEED, numRuns: 5000 },
  )
})

t.test('what is no address', async (t) => {
  const wrong = [
    '',
    '1',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.4.5',
    '1.2.3.-4',
    ' 1.2.3.4',
    '1.2.3.4/8',
    '01.2.3.4',
  ]
  for (const text of [
    ...wrong,
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '::12345',
    '::1%eth0',
    '1.2.3.4::',
  ]) {
    t.equal(parseAddress(text), null, JSON.stringify(text))
  }
})

t.test('kinds of addresses', async (t) => {
  const kinds = (text: string) => {
    const address = parsed(text)
    return [isMulticast(address), isUnspecified(address), isLinkLocal6(address)].join(' ')
  }
  t.equal(kinds('10.0.0.1'), 'false false false')
  t.equal(kinds('224.0.0.1'), 'true false false')
  t.equal(kinds('239.255.255.255'), 'true false false')
  t.equal(kinds('240.0.0.1'), 'false false false')
  t.equal(kinds('0.0.0.0'), 'false true false')
  t.equal(kinds('ff02::1'), 'true false false')
  t.equal(kinds('::'), 'false true false')
  t.equal(kinds('::1'), 'false false false')
  t.equal(kinds('fe80::1'), 'false false true')
  t.equal(kinds('febf:ffff::1'), 'false false true')
  t.equal(kinds('fec0::1'), 'false false false')
  t.equal(kinds('2001:db8::1'), 'false false false')
})
