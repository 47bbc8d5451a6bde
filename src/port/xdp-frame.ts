/** What of a frame the XDP program looks at (`xdp-program.ts`): protocols, sizes, bits. */

// Frames, as the host reads 16 bits of the wire (little-endian on all machines that we run on).
const wire16 = (value: number): number => ((value & 0xff) << 8) | (value >> 8)
export const ETH_P_IP = wire16(0x0800)
export const ETH_P_IPV6 = wire16(0x86dd)
export const ETH_P_8021Q = wire16(0x8100)
export const ETH_P_8021AD = wire16(0x88a8)
export const ETHERNET_BYTES = 14
export const VLAN_BYTES = 4
export const IPV4_BYTES = 20
export const IPV6_BYTES = 40
export const ICMP_BYTES = 8
export const PORTS_BYTES = 4
export const ICMP = 1
export const ICMPV6 = 58
/** TCP, UDP, SCTP: what has ports. */
export const TRANSPORTS = [6, 17, 132]
/** Hop-by-hop options, routing, destination options: headers that are walked over. */
export const WALKED = [0, 43, 60]
export const FRAGMENT_HEADER = 44
/** Offset and "more fragments" of an IPv4 header, and the offset alone; likewise for IPv6. */
export const FRAGMENT_BITS = 0x3fff
export const OFFSET_BITS = 0x1fff
export const FRAGMENT_BITS_6 = 0xfff9
export const OFFSET_BITS_6 = 0xfff8
/** Headers that are looked at, the transport's too; each costs the verifier a millisecond. */
export const EXTENSIONS = 4
/** ICMP errors about a packet: unreachable, source quench, time exceeded (as `wire/icmp.ts`). */
export const ICMP_ERRORS = [3, 4, 11]
/** ICMPv6 errors are all below this type; neighbour discovery is from 133 to 137. */
export const ICMPV6_INFORMATIONAL = 128
export const ND_FIRST = 133
export const ND_LAST = 137
