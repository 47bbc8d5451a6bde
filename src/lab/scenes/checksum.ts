/** Scene `checksum`: what a packet socket reads has checksums that nobody has finished. */

import { isTransportGood4 } from '../../wire/checksum.js'
import { type CapturedFrame, ipPacket } from '../capture.js'
import { PROGRAMS } from '../lab.js'
import { lacks } from '../requests.js'
import { packet4, type Scene, type Stage, TCP } from '../scene.js'
import { CIP, macOf, VIP } from '../topology.js'
import { URL } from './web.js'

const RS1 = '192.168.1.2'
const COUNTER = 'TcpInCsumErrors'

/** Of the TCP segments to the VIP: how many there are, and how many have a right checksum. */
function judge(frames: readonly CapturedFrame[]): { sent: number; right: number } {
  const packets = frames
    .filter((frame) => {
      const packet = packet4(frame)
      return packet?.protocol === TCP && packet.source === CIP && packet.destination === VIP
    })
    .map(({ bytes }) => ipPacket(bytes)!)
  const right = packets.filter((packet) => {
    const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
    return isTransportGood4(view, 0, (packet[0]! & 0x0f) * 4, packet.length, TCP)
  })
  return { sent: packets.length, right: right.length }
}

/** One request, and the checksums of the client's segments as rs1's packet socket reads them. */
async function ask(stage: Stage) {
  let answer = ''
  const frames = await stage.watch('rs1', () => {
    answer = stage.ask(1, URL).join()
  })
  const seen = judge(frames)
  stage.note(`rs1 read ${seen.sent} segments of the client, ${seen.right} with a right checksum`)
  return { answer, ...seen }
}

const startNaive = (stage: Stage) =>
  stage.serve(
    'director',
    `'${process.execPath}' '${PROGRAMS.naive}' eth0 ${VIP} ${macOf(RS1)}`,
    `naive-director eth0 ${VIP} ${macOf(RS1)}`,
  )

export const checksum: Scene = {
  name: 'checksum',
  title: 'checksums that the hardware was to finish',
  question: 'Captures are full of "incorrect" checksums, and all works. What if one sends them on?',
  engine: 'af_packet',
  cannot: () => lacks('curl', 'ethtool', 'nft'),
  remember:
    'A kernel leaves checksums to the NIC (tx offload), and on a virtual wire nobody finishes them. Whoever reads raw frames and sends them on must carry the note about it (as uipvs does with virtio headers) or finish them.',
  async play(stage) {
    stage.mustRun('director', `uipvsadm -A -t ${VIP}:80`, `uipvsadm -a -t ${VIP}:80 -r ${RS1} -g`)
    stage.heading('all is well, and all checksums are wrong')
    stage.mustRun('client', 'ethtool -K eth0 tx on > /dev/null')
    const whole = await ask(stage)
    stage.claim('the client was answered', whole.answer === 'rs1')
    stage.claim(
      'though no checksum was finished: the kernels pass a note beside the frame',
      whole.sent > 0 && whole.right < whole.sent,
    )

    stage.heading('a naive director: reads a frame, changes its MAC addresses, writes it')
    stage.stopDirector()
    stage.mustRun(
      'director',
      'nft add table netdev naive',
      `nft add chain netdev naive in '{ type filter hook ingress device "eth0" priority 0; }'`,
      `nft add rule netdev naive in ip daddr ${VIP} drop   # the kernel keeps out`,
    )
    const naive = await startNaive(stage)
    const before = stage.counter('rs1', COUNTER)
    const lost = await ask(stage)
    stage.claim('the frames reached rs1', lost.sent > 0)
    stage.claim('nobody answered', lost.answer === 'nobody')
    stage.claim(
      'rs1 dropped each for its checksum: the note was lost on the way',
      lost.right === 0 && stage.counter('rs1', COUNTER) - before === lost.sent,
    )

    stage.heading('the first fix: the client finishes them itself')
    stage.mustRun('client', 'ethtool -K eth0 tx off > /dev/null')
    const finished = await ask(stage)
    stage.claim(
      'all checksums are right, and the naive director works',
      finished.answer === 'rs1' && finished.right === finished.sent,
    )

    stage.heading('the second: a director that passes the note on')
    stage.mustRun('client', 'ethtool -K eth0 tx on > /dev/null')
    stage.stop('director', naive)
    stage.mustRun('director', 'nft delete table netdev naive')
    await stage.restartDirector()
    stage.mustRun('director', `uipvsadm -A -t ${VIP}:80`, `uipvsadm -a -t ${VIP}:80 -r ${RS1} -g`)
    const carried = await ask(stage)
    stage.claim(
      'wrong checksums again, and rs1 answers',
      carried.answer === 'rs1' && carried.right < carried.sent,
    )
  },
}
