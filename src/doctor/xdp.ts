/** What keeps af_xdp from an interface. With `auto` the director then goes another way. */

import { readInterface, runTool } from '../native/interfaces.js'
import { mtuOfChunk } from '../native/umem-chunk.js'
import { type Finding, note, ok, problem } from './finding.js'

/** The name that the director gives to its own program. */
const OUR_PROGRAM = 'uipvs'

export function checkXdp(interfaceName: string, engine: string): Finding {
  const why = 'af_xdp needs the interface to itself, and frames that fit a page'
  // Who did not ask for this engine gets another one, and only loses speed.
  const judge = engine === 'af_xdp' ? problem : note
  const other = programOn(interfaceName)
  if (other !== undefined && other !== OUR_PROGRAM) {
    const found = `${interfaceName} has the XDP program "${other}"`
    return judge('xdp', found, why, `ip link set dev ${interfaceName} xdp off`)
  }
  const { mtu } = readInterface(interfaceName)
  const most = mtuOfChunk()
  if (mtu > most) {
    const found = `the MTU of ${interfaceName} is ${mtu}, more than ${most}`
    return judge('xdp', found, why, `ip link set ${interfaceName} mtu ${most}`)
  }
  return ok('xdp', `${interfaceName} is free for af_xdp, MTU ${mtu}`, why)
}

/** The name of the XDP program on an interface; undefined if there is none, or none can be seen. */
function programOn(interfaceName: string): string | undefined {
  const text = runTool('ip', ['-j', '-d', 'link', 'show', 'dev', interfaceName], 'iproute2')
  const [link] = JSON.parse(text) as { xdp?: { prog?: { id?: number; name?: string } } }[]
  const program = link?.xdp?.prog
  return program === undefined ? undefined : (program.name ?? `id ${program.id}`)
}
