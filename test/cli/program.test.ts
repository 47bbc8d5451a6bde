/** The program `uipvs` from outside: help, versions, mistakes, exit statuses; and its commands. */
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { CliFailure, failureLine } from '../../src/cli/failure.js'
import { COMMANDS, createProgram } from '../../src/cli/program.js'

const BIN = new URL('../../src/cli/uipvs.js', import.meta.url).pathname

function uipvs(...argv: string[]) {
  const environment = { ...process.env, UIPVS_DEBUG: '' }
  return spawnSync(process.execPath, [BIN, ...argv], { encoding: 'utf8', env: environment })
}

t.test('--version prints the version of package.json', async (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  const done = uipvs('--version')
  t.equal(done.stdout, `${version}\n`)
  t.equal(done.status, 0)
})

t.test('--help lists every command and gives examples', async (t) => {
  const done = uipvs('--help')
  t.equal(done.status, 0)
  t.equal(done.stderr, '')
  for (const { name } of COMMANDS) t.match(done.stdout, new RegExp(`^  ${name} `, 'm'))
  t.match(done.stdout, /^Examples:$/m)
})

t.test('every command of the table can be loaded and explains itself', async (t) => {
  for (const { name, summary } of COMMANDS) {
    const program = await createProgram((each) => each === name)
    const command = program.commands.find((each) => each.name() === name)
    t.equal(command?.summary(), summary, name)
    t.not(command?.description(), '', `${name} has a description`)
    const done = uipvs(name, '--help')
    t.equal(done.status, 0, `${name} --help`)
    t.match(done.stdout, /^Examples?:$/m, `${name} --help has examples`)
    t.equal(uipvs('help', name).stdout, done.stdout, `help ${name}`)
  }
})

t.test('bad usage: one line on stderr, status 2', async (t) => {
  const mistakes: [string[], RegExp][] = [
    [['rpelay'], /^uipvs: unknown command 'rpelay'; did you mean 'replay'\? see 'uipvs --help'$/],
    [['--colour'], /^uipvs: unknown option '--colour'; see 'uipvs --help'$/],
    [['completion'], /^uipvs: missing required argument 'shell'; see 'uipvs completion --help'$/],
    [['completion', 'tcsh'], /^uipvs: value 'tcsh' is invalid .*; see 'uipvs completion --help'$/],
    [['completion', 'bash', 'zsh'], /^uipvs: too many arguments.*; see 'uipvs completion --help'$/],
    [
      ['doctor', '--engine', 'fast'],
      /^uipvs: option '--engine <engine>' argument 'fast' is invalid/,
    ],
    [
      ['doctor', '--vip', 'fe80::1%eth0'],
      /^uipvs: "fe80::1%eth0" is no IP address \(--vip\); give/,
    ],
    [
      ['realserver', 'up', '--vip', '224.0.0.1'],
      /^uipvs: "224.0.0.1" can be no VIP \(--vip\); give/,
    ],
    [['realserver', 'up', '--vip', '0::1'], /^uipvs: "0::1" can be no VIP/],
    [
      ['run', '-i', 'eth0', '--workers', '0'],
      /^uipvs: '0' is no number of workers \(--workers\); 1 to 64/,
    ],
    [
      ['run', '-i', 'eth0', '--workers', '2', '--engine', 'libpcap'],
      /^uipvs: libpcap has one worker \(--workers 2\); several share the frames with/,
    ],
    [
      ['run', '-i', 'eth0', '--busy-poll', '0'],
      /^uipvs: '0' is no number of µs \(--busy-poll\); 1 to/,
    ],
    [
      ['run', '-i', 'eth0', '--engine', 'af_packet', '--busy-poll', '20'],
      /^uipvs: --busy-poll is for af_xdp; leave it out with af_packet$/,
    ],
    [['completion', '--fsh'], /^uipvs: unknown option '--fsh'; see 'uipvs completion --help'$/],
  ]
  for (const [argv, line] of mistakes) {
    const done = uipvs(...argv)
    t.equal(done.status, 2, argv.join(' '))
    t.equal(done.stdout, '')
    t.match(done.stderr.trimEnd(), line)
  }
})

t.test('no command: help on stderr, status 2', async (t) => {
  const done = uipvs()
  t.equal(done.status, 2)
  t.equal(done.stdout, '')
  t.match(done.stderr, /^Usage: uipvs /)
})

t.test('a reader that goes away early is no error', async (t) => {
  const child = spawn(process.execPath, [BIN, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    complaints += text
  })
  const status = await new Promise((resolve) => child.on('close', resolve))
  t.equal(status, 0)
  t.equal(complaints, '')
})

t.test('how failures are put', async (t) => {
  const denied = Object.assign(new Error('EACCES: permission denied, open x'), { code: 'EACCES' })
  const lines: [unknown, string][] = [
    [
      new CliFailure('no director (/run/x)', 1, 'start one'),
      'uipvs: no director (/run/x); start one',
    ],
    [new CliFailure('two\n  lines'), 'uipvs: two lines'],
    [denied, 'uipvs: EACCES: permission denied, open x'],
    ['a string', 'uipvs: a string'],
  ]
  for (const [error, line] of lines) t.equal(failureLine('uipvs', error), line)
  t.match(failureLine('uipvs', new TypeError('x of null')), /^uipvs: TypeError: x of null; .*bug/)
  const argument = Object.assign(new TypeError('wrong'), { code: 'ERR_INVALID_ARG_TYPE' })
  t.match(failureLine('uipvs', argument), /bug/, "Node's own argument errors are our mistakes")
})
