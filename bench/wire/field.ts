/**
 * Where the contestants run: three network namespaces in a row, every frame crossing two veth
 * pairs.
 *
 *   gen                       director                         sink
 *   +-----------+             +----------------------+         +--------------------+
 *   | generator | eth0 --> in | the contestant       | out --> | eth0, all dropped  |
 *   +-----------+             | 10.77.0.1  10.78.0.1 |         | 10.78.0.2, .3, .4  |
 *                             +----------------------+         +--------------------+
 *
 * The sink's interface counts what arrives; an nftables chain at its ingress then drops it, before
 * the sink's IP stack would spend time on it. The three addresses of the sink are the realservers:
 * it answers ARP for them.
 *
 * Offloads of the director's interfaces are off, for all contestants: libpcap's ring would hold 512
 * frames instead of 20,000 otherwise (`src/port/libpcap-arm.ts`), and frames of this size gain
 * nothing by them.
 */
import { readFileSync } from 'node:fs'
import { setOffload } from '../../src/native/ethtool.js'
import { type Lab, makeNamespaces } from '../../test/namespaces.js'

export const VIP = '10.77.0.100'
export const PORT = 9
export const REALSERVERS = ['10.78.0.2', '10.78.0.3', '10.78.0.4']

/** What an interface counted: `/proc/net/dev`. */
export interface InterfaceCounters {
  readonly received: number
  readonly sent: number
  /** Frames that found the receiving kernel's queue full, for veth. */
  readonly sendDropped: number
}

export class Field {
  readonly lab: Lab

  /**
   * With `isLive` frames come without a buffer of the kernel's (ndo_xdp_xmit), which the end of a
   * veth pair takes if it has a NAPI context: XDP, or GRO, which is switched on there for all.
   *
   * Makes the namespaces; they go when this process ends, however it does (not by SIGKILL).
   */
  constructor(isLive: boolean) {
    let reason = ''
    const lab = makeNamespaces(
      {
        teardown: () => {},
        plan: (_count, comment) => {
          reason = comment ?? ''
        },
      },
      {
        hosts: ['gen', 'director', 'sink'],
        links: [
          ['gen:eth0', 'director:in'],
          ['director:out', 'sink:eth0'],
        ],
        ipv6: false,
      },
    )
    if (lab === undefined) throw new Error(reason)
    this.lab = lab
    lab.run(
      'director',
      `sysctl -qw net.ipv4.ip_forward=0
       sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.in.rp_filter=0
       sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.in.send_redirects=0
       ip addr add 10.77.0.1/24 dev in
       ip addr add 10.78.0.1/24 dev out`,
    )
    lab.inside('director', () => {
      for (const name of ['in', 'out']) {
        for (const offload of ['gro', 'gso', 'tso'] as const) setOffload(name, offload, false)
      }
    })
    if (isLive) lab.inside('director', () => setOffload('in', 'gro', true))
    for (const address of REALSERVERS) lab.run('sink', `ip addr add ${address}/24 dev eth0`)
    this.dropAtIngress('sink', 'eth0')
  }

  /**
   * IPv4 ends here, as early as nftables can: after packet sockets, before the IP stack. By the
   * protocol alone, the cheapest match there is, for this is paid for every frame of everybody.
   */
  dropAtIngress(host: string, device: string): void {
    const chain = `type filter hook ingress device "${device}" priority 0;`
    this.lab.run(host, `nft 'table netdev wire { chain c { ${chain} meta protocol ip drop; }; }'`)
  }

  stopDropping(host: string): void {
    this.lab.run(host, 'nft delete table netdev wire')
  }

  /** Read within microseconds and without a process of its own. */
  counters(host: string, device: string): InterfaceCounters {
    const text = this.lab.inside(host, () => readFileSync('/proc/thread-self/net/dev', 'utf8'))
    const line = text.split('\n').find((each) => each.trim().startsWith(`${device}:`))
    if (line === undefined) throw new Error(`${host} has no interface ${device}`)
    // Behind the name: 8 columns of what was received, 8 of what was sent.
    const columns = line
      .slice(line.indexOf(':') + 1)
      .trim()
      .split(/\s+/)
      .map(Number)
    return { received: columns[1], sent: columns[9], sendDropped: columns[11] }
  }
}
