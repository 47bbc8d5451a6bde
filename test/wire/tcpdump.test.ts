/** What `tcpdump`, which knows nothing of our codecs, says of the frames that they build. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { build, type FrameSpec } from '../../src/wire/build.js'

const IPV4 = { source: '192.168.1.254', destination: '192.168.1.110' }
const IPV6 = { source: '2001:db8::254', destination: '2001:db8::110', hopLimit: 255 }
const PORTS = { sport: 40000, dport: 9999 }
const CHUNKS = [
  { type: 10, value: 5 },
  { type: 0, value: [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 104] },
]
const VIP = '2001:db8::110'

/** A frame, what tcpdump has to say of it, and what if its checksum is wrong. */
const FRAMES: [FrameSpec, RegExp, RegExp | null][] = [
  [
    {
      ipv4: { ...IPV4, ttl: 7, tos: 0x10 },
      tcp: { ...PORTS, flags: 'S', options: [2, 4, 5, 180] },
    },
    /tos 0x10, ttl 7, .*flags \[DF\], proto TCP.*Flags \[S\], cksum 0x\w+ \(correct\).*mss 1460/s,
    /incorrect/,
  ],
  [
    { ipv6: IPV6, tcp: { ...PORTS, flags: 'FPA' }, payload: 'x' },
    /Flags \[FP\.\], cksum 0x\w+ \(correct\)/,
    /incorrect/,
  ],
  [{ ipv4: IPV4, udp: PORTS, payload: 33 }, /udp sum ok.* 33$/s, /bad udp cksum/],
  [{ ipv6: IPV6, udp: PORTS, payload: 32 }, /udp sum ok.* 32$/s, /bad udp cksum/],
  [{ ipv4: IPV4, sctp: { ...PORTS, chunks: CHUNKS } }, /sctp.*\[COOKIE ECHO\].*\[DATA\]/s, null],
  [
    { ipv4: IPV4, icmp: { type: 8, identifier: 5, sequence: 6 }, payload: 8 },
    /echo request, id 5, seq 6/,
    /wrong icmp cksum/,
  ],
  [
    { ipv4: IPV4, icmp: { type: 3, code: 4, mtu: 1400, quote: { ipv4: IPV4, udp: PORTS } } },
    /need to frag \(mtu 1400\).*40000 > 192\.168\.1\.110\.9999/s,
    /wrong icmp cksum/,
  ],
  [
    { ipv6: IPV6, icmpv6: { type: 128, identifier: 5, sequence: 6 }, payload: 8 },
    /icmp6 sum ok.*echo request, id 5, seq 6/s,
    /bad icmp6 cksum/,
  ],
  [
    { ipv6: IPV6, icmpv6: { type: 135, target: VIP, linkLayer: '02:42:c0:a8:01:fe' } },
    /sum ok.*who has 2001:db8::110\s+source link-address option \(1\).*: 02:42:c0:a8:01:fe/s,
    /bad icmp6 cksum/,
  ],
  [
    {
      ipv6: {
        ...IPV6,
        extensions: [{ kind: 'hop-by-hop' }, { kind: 'destination-options', bytes: 272 }],
      },
      udp: PORTS,
    },
    /HBH \(padn\).*DSTOPT (\(padn\) ?)+.*udp sum ok/s,
    /bad udp cksum/,
  ],
  [
    { ethernet: { vlan: [100, 7] }, ipv4: IPV4, udp: PORTS },
    /802\.1Q-QinQ.*vlan 100.*vlan 7.*udp sum ok/s,
    /bad udp cksum/,
  ],
  [
    {
      arp: { senderMac: '02:42:c0:a8:01:fe', sender: '192.168.1.254', target: '192.168.1.110' },
      padTo: 60,
    },
    /Ethernet \(len 6\), IPv4 \(len 4\), Request who-has 192\.168\.1\.110 tell 192\.168\.1\.254/,
    null,
  ],
]

/** A capture file with one frame (pcap-savefile(5), little-endian, LINKTYPE_ETHERNET). */
function capture(frame: Uint8Array): Uint8Array {
  const file = new Uint8Array(24 + 16 + frame.length)
  const view = new DataView(file.buffer)
  const words = [0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1, 0, 0, frame.length, frame.length]
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word, true)
  file.set(frame, 40)
  return file
}

function said(spec: FrameSpec): string {
  const args = ['-r', '-', '-nn', '-e', '-vvv']
  return spawnSync('tcpdump', args, { input: capture(build(spec)), encoding: 'utf8' }).stdout.trim()
}

const isMissing = spawnSync('tcpdump', ['--version']).error !== undefined

t.test('tcpdump reads what we build', { skip: isMissing && 'no tcpdump here' }, async (t) => {
  for (const [spec, right, wrong] of FRAMES) {
    const text = said(spec)
    t.match(text, right)
    t.notMatch(text, /incorrect|bad|wrong|invalid|trunc|\[\|/)
    if (wrong !== null) t.match(said({ ...spec, badChecksum: true }), wrong)
  }
  const ipv4 = { ...IPV4, badChecksum: true }
  t.match(said({ ipv4, udp: PORTS }), /bad cksum/, 'a wrong header checksum')
})
