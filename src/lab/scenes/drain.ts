/** Scene `drain`: taking a realserver out, with weight 0 and by deletion. */
import type { Scene, Stage } from '../scene.js'
import { VIP } from '../topology.js'
import { URL, webService } from './web.js'

/** Three seconds at this rate, and far more than fits into the buffers on its way. */
const BYTES = 30_000_000
/** Ten seconds: whatever comes first, it is not the end of the download. */
const MORE_BYTES = 100_000_000

/** curl gives up (28) when next to nothing has come for two seconds. */
function downloadOf(bytes: number): string {
  return (
    `curl -sS --limit-rate 10M --speed-limit 1000 --speed-time 2 -o /dev/null ` +
    `-w '%{size_download} bytes\\n' http://${VIP}/bytes/${bytes}`
  )
}

function areElsewhere(answers: readonly string[]): boolean {
  return answers.every((who) => who !== 'rs1' && who !== 'nobody')
}

/** Starts a slow download, does `lines` in its middle, and returns how it ended. */
async function interrupted(stage: Stage, bytes: number, lines: readonly string[]): Promise<string> {
  const download = stage.background('client', downloadOf(bytes))
  const isThere = / 192\.168\.1\.2:80 +Route +\d+ +[1-9]/
  stage.claim('it is at rs1', await stage.until('director', 'uipvsadm -Ln', isThere))
  stage.mustRun('director', ...lines)
  return download.ended()
}

export const drain: Scene = {
  name: 'drain',
  title: 'taking a realserver out',
  question: 'rs1 shall be stopped. Weight 0 or deletion: what becomes of its connections?',
  remember:
    'Weight 0 lets connections end by themselves; look at ActiveConn and delete when it is 0. Deletion cuts them off, in silence unless expire_nodest_conn is set.',
  async play(stage) {
    webService(stage)
    // The fo scheduler takes the one of the highest weight: the download shall be at rs1.
    const aim = [
      `uipvsadm -E -t ${VIP}:80 -s fo`,
      `uipvsadm -e -t ${VIP}:80 -r 192.168.1.2 -g -w 9`,
    ]
    stage.mustRun('director', ...aim)

    stage.heading('weight 0 in the middle of a download from rs1')
    const quiet = await interrupted(stage, BYTES, [
      `uipvsadm -e -t ${VIP}:80 -r 192.168.1.2 -g -w 0`,
    ])
    stage.claim('the download came to its end', quiet.includes(`${BYTES} bytes`))
    stage.claim('new requests go elsewhere', areElsewhere(stage.ask(2, URL)))

    stage.heading('deletion in the middle of a download')
    stage.mustRun('director', ...aim)
    const cut = await interrupted(stage, MORE_BYTES, [`uipvsadm -d -t ${VIP}:80 -r 192.168.1.2`])
    stage.claim('the download stood still until curl gave up', /\(28\)/.test(cut))
    stage.claim('new requests go elsewhere', areElsewhere(stage.ask(2, URL)))
  },
}
