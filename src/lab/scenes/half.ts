/** Scene `half`: the director sees what the client sends, and nothing of the answers. */
import { setTimeout as sleep } from 'node:timers/promises'
import { packet4, type Scene } from '../scene.js'
import { CIP, VIP } from '../topology.js'
import { URL, webService } from './web.js'

const LAST_PACKET_MS = 500

export const half: Scene = {
  name: 'half',
  title: 'the director sees half of each conversation',
  question: 'Answers do not pass the director. What can it know about a connection?',
  engine: 'af_packet',
  remember:
    'OutPkts stays 0, and states follow the client alone: ESTABLISHED means that the client has answered, not that a realserver has.',
  async play(stage) {
    webService(stage)
    stage.heading('one request, watched at the director and at the client')
    let atClient: Awaited<ReturnType<typeof stage.watch>> = []
    const atDirector = await stage.watch('director', async () => {
      atClient = await stage.watch('client', async () => {
        await stage.ask(1, URL)
        // The last acknowledgement leaves when curl has its answer.
        await sleep(LAST_PACKET_MS)
      })
    })
    const count = (frames: typeof atClient, source: string, destination: string) =>
      frames.map(packet4).filter((p) => p?.source === source && p.destination === destination)
        .length
    const sent = count(atClient, CIP, VIP)
    const received = count(atClient, VIP, CIP)
    // Each packet of the client is seen twice there: as it comes, and as it leaves.
    const passed = count(atDirector, CIP, VIP) / 2
    stage.note(`the client sent ${sent} packets and received ${received}`)
    stage.note(`past the director went ${passed} and ${count(atDirector, VIP, CIP)}`)
    stage.claim('the client had answers', received > 0)
    stage.claim('all that the client sent passed the director', sent > 0 && passed === sent)
    stage.claim('no answer passed the director', count(atDirector, VIP, CIP) === 0)

    stage.heading('so this is what it counts')
    const stats = stage.run('director', 'uipvsadm -Ln --stats').output
    const [, connections, inPackets, outPackets] =
      new RegExp(`${VIP}:80 +(\\d+) +(\\d+) +(\\d+)`).exec(stats)?.map(Number) ?? []
    stage.claim(
      'one connection, the packets of the client, and none of the realserver',
      connections === 1 && inPackets === sent && outPackets === 0,
    )
    const table = stage.run('director', 'uipvsadm -Lnc').output
    stage.claim('the state is that of a client that has said goodbye', /FIN_WAIT/.test(table))

    stage.heading('nobody listens on rs1: the director goes on believing')
    stage.mustRun(
      'director',
      `uipvsadm -A -t ${VIP}:81 -s rr`,
      `uipvsadm -a -t ${VIP}:81 -r 192.168.1.2 -g`,
    )
    const refused = stage.run('client', `curl -sS --max-time 2 http://${VIP}:81/`)
    stage.claim('the client was refused, by rs1', refused.status === 7)
    const after = stage.run('director', 'uipvsadm -Lnc').output
    stage.claim(
      'the director has not seen the reset: for it the connection is still opening',
      new RegExp(`SYN_RECV +\\S+ +${VIP}:81`).test(after),
    )
  },
}
