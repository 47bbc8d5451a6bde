/**
 * Real TCP through the port, with the offloads as the system has them: senders leave checksums and
 * segmentation to hardware that a veth pair does not have, receivers aggregate.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import { FORWARDED } from '../../src/engine/verdict.js'
import { linkAddress, PACKET_VNET_HDR, SOL_PACKET } from '../../src/native/if-packet.js'
import { readInterface } from '../../src/native/interfaces.js'
import { bind, check, close, sendto, socket } from '../../src/native/libc.js'
import { AF_PACKET, SOCK_RAW, setOption } from '../../src/native/socket.js'
import { VIRTIO_NET_HDR_F_NEEDS_CSUM, virtio_net_hdr } from '../../src/native/virtio-net.js'
import { openAfPacket } from '../../src/port/af-packet.js'
import { build } from '../../src/wire/build.js'
import { macWords, makeNamespaces, type TestLike } from '../namespaces.js'
import { RawPeer } from './raw-peer.js'

const MEGABYTES = 50

/**
 * client 10.9.0.1 --- in [director] out --- server 10.9.0.2; each believes the other is on-link.
 */
function makeLab(t: TestLike) {
  const lab = makeNamespaces(t, {
    hosts: ['client', 'director', 'server'],
    links: [
      ['client:eth0', 'director:in'],
      ['director:out', 'server:eth0'],
    ],
  })
  if (lab === undefined) return undefined
  lab.run(
    'client',
    `ip addr add 10.9.0.1/24 dev eth0
     ip addr add 2001:db8::1/64 dev eth0 nodad
     ip neigh add 10.9.0.2 lladdr ${lab.macOf('director:in')} dev eth0
     ip neigh add 2001:db8::2 lladdr ${lab.macOf('director:in')} dev eth0`,
  )
  lab.run(
    'server',
    `ip addr add 10.9.0.2/24 dev eth0
     ip addr add 2001:db8::2/64 dev eth0 nodad
     ip neigh add 10.9.0.1 lladdr ${lab.macOf('director:out')} dev eth0
     ip neigh add 2001:db8::1 lladdr ${lab.macOf('director:out')} dev eth0`,
  )
  return lab
}

type Lab = NonNullable<ReturnType<typeof makeLab>>

async function output(child: ReturnType<Lab['spawn']>): Promise<string> {
  const chunks: string[] = []
  child.stdout?.on('data', (chunk) => chunks.push(String(chunk)))
  child.stderr?.on('data', (chunk) => chunks.push(String(chunk)))
  await once(child, 'close')
  return chunks.join('')
}

/** Answers each connection with the SHA-256 of all that it received. */
const SERVER = `
  const { createServer } = require('node:net'), { createHash } = require('node:crypto')
  createServer({ allowHalfOpen: true }, (socket) => {
    const hash = createHash('sha256')
    socket.on('data', (chunk) => hash.update(chunk))
    socket.on('end', () => socket.end(hash.digest('hex')))
  }).listen(9, '::', () => console.log('ready'))`

/** Sends bytes that anybody can make again, and prints the answer. */
const CLIENT = `
  const { connect } = require('node:net')
  const [, address, megabytes] = process.argv
  const socket = connect({ host: address, port: 9 })
  const piece = Buffer.alloc(1 << 20)
  let sent = 0
  const more = () => {
    while (sent < Number(megabytes)) {
      const salt = sent * 97
      for (let i = 0; i < piece.length; i += 4) {
        piece.writeUInt32LE((i * 2654435761 + salt) >>> 0, i)
      }
      sent++
      if (!socket.write(Buffer.from(piece))) return
    }
    socket.end()
  }
  socket.on('connect', more)
  socket.on('drain', more)
  socket.on('data', (chunk) => process.stdout.write(chunk))
  socket.on('error', (error) => console.log(String(error)))`

function expectedHash(): string {
  const hash = createHash('sha256')
  const piece = Buffer.alloc(1 << 20)
  for (let sent = 0; sent < MEGABYTES; sent++) {
    for (let i = 0; i < piece.length; i += 4) {
      piece.writeUInt32LE((i * 2654435761 + sent * 97) >>> 0, i)
    }
    hash.update(piece)
  }
  return hash.digest('hex')
}

const VARIANTS = [
  'as the system has them',
  'segmentation off',
  'checksums off',
  'none where the director sends',
]

for (const offloads of VARIANTS) {
  t.test(`${MEGABYTES} MB of TCP, offloads ${offloads}`, async (t) => {
    const lab = makeLab(t)
    if (lab === undefined) return
    for (const host of ['client', 'server']) {
      if (offloads === 'segmentation off') {
        lab.run(host, 'ethtool -K eth0 tso off gso off gro off')
      } else if (offloads === 'checksums off') lab.run(host, 'ethtool -K eth0 tx off')
    }
    if (offloads === VARIANTS[3]) {
      // The kernel then has to cut the director's aggregates before the device sees them.
      lab.run(
        'director',
        'ethtool -K in tx off tso off gso off\nethtool -K out tx off tso off gso off',
      )
    }
    const program = new URL('./relay-program.js', import.meta.url).pathname
    const relay = lab.spawn('director', 'node', [
      program,
      '10.9.0.1,10.9.0.2,2001:db8::1,2001:db8::2',
      lab.macOf('client:eth0'),
      lab.macOf('server:eth0'),
    ])
    await once(relay.stdout!, 'data')
    const server = lab.spawn('server', 'node', ['-e', SERVER])
    await once(server.stdout!, 'data')
    for (const address of ['10.9.0.2', '2001:db8::2']) {
      const client = lab.spawn('client', 'node', ['-e', CLIENT, address, String(MEGABYTES)])
      t.equal(await output(client), expectedHash(), `${address}: byte for byte`)
    }
    const counted = output(relay)
    relay.stdin?.end()
    const seen = JSON.parse(await counted)
    t.comment(JSON.stringify(seen))
    t.equal(seen.sendErrors, 0)
    if (offloads === VARIANTS[0] || offloads === VARIANTS[3]) {
      t.ok(seen.aggregates > 100, `${seen.aggregates} aggregates were forwarded whole`)
      t.ok(seen.partial > 100, `${seen.partial} frames without a checksum`)
    } else if (offloads === 'segmentation off') t.equal(seen.aggregates, 0)
    else t.equal(seen.partial - seen.aggregates, 0, 'only aggregates are left without one')
  })
}

t.test(
  'a checksum left to hardware, in a frame with a tag, is computed in the right place',
  async (t) => {
    const lab = makeLab(t)
    if (lab === undefined) return
    // Where the frame leaves the director, the kernel must do the work, and the peer sees the
    // result.
    lab.run('director', 'ethtool -K out tx off')
    const port = lab.inside('director', () => openAfPacket({ interfaces: ['in', 'out'] }))
    const server = lab.inside('server', () => new RawPeer('eth0'))
    const fd = lab.inside('client', () => {
      const fd = check(socket(AF_PACKET, SOCK_RAW, 0), 'socket', 'client')
      setOption(fd, SOL_PACKET, PACKET_VNET_HDR, 1, 'PACKET_VNET_HDR')
      const address = linkAddress(AF_PACKET, readInterface('eth0').index, 0)
      check(bind(fd, address, address.length), 'bind', 'client')
      return fd
    })
    t.teardown(() => {
      port.close()
      server.close()
      close(fd)
    })
    server.drain(200)
    port.serve(['10.9.0.2'])
    for (const vlan of [undefined, 42]) {
      const tagBytes = vlan === undefined ? 0 : 4
      const spec = {
        ethernet: {
          source: lab.macOf('client:eth0'),
          destination: lab.macOf('director:in'),
          ...(vlan === undefined ? {} : { vlan }),
        },
        ipv4: { source: '10.9.0.1', destination: '10.9.0.2' },
        udp: { sport: 7, dport: 8 },
        payload: 33,
      }
      const whole = build(spec)
      const message = new Uint8Array(virtio_net_hdr.size + whole.length)
      message.set(whole, virtio_net_hdr.size)
      const udp = 34 + tagBytes
      const field = new DataView(message.buffer)
      message[virtio_net_hdr.flags] = VIRTIO_NET_HDR_F_NEEDS_CSUM
      field.setUint16(virtio_net_hdr.csum_start, udp, true)
      field.setUint16(virtio_net_hdr.csum_offset, 6, true)
      // What a sender's stack leaves in the field: the sum of the pseudo header, not complemented.
      const length = 8 + 33
      let sum = 0x0a09 + 0x0001 + 0x0a09 + 0x0002 + 17 + length
      sum = (sum & 0xffff) + (sum >>> 16)
      field.setUint16(virtio_net_hdr.size + udp + 6, sum)
      check(sendto(fd, message, message.length, 0, null, 0), 'sendto', 'client')
      let batch = port.receive()
      for (let tries = 0; batch.count === 0 && tries < 20; tries++) {
        port.settle(batch)
        port.wait(50)
        batch = port.receive()
      }
      t.equal(batch.count, 1)
      t.equal(batch.partialChecksum[0], 1)
      t.equal(batch.length[0], whole.length)
      const at = batch.offset[0]
      const [high, low] = macWords(lab.macOf('server:eth0'))
      batch.view.setUint16(at, high)
      batch.view.setInt32(at + 2, low)
      batch.verdict[0] = FORWARDED
      batch.egress[0] = 1
      port.settle(batch)
      // Its kernel speaks IPv6 unasked.
      const [got] = server.drain().filter((frame) => frame[12] === 0x08 && frame[13] === 0x00)
      // A plain packet socket shows the frame without its tag.
      const expected = build({
        ...spec,
        ethernet: { source: lab.macOf('client:eth0'), destination: lab.macOf('server:eth0') },
      })
      t.same(got, expected, vlan === undefined ? 'untagged' : 'tagged')
      t.equal(port.counters.sendErrors, 0)
    }
  },
)
