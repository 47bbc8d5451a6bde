/** `uipvs bench send` and `receive`, between namespaces: what was sent, what came of it. */
import { join } from 'node:path'
import t from 'tap'
import { Tally } from '../../src/bench/tally.js'
import { type Lab, makeNamespaces } from '../namespaces.js'

t.setTimeout(120_000)

const PROGRAM = join(import.meta.dirname, '..', '..', 'src', 'cli', 'uipvs.js')
const VIP = '10.5.0.100'

interface Done {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

interface Running {
  readonly ready: Promise<void>
  readonly done: Promise<Done>
  end(): void
}

function uipvs(lab: Lab, host: string, ...args: string[]): Running {
  const child = lab.spawn(host, process.execPath, [PROGRAM, 'bench', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, err] = ['', '']
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  const ready = new Promise<void>((resolve) => {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      err += text
      if (err.includes('ready')) resolve()
    })
    child.on('close', () => resolve())
  })
  const done = new Promise<Done>((resolve) => {
    child.on('close', (status) => resolve({ status, out, err }))
  })
  return { ready, done, end: () => child.kill('SIGINT') }
}

/** Generator, a router that passes every tenth frame of the VIP's twice or not at all, sink. */
function field(t: Parameters<typeof makeNamespaces>[0]): Lab | undefined {
  const lab = makeNamespaces(t, {
    hosts: ['gen', 'router', 'sink'],
    links: [
      ['gen:eth0', 'router:in'],
      ['router:out', 'sink:eth0'],
    ],
    ipv6: false,
  })
  lab?.run('gen', 'ip addr add 10.5.0.1/24 dev eth0')
  lab?.run(
    'router',
    `sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.in.rp_filter=0
     ip addr add 10.5.0.2/24 dev in
     ip addr add 10.6.0.2/24 dev out
     ip route add ${VIP}/32 via 10.6.0.3 dev out
     ip neigh add 10.6.0.3 lladdr ${lab.macOf('sink:eth0')} dev out nud permanent
     sysctl -qw net.ipv4.conf.in.proxy_arp=1 net.ipv4.neigh.in.proxy_delay=0`,
  )
  return lab
}

t.test('what is lost, out of order or twice is told by numbers', async (t) => {
  const tally = new Tally()
  const counts = () => {
    const { received, reordered, duplicates, stale, flows } = tally
    return { received, reordered, duplicates, stale, flows }
  }
  for (const sequence of [0, 1, 2, 5, 4, 4, 5, 0]) tally.count(7, sequence)
  t.same(counts(), { received: 5, reordered: 1, duplicates: 3, stale: 0, flows: 1 })
  tally.count(8, 3)
  t.same(counts(), { received: 6, reordered: 1, duplicates: 3, stale: 0, flows: 2 })
  // What the window held before it moved on must not be taken for what comes now.
  tally.count(7, 2000)
  tally.count(7, 1999)
  tally.count(7, 977)
  tally.count(7, 976)
  tally.count(7, 2001)
  t.same(counts(), { received: 10, reordered: 3, duplicates: 3, stale: 1, flows: 2 })
  tally.count(7, 2000 + 1024 * 3)
  for (let back = 1; back < 1024; back++) tally.count(7, 2000 + 1024 * 3 - back)
  t.same(counts(), { received: 1034, reordered: 1026, duplicates: 3, stale: 1, flows: 2 })
})

t.test('every frame arrives and is told by when it left', async (t) => {
  const lab = field(t)
  if (lab === undefined) return
  const receiving = uipvs(lab, 'sink', 'receive', '-i', 'eth0', '--json')
  await receiving.ready
  const words = ['--rate', '2000', '--duration', '0.5', '--flows', '3', '--json']
  const sending = await uipvs(lab, 'gen', 'send', '-i', 'eth0', '--to', `${VIP}:9`, ...words).done
  t.equal(sending.status, 0, sending.err)
  t.match(sending.err, `1000 frames of 60 bytes, 2000 a second (1.0 Mbit/s, 0.1 MB in all), in 3`)
  t.match(sending.err, `from 10.5.0.1 to ${VIP}:9 (${lab.macOf('router:in')}) by eth0, for 0.5 s`)
  const { sent, refused } = JSON.parse(sending.out) as { sent: number; refused: number }
  t.ok(sent > 0 && refused === 0, `${sent} frames`)
  const came = await receiving.done
  const { microseconds, ...counts } = JSON.parse(came.out)
  t.match(counts, {
    sent,
    received: sent,
    lost: 0,
    reordered: 0,
    duplicates: 0,
    flows: 3,
    ringDrops: 0,
    beforeSent: 0,
  })
  t.equal(microseconds.frames, sent)
  t.ok(microseconds.p50 > 0 && microseconds.p50 <= microseconds.p99)
  t.ok(microseconds.p99 <= microseconds.p999 && microseconds.p999 <= microseconds.max)
})

t.test('what the way takes and repeats is seen, at any speed', async (t) => {
  const lab = field(t)
  if (lab === undefined) return
  lab.run(
    'router',
    `nft 'table ip way { chain c { type filter hook forward priority 0; numgen inc mod 10 0 drop; }; }'
     nft 'table netdev twice { chain c { type filter hook ingress device in priority 0; udp dport 9 numgen inc mod 4 0 dup to out; }; }'`,
  )
  const receiving = uipvs(lab, 'sink', 'receive', '-i', 'eth0')
  await receiving.ready
  const words = ['--mac', lab.macOf('router:in'), '--rate', 'max', '--duration', '0.2', '--json']
  const sending = await uipvs(lab, 'gen', 'send', '-i', 'eth0', '--to', `${VIP}:9`, ...words).done
  t.match(sending.err, 'as many frames of 60 bytes as it can, in 256 flows')
  const { sent } = JSON.parse(sending.out) as { sent: number }
  const { out } = await receiving.done
  const [, received, lost, of] = /received (\d+) .*\nlost (\d+) of (\d+) /.exec(out)!.map(Number)
  t.equal(of, sent)
  t.equal(received! + lost!, sent)
  t.ok(lost! > 0 && lost! < sent / 5, `${lost} of ${sent} lost`)
  t.match(out, /twice [1-9]\d*\n/)
})

t.test('who does not say to whom, or names no one host, sends nothing', async (t) => {
  const lab = field(t)
  if (lab === undefined) return
  lab.run('router', 'sysctl -qw net.ipv4.conf.in.proxy_arp=0')
  const refused: [args: string[], status: number, words: RegExp][] = [
    [['send', '-i', 'eth0'], 2, /required option '--to <address:port>'/],
    [['send', '-i', 'eth0', '--to', VIP], 2, /no IPv4 address with a port \(--to\); give one like/],
    [['send', '-i', 'eth0', '--to', '224.0.0.1:9'], 2, /not the address of one host/],
    [['send', '-i', 'eth0', '--to', '255.255.255.255:9'], 2, /not the address of one host/],
    [
      ['send', '-i', 'eth0', '--to', `${VIP}:9`, '--mac', 'ff:ff:ff:ff:ff:ff'],
      2,
      /one host \(--mac/,
    ],
    [['send', '-i', 'eth0', '--to', `${VIP}:9`, '--size', '9000'], 2, /do not fit \(eth0 has MTU/],
    [['send', '-i', 'eth0', '--to', `${VIP}:9`], 1, /nobody answers ARP for .* --mac/],
    [['receive', '-i', 'eth0', '--timeout', '0.1'], 1, /no frame of 'uipvs bench send' came/],
  ]
  const before = lab.run('gen', 'cat /sys/class/net/eth0/statistics/tx_packets')
  await Promise.all(
    refused.map(async ([args, status, words]) => {
      const done = await uipvs(lab, 'gen', ...args).done
      t.match(done.err, words)
      t.equal(done.status, status, args.join(' '))
    }),
  )
  const dry = ['send', '-i', 'eth0', '--to', `${VIP}:9`, '--mac', '02:00:00:00:00:09', '--dry-run']
  const done = await uipvs(lab, 'gen', ...dry).done
  t.equal(done.status, 0)
  t.match(done.err, /100000 frames of 60 bytes/)
  // What ARP asked, and nothing else.
  const after = lab.run('gen', 'cat /sys/class/net/eth0/statistics/tx_packets')
  t.ok(Number(after) - Number(before) <= 3, `${before} before, ${after} after`)
})
