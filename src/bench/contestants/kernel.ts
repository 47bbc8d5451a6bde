/** What the kernel does by itself: nothing, routing, and, where it has the module, IPVS. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type Contestant, kernelOnly } from './contestant.js'

/**
 * The generator alone: its frames cross one veth pair and are dropped where the director begins.
 * What that costs is taken off everybody's CPU time.
 */
export const generatorAlone: Contestant = {
  name: 'generator',
  title: 'generator alone',
  side: 'generator',
  whyNot: () => null,
  start: async ({ field }) => {
    field.dropAtIngress('director', 'in')
    return kernelOnly(() => field.stopDropping('director'))
  },
}

/** The kernel's routing: to each VIP by way of a realserver, whose MAC address is known. */
export const ipForward: Contestant = {
  name: 'ip_forward',
  title: 'kernel ip_forward',
  side: 'opponent',
  whyNot: () => null,
  start: async ({ field, rules }) => {
    const [gateway] = rules.realservers
    field.ip('director', [
      `neigh replace ${gateway} lladdr ${field.macOf('sink:eth0')} dev out nud permanent`,
      ...rules.vips.map((vip) => `route replace ${vip}/32 via ${gateway} dev out`),
    ])
    field.run('director', ['sysctl -qw net.ipv4.ip_forward=1'])
    return kernelOnly(() => {
      field.run('director', ['sysctl -qw net.ipv4.ip_forward=0'])
      field.ip('director', [
        ...rules.vips.map((vip) => `route del ${vip}/32`),
        `neigh del ${gateway} dev out`,
      ])
    })
  },
}

/** Why this machine's kernel has no IPVS for us, or null. */
export function whyNoIpvs(): string | null {
  if (spawnSync('ipvsadm', ['--version']).error !== undefined) {
    return 'ipvsadm is not installed (apt install ipvsadm)'
  }
  if (existsSync('/proc/net/ip_vs')) return null
  const done = spawnSync('modprobe', ['ip_vs'], { encoding: 'utf8' })
  if (existsSync('/proc/net/ip_vs')) return null
  const said = done.error?.message ?? done.stderr.trim().split('\n')[0]
  return `this kernel has no IPVS (modprobe ip_vs: ${said})`
}

/** IPVS of this machine's own kernel: the VIPs are the director's, as Direct Routing wants it. */
export const kernelIpvs: Contestant = {
  name: 'ipvs',
  title: 'kernel IPVS',
  side: 'opponent',
  whyNot: whyNoIpvs,
  start: async ({ field, rules }) => {
    // A frame for an address that is not the director's would be routed, and never meet IPVS.
    field.ip(
      'director',
      rules.vips.map((vip) => `addr add ${vip}/32 dev in`),
    )
    field.output('director', ['ipvsadm', '--restore'], rules.text)
    const save = async () => field.output('director', ['ipvsadm', '--save', '-n'])
    return kernelOnly(() => {
      field.run('director', ['ipvsadm --clear'])
      field.ip(
        'director',
        rules.vips.map((vip) => `addr del ${vip}/32 dev in`),
      )
    }, save)
  },
}
