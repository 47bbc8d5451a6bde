/** `uipvs bench micro` and `connections`, for real and for a moment. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { whyNoCompiler } from '../../src/bench/compiler.js'
import { aliveProcess } from '../../src/lab/processes.js'

t.setTimeout(120_000)

const PROGRAM = join(import.meta.dirname, '..', '..', 'src', 'cli', 'uipvs.js')

interface Micro {
  readonly asked: { readonly flows: number[] }
  readonly remarks: string[]
  readonly decision: {
    readonly flows: number
    readonly ours: number[]
    readonly limit: number[]
    readonly ratios: number[]
  }[]
}

const foldersOf = (pid: number) =>
  readdirSync(tmpdir()).filter((name) => name.startsWith(`uipvs-bench-${pid}-`))

t.test('micro: a figure for each round, and C beside it', async (t) => {
  const short = ['--flows', '256,1000', '--repeats', '1', '--rounds', '2', '--frames', '100000']
  const words = [PROGRAM, 'bench', 'micro', ...short, '--json']
  const done = spawnSync(process.execPath, words, { encoding: 'utf8' })
  t.equal(done.status, 0, done.stderr)
  const { micro } = JSON.parse(done.stdout) as { micro: Micro }
  t.same(
    micro.decision.map(({ flows }) => flows),
    [256, 1000],
  )
  for (const { ours, limit, ratios } of micro.decision) {
    t.equal(ours.length, 2)
    t.ok(ours.every((ns) => ns > 0))
    if (whyNoCompiler() === null) {
      t.equal(limit.length, 2)
      t.equal(ratios.length, 1)
      // The median of two is the upper one.
      t.equal(ratios[0], Math.max(...ours) / Math.max(...limit))
    } else {
      t.same([limit, ratios], [[], []])
      t.match(micro.remarks[0], 'without the limit in C')
    }
  }
})

t.test('ended by a signal: no process of it remains, and no file', async (t) => {
  const child = spawn(process.execPath, [PROGRAM, 'bench', 'connections'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8')
  for await (const text of child.stderr) {
    said += text
    if (said.includes('openings')) break
  }
  const children = await childrenOf(child.pid!)
  t.equal(children.length, 1)
  t.equal(foldersOf(child.pid!).length, 1)
  child.kill('SIGTERM')
  const [status] = await once(child, 'exit')
  t.equal(status, 143)
  t.same(
    children.filter((pid) => aliveProcess(pid) !== null),
    [],
  )
  t.same(foldersOf(child.pid!), [])
})

/** Once there are any. */
async function childrenOf(pid: number): Promise<number[]> {
  for (let attempt = 0; ; attempt++) {
    const found = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter((each) => each !== '')
      .map(Number)
    if (found.length > 0 || attempt > 200) return found
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
