/**
 * `uipvs top` on a real pseudo terminal (tmux's), and for files; against directors without an
 * engine, so that no rights are needed.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startDirector, UIPVS } from '../control/director-process.js'
import { RESTORE_LINES } from './top/rules.js'

const UIPVSADM = join(import.meta.dirname, '../../src/cli/uipvsadm.js')
const TOP = [process.execPath, UIPVS, 'top', '--interval', '0.2']
const noTmux =
  spawnSync('tmux', ['-V']).status === 0 ? false : 'no tmux here (apt-get install tmux)'

t.setTimeout(180_000)

async function until<T>(what: string, condition: () => T): Promise<T> {
  for (const deadline = Date.now() + 30_000; ; await sleep(30)) {
    const value = condition()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`waited 30 s for this: ${what}`)
  }
}

function makeFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'uipvs-top-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function makeDirector(t: Test, lines: readonly string[] = RESTORE_LINES) {
  const path = join(makeFolder(t), 'c.sock')
  const director = await startDirector(t, path)
  const adm = (args: readonly string[], input = '') =>
    execFileSync(process.execPath, [UIPVSADM, '--control', path, ...args], { input })
  if (lines.length > 0) adm(['-R'], `${lines.join('\n')}\n`)
  return { ...director, path, adm }
}

/** A terminal of so many columns and rows, in which a shell command runs. */
function openTerminal(t: Test, columns: number, rows: number, command: string) {
  const folder = makeFolder(t)
  const env = { ...process.env, TMUX_TMPDIR: folder, TMUX: '', LANG: 'C.UTF-8' }
  const tmux = (...args: string[]) =>
    execFileSync('tmux', ['-f', '/dev/null', ...args], { env, encoding: 'utf8' })
  const size = ['-x', String(columns), '-y', String(rows)]
  tmux('new-session', '-d', '-s', 'top', ...size, `${command}; echo "status $?"; exec sleep 1000`)
  t.teardown(() => tmux('kill-server'))
  return {
    screen: () => tmux('capture-pane', '-p', '-t', 'top').replace(/\n$/, '').split('\n'),
    keys: (...names: string[]) => tmux('send-keys', '-t', 'top', ...names),
    resize: (x: number, y: number) =>
      tmux('resize-window', '-t', 'top', '-x', String(x), '-y', String(y)),
    /** Whether the alternate screen is shown, and the cursor. */
    modes: () => tmux('display', '-p', '-t', 'top', '#{alternate_on} #{cursor_flag}').trim(),
  }
}

type Term = ReturnType<typeof openTerminal>

const shows = (terminal: Term, pattern: RegExp) =>
  until(`${pattern} on the screen`, () => terminal.screen().find((line) => pattern.test(line)))

const commandOf = (words: readonly string[]) => words.map((word) => `'${word}'`).join(' ')

t.test('on a terminal', { skip: noTmux }, async (t) => {
  const director = await makeDirector(t)
  const command = commandOf([...TOP, '--control', director.path])

  t.test('80x24: what is where, sorting, scrolling, pause, resize, quit', async (t) => {
    const terminal = openTerminal(t, 80, 24, command)
    await shows(terminal, /^1-19 of 34 {2}by name {3}q quit/)
    t.equal(terminal.modes(), '1 0', 'on the alternate screen, without cursor')
    const first = terminal.screen()
    t.equal(first.length, 24)
    t.match(first[0], /^uipvs top: none on no interface, textbook mode, up 00:00:0\d/)
    t.match(first[2], '1 realserver with -m or -i: stored, not served')
    t.match(first[3], /^SERVICE \/ REALSERVER +HOW +WEIGHT ACTIVE/)
    t.match(first[4], /^TCP {2}192\.168\.1\.110:80 +rr /)
    t.match(first[5], /^ {2}192\.168\.1\.2:80 +route +2 /)

    terminal.keys('w')
    await shows(terminal, /by weight/)
    t.match(terminal.screen()[5], /^ {2}192\.168\.1\.30:80 +route +30 /)
    terminal.keys('r')
    await shows(terminal, /by weight, reversed/)
    t.match(terminal.screen()[5], /^ {2}192\.168\.1\.2:80 /)
    terminal.keys('n', 'End')
    await shows(terminal, /^16-34 of 34 {2}by name/)
    t.match(await shows(terminal, /masq/), /stored, not served$/)
    terminal.keys('Up', 'Up', 'PPage')
    await shows(terminal, /^1-19 of 34/)
    terminal.keys('Down', 'NPage')
    await shows(terminal, /^16-34 of 34/)

    terminal.keys('p')
    await shows(terminal, /^PAUSED/)
    director.adm(['-A', '-t', '192.168.1.111:1', '-s', 'wlc'])
    t.teardown(() => director.adm(['-D', '-t', '192.168.1.111:1']))
    await sleep(600)
    await shows(terminal, /of 34/)
    terminal.keys('p')
    await shows(terminal, /of 35/)

    terminal.resize(40, 8)
    await until('the smaller screen', () => /^1?\d-\d+ of 35/.test(terminal.screen()[7] ?? ''))
    t.equal(terminal.screen().length, 8)
    t.match(terminal.screen()[0], /^uipvs top: none on no interface, textbo~$/)
    terminal.resize(12, 3)
    await until('the smallest', () => /^SERV/.test(terminal.screen()[0] ?? ''))
    terminal.resize(120, 40)
    await shows(terminal, /^uipvs top: .*up 00:00:\d\d$/)
    await until('all of it', () => terminal.screen().some((line) => /^FWM +171 /.test(line)))

    terminal.keys('q')
    await shows(terminal, /^status 0$/)
    t.equal(terminal.modes(), '0 1', 'the terminal is as it was')
    t.notMatch(terminal.screen().join('\n'), 'SERVICE')
  })

  /** The same in a process whose number is known. */
  const start = (t: Test, words: string) => {
    const file = join(makeFolder(t), 'pid')
    const terminal = openTerminal(
      t,
      80,
      24,
      `sh -c 'echo $$ > ${file}; exec ${words.replaceAll("'", '"')}'`,
    )
    return { terminal, pid: () => Number(readFileSync(file, 'utf8')) }
  }

  const ending = (name: string, end: (terminal: Term, pid: number) => unknown, status: RegExp) =>
    t.test(name, async (t) => {
      const { terminal, pid } = start(t, command)
      await shows(terminal, /^SERVICE/)
      end(terminal, pid())
      await shows(terminal, status)
      t.equal(terminal.modes(), '0 1', 'the terminal is as it was')
    })

  ending('Ctrl-C', (terminal) => terminal.keys('C-c'), /^status 0$/)
  ending('SIGTERM', (_, pid) => process.kill(pid, 'SIGTERM'), /^status 143$/)
  ending('SIGHUP', (_, pid) => process.kill(pid, 'SIGHUP'), /^status 129$/)
  ending('SIGINT from elsewhere', (_, pid) => process.kill(pid, 'SIGINT'), /^status 0$/)

  t.test('a crash: its words are on the ordinary screen', async (t) => {
    const file = join(makeFolder(t), 'crash.mjs')
    writeFileSync(file, "process.on('SIGUSR2', () => { throw new Error('a crash for a test') })")
    const [node = '', ...rest] = TOP
    const crashing = commandOf([node, '--import', file, ...rest, '--control', director.path])
    const { terminal, pid } = start(t, crashing)
    await shows(terminal, /^SERVICE/)
    process.kill(pid(), 'SIGUSR2')
    await shows(terminal, /^status 1$/)
    await shows(terminal, /Error: a crash for a test/)
    t.equal(terminal.modes(), '0 1')
  })

  t.test('Ctrl-Z, and back', async (t) => {
    const { terminal, pid } = start(t, command)
    await shows(terminal, /^SERVICE/)
    terminal.keys('C-z')
    await until('the ordinary screen', () => terminal.modes() === '0 1')
    process.kill(pid(), 'SIGCONT')
    await until('its own again', () => terminal.modes() === '1 0')
    await shows(terminal, /^SERVICE/)
    terminal.keys('q')
    await shows(terminal, /^status 0$/)
  })
})

t.test('a director that goes, and one that comes', { skip: noTmux }, async (t) => {
  const one = await makeDirector(t)
  const terminal = openTerminal(t, 80, 24, commandOf([...TOP, '--control', one.path]))
  await shows(terminal, /^FWM|^TCP/)
  one.child.kill('SIGTERM')
  await shows(terminal, /^no director answers at .* \(E[A-Z]+\); waiting for one/)
  await startDirector(t, one.path)
  await shows(terminal, /^no services: uipvsadm -A adds one/)
  terminal.keys('q')
  await shows(terminal, /^status 0$/)
})

t.test('for files and pipes', async (t) => {
  const { path } = await makeDirector(t)
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [UIPVS, 'top', '--control', path, ...args], { encoding: 'utf8' })

  const once = run('--once', '--sort', 'weight')
  t.equal(once.status, 0, once.stderr)
  const lines = once.stdout.split('\n')
  t.equal(lines.length, 1 + 3 + 1 + 34 + 1)
  t.match(lines[6], /^ {2}192\.168\.1\.30:80 +route +30 /)
  t.notMatch(once.stdout, '\x1b', 'nothing for terminals')

  const json = JSON.parse(run('--once', '--json').stdout)
  t.match(json, {
    seconds: null,
    engine: 'none',
    notServed: { destinations: 1, daemons: [] },
    services: [
      { service: { protocol: 'tcp', address: '192.168.1.110', port: 80 }, how: 'rr' },
      { service: { protocol: 'udp' } },
      { service: { fwmark: 171, family: 'inet' } },
    ],
  })
  t.equal(json.services[0].destinations.length, 30)

  const repeated = spawn(process.execPath, [
    UIPVS,
    'top',
    '--control',
    path,
    '--json',
    '--interval',
    '0.1',
  ])
  t.teardown(() => repeated.kill('SIGKILL'))
  let text = ''
  repeated.stdout.setEncoding('utf8').on('data', (piece) => {
    text += piece
  })
  await until('three lines', () => text.split('\n').length > 3)
  repeated.kill('SIGTERM')
  const reports = text
    .split('\n')
    .slice(0, 3)
    .map((line) => JSON.parse(line))
  t.equal(reports[0].seconds, null)
  t.ok(reports[1].seconds >= 0.09 && reports[2].seconds >= 0.09, 'each interval')
})

t.test('called wrongly, and without a director', async (t) => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [UIPVS, 'top', ...args], { encoding: 'utf8' })
  for (const interval of ['0', '-1', 'x', '', '1e9', 'NaN']) {
    const { status, stderr } = run('--interval', interval)
    t.equal(status, 2, stderr)
    t.match(stderr, /give seconds, 0\.1 to 3600/)
  }
  t.equal(run('--sort', 'colour').status, 2)
  const nobody = run('--once', '--control', '/nonexistent/c.sock')
  t.equal(nobody.status, 1)
  t.match(
    nobody.stderr,
    /^uipvs: no director answers at \/nonexistent\/c\.sock \(ENOENT\); start one/,
  )
})
