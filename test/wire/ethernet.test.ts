import t from 'tap'
import { formatMac } from '../../src/wire/address.js'
import * as ethernet from '../../src/wire/ethernet.js'
import { agree, fromHex, tile, viewOf, written } from './harness.js'

const PLAIN = '0242c0a80101 0242c0a801fe 0800'
// Two tags: 802.1ad with priority 5 and VLAN 100, 802.1Q with "drop eligible" and VLAN 4095.
const TAGGED = '333300000001 00005e000101 88a8 a064 8100 1fff 86dd'

t.test('the table has a row for every bit, and says what the accessors say', async (t) => {
  tile(t, ethernet.fields, 0, ethernet.HEADER_BYTES)
  tile(t, ethernet.vlanFields, 0, ethernet.VLAN_TAG_BYTES)
  agree(t, ethernet.fields, {
    destination: (view, at) =>
      formatMac(ethernet.destinationHigh(view, at), ethernet.destinationLow(view, at)),
    source: (view, at) => formatMac(ethernet.sourceHigh(view, at), ethernet.sourceLow(view, at)),
    type: ethernet.type,
  })
  agree(t, ethernet.vlanFields, {
    'tag protocol': null,
    priority: null,
    'drop eligible': null,
    'vlan id': ethernet.vlanId,
  })
})

t.test('a plain frame is read', async (t) => {
  const view = viewOf(fromHex(`ffffff ${PLAIN}`))
  t.equal(ethernet.destinationHigh(view, 3), 0x0242)
  t.equal(ethernet.destinationLow(view, 3), 0xc0a80101 | 0)
  t.equal(ethernet.sourceHigh(view, 3), 0x0242)
  t.equal(ethernet.sourceLow(view, 3), 0xc0a801fe | 0)
  t.equal(ethernet.type(view, 3), ethernet.ETH_P_IP)
  t.notOk(ethernet.isVlan(ethernet.type(view, 3)))
  t.notOk(ethernet.isGroup(view, 3))
  t.ok(ethernet.isGroup(view, 0), 'ff:ff:… is a group')
})

t.test('tags shift the type by their length', async (t) => {
  const view = viewOf(fromHex(TAGGED))
  t.ok(ethernet.isGroup(view, 0))
  t.equal(ethernet.type(view, 0), ethernet.ETH_P_8021AD)
  t.ok(ethernet.isVlan(ethernet.type(view, 0)))
  t.equal(ethernet.vlanId(view, ethernet.TYPE_OFFSET), 100)
  t.equal(ethernet.type(view, ethernet.VLAN_TAG_BYTES), ethernet.ETH_P_8021Q)
  t.ok(ethernet.isVlan(ethernet.type(view, ethernet.VLAN_TAG_BYTES)))
  t.equal(ethernet.vlanId(view, ethernet.TYPE_OFFSET + ethernet.VLAN_TAG_BYTES), 4095)
  t.equal(ethernet.type(view, 2 * ethernet.VLAN_TAG_BYTES), ethernet.ETH_P_IPV6)
})

t.test('only the two tag types are tags', async (t) => {
  const tags = Array.from({ length: 65536 }, (_, type) => type).filter(ethernet.isVlan)
  t.same(tags, [0x8100, 0x88a8])
})

t.test('writers write their bytes and no others', async (t) => {
  const header = written(t, 14, (view, at) =>
    ethernet.writeHeader(view, at, 0x0242, 0xc0a80101 | 0, 0x0242, 0xc0a801fe | 0, 0x0800),
  )
  t.equal(header, PLAIN.replaceAll(' ', ''))
  t.equal(
    written(t, 14, (view, at) => ethernet.setDestination(view, at, 0xffff, -1)),
    'ffffffffffffa5a5a5a5a5a5a5a5',
  )
  t.equal(
    written(t, 14, (view, at) => ethernet.setSource(view, at, 0x0102, 0x03040506)),
    'a5a5a5a5a5a5010203040506a5a5',
  )
  t.equal(
    written(t, 14, (view, at) => ethernet.setType(view, at, 0x0806)),
    `${'a5'.repeat(12)}0806`,
  )
  t.equal(
    written(t, 4, (view, at) => ethernet.writeTag(view, at, 0x8100, 4094)),
    '81000ffe',
  )
})
