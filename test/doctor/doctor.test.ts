import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import type { DestinationListing, ServiceListing } from '../../src/control/listing.js'
import { checkIpv6Sender } from '../../src/doctor/balanced.js'
import type { Finding } from '../../src/doctor/finding.js'
import { hasIpv6, type Lab } from '../../src/lab/lab.js'
import { enter } from '../../src/lab/namespaces.js'
import { type Host, macOf, VIP, VIP6 } from '../../src/lab/topology.js'
import { needsRoot, standingLab } from '../lab/standing.js'
import { xdpMissing } from '../port/wire.js'

// For the whole file: it starts many programs, on a machine that may be busy.
t.setTimeout(300_000)

const PROGRAM = join(import.meta.dirname, '..', '..', 'src', 'cli', 'uipvs.js')

interface Report {
  readonly status: number
  readonly problems: number
  readonly findings: readonly Finding[]
}

/** Asynchronous, since the director that it asks may be a server in this very process. */
async function doctor(lab: Lab, host: Host, args: string[], control = '/nowhere'): Promise<Report> {
  const [program, ...words] = enter(lab.state, host)
  const command = [process.execPath, PROGRAM, 'doctor', '--json', '--control', control, ...args]
  const child = spawn(program!, [...words, ...command], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output] = await Promise.all([text(child.stdout!), once(child, 'close')])
  return { ...JSON.parse(output), status: child.exitCode }
}

const level = ({ findings }: Report, id: string) =>
  findings.filter((finding) => finding.id === id).map((finding) => finding.level)

t.test('who answers ARP for the VIP', { skip: needsRoot, timeout: 60_000 }, async (t) => {
  const lab = standingLab(t)
  const arp = (report: Report) => report.findings.find(({ id }) => id === 'arp-answers')!
  const good = await doctor(lab, 'director', ['-i', 'eth0', '--vip', VIP])
  t.equal(arp(good).level, 'ok', 'seen from the director: nobody else')
  const fromRs = await doctor(lab, 'router', ['-i', 'eth1', '--vip', VIP])
  t.match(arp(fromRs), { level: 'ok', found: macOf('192.168.1.1') }, 'from elsewhere: the director')

  lab.run('rs2', ['sh', '-c', 'echo 0 > /proc/sys/net/ipv4/conf/all/arp_ignore'])
  const bad = await doctor(lab, 'director', ['-i', 'eth0', '--vip', VIP])
  t.match(arp(bad), { level: 'problem', found: macOf('192.168.1.3') }, 'rs2 is found out')
  t.equal(bad.status, 1)
  const both = await doctor(lab, 'router', ['-i', 'eth1', '--vip', VIP])
  t.match(arp(both).found, macOf('192.168.1.1'))
  t.match(arp(both), { level: 'problem', found: macOf('192.168.1.3') }, 'and from elsewhere: two')
})

t.test('who answers neighbour discovery for it', { skip: needsRoot || !hasIpv6() }, async (t) => {
  const lab = standingLab(t)
  const ask = async (host: Host, name: string) => {
    const { findings } = await doctor(lab, host, ['-i', name, '--vip', VIP6])
    return findings.find(({ id }) => id === 'arp-answers')!
  }
  t.match(await ask('router', 'eth1'), { level: 'ok', found: macOf('192.168.1.1') })
  t.match(await ask('director', 'eth0'), { level: 'ok' }, 'the VIP on lo is not answered for')
  lab.run('rs3', ['ip', 'addr', 'add', `${VIP6}/128`, 'dev', 'eth0', 'nodad'])
  t.match(await ask('director', 'eth0'), { level: 'problem', found: macOf('192.168.1.4') })
})

t.test('the kernel beside the director', { skip: needsRoot, timeout: 60_000 }, async (t) => {
  const lab = standingLab(t)
  const args = ['-i', 'eth0', '--vip', VIP]
  const bare = await doctor(lab, 'director', args)
  t.same(level(bare, 'kernel-holds-vip'), ['problem'], 'the VIP without guard')
  t.same(level(bare, 'ip-forward'), ['ok'])
  lab.run('director', ['ip', 'addr', 'del', `${VIP}/32`, 'dev', 'eth0'])
  lab.run('director', ['sysctl', '-qw', 'net.ipv4.ip_forward=1'])
  const routing = await doctor(lab, 'director', args)
  t.same(level(routing, 'kernel-holds-vip'), ['ok'])
  t.same(level(routing, 'ip-forward'), ['problem'], 'the kernel would route the VIP')
  const guard = (address: string) =>
    `table netdev uipvs_eth0 {
       chain arm0 {
         type filter hook ingress device "eth0" priority -500;
         ip daddr ${address} drop
       }
     }`
  lab.run('director', ['nft', '-f', '-'], guard('192.168.1.111'))
  const elsewhere = await doctor(lab, 'director', args)
  t.same(level(elsewhere, 'ip-forward'), ['problem'], 'nor with a guard for another VIP')
  lab.run('director', ['nft', '-f', '-'], guard(VIP))
  const guarded = await doctor(lab, 'director', args)
  t.same(level(guarded, 'ip-forward'), ['ok'], 'not with a guard before it')
  t.same(level(guarded, 'offloads'), ['ok'], 'af_packet takes GRO')
  lab.run('director', ['ethtool', '-K', 'eth0', 'gro', 'on'])
  const pcap = await doctor(lab, 'director', [...args, '--engine', 'libpcap'])
  t.same(level(pcap, 'offloads'), ['problem'], 'libpcap does not')
})

t.test('what is in the way of af_xdp', { skip: needsRoot, timeout: 60_000 }, async (t) => {
  const lab = standingLab(t)
  const ask = async (engine: string) =>
    level(await doctor(lab, 'director', ['-i', 'eth0', '--vip', VIP, '--engine', engine]), 'xdp')
  t.same(await ask('af_xdp'), ['ok'])
  t.same(await ask('af_packet'), [], 'nobody asked')
  lab.run('director', ['ip', 'link', 'set', 'eth0', 'mtu', '9000'])
  t.same(await ask('af_xdp'), ['problem'], 'a packet would not fit')
  t.same(await ask('auto'), ['note'], 'af_packet will be taken')
  lab.run('director', ['ip', 'link', 'set', 'eth0', 'mtu', '1500'])
  const skip = xdpMissing()
  if (skip !== false) return t.comment(`no program of somebody else: ${skip}`)
  const program = new URL('../e2e/other-program.js', import.meta.url).pathname
  const other = lab.start('director', 'other', [process.execPath, program, 'eth0'])
  await lab.untilReady(other, () => lab.log('other').includes('attached'))
  t.same(await ask('af_xdp'), ['problem'], "somebody else's program")
  lab.stop(other)
  t.same(await ask('af_xdp'), ['ok'])
})

t.test('a realserver', { skip: needsRoot, timeout: 60_000 }, async (t) => {
  const lab = standingLab(t)
  const args = ['--realserver', '--vip', VIP, '-i', 'eth0']
  const good = await doctor(lab, 'rs1', args)
  t.match(good, { status: 0, problems: 0 }, 'as the article makes it')
  lab.run('rs1', ['ip', 'addr', 'del', `${VIP}/32`, 'dev', 'lo'])
  lab.run('rs1', ['sysctl', '-qw', 'net.ipv4.conf.all.arp_announce=0'])
  const bad = await doctor(lab, 'rs1', args)
  t.equal(bad.status, 1)
  t.same(level(bad, 'vip-on-lo'), ['problem'])
  t.same(level(bad, 'arp-announce'), ['problem'])
  for (const finding of bad.findings.filter((f) => f.level === 'problem')) {
    const { status, stderr } = lab.run('rs1', ['sh', '-c', finding.fix!])
    t.equal(status, 0, `${finding.fix}: ${stderr}`)
  }
  t.match(await doctor(lab, 'rs1', args), { status: 0, problems: 0 }, 'the lines mend it')
})

const NO_RATES = {
  connectionsPerSecond: 0,
  inPacketsPerSecond: 0,
  outPacketsPerSecond: 0,
  inBytesPerSecond: 0,
  outBytesPerSecond: 0,
}
const NO_STATISTICS = { connections: 0, inPackets: 0, outPackets: 0, inBytes: 0, outBytes: 0 }

function destination(address: string, port: number): DestinationListing {
  return {
    address,
    port,
    method: 'route',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    active: 0,
    inactive: 0,
    persistent: 0,
    statistics: NO_STATISTICS,
    rates: NO_RATES,
    mac: null,
  }
}

function service(port: number, destinations: DestinationListing[]): ServiceListing {
  return {
    service: { protocol: 'tcp', address: VIP, port },
    settings: {
      scheduler: 'rr',
      persistent: 0,
      netmask: '255.255.255.255',
      ops: false,
      pe: '',
      schedulerFlags: 0,
    },
    statistics: NO_STATISTICS,
    rates: NO_RATES,
    destinations,
  }
}

t.test('an arm without IPv6 can find no IPv6 realserver', async (t) => {
  const table = (realserver: string) => ({
    version: '1.2.1',
    size: 4096,
    services: [service(80, [destination(realserver, 80)])],
    timeouts: { tcp: 900, tcpfin: 120, udp: 300 },
    daemons: [],
  })
  const six = table('2001:db8:1::2')
  const four = { interface: 'eth0', family: 4, address: '192.168.1.1' } as const
  const linkLocal = { interface: 'eth0', family: 6, address: 'fe80::1' } as const
  const levels = (findings: Finding[]) => findings.map(({ level }) => level)
  t.same(levels(checkIpv6Sender(six, ['eth0'], [four])), ['problem'])
  t.same(levels(checkIpv6Sender(six, ['eth0'], [four, linkLocal])), ['ok'])
  t.same(levels(checkIpv6Sender(six, ['eth1'], [linkLocal])), ['problem'], 'on each arm')
  t.same(checkIpv6Sender(table('192.168.1.2'), ['eth0'], [four]), [], 'nobody needs one')
})

t.test(
  'the rules, and what each realserver makes of them',
  { skip: needsRoot, timeout: 60_000 },
  async (t) => {
    const lab = standingLab(t)
    await lab.startRealservers()
    lab.run('rs3', ['ip', 'addr', 'del', `${VIP}/32`, 'dev', 'lo'])
    const services = [
      service(
        80,
        ['192.168.1.2', '192.168.1.4', '192.168.1.5'].map((rip) => destination(rip, 80)),
      ),
      service(81, [destination('192.168.1.3', 81)]),
      service(22, [destination('192.168.1.2', 2222)]),
    ]
    const table = {
      version: '1.2.1',
      size: 4096,
      services,
      timeouts: { tcp: 900, tcpfin: 120, udp: 300 },
      daemons: [],
    }
    const server = createServer((request, response) => {
      t.equal(request.url, '/v1/table')
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(table))
    })
    const socket = join(lab.state.directory, 'asked.sock')
    server.listen(socket)
    await once(server, 'listening')
    t.teardown(() => server.close())

    const { findings } = await doctor(lab, 'director', ['-i', 'eth0'], socket)
    const said = (id: string) =>
      findings.filter((f) => f.id === id).map((f) => `${f.level} ${f.found}`)
    t.same(said('port'), [`problem 192.168.1.2:2222 serves ${VIP}:22`])
    t.same(said('realserver'), [
      `ok 192.168.1.2 is at ${macOf('192.168.1.2')}`,
      `ok 192.168.1.4 is at ${macOf('192.168.1.4')}`,
      `problem nobody answers ARP for 192.168.1.5; 192.168.1.3 would serve ${VIP}:80, and has no rule`,
      `ok 192.168.1.3 is at ${macOf('192.168.1.3')}`,
    ])
    t.same(said('serves-vip'), [
      `ok 192.168.1.2 serves ${VIP}:80`,
      `problem 192.168.1.4 is silent about ${VIP}:80`,
      `problem 192.168.1.3 refuses ${VIP}:81`,
      `ok 192.168.1.2 serves ${VIP}:22`,
    ])
    t.equal(
      findings.find(({ id }) => id === 'arp-answers')?.level,
      'ok',
      'VIPs come from the rules',
    )
  },
)
