import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { openPcapng, PcapngWriter } from '../../src/port/pcapng.js'
import { type CapturedFrame, readCapture } from '../../src/port/replay.js'
import {
  block,
  concat,
  fields,
  inPieces,
  interfaceBlock,
  option,
  packetBlock,
  section,
} from './captures.js'

async function readAll(source: Parameters<typeof readCapture>[0]) {
  const capture = readCapture(source)
  const frames: CapturedFrame[] = []
  for await (const frame of capture) frames.push(frame)
  return { frames, problem: capture.problem, format: capture.format }
}

const UTF8 = new TextEncoder()
const bytesOf = (length: number, first = 1) => new Uint8Array(length).fill(first)
const options = (le: boolean) => [
  option(le, 2988, bytesOf(5)),
  option(le, 1, UTF8.encode('first comment')),
  option(le, 1, UTF8.encode('second comment')),
  option(le, 2, fields(le, [32, 2])),
  option(le, 0, bytesOf(0)),
]

/** Every block type that is read, and one that is not, of one byte order. */
function everything(le: boolean): Uint8Array {
  return concat(
    section(le),
    interfaceBlock(le, 1, 0, option(le, 2, UTF8.encode('eth0'))),
    interfaceBlock(le, 113, 96, option(le, 9, Uint8Array.of(9)), option(le, 14, seconds(le, 100))),
    packetBlock(le, 0, 1_700_000_000_123_456n, bytesOf(61, 7), ...options(le)),
    block(le, 0x0bad, bytesOf(400, 0xff)),
    packetBlock(le, 1, 1_000_000_000n, bytesOf(4)),
    block(le, 3, fields(le, [32, 33]), bytesOf(33, 3)),
    block(
      le,
      2,
      fields(le, [16, 1], [16, 9], [32, 0], [32, 2_000_000], [32, 2], [32, 8]),
      bytesOf(2, 9),
    ),
  )
}

function seconds(le: boolean, value: number): Uint8Array {
  return le
    ? fields(le, [32, value], [32, value < 0 ? 0xffffffff : 0])
    : fields(le, [32, value < 0 ? 0xffffffff : 0], [32, value])
}

t.test('every kind of block, both byte orders, in one file of two sections', async (t) => {
  const half = 6
  const { frames, problem, format } = await readAll(concat(everything(true), everything(false)))
  t.equal(problem, null)
  t.equal(format, 'pcapng')
  t.equal(frames.length, half + 2)
  const shape = frames.map((f) => ({ ...f, index: 0, bytes: [f.bytes.length, f.bytes[0]] }))
  t.same(shape.slice(0, 4), shape.slice(4), 'byte order makes no difference')
  t.same(shape[0], {
    index: 0,
    timestampMs: 1_700_000_000_123.456,
    bytes: [61, 7],
    originalLength: 61,
    linkType: 1,
    interface: 'eth0',
    direction: 'out',
    comment: 'first comment',
  })
  t.match(shape[1], { timestampMs: 101_000, linkType: 113, interface: '#1', bytes: [4, 1] })
  t.match(shape[2], { timestampMs: 101_000, interface: 'eth0', bytes: [33, 3] })
  t.match(shape[3], { timestampMs: 100_002, bytes: [2, 9], originalLength: 8 })
  t.same(
    frames.map((f) => f.index),
    [0, 1, 2, 3, 4, 5, 6, 7],
  )
  for (const size of [1, 5, 64]) {
    const again = await readAll(inPieces(concat(everything(true), everything(false)), size))
    t.same(again.frames.length, frames.length, `in pieces of ${size}`)
    t.equal(again.problem, null)
  }
})

t.test('cut anywhere: the blocks before, and a problem', async (t) => {
  const whole = everything(true)
  const all = await readAll(whole)
  const boundaries = new Set<number>()
  const view = new DataView(whole.buffer)
  for (let at = 0; at < whole.length; at += view.getUint32(at + 4, true)) boundaries.add(at)
  for (let length = 1; length < whole.length; length++) {
    const { frames, problem } = await readAll(whole.subarray(0, length))
    if (boundaries.has(length)) {
      if (problem !== null) t.fail(`${length}: ${problem.message}`)
    } else if (problem?.kind !== 'truncated' || problem.offset > length) {
      t.fail(`${length}: ${JSON.stringify(problem)}`)
    }
    if (frames.length > all.frames.length) t.fail('frames out of nothing')
  }
  t.pass()
})

const le = true
const start = concat(section(le), interfaceBlock(le))
const broken = (patch: (view: DataView) => void, ...parts: Uint8Array[]) => {
  const whole = concat(start, ...parts)
  patch(new DataView(whole.buffer, start.length))
  return whole
}
const packet = packetBlock(le, 0, 0n, bytesOf(8))
const cases: [string, Uint8Array, RegExp][] = [
  ['length 0', broken((v) => v.setUint32(4, 0, le), packet), /block of 0 bytes/],
  ['odd length', broken((v) => v.setUint32(4, 41, le), packet), /block of 41 bytes/],
  ['lengths differ', broken((v) => v.setUint32(36, 44, le), packet), /two lengths differ/],
  ['huge packet block', broken((v) => v.setUint32(4, 0xfffffff0, le), packet), /4294967280/],
  ['captured too long', broken((v) => v.setUint32(20, 9, le), packet), /9 bytes in a shorter/],
  ['captured huge', broken((v) => v.setUint32(20, 0xffffffff, le), packet), /4294967295 bytes in/],
  ['no such interface', broken((v) => v.setUint32(8, 1, le), packet), /interface 1,/],
  ['packet too short', broken(() => {}, block(le, 6, bytesOf(16))), /too short/],
  ['simple too short', broken(() => {}, block(le, 3)), /too short/],
  [
    'simple too long',
    broken(() => {}, block(le, 3, fields(le, [32, 5]), bytesOf(4))),
    /5 bytes in/,
  ],
  ['interface too short', broken(() => {}, block(le, 1, bytesOf(4))), /too short/],
  [
    'section too short',
    broken(() => {}, block(le, 0x0a0d0d0a, fields(le, [32, 0x1a2b3c4d]))),
    /short/,
  ],
  [
    'section without magic',
    broken(() => {}, block(le, 0x0a0d0d0a, bytesOf(16))),
    /byte-order magic/,
  ],
  [
    'option too long',
    broken(() => {}, packetBlock(le, 0, 0n, bytesOf(4), fields(le, [16, 1], [16, 4]))),
    /option/,
  ],
  [
    'option cut',
    broken(() => {}, block(le, 1, fields(le, [32, 1], [32, 0], [16, 7], [16, 9]))),
    /option/,
  ],
  ['frame too long', broken(() => {}, packetBlock(le, 0, 0n, bytesOf(262145))), /more than 262144/],
]
for (const [name, bytes, message] of cases) {
  t.test(`malformed: ${name}`, async (t) => {
    const { problem } = await readAll(bytes)
    t.match(problem, { kind: 'malformed', message, offset: start.length, record: 0 })
  })
}

t.test('bounds', async (t) => {
  const many = Array.from({ length: 4097 }, () => interfaceBlock(le))
  t.match((await readAll(concat(section(le), ...many))).problem?.message, /4096 interfaces/)
  const version = block(le, 0x0a0d0d0a, fields(le, [32, 0x1a2b3c4d], [16, 2], [16, 0]), bytesOf(8))
  t.match((await readAll(version)).problem, { kind: 'unsupported', message: /version 2\.0/ })
  t.equal((await readAll(section(le, 2))).problem, null)
  const skipped = concat(section(le), fields(le, [32, 0x0bad], [32, 0xfffffff0]))
  t.match((await readAll(skipped)).problem, { kind: 'truncated' }, '4 GiB are not waited for')
})

t.test('an unknown block longer than any buffer is passed over', async (t) => {
  const long = block(le, 0x0bad, new Uint8Array(3 << 20))
  const { frames, problem } = await readAll(inPieces(concat(start, long, packet), 100_000))
  t.equal(problem, null)
  t.equal(frames.length, 1)
})

const written = [
  {
    interface: 0,
    timestampMs: 1_700_000_000_123.456,
    bytes: bytesOf(60),
    comment: 'forwarded to 192.168.1.2',
  },
  {
    interface: 1,
    timestampMs: 1_700_000_000_124,
    bytes: bytesOf(61, 2),
    direction: 'out' as const,
  },
  {
    interface: 0,
    timestampMs: 1_700_000_000_125.5,
    bytes: bytesOf(62, 3),
    originalLength: 1514,
    comment: '',
    direction: 'in' as const,
  },
  { interface: 0, timestampMs: 0, bytes: bytesOf(63), comment: 'zwölf Boxkämpfer 🥊' },
]

t.test('what is written is read again', async (t) => {
  const parts: Uint8Array[] = []
  const writer = new PcapngWriter((bytes) => parts.push(bytes))
  t.equal(writer.addInterface({ name: 'eth0' }), 0)
  t.equal(writer.addInterface({ name: 'eth1', resolution: 'ns' }), 1)
  for (const one of written) writer.packet(one)
  t.throws(() => writer.packet({ interface: 2, timestampMs: 0, bytes: bytesOf(1) }), /interface 2/)
  t.ok(parts.every((part) => part.length % 4 === 0))
  const { frames, problem } = await readAll(concat(...parts))
  t.equal(problem, null)
  t.same(
    frames.map((f) => [
      f.interface,
      f.timestampMs,
      f.bytes.length,
      f.originalLength,
      f.comment,
      f.direction,
    ]),
    written.map((w) => [
      `eth${w.interface}`,
      w.timestampMs,
      w.bytes.length,
      w.originalLength ?? w.bytes.length,
      w.comment,
      w.direction,
    ]),
  )
})

t.test('nanoseconds are rounded once, to the nearest time that a double holds', async (t) => {
  for (const timestampMs of [274003475968.25, 1_700_000_000_123.4565, 4_294_967_295_999.5]) {
    const parts: Uint8Array[] = []
    const writer = new PcapngWriter((bytes) => parts.push(bytes))
    writer.addInterface({ name: 'eth0', resolution: 'ns' })
    writer.packet({ interface: 0, timestampMs, bytes: bytesOf(1) })
    t.equal((await readAll(concat(...parts))).frames[0].timestampMs, timestampMs)
  }
})

t.test('a comment that is too long is cut between characters', async (t) => {
  const parts: Uint8Array[] = []
  const writer = new PcapngWriter((bytes) => parts.push(bytes))
  writer.addInterface({ name: 'eth0' })
  writer.packet({ interface: 0, timestampMs: 0, bytes: bytesOf(1), comment: 'é'.repeat(40_000) })
  const { frames, problem } = await readAll(concat(...parts))
  t.equal(problem, null)
  t.equal(frames[0].comment, 'é'.repeat(32767))
})

const directory = mkdtempSync(join(tmpdir(), 'uipvs-pcapng-'))
t.teardown(() => rmSync(directory, { recursive: true }))

/** 3000 Ethernet frames of an unknown EtherType, so that a dissector has nothing to say of them. */
function writeFile(path: string): void {
  const file = openPcapng(path, 'uipvs test')
  const eth0 = file.writer.addInterface({ name: 'eth0' })
  for (let i = 0; i < 3000; i++) {
    const bytes = bytesOf(60 + (i % 1455), i)
    bytes.set([0x88, 0xb5], 12)
    const timestampMs = 1_700_000_000_000 + i
    file.writer.packet({ interface: eth0, timestampMs, bytes, comment: `verdict of frame ${i}` })
  }
  file.writer.packet({ interface: eth0, timestampMs: 1_700_000_003_000, bytes: bytesOf(100_000) })
  file.close()
}

/** Why a program can't be run here, or false. */
function missing(program: string): string | false {
  const { error } = spawnSync(program, ['--version'])
  return error === undefined ? false : `${program} does not run here: ${error.message}`
}

t.test('to a file', async (t) => {
  const path = join(directory, 'a.pcapng')
  writeFile(path)
  const { frames, problem } = await readAll(path)
  t.equal(problem, null)
  t.equal(frames.length, 3001)
  t.equal(frames[2999].comment, 'verdict of frame 2999')
})

t.test('tcpdump reads it', { skip: missing('tcpdump') }, (t) => {
  const path = join(directory, 'a.pcapng')
  const args = ['-nn', '-tt', '-q', '-r', path]
  const tcpdump = spawnSync('tcpdump', args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  t.equal(tcpdump.status, 0, tcpdump.stderr)
  const lines = tcpdump.stdout.split('\n').filter((line) => /^\d+\.\d+/.test(line))
  t.equal(lines.length, 3001)
  t.match(lines[1], /^1700000000\.001000 /)
  t.match(lines[1], /length 61/)
  t.end()
})

t.test('tshark shows the comments', { skip: missing('tshark') }, (t) => {
  const path = join(directory, 'a.pcapng')
  const args = ['-r', path, '-T', 'fields', '-e', 'frame.comment', '-c', '2']
  const tshark = spawnSync('tshark', args, { encoding: 'utf8' })
  t.same(tshark.stdout.trim().split('\n'), ['verdict of frame 0', 'verdict of frame 1'])
  t.end()
})

t.test('to standard output, also where the pipe is small and slow', (t) => {
  const program = `
    const { openPcapng } = await import('${new URL('../../src/port/pcapng.js', import.meta.url)}')
    const file = openPcapng('-')
    const id = file.writer.addInterface({ name: 'eth0' })
    for (let i = 0; i < 4000; i++) {
      file.writer.packet({ interface: id, timestampMs: i, bytes: new Uint8Array(1000).fill(i) })
    }
    file.close()`
  const path = join(directory, 'piped.pcapng')
  const shell = `node --input-type=module -e "$1" | (sleep 0.3; cat) > "$2"`
  execFileSync('sh', ['-c', shell, 'sh', program, path])
  const bytes = readFileSync(path)
  t.equal(bytes.length % 4, 0)
  void readAll(bytes).then(({ frames, problem }) => {
    t.equal(problem, null)
    t.equal(frames.length, 4000)
    t.end()
  })
})
