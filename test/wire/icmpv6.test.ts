import t from 'tap'
import { formatIpv6, formatMac } from '../../src/wire/address.js'
import { finishTransport6 } from '../../src/wire/checksum.js'
import * as icmpv6 from '../../src/wire/icmpv6.js'
import { PROTO_ICMPV6 } from '../../src/wire/ipv4.js'
import { agree, fromHex, staysInside, tile, toHex, viewOf, written } from './harness.js'

const AT = 40
const NOWHERE = '0'.repeat(32)
const ROUTER = 'fe800000000000000242c0fffea80101'
const VIP = '20010db8000000000000000000000110'
const SOLICITED_NODE = 'ff0200000000000000000001ff000110'
const ALL_NODES = 'ff020000000000000000000000000001'

/** An IPv6 packet with an ICMPv6 message, its checksum computed. */
function packet(source: string, destination: string, message: string, hopLimit = 'ff'): Uint8Array {
  const bytes = fromHex(`60000000 0000 3a ${hopLimit} ${source} ${destination} ${message}`)
  viewOf(bytes).setUint16(4, bytes.length - AT)
  finishTransport6(viewOf(bytes), 0, AT, bytes.length, PROTO_ICMPV6)
  return bytes
}

const SOURCE_OPTION = '01 01 0242c0a80101'
const TARGET_OPTION = '02 01 0242c0a80101'
const SOLICITATION = `87 00 0000 00000000 ${VIP}`
const ADVERTISEMENT = `88 00 0000 60000000 ${VIP}`

const SOLICITED = packet(ROUTER, SOLICITED_NODE, SOLICITATION + SOURCE_OPTION)
const ADVERTISED = packet(VIP, ROUTER, ADVERTISEMENT + TARGET_OPTION)

function isGood(bytes: Uint8Array): boolean {
  return icmpv6.isWellFormedNeighbourDiscovery(viewOf(bytes), 0, AT, bytes.length)
}

t.test('the tables have a row for every bit, and say what the accessors say', async (t) => {
  tile(t, [...icmpv6.fields, ...icmpv6.echoFields], 0, icmpv6.HEADER_BYTES)
  tile(t, [...icmpv6.fields, ...icmpv6.errorFields], 0, icmpv6.HEADER_BYTES)
  tile(t, icmpv6.optionFields, 0, 8)
  agree(t, icmpv6.fields, { type: icmpv6.type, code: icmpv6.code, checksum: icmpv6.checksum })
  agree(t, icmpv6.echoFields, { identifier: icmpv6.identifier, sequence: icmpv6.sequence })
  agree(t, icmpv6.errorFields, { parameter: icmpv6.nextHopMtu })
  const { target, optionMacHigh, optionMacLow } = icmpv6
  agree(t, icmpv6.neighbourFields, {
    flags: (view, at) => icmpv6.flags(view, at) >>> 29,
    target: (view, at) =>
      formatIpv6(
        target(view, at, 0),
        target(view, at, 1),
        target(view, at, 2),
        target(view, at, 3),
      ),
  })
  agree(t, icmpv6.optionFields, {
    option: null,
    'option length': null,
    'link-layer address': (view, at) => formatMac(optionMacHigh(view, at), optionMacLow(view, at)),
  })
})

t.test('kinds of messages', async (t) => {
  const types = Array.from({ length: 256 }, (_, type) => type)
  t.same(types.filter(icmpv6.isError), types.slice(0, 128))
  t.same(types.filter(icmpv6.isNeighbourDiscovery), [133, 134, 135, 136, 137])
  t.equal(icmpv6.embedded(54), 62)
  t.ok(icmpv6.isWellFormed(viewOf(SOLICITED), AT, AT + 8))
  t.notOk(icmpv6.isWellFormed(viewOf(SOLICITED), AT, AT + 7))
})

t.test('solicitation and advertisement are read', async (t) => {
  const view = viewOf(SOLICITED)
  t.ok(isGood(SOLICITED))
  t.equal(icmpv6.type(view, AT), icmpv6.TYPE_NEIGHBOUR_SOLICITATION)
  t.same(
    [0, 1, 2, 3].map((word) => icmpv6.target(view, AT, word)),
    [0x20010db8, 0, 0, 0x110],
  )
  const end = SOLICITED.length
  const option = icmpv6.linkLayerOption(view, AT, end, icmpv6.OPTION_SOURCE_LINK_LAYER)
  t.equal(option, 64)
  t.equal(icmpv6.optionMacHigh(view, option), 0x0242)
  t.equal(icmpv6.optionMacLow(view, option), 0xc0a80101 | 0)
  t.equal(icmpv6.linkLayerOption(view, AT, end, icmpv6.OPTION_TARGET_LINK_LAYER), -1)
  t.ok(isGood(ADVERTISED))
  const { FLAG_SOLICITED, FLAG_OVERRIDE } = icmpv6
  t.equal(icmpv6.flags(viewOf(ADVERTISED), AT), FLAG_SOLICITED | FLAG_OVERRIDE)
})

t.test('the checksum is what a computation by hand gives', async (t) => {
  t.equal(icmpv6.checksum(viewOf(SOLICITED), AT), slowChecksum(SOLICITED))
  t.equal(icmpv6.checksum(viewOf(ADVERTISED), AT), slowChecksum(ADVERTISED))
})

/** RFC 8200 section 8.1, spelt out: addresses, length, next header, message. */
function slowChecksum(bytes: Uint8Array): number {
  const message = bytes.slice(AT)
  message.fill(0, 2, 4)
  const all = [...bytes.slice(8, 40), 0, 0, 0, message.length, 0, 0, 0, 58, ...message]
  let total = 0
  for (let i = 0; i < all.length; i += 2) total += all[i] * 256 + all[i + 1]
  while (total > 0xffff) total = Math.floor(total / 65536) + (total % 65536)
  return 0xffff - total
}

t.test('what RFC 4861 section 7.1 tells a receiver to discard', async (t) => {
  const changed = (message: string, from: string, to: string) => message.replace(from, to)
  const multicastTarget = `87 00 0000 00000000 ${ALL_NODES}`
  const wrong: [string, Uint8Array][] = [
    ['a router has forwarded it', packet(ROUTER, SOLICITED_NODE, SOLICITATION, 'fe')],
    ['code 1', packet(ROUTER, SOLICITED_NODE, changed(SOLICITATION, '87 00', '87 01'))],
    ['a byte of the target is missing', packet(ROUTER, SOLICITED_NODE, SOLICITATION.slice(0, -2))],
    ['multicast target', packet(ROUTER, SOLICITED_NODE, multicastTarget)],
    ['empty option', packet(ROUTER, SOLICITED_NODE, `${SOLICITATION} 01 00 0242c0a80101`)],
    [
      'an option leaves the message',
      packet(ROUTER, SOLICITED_NODE, `${SOLICITATION} 01 02 0242c0a80101`),
    ],
    ['half an option', packet(ROUTER, SOLICITED_NODE, `${SOLICITATION} 01 01 0242`)],
    ['from nowhere, not to a solicited node', packet(NOWHERE, VIP, SOLICITATION)],
    ['from nowhere, with a source', packet(NOWHERE, SOLICITED_NODE, SOLICITATION + SOURCE_OPTION)],
    ['an answer to everybody', packet(VIP, ALL_NODES, ADVERTISEMENT + TARGET_OPTION)],
    ['an advertised group', packet(VIP, ROUTER, `88 00 0000 60000000 ${ALL_NODES}`)],
    [
      'a router solicitation with an empty option',
      packet(ROUTER, ALL_NODES, '85000000 00000000 0100000000000000'),
    ],
    ['half a router advertisement', packet(ROUTER, ALL_NODES, '86000000 40000708 00000000')],
    ['half a redirect', packet(ROUTER, VIP, `89000000 00000000 ${VIP}`)],
  ]
  for (const [name, bytes] of wrong) t.notOk(isGood(bytes), name)
  for (let bit = 0; bit < 8 * (SOLICITED.length - AT); bit++) {
    const index = AT + (bit >>> 3)
    if (isGood(SOLICITED.with(index, SOLICITED[index] ^ (1 << (bit & 7))))) t.fail(`bit ${bit}`)
  }
})

t.test('what it lets pass', async (t) => {
  const unsolicited = ADVERTISEMENT.replace('60000000', '20000000') + TARGET_OPTION
  const right: [string, Uint8Array][] = [
    ['a solicitation without options', packet(ROUTER, SOLICITED_NODE, SOLICITATION)],
    ['a probe of a known neighbour', packet(ROUTER, VIP, SOLICITATION + SOURCE_OPTION)],
    ['detection of duplicate addresses', packet(NOWHERE, SOLICITED_NODE, SOLICITATION)],
    ['an unknown option', packet(ROUTER, VIP, `${SOLICITATION} 0e 01 010203040506`)],
    ['an announcement to everybody', packet(VIP, ALL_NODES, unsolicited)],
    ['a router solicitation', packet(ROUTER, ALL_NODES, '85000000 00000000')],
    ['a router advertisement', packet(ROUTER, ALL_NODES, `86000000 40000708 0000000000000000`)],
    ['a redirect', packet(ROUTER, VIP, `89000000 00000000 ${VIP}${VIP}`)],
  ]
  for (const [name, bytes] of right) t.ok(isGood(bytes), name)
  for (const word of [0, 1, 2, 3]) {
    const source = NOWHERE.slice(8 * word + 8) + '00000001' + NOWHERE.slice(0, 8 * word)
    t.ok(isGood(packet(source, VIP, SOLICITATION)), `${source} is not nowhere`)
  }
})

t.test('the search for an option can not be led astray', async (t) => {
  const find = (options: string) => {
    const bytes = packet(ROUTER, VIP, SOLICITATION + options)
    return icmpv6.linkLayerOption(viewOf(bytes), AT, bytes.length, 1)
  }
  t.equal(find(''), -1)
  t.equal(find(`0e 01 010203040506 ${SOURCE_OPTION}`), 72, 'behind another option')
  t.equal(find(`0e 02 ${'00'.repeat(14)} ${SOURCE_OPTION}`), 80, 'behind a longer one')
  t.equal(find(`0e 00 010203040506 ${SOURCE_OPTION}`), -1, 'behind an empty one')
  t.equal(find(`0e ff 010203040506 ${SOURCE_OPTION}`), -1, 'inside one that leaves the message')
  t.equal(find('01 01 0242c0'), -1, 'cut')
  t.equal(find(`01 02 ${'00'.repeat(14)}`), -1, 'an address that is not of Ethernet')
  t.equal(icmpv6.linkLayerOption(viewOf(SOLICITED), AT, AT + 7, 1), -1, 'half a header')
})

t.test('nothing outside is read', async (t) => {
  const whole = [SOLICITED, ADVERTISED, packet(VIP, VIP, '80000000 12340001')]
  staysInside(t, whole, (view, at, end) => {
    return end - at >= AT && icmpv6.isWellFormed(view, at + AT, end)
  })
  staysInside(t, whole, (view, at, end) => {
    return end - at >= AT && icmpv6.isWellFormedNeighbourDiscovery(view, at, at + AT, end)
  })
  staysInside(t, whole, (view, at, end) => {
    return end - at >= AT && icmpv6.linkLayerOption(view, at + AT, end, 2) >= 0
  })
})

t.test('solicitation and advertisement are written', async (t) => {
  const header = (bytes: Uint8Array, view: DataView, at: number) => {
    for (let i = 0; i < AT; i++) view.setUint8(at + i, bytes[i])
  }
  const solicitation = written(t, 72, (view, at) => {
    header(SOLICITED, view, at)
    const mac = [0x0242, 0xc0a80101 | 0] as const
    icmpv6.writeNeighbourSolicitation(view, at, at + AT, 0x20010db8, 0, 0, 0x110, ...mac)
  })
  t.equal(solicitation, toHex(SOLICITED))
  const advertisement = written(t, 72, (view, at) => {
    header(ADVERTISED, view, at)
    const mac = [0x0242, 0xc0a80101 | 0] as const
    const flags = icmpv6.FLAG_SOLICITED | icmpv6.FLAG_OVERRIDE
    icmpv6.writeNeighbourAdvertisement(view, at, at + AT, flags, 0x20010db8, 0, 0, 0x110, ...mac)
  })
  t.equal(advertisement, toHex(ADVERTISED))
  t.equal(
    written(t, 8, (view, at) => icmpv6.writeHeader(view, at, 2, 0, 1280)),
    '0200000000000500',
  )
  t.equal(
    written(t, 8, (view, at) => icmpv6.setType(view, at, icmpv6.TYPE_ECHO_REPLY)),
    '81a5a5a5a5a5a5a5',
  )
})
