/** The scenes of the lab: each sees what it claims; a claim that does not hold is a failure. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type Played, playScene, type Scene } from '../../src/lab/scene.js'
import { SCENES } from '../../src/lab/scenes/index.js'
import { needsRoot, standingLab } from './standing.js'

t.setTimeout(300_000)

const PROGRAM = join(import.meta.dirname, '..', '..', 'src', 'cli', 'uipvs.js')
const LIST = mkdtempSync(join(tmpdir(), 'uipvs-scenes-'))
t.teardown(() => rmSync(LIST, { recursive: true, force: true }))

/** Labs at a time: most of a scene is waiting. */
const AT_ONCE = 3

/** Claims that each scene makes at least, so that none can pass by leaving its point out. */
const CLAIMS_MIN = 4

function whyNot({ cannot }: Scene): string | false {
  return needsRoot || (cannot?.() ?? false)
}

function uipvs(args: string[]): Promise<{ status: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, UIPVS_LAB_STATE: LIST },
    })
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
    child.on('close', (status) => resolve({ status, out, err }))
  })
}

t.test('every scene sees what it claims', { jobs: AT_ONCE }, async (t) => {
  for (const scene of SCENES) {
    t.test(scene.name, { skip: whyNot(scene) }, async (t) => {
      const { status, out, err } = await uipvs(['lab', scene.name, '--json'])
      t.equal(err, '')
      const played = JSON.parse(out) as Played
      t.same(played.failures, [], out)
      t.equal(status, 0)
      const claims = played.steps.filter(({ kind }) => kind === 'claim')
      t.ok(claims.length >= CLAIMS_MIN, `${claims.length} claims`)
    })
  }
})

t.test('nothing of them is left', { skip: needsRoot }, async (t) => {
  t.same(readdirSync(LIST), [])
})

t.test(
  'as text: the question, the lines that were run, what to remember',
  {
    skip: needsRoot,
  },
  async (t) => {
    const { out, status } = await uipvs(['lab', 'ports'])
    t.equal(status, 0)
    t.match(out, 'ports: Direct Routing cannot translate ports')
    t.match(out, '[director] # uipvsadm -a -t 192.168.1.110:8080 -r 192.168.1.2:80 -g')
    t.match(out, '✓ rs1 was asked for 8080, not for 80')
    t.match(out, /Remember\n {3}The packet is not touched/)
  },
)

t.test(
  'a claim that does not hold, or none at all, is a failure',
  { skip: needsRoot },
  async (t) => {
    const scene = { name: 'x', title: 'x', question: 'x', remember: 'x' }
    const lab = standingLab(t)
    const empty = await playScene({ ...scene, play: async () => {} }, lab, () => {})
    t.same(empty.failures, ['the scene claimed nothing'])
    lab.stop(lab.state.processes.find(({ role }) => role === 'director')!)
    const wrong = await playScene(
      {
        ...scene,
        play: async (stage) => {
          stage.mustRun('director', 'uipvsadm -D -t 192.168.1.110:1')
          stage.claim('the sky is green', false)
        },
      },
      lab,
      () => {},
    )
    t.same(wrong.failures, ['uipvsadm -D -t 192.168.1.110:1: done', 'the sky is green'])
  },
)

t.test('the list', async (t) => {
  const { out } = await uipvs(['lab', 'list'])
  for (const { name, title } of SCENES) t.match(out, `${name.padEnd(14)} ${title}`)
  t.match(out, /Labs that stand\n {2}none/)
  const { out: json } = await uipvs(['lab', 'list', '--json'])
  const list = JSON.parse(json)
  t.same(
    list.scenes.map(({ name }: { name: string }) => name),
    ['dr', ...SCENES.map(({ name }) => name)],
  )
  t.same(list.labs, [])
  t.equal((await uipvs(['lab', 'nothing'])).status, 2)
})
