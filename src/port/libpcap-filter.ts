/**
 * The filter of the libpcap port, as text in the language of pcap-filter(7). It lets through what
 * concerns the director, as bpf-filter.ts does for packet sockets:
 *
 *   ARP    whose target is a VIP; answers; announcements (sender and target address equal)
 *   IPv4   to a VIP
 *   IPv6   to a VIP; neighbour solicitations and advertisements
 *
 * IP only with our own MAC address as its destination, since `cap` captures promiscuously; and
 * nothing with our own MAC address as its source: `cap` captures what we send ourselves, too.
 */
import { isIPv4, isIPv6 } from 'node:net'

/** Beyond this many VIPs the filter lets all IP to our MAC address through. */
export const VIPS_IN_FILTER_MAX = 256

export function libpcapFilter(mac: string, vips: readonly string[]): string {
  const frames = concerning(mac, vips)
  // `vlan` shifts the offsets of all that follows it, therefore it comes last (pcap-filter(7)).
  return `not ether src ${mac} and (${frames} or (vlan and (${frames})))`
}

function concerning(mac: string, vips: readonly string[]): string {
  const arp = ['arp[6:2] = 2', 'arp[14:4] = arp[24:4]']
  const ip: string[] = []
  for (const vip of vips) {
    // Text of others becomes part of a program here: nothing but an address may pass.
    if (isIPv4(vip)) {
      arp.push(`arp dst host ${vip}`)
      ip.push(`ip dst host ${vip}`)
    } else if (isIPv6(vip) && !vip.includes('%')) {
      ip.push(`ip6 dst host ${vip}`)
    } else {
      throw new TypeError(`${vip} is not an IP address`)
    }
  }
  const parts = ['icmp6 and (ip6[40] = 135 or ip6[40] = 136)']
  if (vips.length > VIPS_IN_FILTER_MAX) {
    parts.push('arp', `ether dst ${mac} and (ip or ip6)`)
  } else {
    parts.push(`arp and (${arp.join(' or ')})`)
    if (ip.length > 0) parts.push(`ether dst ${mac} and (${ip.join(' or ')})`)
  }
  return parts.map((part) => `(${part})`).join(' or ')
}
