/** All that can be measured side by side, in the order of the reports. */
import type { Contestant } from './contestant.js'
import { generatorAlone, ipForward, kernelIpvs } from './kernel.js'
import { cAfPacket, cAfXdp } from './limit.js'
import { uipvsContestants } from './uipvs.js'
import { umlIpvs } from './uml.js'

const [afXdp, afPacket, libpcap] = uipvsContestants

export const CONTESTANTS: readonly Contestant[] = [
  generatorAlone,
  ipForward,
  kernelIpvs,
  umlIpvs,
  cAfXdp,
  afXdp,
  cAfPacket,
  afPacket,
  libpcap,
]

/** Names for `--opponent` or `--engine`. */
export function namesOf(side: Contestant['side']): string[] {
  return CONTESTANTS.filter((each) => each.side === side).map(({ name }) => name)
}
