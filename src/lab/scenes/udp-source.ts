/** Scene `udp-source`: a UDP server that answers from its own address. */
import { lacks } from '../requests.js'
import { packet4, type Scene, type Stage, UDP } from '../scene.js'
import { CIP, VIP } from '../topology.js'

const RIP = '192.168.1.2'
const PORT = 9

function server(address: string): string {
  return `node -e '
s = require("dgram").createSocket("udp4")
s.on("message", (_, c) => s.send("rs1", c.port, c.address))
s.bind(${PORT}, "${address}", () => console.log("ready"))'`
}

/** One question; what the client's program was told, and from where answers came on the wire. */
async function ask(stage: Stage): Promise<{ told: string; sources: string[] }> {
  let told = ''
  const frames = await stage.watch('client', () => {
    told = stage.run('client', `echo hello | nc -u -w 1 ${VIP} ${PORT}`).output
  })
  const sources = frames
    .map(packet4)
    .filter((p) => p?.protocol === UDP && p.destination === CIP && p.sourcePort === PORT)
    .map((p) => p?.source ?? '')
  stage.note(`datagrams that reached the client came from ${sources.join(', ') || 'nowhere'}`)
  return { told, sources }
}

export const udpSource: Scene = {
  name: 'udp-source',
  title: 'a UDP server answers from the wrong address',
  question: 'A UDP server is bound to all addresses, 0.0.0.0. From which one does it answer?',
  cannot: () => lacks('nc'),
  remember:
    'Bind UDP servers to the VIP. TCP has no such trouble: a connection knows the address that it was made to.',
  async play(stage) {
    stage.mustRun(
      'director',
      `uipvsadm -A -u ${VIP}:${PORT} -s rr`,
      `uipvsadm -a -u ${VIP}:${PORT} -r ${RIP} -g`,
    )
    stage.heading('bound to 0.0.0.0')
    const any = await stage.serve('rs1', server('0.0.0.0'))
    const wrong = await ask(stage)
    stage.claim('the answer came, and from the RIP', wrong.sources.join() === RIP)
    stage.claim('the client, who had asked the VIP, did not take it', !wrong.told.includes('rs1'))
    stage.stop('rs1', any)

    stage.heading('the fix: bound to the VIP')
    const bound = await stage.serve('rs1', server(VIP))
    const right = await ask(stage)
    stage.claim('the answer came from the VIP', right.sources.join() === VIP)
    stage.claim('and the client took it', right.told.includes('rs1'))
    stage.stop('rs1', bound)
  },
}
