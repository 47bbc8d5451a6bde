/** `uipvs replay` from outside: text, JSON, the capture it writes, damaged captures, pipes. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import t from 'tap'
import { z } from 'zod'
import { ENDINGS } from '../../src/engine/verdict.js'
import { type CapturedFrame, readCapture } from '../../src/port/replay.js'
import { pcap } from '../port/captures.js'
import { BIN, CAPTURE, environment, makeFolder, RULES, uipvs } from './offline-program.js'

const FRAMES = 29
const replay = (...argv: string[]) => uipvs(['replay', '--rules', RULES, ...argv])
const verdict = z.enum(ENDINGS.map(({ name }) => name))
const action = z.enum(['forward', 'answer', 'hold', 'pass', 'drop'])
const count = z.number().int().nonnegative()

const frameSchema = z.strictObject({
  type: z.literal('frame'),
  number: count,
  time: z.number(),
  seconds: z.number(),
  bytes: count,
  frame: z.string(),
  verdict,
  action,
  realserver: z.string().nullable(),
})

const summarySchema = z.strictObject({
  type: z.literal('summary'),
  frames: count,
  seconds: z.number(),
  mode: z.enum(['textbook', 'kernel']),
  directorMac: z.string(),
  ownFrames: count,
  cutFrames: count,
  verdicts: z.array(z.strictObject({ name: verdict, action, frames: count })),
  services: z.array(
    z.strictObject({
      service: z.string(),
      scheduler: z.string(),
      realservers: z.array(
        z.strictObject({
          realserver: z.string(),
          weight: count,
          connections: count,
          packets: count,
          bytes: count,
          active: count,
          inactive: count,
        }),
      ),
    }),
  ),
  problem: z
    .strictObject({ kind: z.string(), message: z.string(), record: count, offset: count })
    .nullable(),
})

async function framesOf(source: Uint8Array): Promise<CapturedFrame[]> {
  const frames: CapturedFrame[] = []
  const capture = readCapture(source)
  for await (const frame of capture) frames.push(frame)
  if (capture.problem !== null) throw new Error(capture.problem.message)
  return frames
}

t.test('JSON: a frame a line, then the summary', async (t) => {
  const done = replay('--json', CAPTURE)
  t.equal(done.status, 0)
  const lines = done.stdout.trimEnd().split('\n')
  const summary = summarySchema.parse(JSON.parse(lines.pop() ?? ''))
  const frames = lines.map((line) => frameSchema.parse(JSON.parse(line)))
  t.equal(frames.length, FRAMES)
  t.equal(summary.frames, FRAMES)
  for (const { name, frames: times } of summary.verdicts) {
    t.equal(frames.filter((frame) => frame.verdict === name).length, times, name)
  }
  const only = replay('--json', '--summary', CAPTURE)
  t.same(JSON.parse(only.stdout), summary, 'with --summary only that')
})

t.test('--summary prints the tables and no frames', async (t) => {
  const whole = replay(CAPTURE).stdout
  const tables = replay('--summary', CAPTURE).stdout
  t.ok(whole.endsWith(`\n\n${tables}`))
  t.match(tables, /^29 frames in 1200\.000000 s of capture\n/)
})

t.test('-w writes pcapng with verdicts as comments, to a file and to a pipe', async (t) => {
  const files = makeFolder(t)
  const path = files.path('out.pcapng')
  const done = replay(CAPTURE, '--summary', '-w', path)
  t.equal(done.status, 0)
  const written = readFileSync(path)
  const frames = await framesOf(written)
  const came = frames.filter((frame) => frame.interface === 'in')
  t.equal(came.length, FRAMES)
  const names = came.map(({ comment = '' }) => comment.slice(0, comment.indexOf(':')))
  t.ok(names.every((name) => ENDINGS.some((ending) => ending.name === name)))
  t.equal(frames.length - came.length, names.filter((n) => n === 'forwarded').length + 5)
  const piped = replay(CAPTURE, '-w', '-')
  t.equal(piped.stderr, '')
  t.ok(piped.bytes.equals(written), 'the same to stdout, and nothing else')
  t.match(replay(CAPTURE, '-w', '-', '--summary').stderr, /^29 frames/)
})

const hasTcpdump = spawnSync('tcpdump', ['--version']).error === undefined

t.test('tcpdump reads it', { skip: hasTcpdump ? false : 'no tcpdump here' }, async (t) => {
  const input = replay(CAPTURE, '-w', '-').bytes
  const done = spawnSync('tcpdump', ['-nr', '-'], { input, encoding: 'utf8' })
  t.equal(done.status, 0)
  t.equal(done.stdout.trimEnd().split('\n').length, (await framesOf(input)).length)
})

t.test('its own output can be replayed', async (t) => {
  const written = replay(CAPTURE, '-w', '-').bytes
  const argv = ['replay', '--rules', RULES, '--json', '--summary', '-']
  const summary = summarySchema.parse(JSON.parse(uipvs(argv, written).stdout))
  const forwarded = summary.verdicts.find(({ name }) => name === 'forwarded')
  t.equal(forwarded?.frames, 22, 'what came; what left goes to other MAC addresses')
})

t.test('damaged captures: everything before the damage, then a line and status 1', async (t) => {
  const files = makeFolder(t)
  const whole = readFileSync(CAPTURE)
  const cut = files.write('cut.pcap', whole.subarray(0, whole.length - 20))
  const truncated = replay('--json', cut)
  t.equal(truncated.status, 1)
  t.equal(truncated.stdout.trimEnd().split('\n').length, FRAMES - 1 + 1)
  t.match(
    truncated.stderr,
    /^uipvs: truncated capture .*cut\.pcap\); 28 frames were replayed before/,
  )
  const header = Buffer.from(whole)
  header.writeUInt32LE(0x7fffffff, 24 + 8)
  const cases: [string, Uint8Array | string, RegExp][] = [
    ['length', header, /2147483647 bytes.*nothing was replayed/],
    ['empty', '', /an empty file is not a capture/],
    ['text', 'hello, world', /neither pcap nor pcapng/],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0, 0), /compressed, use gunzip/],
    [
      'cooked',
      pcap({ linkType: 113 }, [{ bytes: new Uint8Array(60) }]),
      /only Ethernet.*link type 113 .*capture on one interface, not 'any'/,
    ],
  ]
  for (const [name, content, line] of cases) {
    const done = replay(files.write(name, content))
    t.equal(done.status, 1, name)
    t.match(done.stderr, /^uipvs: [^\n]+\n$/)
    t.match(done.stderr, line)
  }
  const out = files.path('out.pcapng')
  t.equal(replay(files.path('nowhere'), '-w', out).status, 1)
  t.notOk(existsSync(out), 'nothing is written for a capture that can not be opened')
})

t.test('frames that were cut are mentioned', async (t) => {
  const files = makeFolder(t)
  const [, syn] = await framesOf(readFileSync(CAPTURE))
  const cut = pcap({}, [{ bytes: syn.bytes.slice(0, 40), original: syn.bytes.length }])
  const done = replay(files.write('cut.pcap', cut))
  t.equal(done.status, 0)
  t.match(done.stdout, / \(cut\) /)
  t.match(done.stderr, /^uipvs: 1 frame was cut when captured.*; capture with 'tcpdump -s 0'\n$/)
})

t.test('mistakes', async (t) => {
  const files = makeFolder(t)
  const copy = files.write('copy.pcap', readFileSync(CAPTURE))
  const mistakes: [number, string[], RegExp][] = [
    [2, ['--rules', RULES], /missing required argument 'capture'/],
    [2, ['--rules', '-', '-'], /stdin was named twice/],
    [2, ['--rules', RULES, copy, '-w', copy], /would be overwritten/],
    [2, ['--rules', RULES, copy, '-w', '-', '--json'], /both want stdout/],
    [1, ['--rules', RULES, '/nowhere'], /can not be read: ENOENT.*; nothing was replayed/],
    [1, ['--rules', files.write('q', '\n-Q\n'), copy], /'-Q' is no rule \(.*, line 2\); rules are/],
    [1, [copy], /there are no rules: no director answers/],
    [
      1,
      ['--rules', RULES, copy, '-w', '/nowhere/x.pcapng'],
      /can't be written: ENOENT \(\/nowhere\/x\.pcapng\); name a file/,
    ],
  ]
  for (const [status, argv, line] of mistakes) {
    const done = uipvs(['replay', ...argv])
    t.equal(done.status, status, argv.join(' '))
    t.match(done.stderr, line)
    t.match(done.stderr, /^uipvs: [^\n]+\n$/)
    t.equal(done.stdout, '')
  }
  t.equal(statSync(copy).size, statSync(CAPTURE).size, 'the capture is as it was')
})

t.test('a slow reader gets all, also of a capture that ends too early', async (t) => {
  const files = makeFolder(t)
  const cut = files.write('cut.pcap', readFileSync(CAPTURE).subarray(0, -1))
  // A summary that no pipe holds at once.
  const services = Array.from({ length: 3000 }, (_, i) => `-A -t 192.168.1.110:${1000 + i}`)
  const rules = files.write('many.rules', services.join('\n'))
  const command = `'${process.execPath}' '${BIN}' replay --rules '${rules}' --summary --json '${cut}'`
  const done = spawnSync('sh', ['-c', `${command} | (sleep 1; cat)`], { encoding: 'utf8' })
  t.equal(summarySchema.parse(JSON.parse(done.stdout)).services.length, services.length)
  t.match(done.stderr, /truncated capture .*; 28 frames were replayed before/)
})

/** Runs a program whose reader goes away after the first bytes. */
async function withImpatientReader(argv: readonly string[], input: Uint8Array) {
  const child = spawn(process.execPath, [BIN, ...argv], { env: environment, stdio: 'pipe' })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    complaints += text
  })
  child.stdout.once('data', () => child.stdout.destroy())
  child.stdin.on('error', () => {}) // it may end before it has read all
  child.stdin.end(input)
  const status = await new Promise((resolve) => child.on('close', resolve))
  return { status, complaints }
}

t.test('a reader that has seen enough is no error', async (t) => {
  const [, syn] = await framesOf(readFileSync(CAPTURE))
  const records = Array.from({ length: 20_000 }, () => ({ bytes: syn.bytes }))
  const big = pcap({}, records)
  for (const more of [[], ['--json'], ['-w', '-']]) {
    const argv = ['replay', '--rules', RULES, '-', ...more]
    t.same(await withImpatientReader(argv, big), { status: 0, complaints: '' }, more.join(' '))
  }
})
