/** `uipvs lab` as a person or a script calls it. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Demonstration } from '../../src/lab/demonstration.js'
import { needsRoot, remainsOf } from './standing.js'

// For the whole file: it starts many programs, on a machine that may be busy.
t.setTimeout(300_000)

const PROGRAM = join(import.meta.dirname, '..', '..', 'src', 'cli', 'uipvs.js')
const LIST = mkdtempSync(join(tmpdir(), 'uipvs-labs-'))
t.teardown(() => rmSync(LIST, { recursive: true, force: true }))

function uipvs(args: string[], input = '') {
  return spawnSync(process.execPath, [PROGRAM, ...args], {
    encoding: 'utf8',
    input,
    env: { ...process.env, UIPVS_LAB_STATE: LIST, SHELL: '/bin/sh' },
  })
}

t.test('without a terminal it shows itself once, and is gone', { skip: needsRoot }, (t) => {
  const { status, stdout, stderr } = uipvs(['lab'])
  t.equal(status, 0, stderr)
  t.match(stdout, 'CIP 192.168.1.254')
  t.match(stdout, 'echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce')
  t.match(stdout, 'uipvsadm -A -t 192.168.1.110:22 -s rr')
  t.match(stdout, 'uipvsadm -a -t 192.168.1.110:22 -r 192.168.1.2:22 -g')
  t.match(stdout, /before {2}0000 .*\n +after {3}0000 /)
  t.match(stdout, 'Direct Routing works')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them is what is asked
  t.notMatch(stdout, /\x1b/, 'no colours')
  const lines = stdout.split('\n')
  t.same(
    lines.filter((line) => line.length > 100),
    [],
    'no line is wider than 100 columns',
  )
  t.same(readdirSync(LIST), [])
  t.end()
})

const hasScript = spawnSync('script', ['--version']).status === 0
const needsTerminal =
  needsRoot || (hasScript ? false : 'script(1) is not here: no terminal to give')

t.test('on a terminal it stands until Ctrl-C', { skip: needsTerminal }, async (t) => {
  // Through exec: a shell of its own (dash, where $SHELL is not set) would die of the Ctrl-C too.
  const command = `exec ${process.execPath} ${PROGRAM} lab`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, UIPVS_LAB_STATE: LIST, TERM: 'xterm', NO_COLOR: '' },
  })
  let output = ''
  child.stdout.setEncoding('utf8')
  const invited = new Promise<void>((resolve) => {
    child.stdout.on('data', (text: string) => {
      output += text
      if (output.includes('Ctrl-C takes the lab away')) resolve()
    })
  })
  const exited = once(child, 'exit')
  await Promise.race([invited, exited])
  await sleep(300)
  t.equal(readdirSync(LIST).length, 1, 'it stands')
  t.equal(child.exitCode, null)
  const [, page = '', token = ''] = /(http:\/\/127\.0\.0\.1:\d+\/)#(\S+)/.exec(output) ?? []
  t.equal((await fetch(page)).status, 200, 'with a page, for this machine only')
  t.equal((await fetch(`${page}api/events`)).status, 401, 'and for who has the token')
  const headers = { authorization: `Bearer ${token}` }
  const events = await fetch(`${page}api/events`, { headers })
  t.equal(events.status, 200)
  await events.body?.cancel()
  child.stdin.write('\x03')
  const [status] = await exited
  t.equal(status, 0, 'Ctrl-C is the way out')
  t.match(output, '\x1b[32m', 'colours, on a terminal')
  t.same(readdirSync(LIST), [])
  const name = /lab (uipvs\d+)/.exec(output)![1]!
  t.same(remainsOf(name, join(LIST, name)), [])
})

t.test('--json is one object, and nothing else', { skip: needsRoot }, (t) => {
  const { status, stdout, stderr } = uipvs(['lab', 'dr', '--once', '--json'])
  t.equal(status, 0, stderr)
  const done = JSON.parse(stdout) as Demonstration
  t.same(done.failures, [])
  t.same(remainsOf(done.lab, join(LIST, done.lab)), [])
  t.end()
})

t.test('--keep, list, --shell, down', { skip: needsRoot }, (t) => {
  const kept = uipvs(['lab', '--keep', '--json'])
  t.teardown(() => uipvs(['lab', 'down']))
  t.equal(kept.status, 0, kept.stderr)
  const { lab } = JSON.parse(kept.stdout) as Demonstration
  t.match(uipvs(['lab', 'list']).stdout, new RegExp(`^  ${lab} +kept `, 'm'))
  t.match(JSON.parse(uipvs(['lab', 'list', '--json']).stdout), {
    labs: [{ lab, condition: 'kept' }],
  })
  const shell = uipvs(['lab', '--shell', 'client'], 'ip -4 -o addr show eth0; exit 7\n')
  t.match(shell.stdout, '192.168.1.254/24', 'the shell is in the client')
  t.equal(shell.status, 7, 'and its status is ours')
  const asked = uipvs(['lab', '--shell', 'client', '--name', lab], 'curl -s http://192.168.1.110/')
  t.match(asked.stdout, /^rs[123]$/m, 'the lab still works')
  t.equal(uipvs(['lab', 'down']).stdout, `gone: ${lab}\n`)
  t.same(remainsOf(lab, join(LIST, lab)), [])
  t.equal(uipvs(['lab', 'down']).stdout, 'no lab was left\n')
  t.end()
})

t.test('wrong command lines end with 2, and say what would be right', (t) => {
  for (const [args, expected] of [
    [['lab', 'nat'], /there is no scene called "nat"; try dr/],
    [['lab', '--engine', 'warp'], /no engine "warp"; one of auto, af_xdp, af_packet, libpcap/],
    [['lab', '--shell', 'rs9'], /no host "rs9"; one of client/],
  ] as const) {
    const { status, stderr } = uipvs([...args])
    t.equal(status, 2)
    t.match(stderr, /^uipvs: /)
    t.match(stderr, expected)
  }
  t.match(uipvs(['lab', '--shell', 'rs1']), { status: 1, stderr: /no lab stands/ })
  t.match(uipvs(['lab', 'down', 'uipvs0']), { status: 1, stderr: /no lab is called uipvs0/ })
  t.match(uipvs(['lab', '--help']).stdout, 'Examples:')
  t.end()
})
