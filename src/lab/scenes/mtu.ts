/** Scene `mtu`: a switch port on the way to a realserver that takes less than everybody thinks. */

import { type CapturedFrame, ipPacket } from '../capture.js'
import { lacks } from '../requests.js'
import { ICMP, packet4, type Scene, type Stage } from '../scene.js'
import { CIP, VIP } from '../topology.js'
import { URL } from './web.js'

const RS1 = '192.168.1.2'
const NARROW = 1400
/** Several full segments. */
const UPLOAD = `head -c 8000 /dev/zero |\ncurl -sS --max-time 3 --data-binary @- ${URL}`
const ARRIVED = 'rs1 received 8000 bytes'

const DESTINATION_UNREACHABLE = 3
const FRAGMENTATION_NEEDED = 4

/** Who told the client the MTU of the way, and which (RFC 1191 section 4). */
function told(frames: readonly CapturedFrame[]): { source: string; mtu: number }[] {
  return frames.flatMap((frame) => {
    const packet = packet4(frame)
    if (packet?.protocol !== ICMP || packet.destination !== CIP) return []
    const message = ipPacket(frame.bytes)!.subarray(20)
    if (message[0] !== DESTINATION_UNREACHABLE || message[1] !== FRAGMENTATION_NEEDED) return []
    return [{ source: packet.source, mtu: message.readUInt16BE(6) }]
  })
}

function webOfRs1(stage: Stage): void {
  stage.mustRun('director', `uipvsadm -A -t ${VIP}:80`, `uipvsadm -a -t ${VIP}:80 -r ${RS1} -g`)
}

/** An upload, and what ICMP told the client during it. */
async function upload(stage: Stage) {
  let output = ''
  const frames = await stage.watch('client', () => {
    output = stage.run('client', UPLOAD).output
  })
  return { isArrived: output.includes(ARRIVED), told: told(frames) }
}

export const mtu: Scene = {
  name: 'mtu',
  title: 'a packet that is larger than the way to the realserver',
  question:
    'A tunnel on the way to rs1 takes 1400 bytes, and the client sends 1500. Who tells the client?',
  // Other engines hand the director segments that its kernel has joined.
  engine: 'af_packet',
  cannot: () => lacks('curl', 'ethtool'),
  remember:
    'A segment drops what is too long and says nothing. Kernel mode tells clients, if its route knows the MTU; textbook mode changes and answers nothing, so there the realserver must announce less (advmss).',
  async play(stage) {
    webOfRs1(stage)
    stage.heading('the way to rs1 takes 1400 bytes; both of its ends still say 1500')
    // What a NIC cuts only when it sends (TSO) crosses a virtual wire uncut, however long.
    stage.mustRun('client', 'ethtool -K eth0 tso off gso off')
    stage.mustRun('segment', `ip link set rs1 mtu ${NARROW}   # the switch port of rs1`)
    stage.claim('a small request is answered', stage.ask(1, URL).join() === 'rs1')
    const hole = await upload(stage)
    stage.claim('an upload is not', !hole.isArrived)
    stage.claim('and nobody tells the client why', hole.told.length === 0)

    stage.heading('kernel mode, and a route that knows')
    stage.mustRun('director', `ip route add ${RS1}/32 dev eth0 mtu ${NARROW}`)
    await stage.restartDirector('--mode', 'kernel')
    webOfRs1(stage)
    const kernel = await upload(stage)
    const [first] = kernel.told
    stage.note(
      `ICMP "fragmentation needed" came from ${first?.source ?? 'nobody'}: MTU ${first?.mtu}`,
    )
    stage.claim('the director told the client the MTU of the way', first?.mtu === NARROW)
    const route = stage.run('client', `ip route get ${VIP}`).output
    stage.claim('the client has learnt it', route.includes(`mtu ${NARROW}`))
    stage.claim('and the upload arrives', kernel.isArrived)

    stage.heading('textbook mode, and a realserver that announces what the way takes')
    await stage.restartDirector()
    webOfRs1(stage)
    stage.mustRun('client', 'ip route flush cache')
    stage.claim('the hole is back', !(await upload(stage)).isArrived)
    stage.mustRun('rs1', `ip route add ${CIP}/32 dev eth0 advmss ${NARROW - 40}`)
    const announced = await upload(stage)
    stage.claim('the upload arrives', announced.isArrived)
    stage.claim(
      'without ICMP: the client goes by what the SYN-ACK said',
      announced.told.length === 0,
    )
  },
}
