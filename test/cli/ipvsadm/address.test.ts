import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  addressWords,
  formatIpv4,
  formatIpv6,
  readIpv4,
  readIpv6,
  readStrictIpv4,
} from '../../../src/cli/ipvsadm/address.js'

function cases<T>(file: string): [string, T | null][] {
  return JSON.parse(readFileSync(`test/fixtures/ipvsadm/libc/${file}`, 'utf8'))
}

t.test('IPv4 is read as inet_aton does', async (t) => {
  for (const [text, address] of cases<number>('inet-aton.json')) {
    t.equal(readIpv4(text), address, JSON.stringify(text))
  }
  t.equal(readIpv4('192.168.1.110 and more'), 0xc0a8016e, 'a blank ends it')
  t.equal(readIpv4('1.2.3.4.5'), null)
})

t.test('IPv6 is read and printed as inet_pton and inet_ntop do', async (t) => {
  for (const [text, printed] of cases<string>('inet-pton-ntop.json')) {
    const groups = readIpv6(text)
    t.equal(groups && formatIpv6(groups), printed, text)
  }
  t.equal(readIpv6('fe80::1%d0'), null, 'no zone')
})

t.test('strict IPv4 has four decimal numbers', async (t) => {
  t.equal(readStrictIpv4('224.0.0.81'), 0xe0000051)
  for (const text of ['224.0.81', '224.0.0.081', '0xe0.0.0.1', '224.0.0.256', '224.0.0.1 ']) {
    t.equal(readStrictIpv4(text), null, text)
  }
})

t.test('words are signed, from the left', async (t) => {
  t.same(addressWords('192.168.1.110'), [0xc0a8016e | 0])
  t.same(addressWords('fd00::1'), [0xfd000000 | 0, 0, 0, 1])
  t.equal(formatIpv4(0xc0a8016e | 0), '192.168.1.110')
})
