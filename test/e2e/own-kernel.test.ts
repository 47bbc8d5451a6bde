/**
 * The director's own kernel, which gets a copy of every frame: with the guard it neither answers
 * nor routes what the director forwards, whether it holds the VIP or not, and keeps serving what is
 * its own. Without the guard the same looks see what the guard prevents.
 */
import t, { type Test } from 'tap'
import { build } from '../../src/wire/build.js'
import { ipPacketOf, packets } from './frames.js'
import { BANNER, CHAT, ECHO } from './realserver-program.js'
import {
  CLIENT,
  CLIENT6,
  DIRECTOR,
  makeSegment,
  type Segment,
  tally,
  VIP,
  VIP6,
} from './segment.js'

t.setTimeout(180_000)

/** A port of the VIP that no service has: the kernel's own server listens there. */
const OWN_PORT = CHAT

for (const vipOnDirector of [true, false]) {
  const where = vipOnDirector ? 'on the kernel too' : 'not on the kernel'
  t.test(`guarded, VIP ${where}, ip_forward 1`, async (t) => {
    const segment = await makeSegment(t, { vipOnDirector })
    if (segment === undefined) return
    if (vipOnDirector) await segment.serve(['director'])
    // A checksum that the client's kernel leaves to hardware is finished where XDP takes the frame.
    segment.inShell('client', ['ethtool -K eth0 tx off'])
    await segment.startDirector()
    await segment.addService('tcp', BANNER)
    await segment.addService('udp', ECHO)

    for (const [vip, client] of [
      [VIP, CLIENT],
      [VIP6, CLIENT6],
    ]) {
      await t.test(`${vip}: each frame once`, (t) => eachFrameOnce(t, segment, vip))
      await t.test(`${vip}: each question answered once`, (t) =>
        answeredOnce(t, segment, vip, client),
      )
      if (vipOnDirector) {
        const answer = await segment.client('open', { id: vip, address: vip, port: OWN_PORT })
        t.equal(answer.text, 'director hello', `${vip}: another port is served by the kernel`)
      } else {
        const answer = await segment.ask(vip, OWN_PORT)
        t.equal(answer.error, 'ECONNREFUSED', `${vip}: another port is refused`)
      }
    }
  })
}

t.test('not guarded, VIP on the kernel too: the kernel resets the clients', async (t) => {
  const segment = await makeSegment(t, { vipOnDirector: true })
  if (segment === undefined) return
  await segment.startDirector(['-i', 'eth0', '--no-guard', '--engine', 'af_packet'])
  await segment.addService('tcp', BANNER)
  const fromDirector = segment.tapSender(t, 'director')
  const answers = await segment.client('banners', {
    address: VIP,
    port: BANNER,
    count: 5,
    parallel: 1,
  })
  t.ok(tally(answers).ECONNREFUSED > 0, JSON.stringify(tally(answers)))
  t.ok(packets(fromDirector, 'source', VIP).length > 0, 'the kernel answers from the VIP')
  t.equal(segment.nftRuleset(), '')
})

t.test('not guarded, VIP not on the kernel, ip_forward 1: the kernel speaks', async (t) => {
  const segment = await makeSegment(t)
  if (segment === undefined) return
  await segment.startDirector(['-i', 'eth0', '--no-guard', '--engine', 'af_packet'])
  await segment.addService('tcp', BANNER)
  const fromDirector = segment.tapSender(t, 'director')
  await segment.ask()
  const more = fromDirector
    .drain()
    .filter((frame) => isRedirect(frame) || isRequestFor(frame, VIP, DIRECTOR))
  t.ok(more.length > 0, 'it looks for the VIP, or redirects the client to it')
})

function isRedirect(frame: Uint8Array): boolean {
  const packet = ipPacketOf(frame)
  return packet !== undefined && packet[0] >>> 4 === 4 && packet[9] === 1 && packet[20] === 5
}

function isRequestFor(frame: Uint8Array, target: string, sender: string): boolean {
  const bytes = Buffer.from(frame)
  return (
    bytes.readUInt16BE(12) === 0x0806 &&
    bytes.subarray(28, 32).join('.') === sender &&
    bytes.subarray(38, 42).join('.') === target
  )
}

function texts(packets: readonly Buffer[]): string[] {
  return packets.map((packet) => packet.toString('hex')).sort()
}

/** What clients send to the VIP arrives at the realservers, and the director adds nothing to it. */
async function eachFrameOnce(t: Test, segment: Segment, vip: string): Promise<void> {
  await segment.client('datagram', { address: vip, port: ECHO, text: 'who are you?' })
  const fromClient = segment.tapSender(t, 'client')
  const fromDirector = segment.tapSender(t, 'director')
  const fromDirectorToo = segment.tapSender(t, 'director')
  const atRealservers = segment.realservers.map((name) => segment.tap(t, name))

  const asked = { address: vip, port: BANNER, count: 20, parallel: 2 }
  const answers = await segment.client('banners', asked)
  t.same(tally(answers), { rs1: 10, rs2: 10 })
  for (let n = 0; n < 4; n++) {
    await segment.client('datagram', { address: vip, port: ECHO, text: `datagram ${n}` })
  }
  const sent = texts(packets(fromClient, 'destination', vip))
  t.ok(sent.length > 80, `${sent.length} packets`)
  t.same(
    texts(packets(fromDirector, 'destination', vip)),
    sent,
    'left the director once, unchanged',
  )
  const arrived = atRealservers.flatMap((peer) => packets(peer, 'destination', vip))
  t.same(texts(arrived), sent, 'arrived at a realserver once, unchanged')
  const spoken = packets(fromDirectorToo, 'source', vip)
  t.same(texts(spoken), [], 'nobody answered in the place of a realserver')
}

async function answeredOnce(t: Test, segment: Segment, vip: string, client: string) {
  const isSix = vip.includes(':')
  const printed = segment.lab.run('client', `ping -n -c3 -i0.2 -W2 ${vip}`)
  t.match(printed, /3 packets transmitted, 3 received, 0% packet loss/)
  t.notMatch(printed, /DUP/)

  // The same client asks again who has the VIP: ARP, or a neighbour solicitation.
  const peer = segment.tap(t, 'client')
  const source = segment.lab.macOf('client:eth0')
  const question = isSix
    ? build({
        ethernet: { source, destination: '33:33:ff:00:01:10' },
        ipv6: { source: client, destination: 'ff02::1:ff00:110', hopLimit: 255 },
        icmpv6: { type: 135, target: vip, linkLayer: source },
      })
    : build({
        ethernet: { source, destination: 'ff:ff:ff:ff:ff:ff' },
        arp: { operation: 'request', senderMac: source, sender: client, target: vip },
      })
  for (let n = 0; n < 3; n++) peer.send(question)
  const answers = peer.drain(300).filter((frame) => {
    const bytes = Buffer.from(frame)
    if (!isSix) return bytes.readUInt16BE(12) === 0x0806 && bytes.readUInt16BE(20) === 2
    const packet = ipPacketOf(frame)
    return packet?.[6] === 58 && packet[40] === 136
  })
  const mac = segment.lab.macOf('director:eth0').replaceAll(':', '')
  t.same(
    answers.map((frame) => Buffer.from(frame).toString('hex', 6, 12)),
    [mac, mac, mac],
    'three questions, three answers, all of the director',
  )
}
