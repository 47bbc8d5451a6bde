/** What bash, zsh and fish offer of the running director's rules, in the shells themselves. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { completionScript } from '../../src/cli/commands/completion.js'
import { makeFolder, startDirector } from '../control/director-process.js'

const RULES = `-A -t 192.168.1.110:22 -s rr
-a -t 192.168.1.110:22 -r 192.168.1.2:22 -g -w 1
-a -t 192.168.1.110:22 -r 192.168.1.3:22 -g -w 1
-A -t 192.168.1.110:80 -s wlc
-a -t 192.168.1.110:80 -r 192.168.1.4:80 -g -w 1
-A -t [2001:db8::110]:80 -s rr
-a -t [2001:db8::110]:80 -r [2001:db8::2]:80 -g -w 1
-A -u 192.168.1.110:53 -s rr
-A --sctp-service 192.168.1.110:99 -s rr
-A -f 7 -s rr
-a -f 7 -r 192.168.1.9:0 -g -w 1
-A -f 8 -6 -s rr
-a -f 8 -6 -r [2001:db8::9]:0 -g -w 1
`
const SSH = '192.168.1.110:22'
const WEB = '192.168.1.110:80'
const WEB6 = '[2001:db8::110]:80'

/** The words before the cursor, and what is offered for the last. */
const CASES: [words: string[], offered: string[]][] = [
  [
    ['-D', '-t', ''],
    [SSH, WEB, WEB6],
  ],
  [
    ['-Dt', '192'],
    [SSH, WEB],
  ],
  [['--delete-service', '--tcp-service', '192.168.1.110:8'], [WEB]],
  [['-D', '-t', '['], [WEB6]],
  [['-D', '-t', '77'], []],
  [['-D', '-u', ''], ['192.168.1.110:53']],
  [['-D', '--sctp-service', ''], ['192.168.1.110:99']],
  [
    ['-D', '-f', ''],
    ['7', '8'],
  ],
  [
    ['-d', '-t', SSH, '-r', ''],
    ['192.168.1.2:22', '192.168.1.3:22'],
  ],
  [['-et', WEB, '-r', '192.168.1.4:'], ['192.168.1.4:80']],
  [['-d', '-t', WEB6, '-r', ''], ['[2001:db8::2]:80']],
  [['-d', '-f', '7', '-r', ''], ['192.168.1.9:0']],
  [['-d', '-f', '8', '-6', '--real-server', ''], ['[2001:db8::9]:0']],
  [['-d', '-t', '10.0.0.1:1', '-r', ''], []],
  [
    ['-A', '-t', '10.0.0.1:1', '-s', 'l'],
    ['lblc', 'lblcr', 'lc'],
  ],
]

/** A folder for PATH with `uipvsadm`, and the scripts. */
async function prepare(folder: string): Promise<NodeJS.ProcessEnv> {
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const program = resolve('build/src/cli/uipvsadm.js')
  chmodSync(program, 0o755)
  symlinkSync(program, join(bin, 'uipvsadm'))
  for (const shell of ['bash', 'zsh', 'fish']) {
    writeFileSync(join(folder, shell), await completionScript(shell))
  }
  return { ...process.env, PATH: `${bin}:${process.env.PATH}`, HOME: folder, TERM: 'dumb' }
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}

/** As readline hands a line over: words cut at colons too, unless they are in quotes. */
function cut(words: readonly string[]): string[] {
  return words.flatMap((word) => (word === '' ? [''] : word.split(/(:+)/).filter(Boolean)))
}

type Words = readonly string[]

/** For each line: what is offered at its end. Fails if the shell says anything else. */
type Ask = (t: Test, lines: readonly Words[], env: NodeJS.ProcessEnv) => string[][]

function bash(t: Test, words: Words, env: NodeJS.ProcessEnv): string[] {
  const question = `source "$HOME/bash"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _uipvsadm_complete
    (( \${#COMPREPLY[@]} )) && printf '%s\\n' "\${COMPREPLY[@]}"`
  const whole = cut(words)
  // Behind a colon at the end there is an empty word.
  if (whole.at(-1) === ':') whole.push('')
  const argv = ['--norc', '-c', question, 'bash', 'uipvsadm', ...whole]
  const done = spawnSync('bash', argv, { encoding: 'utf8', env })
  t.equal(done.stderr, '')
  const last = words.at(-1) ?? ''
  const before = last.slice(0, last.lastIndexOf(':') + 1)
  return linesOf(done.stdout).map((line) => before + line)
}

/** What an interactive zsh reads first: whatever is offered goes to a file as well. */
const ZSH_RC = `PROMPT=
autoload -U compinit; compinit -u -D
source $HOME/zsh
compadd() {
  if (( $@[(I)-[OAD]] )); then builtin compadd "$@"; return; fi
  local -a hits
  builtin compadd -O hits "$@"
  print -rl -- $hits >> $HOME/offered
  builtin compadd "$@"
}
finish() { zle kill-buffer; print > $HOME/end }
zle -N finish
bindkey '^X^F' finish
print > $HOME/end
`

/** Types lines into that zsh, at a terminal of its own: TAB, then the end of the line. */
const ZSH_TYPIST = `zmodload zsh/zpty
wait_for_it() {
  while [[ ! -e $HOME/end ]]; do zpty -rt shell ignored; sleep 0.01; done
  rm -f $HOME/end
}
zpty shell zsh -f -i
zpty -w shell 'source $HOME/zshrc'
wait_for_it
for line; do
  zpty -n -w shell "uipvsadm $line"$'\\t\\x18\\x06'
  wait_for_it
  print -r -- "$(cat $HOME/offered 2>/dev/null)"$'\\n--'
  rm -f $HOME/offered
done
zpty -d shell
`

function zsh(t: Test, lines: readonly Words[], env: NodeJS.ProcessEnv): string[][] {
  writeFileSync(join(env.HOME ?? '', 'zshrc'), ZSH_RC)
  const typed = lines.map((words) => words.join(' ').replaceAll('[', '\\['))
  const argv = ['-f', '-c', ZSH_TYPIST, 'zsh', ...typed]
  const done = spawnSync('zsh', argv, { encoding: 'utf8', env, timeout: 60_000 })
  t.equal(done.stderr, '')
  const offered = done.stdout.split(/^--$/m).slice(0, lines.length)
  return offered.map((text) => [...new Set(linesOf(text))])
}

function fish(t: Test, words: Words, env: NodeJS.ProcessEnv): string[] {
  const question = `source $HOME/fish; complete -C 'uipvsadm ${words.join(' ')}'`
  const done = spawnSync('fish', ['--no-config', '-c', question], { encoding: 'utf8', env })
  t.equal(done.stderr, '')
  return linesOf(done.stdout).map((line) => line.split('\t')[0] ?? '')
}

const SHELLS: Readonly<Record<string, Ask>> = {
  bash: (t, lines, env) => lines.map((words) => bash(t, words, env)),
  zsh,
  fish: (t, lines, env) => lines.map((words) => fish(t, words, env)),
}

function has(shell: string): boolean {
  return spawnSync(shell, ['-c', 'true'], { stdio: 'ignore' }).status === 0
}

for (const [shell, ask] of Object.entries(SHELLS)) {
  const skip = has(shell) ? false : `no ${shell}`
  t.test(`${shell} offers what the running director has`, { skip }, async (t) => {
    const folder = makeFolder(t)
    const env = await prepare(folder)
    const rules = join(folder, 'rules')
    writeFileSync(rules, RULES)
    const path = join(folder, 'control.sock')
    const { child, ended } = await startDirector(t, path, { args: ['--rules', rules] })
    const asked = { ...env, UIPVS_CONTROL: path }
    const answers = ask(
      t,
      CASES.map(([words]) => words),
      asked,
    )
    for (const [i, [words, offered]] of CASES.entries()) {
      t.same(answers[i]?.sort(), offered, words.join(' '))
    }
    const elsewhere = { ...env, UIPVS_CONTROL: join(folder, 'nobody') }
    const [there] = ask(t, [['--control', path, '-D', '-u', '']], elsewhere)
    t.same(there, ['192.168.1.110:53'], '--control of the line itself')

    child.kill('SIGTERM')
    await ended
    const unanswered = [
      ['-D', '-t', ''],
      ['-d', '-t', SSH, '-r', ''],
    ]
    t.same(ask(t, unanswered, asked), [[], []], 'silent when no director runs')
  })
}

t.test(
  'bash at a terminal: TAB completes the service',
  { skip: has('bash') ? false : 'no bash' },
  async (t) => {
    const folder = makeFolder(t)
    const env = await prepare(folder)
    const path = join(folder, 'control.sock')
    const { client } = await startDirector(t, path)
    const service = { protocol: 'tcp', address: '192.168.1.110', port: 80 } as const
    const settings = { scheduler: 'rr', netmask: '255.255.255.255' }
    await client.rules([{ op: 'add-service', service, settings } as never], { atomic: true })
    const typed = `source "$HOME/bash"\nuipvsadm -D -t 192.168.1.110:\t\nexit\n`
    const line = ['-qec', 'bash --norc --noprofile -i', '/dev/null']
    const done = spawnSync('script', line, {
      input: typed,
      encoding: 'utf8',
      env: { ...env, UIPVS_CONTROL: path },
      timeout: 60_000,
    })
    t.equal((await client.table()).services.length, 0, done.stdout)
  },
)
