/** Journeys that end at the link layer: frames of others, ARP, neighbour discovery. */
import type { Journey } from './journey.js'
import {
  BARE_VIP,
  CLIENT,
  CLIENT6,
  type FrameSpec,
  OUR_MAC,
  ROUTER_MAC,
  realserver,
  realserver6,
  realserverMac,
  VIP,
  VIP6,
} from './world.js'

const BROADCAST = 'ff:ff:ff:ff:ff:ff'
const SYN: FrameSpec = {
  ipv4: { source: CLIENT, destination: VIP },
  tcp: { sport: 4000, dport: 80 },
}
const SYN6: FrameSpec = {
  ipv6: { source: CLIENT6, destination: VIP6 },
  tcp: { sport: 4000, dport: 80 },
}
const other = { destination: '02:00:00:00:00:77' }

const whoHas = (target: string, changes = {}): FrameSpec => ({
  ethernet: { destination: BROADCAST },
  arp: { senderMac: ROUTER_MAC, sender: '192.168.1.254', target, ...changes },
})

/** A solicitation, as a neighbour sends it to the group of the target. */
const solicitation: FrameSpec = {
  ethernet: { destination: '33:33:ff:00:01:10' },
  ipv6: { source: '2001:db8:1::254', destination: 'ff02::1:ff00:110', hopLimit: 255 },
  icmpv6: { type: 135, target: VIP6, linkLayer: ROUTER_MAC },
}
const advertised = (flags: number, changes: FrameSpec): FrameSpec => ({
  ethernet: { source: OUR_MAC, destination: ROUTER_MAC },
  ipv6: { source: VIP6, destination: '2001:db8:1::254', hopLimit: 255 },
  icmpv6: { type: 136, rest: flags, target: VIP6, linkLayer: OUR_MAC },
  ...changes,
})
const SOLICITED_OVERRIDE = 0x6000_0000
const OVERRIDE = 0x2000_0000

export const linkJourneys: readonly Journey[] = [
  {
    sentence: 'an Ethernet header that is cut',
    frame: { ...SYN, truncate: 13 },
    verdict: 'truncated-ethernet',
  },
  { sentence: 'an empty frame', frame: new Uint8Array(0), verdict: 'truncated-ethernet' },
  {
    sentence: 'a VLAN tag that is cut',
    frame: { ...SYN, ethernet: { vlan: 7 }, truncate: 17 },
    verdict: 'truncated-ethernet',
  },
  {
    sentence: 'the second of two VLAN tags is cut',
    frame: { ...SYN, ethernet: { vlan: [7, 8] }, truncate: 20 },
    verdict: 'truncated-ethernet',
  },
  { sentence: 'IPv4 for another host', frame: { ...SYN, ethernet: other }, verdict: 'other-host' },
  { sentence: 'IPv6 for another host', frame: { ...SYN6, ethernet: other }, verdict: 'other-host' },
  {
    sentence: 'IPv4 for everybody',
    frame: { ...SYN, ethernet: { destination: BROADCAST } },
    verdict: 'other-host',
  },
  {
    sentence: 'IPv6 for another host, and damaged: none of our business',
    frame: { ...SYN6, ethernet: other, truncate: 60 },
    verdict: 'other-host',
  },
  {
    sentence: 'a MAC address that differs from ours in its first bytes only',
    frame: { ...SYN, ethernet: { destination: '06:00:00:00:00:01' } },
    verdict: 'other-host',
  },
  {
    sentence: 'neither IP nor ARP',
    frame: { ethernet: { type: 0x88cc }, payload: 40 },
    verdict: 'not-ip',
  },
  {
    sentence: 'spanning tree: a length where others have a type',
    frame: { ethernet: { type: 38, destination: '01:80:c2:00:00:00' }, payload: 46 },
    verdict: 'not-ip',
  },
  {
    sentence: 'ARP that is cut',
    frame: { ...whoHas(VIP), truncate: 41 },
    verdict: 'malformed-arp',
  },
  {
    sentence: 'who has the VIP?',
    frame: whoHas(VIP),
    verdict: 'arp-answered',
    out: [
      {
        ethernet: { source: OUR_MAC, destination: ROUTER_MAC },
        arp: {
          operation: 'reply',
          senderMac: OUR_MAC,
          sender: VIP,
          targetMac: ROUTER_MAC,
          target: '192.168.1.254',
        },
      },
    ],
  },
  {
    sentence: 'who has the VIP, asked of us alone, on a VLAN, padded',
    frame: { ...whoHas(BARE_VIP), ethernet: { vlan: 9 }, padTo: 64 },
    verdict: 'arp-answered',
    out: [
      {
        ethernet: { source: OUR_MAC, destination: ROUTER_MAC, vlan: 9 },
        arp: {
          operation: 'reply',
          senderMac: OUR_MAC,
          sender: BARE_VIP,
          targetMac: ROUTER_MAC,
          target: '192.168.1.254',
        },
      },
    ],
  },
  {
    sentence: 'is the VIP free (RFC 5227 probe)? No',
    frame: whoHas(VIP, { sender: '0.0.0.0' }),
    verdict: 'arp-answered',
    out: [
      {
        ethernet: { source: OUR_MAC, destination: ROUTER_MAC },
        arp: {
          operation: 'reply',
          senderMac: OUR_MAC,
          sender: VIP,
          targetMac: ROUTER_MAC,
          target: '0.0.0.0',
        },
      },
    ],
  },
  {
    sentence: 'who has the VIP, when somebody else answers (--no-arp)',
    world: { announced: false },
    frame: whoHas(VIP),
    verdict: 'arp-ignored',
  },
  {
    sentence: 'who has some other address?',
    frame: whoHas('192.168.1.77'),
    verdict: 'arp-ignored',
  },
  {
    sentence: 'somebody claims to be the VIP',
    frame: whoHas(VIP, { sender: VIP }),
    verdict: 'arp-ignored',
  },
  {
    sentence: 'ARP between two others, seen because a switch did not know better',
    frame: { ...whoHas(VIP), ethernet: other },
    verdict: 'other-host',
  },
  {
    sentence: 'a realserver answers',
    frame: {
      arp: {
        operation: 'reply',
        senderMac: realserverMac(2),
        sender: realserver(2),
        targetMac: OUR_MAC,
        target: '192.168.1.1',
      },
    },
    verdict: 'neighbour-learned',
  },
  {
    sentence: 'a realserver asks for somebody: its MAC address is learned too',
    frame: whoHas('192.168.1.77', { senderMac: realserverMac(2), sender: realserver(2) }),
    verdict: 'neighbour-learned',
  },
  {
    sentence: 'a realserver with the MAC address of a group: not learned',
    world: { resolved: false },
    frame: whoHas('192.168.1.77', { senderMac: '03:00:00:00:00:02', sender: realserver(2) }),
    verdict: 'arp-ignored',
  },
  {
    sentence: 'neighbour discovery from beyond a router',
    frame: { ...solicitation, ipv6: { ...solicitation.ipv6!, hopLimit: 254 } },
    verdict: 'malformed-nd',
  },
  {
    sentence: 'neighbour discovery with a bad checksum',
    frame: { ...solicitation, badChecksum: true },
    verdict: 'malformed-nd',
  },
  {
    sentence: 'a solicitation for the VIP',
    frame: solicitation,
    verdict: 'nd-answered',
    out: [advertised(SOLICITED_OVERRIDE, {})],
  },
  {
    sentence: 'duplicate address detection for the VIP: everybody is told',
    frame: {
      ...solicitation,
      ipv6: { source: '::', destination: 'ff02::1:ff00:110', hopLimit: 255 },
      icmpv6: { type: 135, target: VIP6 },
    },
    verdict: 'nd-answered',
    out: [
      advertised(OVERRIDE, {
        ethernet: { source: OUR_MAC, destination: '33:33:00:00:00:01' },
        ipv6: { source: VIP6, destination: 'ff02::1', hopLimit: 255 },
      }),
    ],
  },
  {
    sentence: 'a solicitation for the VIP, when somebody else answers',
    world: { announced: false },
    frame: solicitation,
    verdict: 'nd-ignored',
  },
  {
    sentence: 'a solicitation for another address',
    frame: {
      ...solicitation,
      icmpv6: { type: 135, target: '2001:db8:1::77', linkLayer: ROUTER_MAC },
    },
    verdict: 'nd-ignored',
  },
  {
    sentence: 'a solicitation to another host alone',
    frame: { ...solicitation, ethernet: other },
    verdict: 'other-host',
  },
  {
    sentence: 'a router advertises itself',
    frame: {
      ethernet: { destination: '33:33:00:00:00:01' },
      ipv6: { source: 'fe80::fe', destination: 'ff02::1', hopLimit: 255 },
      icmpv6: { type: 134 },
      payload: 8,
    },
    verdict: 'nd-ignored',
  },
  {
    sentence: 'a realserver advertises itself',
    frame: {
      ipv6: { source: realserver6(2), destination: 'fe80::1', hopLimit: 255 },
      icmpv6: {
        type: 136,
        rest: SOLICITED_OVERRIDE,
        target: realserver6(2),
        linkLayer: realserverMac(2),
      },
    },
    verdict: 'neighbour-learned',
  },
  {
    sentence: 'a stranger advertises itself',
    frame: {
      ipv6: { source: realserver6(9), destination: 'fe80::1', hopLimit: 255 },
      icmpv6: {
        type: 136,
        rest: SOLICITED_OVERRIDE,
        target: realserver6(9),
        linkLayer: realserverMac(9),
      },
    },
    verdict: 'nd-ignored',
  },
]
