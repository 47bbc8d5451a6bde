/**
 * Linux's own IPVS as a director on a wire that stands: a kernel in user mode that takes the place
 * of a network namespace's kernel at some of its interfaces.
 *
 *      the segment ---- veth  eth0 | network namespace
 *                                  |   packet socket --- vec0 = eth0 of the Linux inside
 *                                  |   nftables: the namespace's own kernel hears nothing here
 *
 * The namespace's kernel keeps its addresses, and has them back when the director ends. Frames
 * reach Linux as the sender's kernel left them, long ones (GSO) too, and leave it so: a veth pair
 * hands them over with what is still to be done for them (virtio's header, linux/virtio_net.h).
 */
import { spawnSync } from 'node:child_process'
import { cannotHaveUml, Uml, UmlError } from './machine.js'
import { initScript, launchScript, type Wire } from './scripts.js'

/** An interface of the namespace, and what Linux has there. */
export interface DirectorWire extends Wire {
  /** As `ip addr add` takes them. IPv6 ones are used at once, without looking for duplicates. */
  readonly addresses: readonly string[]
}

export interface LinuxDirectorOptions {
  /** Words before a command that run it in the network namespace of the wires. */
  readonly enter: readonly string[]
  readonly wires: readonly DirectorWire[]
  /** As ipvsadm-save(8) writes them. */
  readonly rules: string
  /** Commands of ip(8) for Linux, of which there may be thousands. */
  readonly ip?: readonly string[]
  /** More shell lines: settings. */
  readonly setUp?: readonly string[]
}

const NAME = 'Linux in user mode'
const TABLE = 'uipvs_uml'

/** Why there can be none here, or false. */
export function cannotHaveLinuxDirector(): string | false {
  return cannotHaveUml([['nft', 'nftables']])
}

export class LinuxDirector extends Uml {
  readonly #enter: readonly string[]

  private constructor({ enter, wires }: LinuxDirectorOptions) {
    super({
      name: NAME,
      enter,
      launch: launchScript({ before: silence(wires), wires }),
      init: initScript(initBody(wires)),
    })
    this.#enter = enter
  }

  /** Boots Linux, and returns when it directs; some three seconds. */
  static async start(options: LinuxDirectorOptions): Promise<LinuxDirector> {
    const impossible = cannotHaveLinuxDirector()
    if (impossible !== false) throw new UmlError(`no ${NAME}: ${impossible}`)
    const director = new LinuxDirector(options)
    try {
      await director.booted()
      const ip = (options.ip ?? []).map((line) => `${line}\n`).join('')
      await director.must(`ip -batch ${await director.file('ip', ip)}`)
      for (const line of options.setUp ?? []) await director.must(line)
      await director.must(`ipvsadm -R < ${await director.file('rules', options.rules)}`)
      return director
    } catch (error) {
      await director.close()
      throw error
    }
  }

  /** Linux is gone, and the namespace's kernel has its interfaces back. */
  override async close(): Promise<void> {
    await super.close()
    const [program, ...words] = [...this.#enter, 'nft', 'delete', 'table', 'netdev', TABLE]
    // Refused if it was never made: the machine did not come so far.
    spawnSync(program!, words, { stdio: 'ignore' })
  }
}

/** At ingress, behind packet sockets, everything ends: ARP too. */
function silence(wires: readonly Wire[]): string {
  const chains = wires.map(({ interface: name }, i) => {
    const hook = `type filter hook ingress device "${name}" priority 0; policy drop;`
    return `chain c${i} { ${hook} }`
  })
  return `nft 'table netdev ${TABLE} { ${chains.join('; ')}; }'`
}

function initBody(wires: readonly DirectorWire[]): string {
  const conf = ['accept_dad', 'dad_transmits', 'autoconf', 'accept_ra', 'router_solicitations']
  return [
    ...conf.map((key) => `sysctl -qw net.ipv6.conf.default.${key}=0`),
    'ip link set lo up',
    ...wires.flatMap(({ interface: name, addresses }, i) => [
      ...conf.map((key) => `sysctl -qw net.ipv6.conf.vec${i}.${key}=0`),
      `ip link set vec${i} name ${name}`,
      `ip link set ${name} up`,
      ...addresses.map(
        (address) => `ip addr add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`,
      ),
    ]),
    // Schedulers are loaded by the kernel itself, which knows nothing of MODPROBE_OPTIONS.
    `printf '#!/bin/sh\\nexec /sbin/modprobe -d /tmp/root "$@"\\n' > /tmp/modprobe`,
    'chmod +x /tmp/modprobe; echo /tmp/modprobe > /proc/sys/kernel/modprobe',
    'modprobe ip_vs',
  ].join('\n')
}
