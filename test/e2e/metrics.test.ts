/**
 * What others read of a living director: the files of `--proc`, through Prometheus's node_exporter,
 * and `--metrics`, compared with each other and with uipvsadm.
 */
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { NODE_FAMILIES } from '../../src/control/metric-families.js'
import { BANNER, CHAT, ECHO } from './realserver-program.js'
import { makeSegment, type Segment, until, VIP, VIP6 } from './segment.js'

const EXPORTER = '/usr/bin/prometheus-node-exporter'
const EXPORTER_PORT = 9100
const METRICS_PORT = 9105

/** Services of each kind, and what makes their destinations' numbers differ. */
const LINES = (segment: Segment) => [
  `-A -t ${VIP}:${BANNER} -s wrr -p 300`,
  `-a -t ${VIP}:${BANNER} -r ${segment.rip(1)} -g -w 3`,
  `-a -t ${VIP}:${BANNER} -r ${segment.rip(2)} -g -w 0`,
  `-a -t ${VIP}:${BANNER} -r 192.168.1.77 -m -w 5`,
  `-A -t [${VIP6}]:${BANNER} -s rr`,
  `-a -t [${VIP6}]:${BANNER} -r [${segment.rip6(1)}]:${BANNER} -g -w 2`,
  `-a -t [${VIP6}]:${BANNER} -r [${segment.rip6(2)}]:${BANNER} -g -w 1`,
  `-A -u [${VIP6}]:${ECHO} -s rr -o`,
  `-a -u [${VIP6}]:${ECHO} -r [${segment.rip6(2)}]:${ECHO} -g -w 1`,
  `-A -t [${VIP6}]:${CHAT} -s rr`,
  `-a -t [${VIP6}]:${CHAT} -r [${segment.rip6(1)}]:${CHAT} -g -w 1`,
  '-A -f 171 -s lc',
  `-a -f 171 -r ${segment.rip(1)} -g -w 1`,
  `-a -f 171 -r ${segment.rip(2)} -g -w 1`,
]

/** The persistent one would go to the masqueraded destination: weight 0 until clients have come. */
const TRAFFIC_FIRST = `-e -t ${VIP}:${BANNER} -r 192.168.1.77 -m -w 0`

async function traffic(segment: Segment): Promise<void> {
  const many = { count: 7, parallel: 3 }
  await segment.client('banners', { address: VIP, port: BANNER, ...many })
  await segment.client('banners', { address: VIP6, port: BANNER, ...many })
  await segment.client('open', { id: 'stays', address: VIP6, port: CHAT })
  for (let i = 0; i < 5; i++) {
    await segment.client('datagram', { address: VIP6, port: ECHO, text: 'x'.repeat(i * 100) })
    await segment.client('datagram', { address: VIP, port: ECHO, text: 'y' })
  }
}

/** Everything that one scrape says of `node_ipvs_*`, values as numbers. */
function nodeLines(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    if (/^# (HELP|TYPE) node_ipvs_/.test(line)) return [line]
    const [, name, value] = /^(node_ipvs_\S+) (\S+)$/.exec(line) ?? []
    return name === undefined ? [] : [`${name} ${Number(value)}`]
  })
}

function numberOf(lines: readonly string[], name: string): number {
  const line = lines.find((each) => each.startsWith(`${name} `))
  return Number(line?.split(' ')[1])
}

function scrape(segment: Segment, port: number): string {
  return segment.lab.run('director', `curl -sS http://127.0.0.1:${port}/metrics`)
}

async function startExporter(t: Test, segment: Segment, proc: string): Promise<void> {
  const exporter = segment.lab.spawn(
    'director',
    EXPORTER,
    [
      `--path.procfs=${proc}`,
      '--collector.disable-defaults',
      '--collector.ipvs',
      `--web.listen-address=127.0.0.1:${EXPORTER_PORT}`,
    ],
    { stdio: 'ignore' },
  )
  t.teardown(async () => {
    exporter.kill('SIGKILL')
    if (exporter.exitCode === null && exporter.signalCode === null) await once(exporter, 'exit')
  })
  const url = `http://127.0.0.1:${EXPORTER_PORT}/metrics`
  await until(
    'node_exporter',
    () => segment.lab.attempt('director', `curl -sSf -o /dev/null ${url}`) !== undefined,
  )
}

interface Row {
  readonly local: string
  readonly remote: string
  readonly numbers: readonly number[]
}

/** Servers in a listing of uipvsadm, with the service above them and their last numbers. */
function rowsOf(listing: string, isServer = true): Row[] {
  let local = ''
  return listing.split('\n').flatMap((line) => {
    const words = line.trim().split(/\s+/)
    const numbers = words.filter((word) => /^\d+$/.test(word)).map(Number)
    const isService = /^(TCP|UDP|FWM) /.test(line)
    if (isService) local = `${words[0]} ${words[1]}`
    const isWanted = isServer ? words[0] === '->' && /\d$/.test(words[1] as string) : isService
    return isWanted ? [{ local, remote: words[1] as string, numbers }] : []
  })
}

/** A sample of node_exporter's backends as uipvsadm would name it. */
function namesOf(line: string): { local: string; remote: string; value: number } {
  const label = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(line)?.[1] ?? ''
  const ends = (address: string, port: string) =>
    address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  const mark = label('local_mark')
  return {
    local:
      mark === ''
        ? `${label('proto')} ${ends(label('local_address'), label('local_port'))}`
        : `${label('proto')} ${Number.parseInt(mark, 16)}`,
    remote: ends(label('remote_address'), label('remote_port')),
    value: Number(line.split(' ').at(-1)),
  }
}

t.setTimeout(120_000)

t.test(
  'node_exporter reads the files as it reads the kernel; --metrics says the same',
  {
    skip: existsSync(EXPORTER)
      ? false
      : 'no node_exporter here (apt-get install prometheus-node-exporter)',
  },
  async (t) => {
    const segment = await makeSegment(t)
    if (segment === undefined) return
    const proc = join(segment.directory, 'proc')
    const metrics = `127.0.0.1:${METRICS_PORT}`
    await segment.startDirector(['-i', 'eth0', '--proc', proc, '--metrics', metrics])
    const mark = { mark: 171, protocol: 'udp', destination: VIP, ports: [ECHO, ECHO] } as const
    await segment.control.rules([{ op: 'add-mark', rule: mark }], { atomic: true })
    await segment.rules([...LINES(segment), TRAFFIC_FIRST])
    await startExporter(t, segment, proc)
    await traffic(segment)

    // The last frames of a connection may still be on their way: until the two agree.
    const seen = await until('node_exporter and uipvsadm agree', async () => {
      const stats = await segment.adm(['-Ln', '--stats', '--exact'])
      const services = rowsOf(stats, false).map(({ numbers }) => numbers.slice(-5))
      const total = (column: number) => services.reduce((sum, row) => sum + row[column], 0)
      const lines = nodeLines(scrape(segment, EXPORTER_PORT))
      const isSame = numberOf(lines, 'node_ipvs_incoming_packets_total') === total(1)
      return isSame && { lines, total }
    })
    if (!seen) return
    const { lines, total } = seen
    t.ok(total(0) >= 7 + 8 + 5 + 1, `${total(0)} connections`)
    const totals = [
      'connections',
      'incoming_packets',
      'outgoing_packets',
      'incoming_bytes',
      'outgoing_bytes',
    ]
    for (const [column, name] of totals.entries()) {
      t.equal(numberOf(lines, `node_ipvs_${name}_total`), total(column), name)
    }

    const servers = rowsOf(await segment.adm(['-Ln']))
    t.equal(servers.length, 9)
    const columns = {
      backend_weight: -3,
      backend_connections_active: -2,
      backend_connections_inactive: -1,
    }
    for (const [name, column] of Object.entries(columns)) {
      const samples = lines.filter((line) => line.startsWith(`node_ipvs_${name}{`)).map(namesOf)
      t.equal(samples.length, servers.length, name)
      for (const { local, remote, numbers } of servers) {
        const sample = samples.find((each) => each.local === local && each.remote === remote)
        t.equal(sample?.value, numbers.at(column), `${name} ${local} -> ${remote}`)
      }
    }
    t.ok(
      servers.some(({ numbers }) => (numbers.at(-2) as number) > 0),
      'an active connection',
    )

    const own = scrape(segment, METRICS_PORT)
    t.same(nodeLines(own), lines, 'line by line')
    t.equal(lines.filter((line) => line.startsWith('# TYPE')).length, NODE_FAMILIES.length)
    const { verdicts } = await segment.counters()
    t.match(own, `uipvs_frames_total{verdict="forwarded",action="forward"} ${verdicts.forwarded}\n`)
    t.match(own, /uipvs_neighbours\{state="REACHABLE"\} [34]\n/)
    t.match(own, 'uipvs_destinations_not_served{method="masq"} 1\n')
  },
)

t.test(
  'the worker tells how long its breaths take, and the files go with the director',
  async (t) => {
    const segment = await makeSegment(t)
    if (segment === undefined) return
    const proc = join(segment.directory, 'proc')
    const director = await segment.startDirector(['-i', 'eth0', '--proc', proc])
    await segment.addService('tcp', BANNER)
    await segment.client('banners', { address: VIP, port: BANNER, count: 20, parallel: 4 })
    const conn = join(proc, 'net/ip_vs_conn')
    const seen = await until('the connections in the file', () => {
      const found = readFileSync(conn, 'latin1').trimEnd().split('\n').slice(1)
      return found.length === 20 && found
    })
    const rows = seen || []
    t.ok(rows.every((row) => /^TCP C0A801FE [0-9A-F]{4} C0A8016E 0050 C0A8010[23] 0050 /.test(row)))
    const { loop, engine } = await segment.control.counters()
    const breaths = loop.breaths.reduce((sum, each) => sum + each)
    t.ok(breaths > 0 && breaths <= (engine.breaths as number), `${breaths} of ${engine.breaths}`)
    t.ok(loop.busyMs > 0 && loop.busyMs < (engine.aliveMs as number), JSON.stringify(loop))
    t.ok((engine.ringOccupancy as number) >= 0 && (engine.ringOccupancy as number) <= 1)
    director.process.kill('SIGTERM')
    t.equal(await director.ended, 0)
    t.notOk(existsSync(proc))
  },
)
