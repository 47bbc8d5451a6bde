import { readFileSync } from 'node:fs'
import t from 'tap'
import { formatIpv4 } from '../../../src/cli/ipvsadm/address.js'
import { sortDestinations, sortServices } from '../../../src/cli/ipvsadm/order.js'
import type { DestinationListing, ServiceListing } from '../../../src/control/listing.js'

function destinations(addresses: readonly string[], port = 80): DestinationListing[] {
  return addresses.map((address) => ({ address, port }) as DestinationListing)
}

t.test('addresses in a circle come out as the C library sorts them', async (t) => {
  const cases = JSON.parse(readFileSync('test/fixtures/ipvsadm/libc/qsort.json', 'utf8'))
  for (const [given, sorted] of cases as [number[], number[]][]) {
    const order = sortDestinations(destinations(given.map(formatIpv4)))
    const texts = order.map(({ address }) => address)
    t.same(texts, sorted.map(formatIpv4))
  }
})

t.test('equal elements stay in their order, and IPv4 comes before IPv6', async (t) => {
  const mixed = destinations(['::1', '10.0.0.1', '2001:db8::1', '10.0.0.1'])
  const sorted = sortDestinations(mixed)
  t.same(
    sorted.map((each) => mixed.indexOf(each)),
    [1, 3, 0, 2],
  )
})

t.test('marks: the wrapped difference, both families', async (t) => {
  const services = [
    { fwmark: 1, family: 'inet6' },
    { fwmark: 1, family: 'inet' },
    { fwmark: 4294967295, family: 'inet' },
  ].map((service) => ({ service }) as ServiceListing)
  t.same(
    sortServices(services).map(({ service }) => services.findIndex((s) => s.service === service)),
    [2, 1, 0],
  )
})
