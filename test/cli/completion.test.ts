/** Completion: what the shells are told, and what bash, zsh and fish then really offer. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Argument, Command, Option } from 'commander'
import t from 'tap'
import { completionScript } from '../../src/cli/commands/completion.js'
import { bashCompletion } from '../../src/cli/completion/bash.js'
import { fishCompletion } from '../../src/cli/completion/fish.js'
import { type CommandModel, commandModel } from '../../src/cli/completion/model.js'
import { UIPVSADM } from '../../src/cli/completion/uipvsadm.js'
import { zshCompletion } from '../../src/cli/completion/zsh.js'
import { COMMANDS } from '../../src/cli/program.js'

const folder = mkdtempSync(join(tmpdir(), 'uipvs-completion-'))
t.teardown(() => rmSync(folder, { recursive: true }))

/** A program with one of each kind of thing that can be completed. */
function sample(): CommandModel {
  const program = new Command('uipvs').version('1')
  const engine = new Option('--engine <engine>', 'which one [it\'s "any"]: a list')
  program
    .command('run')
    .summary('run it')
    .option('-i, --interface <name>', 'interface')
    .addOption(engine.choices(['auto', 'af_packet']))
    .option('--rules <file>', 'rules')
    .option('--capture-on <iface>', 'one')
    .option('--metrics [address]', 'metrics')
    .option('-q, --quiet', 'quiet')
  program.command('replay').argument('<capture>').option('-w, --write <file>')
  const server = program.command('realserver').summary('realserver')
  for (const name of ['up', 'down']) server.command(name).option('--vip <vip>', 'VIP')
  const scene = new Argument('[scene]')
  const fault = new Argument('[fault]').choices(['mtu', 'filter'])
  const lab = program.command('lab').addArgument(scene.choices(['arp', 'dr', 'drain']))
  lab.option('--keep', 'let it stand').command('break').addArgument(fault)
  lab.command('down')
  program.command('secret', { hidden: true })
  return commandModel(program)
}

/** Lines to complete, words separated as the shell separates them, and what must be offered. */
const CASES: [string[], string[]][] = [
  [
    ['uipvs', 're'],
    ['realserver', 'replay'],
  ],
  [
    ['uipvs', 'r'],
    ['realserver', 'replay', 'run'],
  ],
  [['uipvs', 'sec'], []],
  [['uipvs', '--ver'], ['--version']],
  [['uipvs', 'run', '--en'], ['--engine']],
  [
    ['uipvs', 'run', '--engine', 'a'],
    ['af_packet', 'auto'],
  ],
  [['uipvs', 'run', '-q', '--engine', 'af'], ['af_packet']],
  [['uipvs', 'run', '--rules', 'replay', '--int'], ['--interface']],
  [['uipvs', 'run', '-i', 'l'], ['lo']],
  [['uipvs', 'replay', 'package.j'], ['package.json']],
  [['uipvs', 'replay', '-w', 'package.j'], ['package.json']],
  [['uipvs', 'realserver', 'd'], ['down']],
  [['uipvs', 'realserver', 'up', '--v'], ['--vip']],
  [
    ['uipvs', 'lab', 'd'],
    ['down', 'dr', 'drain'],
  ],
  [['uipvs', 'lab', 'arp', '--k'], ['--keep']],
  [
    ['uipvs', 'lab', 'break', ''],
    ['filter', 'mtu'],
  ],
  [
    ['uipvs', 'help', 're'],
    ['realserver', 'replay'],
  ],
  [
    ['uipvsadm', '--add-se'],
    ['--add-server', '--add-service'],
  ],
  [['uipvsadm', '-A', '-s', 'wl'], ['wlc']],
  [['uipvsadm', '--control', 'package.j'], ['package.json']],
]

function write(name: string, script: string): string {
  const path = join(folder, name)
  writeFileSync(path, script)
  return path
}

function has(shell: string): boolean {
  return spawnSync(shell, ['-c', 'true'], { stdio: 'ignore' }).status === 0
}

t.test('the model has what the help shows', async (t) => {
  const model = sample()
  t.same(
    model.commands.map((command) => command.name),
    ['run', 'replay', 'realserver', 'lab', 'help'],
    'hidden commands stay hidden',
  )
  const options = model.commands[0]?.options ?? []
  const kinds = options.map((option) => [option.names.at(-1), option.value.kind])
  t.same(kinds, [
    ['--interface', 'interface'],
    ['--engine', 'words'],
    ['--rules', 'file'],
    ['--capture-on', 'interface'],
    ['--metrics', 'any'],
    ['--quiet', 'none'],
    ['--help', 'none'],
  ])
  t.equal(options[4]?.valueOptional, true)
})

t.test('every option of uipvsadm has its sentence', async (t) => {
  for (const { names, summary } of UIPVSADM.options) t.not(summary, '', names.join(' '))
})

t.test('bash offers the right words', { skip: has('bash') ? false : 'no bash' }, async (t) => {
  const script = write('bash', bashCompletion([sample(), UIPVSADM]))
  const ask = (words: string[]) => {
    const question = `source ${script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
      _$1_complete; printf '%s\\n' "\${COMPREPLY[@]}"`
    const done = spawnSync('bash', ['--norc', '-c', question, 'bash', ...words], {
      encoding: 'utf8',
    })
    t.equal(done.stderr, '')
    return done.stdout.split('\n').filter((line) => line !== '')
  }
  for (const [words, offered] of CASES) t.same(ask(words).sort(), offered, words.join(' '))
  t.same(ask(['uipvs', 'run', '--engine', '=', 'au']), ['auto'], 'bash cuts at the equals sign')
  t.same(ask(['uipvs', 'run', '--engine', '=']).sort(), ['af_packet', 'auto'])
})

t.test('fish offers the right words', { skip: has('fish') ? false : 'no fish' }, async (t) => {
  const script = write('fish', fishCompletion([sample(), UIPVSADM]))
  for (const [words, offered] of CASES) {
    const question = `source ${script}; complete -C '${words.join(' ')}'`
    const done = spawnSync('fish', ['--no-config', '-c', question], { encoding: 'utf8' })
    const lines = done.stdout.split('\n').filter((line) => line !== '')
    t.same(lines.map((line) => line.split('\t')[0]).sort(), offered, words.join(' '))
  }
})

t.test('zsh reads its script', { skip: has('zsh') ? false : 'no zsh' }, async (t) => {
  const script = write('zsh', zshCompletion([sample(), UIPVSADM]))
  const question = `autoload -U compinit; compinit -u -D; source ${script}
    print $_comps[uipvs] $_comps[uipvsadm]; whence -w _uipvs_realserver_up`
  const done = spawnSync('zsh', ['-f', '-c', question], { encoding: 'utf8' })
  t.equal(done.stderr, '')
  t.equal(done.stdout, '_uipvs _uipvsadm\n_uipvs_realserver_up: function\n')
})

t.test('the scripts know the real commands', async (t) => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const script = await completionScript(shell)
    for (const { name } of COMMANDS)
      t.match(script, new RegExp(`\\b${name}\\b`), `${shell}: ${name}`)
    t.match(script, /\buipvsadm\b/)
    if (shell === 'bash' && has('bash')) {
      const checked = spawnSync('bash', ['-n', write('real', script)], { encoding: 'utf8' })
      t.equal(checked.stderr, '', 'bash can read it')
      const question = `eval "$1"; COMP_WORDS=(uipvs trace tcp and ver); COMP_CWORD=4
        _uipvs_complete; printf '%s\\n' "\${COMPREPLY[@]}"`
      const asked = spawnSync('bash', ['--norc', '-c', question, 'bash', script], {
        encoding: 'utf8',
      })
      t.equal(asked.stdout, 'verdict\n', 'words of a filter')
    }
  }
})
