/** Scene `ports`: Direct Routing cannot translate ports. */
import { packet4, type Scene, TCP, TCP_SYN } from '../scene.js'
import { CIP, VIP } from '../topology.js'

const SERVER =
  `node -e 'require("http").createServer((_, a) => a.end("rs1\\n"))` +
  `.listen(8080, "${VIP}", () => console.log("ready"))'`

export const ports: Scene = {
  name: 'ports',
  title: 'Direct Routing cannot translate ports',
  question: 'The service is VIP:8080, the realserver listens on 80. Can the director map it?',
  remember:
    'The packet is not touched, so its port is what the client asked: the server must listen on the port of the service.',
  async play(stage) {
    stage.heading('a destination with another port')
    stage.mustRun(
      'director',
      `uipvsadm -A -t ${VIP}:8080 -s rr`,
      `uipvsadm -a -t ${VIP}:8080 -r 192.168.1.2:80 -g`,
    )
    const { output } = stage.run('director', 'uipvsadm -Ln')
    stage.claim(
      'it was taken without a word, with the port of the service instead',
      output.includes('192.168.1.2:8080') && !/192\.168\.1\.2:80\s/.test(output),
    )

    stage.heading('what arrives at rs1')
    let refused = 0
    const frames = await stage.watch('rs1', () => {
      refused = stage.run('client', `curl -sS --max-time 2 http://${VIP}:8080/`).status
    })
    const packets = frames.map(packet4).filter((each) => each?.protocol === TCP)
    const asked = packets.filter((each) => each?.source === CIP && each.tcpFlags === TCP_SYN)
    const seen = [...new Set(asked.map((each) => each?.destinationPort))]
    stage.note(`rs1 was asked for port ${seen.join(', ')}`)
    stage.claim('rs1 was asked for 8080, not for 80', seen.length === 1 && seen[0] === 8080)
    stage.claim('and refused, since it listens on 80 only', refused === 7)

    stage.heading('the fix: a server on the same port, at the VIP')
    const server = await stage.serve('rs1', SERVER)
    const [who] = stage.ask(1, `http://${VIP}:8080/`)
    stage.claim('rs1 answers', who === 'rs1')
    stage.stop('rs1', server)
  },
}
