import t from 'tap'
import { isMartian4, isMartian6 } from '../../src/engine/martian.js'
import { VipTable } from '../../src/link/vips.js'
import { words } from './world.js'

t.test('IPv4: this network, loopback, multicast, everybody, a VIP', async (t) => {
  const vips = new VipTable()
  vips.replace([{ family: 4, words: words('10.0.0.9'), onKernel: false, announced: true }])
  const martian = (address: string) => isMartian4(words(address)[0] as number, vips)
  for (const address of [
    '0.0.0.0',
    '0.255.0.1',
    '127.0.0.1',
    '127.255.255.255',
    '224.0.0.1',
    '239.9.9.9',
    '255.255.255.255',
    '10.0.0.9',
  ]) {
    t.ok(martian(address), address)
  }
  for (const address of [
    '1.0.0.0',
    '10.0.0.8',
    '126.255.255.255',
    '128.0.0.1',
    '223.255.255.255',
    '240.0.0.1',
    '255.255.255.254',
  ]) {
    t.notOk(martian(address), address)
  }
})

t.test('IPv6: groups and loopback', async (t) => {
  const martian = (address: string) => {
    const [a, b, c, d] = words(address) as unknown as [number, number, number, number]
    return isMartian6(a, b, c, d)
  }
  for (const address of ['::1', 'ff02::1', 'ff0e::1']) t.ok(martian(address), address)
  for (const address of [
    '::',
    '::2',
    '1::1',
    '0:1::1',
    '::1:0:1',
    'fe80::1',
    '2001:db8::1',
    '::ffff:10.0.0.1',
  ]) {
    t.notOk(martian(address), address)
  }
})
