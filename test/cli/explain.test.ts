/**
 * `uipvs explain` from outside: its text, its JSON, its exit statuses. Golden texts: docs/examples.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { z } from 'zod'
import { ControlClient } from '../../src/control/client.js'
import { ENDINGS } from '../../src/engine/verdict.js'
import { BIN, CAPTURE, makeFolder, RULES, uipvs } from './offline-program.js'

const SYN = ['tcp', '10.0.0.1:40000', '192.168.1.110:80']

const layer = z.strictObject({
  name: z.string(),
  bytes: z.number().int(),
  fields: z.array(z.strictObject({ name: z.string(), value: z.string() })),
})
const connection = z
  .strictObject({
    state: z.string(),
    isActive: z.boolean(),
    realserver: z.string(),
    expires: z.number().int().nonnegative(),
    packets: z.number().int(),
  })
  .nullable()
const hex = z.string().regex(/^([0-9a-f]{2})*$/)
const mac = z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/)

/** What programs may rely on. Strict: what is added to the output must be added here. */
const schema = z.strictObject({
  frame: z.string(),
  hexBefore: hex,
  hexAfter: hex.nullable(),
  mode: z.enum(['textbook', 'kernel']),
  directorMac: mac,
  layers: z.array(layer),
  isForDirector: z.boolean(),
  destination: z.strictObject({ address: z.string(), isVip: z.boolean() }).nullable(),
  connection: z
    .strictObject({
      key: z.string(),
      isRelated: z.boolean(),
      before: connection,
      after: connection,
      outcome: z.enum(['hit', 'created', 'replaced', 'passed over', 'one-packet', 'none']),
    })
    .nullable(),
  service: z
    .strictObject({ key: z.string(), scheduler: z.string(), persistent: z.number() })
    .nullable(),
  choice: z
    .strictObject({
      scheduler: z.string(),
      candidates: z.array(
        z.strictObject({
          realserver: z.string(),
          weight: z.number().int(),
          active: z.number().int(),
          inactive: z.number().int(),
          score: z.number().nullable(),
          eligible: z.boolean(),
          reason: z.string(),
          isChosen: z.boolean(),
        }),
      ),
      omitted: z.literal(0),
      clues: z.array(
        z.strictObject({
          name: z.enum(['last', 'level', 'bucket', 'slot', 'holder', 'known', 'drawn']),
          number: z.number().int().optional(),
          of: z.number().int().optional(),
          realservers: z.array(z.string()).optional(),
        }),
      ),
      chosen: z.string().nullable(),
      by: z.enum(['scheduler', 'template']).nullable(),
      why: z.string(),
    })
    .nullable(),
  realserver: z
    .strictObject({
      address: z.string(),
      mac: mac.nullable(),
      origin: z.enum(['given', 'seen', 'made up', 'itself']).nullable(),
    })
    .nullable(),
  isPacketUnchanged: z.boolean().nullable(),
  changes: z.array(
    z.strictObject({
      layer: z.string(),
      field: z.string(),
      before: z.string(),
      after: z.string(),
    }),
  ),
  counters: z.array(
    z.strictObject({ of: z.string(), name: z.string(), before: z.number(), after: z.number() }),
  ),
  answers: z.array(z.strictObject({ summary: z.string(), hex, layers: z.array(layer) })),
  verdict: z.strictObject({
    name: z.enum(ENDINGS.map(({ name }) => name)),
    action: z.enum(['forward', 'answer', 'hold', 'pass', 'drop']),
    sentence: z.string(),
  }),
})

function explainJson(argv: readonly string[], input: string | Uint8Array = '') {
  const done = uipvs(['explain', '--rules', RULES, '--json', ...argv], input)
  if (done.status !== 0) throw new Error(done.stderr)
  return schema.parse(JSON.parse(done.stdout))
}

t.test('JSON keeps its schema, whatever the frame', async (t) => {
  const verdicts = [
    explainJson(SYN),
    explainJson(['udp', '10.0.0.1:1', '192.168.1.110:80']),
    explainJson(['icmp', '10.0.0.1', '192.168.1.110']),
    explainJson(['sctp', '10.0.0.1:1', '192.168.1.110:80']),
    explainJson(['tcp', '[2001:db8::1]:1', '[2001:db8::2]:80']),
    explainJson(['--hex', '0102']),
    explainJson(['--mode', 'kernel', '--ttl', '1', ...SYN]),
  ].map(({ verdict }) => verdict.name)
  t.same(verdicts, [
    'forwarded',
    'no-service',
    'echo-answered',
    'protocol-unreachable',
    'not-vip',
    'truncated-ethernet',
    'ttl-exceeded',
  ])
})

t.test('without a terminal there are no colours', async (t) => {
  const done = uipvs(['explain', '--rules', RULES, ...SYN])
  t.equal(done.status, 0)
  t.equal(done.stderr, '')
  t.notMatch(done.stdout, '\x1b')
  t.match(done.stdout, / = verdict {5}forwarded: Sent to its realserver\.\n$/)
})

t.test('frames in hex, also as tcpdump prints them', async (t) => {
  const { hexBefore } = explainJson(SYN)
  t.equal(explainJson(['--hex', hexBefore]).verdict.name, 'forwarded')
  const lines = (hexBefore.match(/.{1,32}/g) ?? []).map((line, i) => {
    const groups = (line.match(/.{1,4}/g) ?? []).join(' ')
    return `\t0x${(16 * i).toString(16).padStart(4, '0')}:  ${groups}  ....`
  })
  t.equal(explainJson(['--hex', '-'], lines.join('\n')).hexBefore, hexBefore)
  // The frame tells who the director is.
  const other = `020000000042${hexBefore.slice(12)}`
  t.match(explainJson(['--hex', other]), {
    directorMac: '02:00:00:00:00:42',
    verdict: { name: 'forwarded' },
  })
  const said = ['--hex', other, '--director-mac', '02:00:00:00:00:43']
  t.equal(explainJson(said).verdict.name, 'other-host')
})

t.test('a frame of a capture comes after those before it, or alone', async (t) => {
  const of = (n: number, ...more: string[]) =>
    explainJson(['--pcap', CAPTURE, '--frame', String(n), ...more])
  t.match(of(3), { connection: { outcome: 'hit', before: { state: 'SYN_RECV' } } })
  t.match(of(3, '--alone'), {
    connection: { before: null, outcome: 'none' },
    verdict: { name: 'not-an-opening' },
  })
  t.match(of(1), { frame: /^arp who has/, verdict: { name: 'arp-answered' } })
  const piped = explainJson(['--pcap', '-', '--frame', '2'], readFileSync(CAPTURE))
  t.same(piped, of(2))
})

t.test('what is given on the command line counts', async (t) => {
  const told = explainJson(['--mac', '192.168.1.3=02:00:00:00:00:99', ...SYN])
  t.match(told.realserver, { mac: '02:00:00:00:00:99', origin: 'given' })
  const after = ['--after', SYN.join(' '), '--after', `${SYN.join(' ')} A`, '--flags', 'FA']
  t.match(explainJson([...after, ...SYN]).connection, {
    before: { state: 'ESTABLISHED', packets: 2 },
    after: { state: 'FIN_WAIT' },
  })
  const big = ['--mode', 'kernel', '--mtu', '1000', '--df', '--len', '1001', ...SYN]
  t.equal(explainJson(big).verdict.name, 'too-big')
  t.equal(explainJson([...big.slice(0, 4), '--len', '1001', ...SYN]).verdict.name, 'fragmented')
})

t.test('mistakes: a line on stderr, and the status', async (t) => {
  const files = makeFolder(t)
  const bad = files.write('bad.rules', '-A -t 1.2.3.4:80 -s rr\n-Q\n')
  const twice = files.write('twice.rules', '-A -t 1.2.3.4:80\n-A -t 1.2.3.4:80\n')
  const text = files.write('text.pcap', 'this is no capture')
  const rules = ['--rules', RULES]
  const mistakes: [number, string[], RegExp][] = [
    [2, [...rules], /no frame was given; see 'uipvs explain --help'/],
    [2, [...rules, '--hex', '00', ...SYN], /more than one frame was given/],
    [2, [...rules, '--hex', '00', '--ttl', '3'], /shape a packet/],
    [2, [...rules, '--frame', '3', ...SYN], /go with a capture/],
    [2, [...rules, '--pcap', CAPTURE], /which frame of the capture\?; add --frame 1/],
    [
      2,
      [...rules, '--pcap', CAPTURE, '--frame', '0'],
      /'0' is out of range \(--frame\); write a number from 1 to/,
    ],
    [2, [...rules, 'tcp', 'x'], /three words: protocol, source and destination/],
    [2, [...rules, 'tcp', 'x:1', '10.0.0.1:2'], /no IPv4 or IPv6 address in 'x:1'/],
    [2, [...rules, '--after', 'tcp', ...SYN], /three words/],
    [
      2,
      [...rules, '--ttl', '256', ...SYN],
      /'256' is out of range \(--ttl\); write a number from 0 to 255/,
    ],
    [2, [...rules, '--mac', '192.168.1.2', ...SYN], /'192.168.1.2' is no address and MAC/],
    [2, [...rules, '--director-mac', '01:00:5e:00:00:01', ...SYN], /no MAC address of one host/],
    [2, [...rules, '--control', '/x', ...SYN], /--rules and --control were both given/],
    [2, [...rules, '--mode', 'fast', ...SYN], /Allowed choices are textbook, kernel/],
    [2, ['--rules', '-', '--hex', '-'], /stdin was named twice/],
    [2, [...rules, '--hex', 'xyz'], /'x' is no hex digit/],
    [1, [...SYN], /no rules: no director answers at .*ENOENT\); give --rules FILE/],
    [
      1,
      ['--rules', '/nowhere', ...SYN],
      /the rules can't be read: ENOENT \(\/nowhere\); there is no such file/,
    ],
    [1, ['--rules', bad, ...SYN], /bad\.rules, line 2/],
    [1, ['--rules', twice, ...SYN], /exists already \(rule 2 of .*twice\.rules\)/],
    [1, [...rules, '--pcap', '/nowhere', '--frame', '1'], /ENOENT.*\(\/nowhere\)/],
    [1, [...rules, '--pcap', text, '--frame', '1'], /neither pcap nor pcapng/],
    [1, [...rules, '--pcap', CAPTURE, '--frame', '99'], /no frame 99: the capture has 29/],
  ]
  for (const [status, argv, line] of mistakes) {
    const done = uipvs(['explain', ...argv])
    t.equal(done.status, status, argv.join(' '))
    t.equal(done.stdout, '')
    t.match(done.stderr, /^uipvs: [^\n]+\n$/, 'one line')
    t.match(done.stderr, line)
  }
})

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !what(); i++) await sleep(25)
  if (!what()) throw new Error('it did not come')
}

t.test('with the rules of a running director', async (t) => {
  const files = makeFolder(t)
  const socket = files.path('control.sock')
  const argv = [
    'run',
    '--engine',
    'none',
    '--rules',
    RULES,
    '--mode',
    'kernel',
    '--control',
    socket,
  ]
  const director: ChildProcess = spawn(process.execPath, [BIN, ...argv], { stdio: 'ignore' })
  const ended = new Promise((resolve) => director.on('exit', resolve))
  t.teardown(async () => {
    director.kill()
    await ended
  })
  await until(() => existsSync(socket))
  const client = new ControlClient(socket)
  await client.reach()
  client.close()
  const done = uipvs(['explain', '--control', socket, '--json', ...SYN])
  t.equal(done.stderr, '')
  const { running, ...explained } = JSON.parse(done.stdout)
  const live = schema.parse(explained)
  t.match(
    running,
    { scheduler: live.choice?.scheduler, by: 'scheduler' },
    'what it would do itself',
  )
  t.same(running, live.choice, 'and it has had no connection either')
  t.same(live, explainJson(['--mode', 'kernel', ...SYN]), 'as from the file that it was given')
  const text = uipvs(['explain', '--control', socket, ...SYN]).stdout
  t.match(text, /^With the rules of the running director\. Its connections are not known here/)
  t.match(text, /\n = would choose +realserver +weight +active +inactive +score\n/)
})
