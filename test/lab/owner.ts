/**
 * A program that owns a lab, for the tests of how it ends: `node owner.js HOW`. Prints the lab's
 * name and directory, then does what HOW says: `finish`, `throw`, `wait`, `keep`, or `reach`: the
 * client reaches every realserver, and packet sockets open. Without root it goes into a user
 * namespace.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Capture } from '../../src/lab/capture.js'
import { endOnSignals } from '../../src/lab/ending.js'
import { Lab } from '../../src/lab/lab.js'
import { hasRootsRights, runInUserNamespace } from '../../src/lab/rootless.js'
import { REALSERVERS, VIP } from '../../src/lab/topology.js'

// As `uipvs lab` does it.
if (process.env.UIPVS_LAB_ROOTLESS !== '1' && !hasRootsRights()) {
  process.exit(await runInUserNamespace(process.argv.slice(1)))
}

let lab: Lab | null = null
const ended = endOnSignals(() => lab?.down())
lab = Lab.up()
await lab.startRealservers()
process.stdout.write(`${lab.state.lab} ${lab.state.directory}\n`)
switch (process.argv[2]) {
  case 'reach': {
    const capture = await Capture.start(lab, 'director')
    const lost = REALSERVERS.filter(
      ({ rip }) => lab!.run('client', ['ping', '-c1', '-W2', rip]).status !== 0,
    )
    const http = lab.run('rs1', [
      process.execPath,
      '-e',
      `fetch('http://${VIP}/').then(r=>r.text()).then(console.log)`,
    ])
    capture.stop()
    process.stdout.write(`${JSON.stringify({ lost, http: http.stdout.trim() })}\n`)
    break
  }
  case 'throw':
    throw new Error('an exception that nobody catches')
  case 'wait':
    await Promise.race([ended, sleep(60_000)]).catch((error) => process.exit(error.status))
    break
  case 'keep':
    lab.keep()
    lab = null
    break
}
