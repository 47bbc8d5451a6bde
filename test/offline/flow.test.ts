/** Frames in a line, and the flows behind them. */
import t from 'tap'
import { flagsText, frameText, quotedFlow, readFlow } from '../../src/offline/flow.js'
import { build, type FrameSpec, viewOf } from '../../src/wire/build.js'

const ipv4 = { source: '10.0.0.1', destination: '192.168.1.110' }
const ipv6 = { source: '2001:db8::1', destination: '2001:db8::110' }
const tcp = { sport: 40000, dport: 80, flags: 'SA' }
/** A reply of the VIP's, which an ICMP error of somebody on its way to the client quotes. */
const reply = { source: ipv4.destination, destination: ipv4.source }
const reply6 = { source: ipv6.destination, destination: ipv6.source }
const back = { sport: 80, dport: 40000 }

function textOf(spec: FrameSpec): string {
  const bytes = build(spec)
  return frameText(viewOf(bytes), 0, bytes.length)
}

t.test('each kind of frame has its line', async (t) => {
  const question = { senderMac: '02:00:00:00:00:01', sender: '10.0.0.1', target: '10.0.0.2' }
  const lines: [FrameSpec, string][] = [
    [{ ipv4, tcp }, 'tcp 10.0.0.1:40000 > 192.168.1.110:80 SA'],
    [{ ipv4, tcp: { ...tcp, flags: '.' } }, 'tcp 10.0.0.1:40000 > 192.168.1.110:80 .'],
    [{ ipv6, udp: tcp }, 'udp [2001:db8::1]:40000 > [2001:db8::110]:80'],
    [{ ipv4, sctp: tcp }, 'sctp 10.0.0.1:40000 > 192.168.1.110:80'],
    [{ ipv4, icmp: { type: 8 } }, 'icmp 10.0.0.1 > 192.168.1.110 echo request'],
    [{ ipv4, icmp: { type: 99, code: 3 } }, 'icmp 10.0.0.1 > 192.168.1.110 type 99 code 3'],
    [{ ipv6, icmpv6: { type: 128 } }, 'icmpv6 2001:db8::1 > 2001:db8::110 echo request'],
    [{ ipv4: { ...ipv4, protocol: 47 } }, 'protocol 47 10.0.0.1 > 192.168.1.110'],
    [
      { ipv4: { ...ipv4, frag: 64, protocol: 17 }, payload: 64 },
      'udp 10.0.0.1 > 192.168.1.110 (later fragment)',
    ],
    [{ arp: question }, 'arp who has 10.0.0.2? asks 10.0.0.1'],
    [{ arp: { ...question, operation: 'reply' } }, 'arp 10.0.0.1 is here'],
    [{ arp: question, truncate: 30 }, 'malformed ARP'],
    [{ ipv4, tcp, truncate: 30 }, 'a malformed IPv4 packet'],
    [{ ipv6, tcp, truncate: 50 }, 'a malformed IPv6 packet'],
    [{ ipv4, tcp, truncate: 13 }, 'a cut Ethernet header'],
    [{ ethernet: { type: 0x88cc }, ipv4 }, 'EtherType 0x88cc'],
    [{ ethernet: { vlan: [5, 6] }, ipv4, tcp }, 'tcp 10.0.0.1:40000 > 192.168.1.110:80 SA'],
  ]
  for (const [spec, line] of lines) t.equal(textOf(spec), line)
})

t.test('any bytes have a line, whatever lies behind them', async (t) => {
  const whole = build({ ethernet: { vlan: 5 }, ipv4, icmp: { type: 3, quote: { ipv4, tcp } } })
  for (let length = 0; length <= whole.length; length++) {
    const cut = whole.slice(0, length)
    t.equal(frameText(viewOf(cut), 0, length), frameText(viewOf(whole), 0, length))
  }
})

t.test('an ICMP error belongs to the connection whose reply it quotes', async (t) => {
  const specs: [FrameSpec, string][] = [
    [{ ipv4, icmp: { type: 3, code: 1, quote: { ipv4: reply, tcp: back } } }, '10.0.0.1'],
    [{ ipv6, icmpv6: { type: 1, code: 3, quote: { ipv6: reply6, tcp: back } } }, '2001:db8::1'],
  ]
  for (const [spec] of specs) {
    const view = viewOf(build(spec))
    const flow = readFlow(view, 0, view.byteLength)
    const quoted = flow && quotedFlow(view, flow)
    t.same(quoted?.source, flow?.source, 'from the client')
    t.same(quoted?.destination, flow?.destination, 'to the VIP')
    t.equal(quoted?.ports, (40000 << 16) | 80)
  }
  const none: FrameSpec[] = [
    { ipv4, tcp },
    { ipv4, icmp: { type: 8 } },
    { ipv4, icmp: { type: 3, quote: { ipv4: reply, icmp: { type: 8 } } } },
    { ipv4, icmp: { type: 3 } },
  ]
  for (const spec of none) {
    const view = viewOf(build(spec))
    const flow = readFlow(view, 0, view.byteLength)
    t.equal(flow && quotedFlow(view, flow), null)
  }
})

t.test('flags are letters', async (t) => {
  t.equal(flagsText(0x3f), 'SFRPUA')
  t.equal(flagsText(0), '.')
})
