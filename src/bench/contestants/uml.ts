/**
 * Linux's own IPVS, where this machine's kernel has none to offer: in user mode, on the same wire.
 * A kernel in user mode pays for every packet with system calls and switches of context that a
 * kernel on the bare machine does not have; its figures are its own, not the native kernel's.
 */
import { cannotHaveLinuxDirector, LinuxDirector } from '../../uml/linux-director.js'
import { UmlError } from '../../uml/machine.js'
import type { Contestant, Running, StartOptions } from './contestant.js'
import { NotStarted } from './program.js'

export const umlIpvs: Contestant = {
  name: 'uml_ipvs',
  title: 'Linux IPVS in user mode (UML)',
  side: 'opponent',
  whyNot: () => cannotHaveLinuxDirector() || null,
  start: async (options) => {
    const linux = await boot(options)
    return {
      // Those that stay: what Linux runs later comes and goes.
      pids: linux.pids(),
      counts: async () => null,
      rules: () => linux.must('ipvsadm -Sn'),
      failure: linux.failure,
      stop: () => linux.close(),
    } satisfies Running
  },
}

async function boot({ field, rules, pinning }: StartOptions): Promise<LinuxDirector> {
  const wire = (name: string, address: string) => {
    return { interface: name, mac: field.macOf(`director:${name}`), addresses: [address] }
  }
  try {
    return await LinuxDirector.start({
      enter: [...field.enter('director'), ...pinning],
      wires: [wire('in', '10.77.0.1/24'), wire('out', '10.78.0.1/24')],
      ip: [
        ...rules.vips.map((vip) => `addr add ${vip}/32 dev in`),
        ...rules.realservers.map((address) => `route add ${address}/32 dev out`),
      ],
      setUp: ['sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.in.rp_filter=0'],
      rules: rules.text,
    })
  } catch (error) {
    if (error instanceof UmlError) throw new NotStarted(error.message)
    throw error
  }
}
