/**
 * A second leg of a realserver: a wire of its own to the router, by which its answers leave while
 * requests still come by eth0. Shell lines, as everywhere in the topology.
 */
import { CIP, macOf } from './topology.js'

export const LEG_ADDRESS = '10.0.1.2'
const LEG_GATEWAY = '10.0.1.253'

/** In the realserver: the wire, whose other end is put into the namespace that `ip` finds there. */
export function legLines(routerNamespace: string): string[] {
  return [
    `ip link add eth1 type veth peer name eth2 netns ${routerNamespace}`,
    `ip link set eth1 address ${macOf(LEG_ADDRESS)} up`,
    `ip addr add ${LEG_ADDRESS}/24 dev eth1`,
  ]
}

export const ROUTER_LEG_LINES = [
  'ip link set eth2 up',
  `ip addr add ${LEG_GATEWAY}/24 dev eth2`,
] as const

/** From now on the client is answered that way. */
export const ANSWERS_BY_LEG = `ip route add ${CIP}/32 via ${LEG_GATEWAY} dev eth1`
