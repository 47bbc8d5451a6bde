import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { FORWARDED, NOT_VIP } from '../../src/engine/verdict.js'
import { type CapturedFrame, ReplayPort, readCapture } from '../../src/port/replay.js'
import { concat, inPieces, pcap, type RecordFacts } from './captures.js'

const PARSER = 'node_modules/pcap-parser/test/'

async function readAll(source: Parameters<typeof readCapture>[0]) {
  const capture = readCapture(source)
  const frames: CapturedFrame[] = []
  for await (const frame of capture) frames.push(frame)
  return { frames, problem: capture.problem, format: capture.format }
}

const record = (first: number, length = 60, more: Partial<RecordFacts> = {}): RecordFacts => ({
  bytes: new Uint8Array(length).fill(first),
  ...more,
})

for (const littleEndian of [true, false]) {
  for (const nanoseconds of [false, true]) {
    t.test(`pcap, little-endian ${littleEndian}, nanoseconds ${nanoseconds}`, async (t) => {
      const bytes = pcap({ littleEndian, nanoseconds }, [
        record(1, 60, { seconds: 10, fraction: 500 }),
        record(2, 0),
        record(3, 54, { original: 1514 }),
      ])
      const { frames, problem, format } = await readAll(bytes)
      t.equal(problem, null)
      t.equal(format, 'pcap')
      t.same(
        frames.map((f) => [f.index, f.bytes.length, f.originalLength, f.linkType]),
        [
          [0, 60, 60, 1],
          [1, 0, 0, 1],
          [2, 54, 1514, 1],
        ],
      )
      t.equal(frames[0].timestampMs, nanoseconds ? 10000.0005 : 10000.5)
      t.same(frames[2].bytes, new Uint8Array(54).fill(3))
      for (const size of [1, 7, 16, 83]) {
        t.same(await readAll(inPieces(bytes, size)), { frames, problem, format }, `by ${size}`)
      }
    })
  }
}

t.test("the parser's own captures", async (t) => {
  const smtp = await readAll(PARSER + 'smtp.pcap')
  t.equal(smtp.problem, null)
  t.equal(smtp.frames.length, 60)
  const bigEndian = await readAll(PARSER + 'be.pcap')
  t.equal(bigEndian.problem, null)
  t.ok(bigEndian.frames.length > 0)
  const malformed = await readAll(PARSER + 'malformed.pcap')
  t.match(malformed.problem, { kind: 'unsupported', message: /neither pcap nor pcapng/ })
})

t.test('cut anywhere: all whole frames, and a problem that tells where', async (t) => {
  const records = [record(1, 5), record(2, 7)]
  const bytes = pcap({}, records)
  const boundaries = [24, 45, 68]
  for (let length = 0; length < bytes.length; length++) {
    const { frames, problem } = await readAll(bytes.subarray(0, length))
    const whole = boundaries.filter((b) => b <= length).length - 1
    const isWhole = boundaries.includes(length)
    const at = boundaries.findLast((b) => b <= length) ?? 0
    t.equal(frames.length, Math.max(whole, 0), `${length} bytes`)
    if (isWhole) t.equal(problem, null)
    else t.match(problem, { kind: 'truncated', record: Math.max(whole, 0), offset: at })
  }
  const { problem } = await readAll(bytes.subarray(0, 50))
  t.equal(problem?.message, 'truncated capture at record 1 (offset 45)')
})

t.test('a length that can not be is not believed', async (t) => {
  const bytes = pcap({}, [record(1), record(2, 60, { captured: 0xfffffff0 })])
  const { frames, problem } = await readAll(bytes)
  t.equal(frames.length, 1)
  t.match(problem, { kind: 'malformed', record: 1, offset: 100 })
  t.match(problem?.message, /4294967280 bytes/)
  t.equal((await readAll(pcap({}, [record(1, 262144)]))).problem, null)
  t.equal((await readAll(pcap({}, [record(1, 262145)]))).problem?.kind, 'malformed')
})

t.test('what can not be read is a problem, never an exception', async (t) => {
  const text = new TextEncoder()
  t.match((await readAll(text.encode('hello world'))).problem, { kind: 'unsupported' })
  t.match((await readAll(new Uint8Array(0))).problem, { kind: 'truncated', message: /empty/ })
  t.match((await readAll(Uint8Array.of(0x1f, 0x8b, 8, 0))).problem?.message, /gunzip/)
  t.match((await readAll(pcap({ version: [2, 3] }, []))).problem?.message, /version 2\.3/)
  t.match((await readAll('/nonexistent.pcap')).problem, { kind: 'unreadable', message: /ENOENT/ })
  t.match((await readAll('/')).problem, { kind: 'unreadable', message: /EISDIR/ })
})

t.test('a file on disk reads as its bytes do, and says nothing on stderr', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'uipvs-replay-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const bytes = pcap(
    {},
    Array.from({ length: 3000 }, (_, i) => record(i, 100 + (i % 1400))),
  )
  const path = join(directory, 'a.pcap')
  writeFileSync(path, bytes)
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  const fromFile = await readAll(path)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', onWarning)
  const fromMemory = await readAll(bytes)
  t.equal(fromFile.problem, null)
  const sums = (frames: CapturedFrame[]) =>
    frames.map((f) => `${f.index} ${f.bytes.length} ${Buffer.from(f.bytes).toString('latin1')}`)
  t.equal(fromFile.frames.length, 3000)
  t.equal(sums(fromFile.frames).join(), sums(fromMemory.frames).join())
  t.same(warnings, [])
})

t.test('a million frames in bounded memory', async (t) => {
  const piece = pcap(
    {},
    Array.from({ length: 10_000 }, () => record(1, 60)),
  )
  async function* million() {
    yield piece.subarray(0, 24)
    for (let i = 0; i < 100; i++) yield piece.subarray(24)
  }
  const capture = readCapture(million())
  const port = new ReplayPort(capture)
  let settled = 0
  let largest = 0
  const before = process.memoryUsage().rss
  while (await port.fill()) {
    const batch = port.receive()
    settled += batch.count
    port.settle(batch)
    if (settled % 64_000 === 0) largest = Math.max(largest, process.memoryUsage().rss)
  }
  t.equal(settled, 1_000_000)
  t.equal(port.problem, null)
  // A million kept frames, objects and all, would be several times as much.
  t.ok(largest - before < 150 << 20, `${(largest - before) >> 20} MiB`)
})

const at = (ms: number) => ({ seconds: Math.floor(ms / 1000), fraction: (ms % 1000) * 1000 })

t.test('batches follow the clock of the capture, which never goes back', async (t) => {
  const times = [1000, 1000, 1001, 1001.5, 1900, 1800, 1901.5]
  const bytes = pcap(
    {},
    times.map((ms, i) => record(i, 60, at(ms))),
  )
  const port = new ReplayPort(readCapture(bytes))
  t.ok(Number.isNaN(port.clockMs))
  const seen: [number, number][] = []
  while (await port.fill()) {
    const batch = port.receive()
    seen.push([batch.count, port.clockMs])
    port.settle(batch)
  }
  t.same(seen, [
    [3, 1001],
    [1, 1001.5],
    [2, 1900],
    [1, 1901.5],
  ])
  t.equal(port.receive().count, 0)
})

t.test('each frame is reported as it came and as it left; own frames too', async (t) => {
  const records = Array.from({ length: 5 }, (_, i) => record(i, 60))
  records[4] = record(4, 60, { original: 1500 })
  const out: unknown[] = []
  const port = new ReplayPort(readCapture(pcap({}, records)), {
    batch: 2,
    armOf: (frame) => (frame.index === 1 ? 1 : 0),
    onSettled: (s) =>
      out.push([s.frame.index, s.verdict, s.frame.bytes[0], s.after[0], s.arm, s.egress]),
    onOwn: (bytes, egress) => out.push(['own', bytes.length, egress]),
  })
  while (await port.fill()) {
    const batch = port.receive()
    for (let i = 0; i < batch.count; i++) {
      const isEven = batch.bytes[batch.offset[i]] % 2 === 0
      batch.verdict[i] = isEven ? FORWARDED : NOT_VIP
      batch.egress[i] = 1
      if (isEven) batch.bytes[batch.offset[i]] += 100
    }
    if (out.length === 0) port.outbox.reserve(42, 0)
    port.settle(batch)
  }
  t.same(out, [
    [0, FORWARDED, 0, 100, 0, 1],
    ['own', 42, 0],
    [1, NOT_VIP, 1, 1, 1, 1],
    [2, FORWARDED, 2, 102, 0, 1],
    [3, NOT_VIP, 3, 3, 0, 0],
    [4, FORWARDED, 4, 104, 0, 1],
  ])
  t.equal(port.cutFrames, 1)
})

t.test('misuse throws; other link types are a problem', async (t) => {
  const port = new ReplayPort(readCapture(pcap({}, [record(1), record(2)])), { batch: 1 })
  await port.fill()
  t.equal(await port.fill(), true, 'a batch that waits is not filled twice')
  const batch = port.receive()
  t.throws(() => port.receive(), /before the last batch/)
  await t.rejects(port.fill(), /before the last batch/)
  batch.count = 0
  t.throws(() => port.settle(batch), /another batch/)

  const cooked = new ReplayPort(readCapture(pcap({ linkType: 113 }, [record(1)])))
  t.equal(await cooked.fill(), false)
  t.match(cooked.problem, { kind: 'unsupported', message: /link type 113/ })
  const mixed = new ReplayPort(readCapture('test/fixtures/none.pcap'))
  t.equal(await mixed.fill(), false)
  t.match(mixed.problem, { kind: 'unreadable' })
  const broken = new ReplayPort(readCapture(concat(pcap({}, []), new Uint8Array(3))))
  t.equal(await broken.fill(), false)
  t.match(broken.problem, { kind: 'truncated' })
})
