/** Contestants of which this machine may have none: what they do to the field, and undo. */

import { spawn } from 'node:child_process'
import t from 'tap'
import type { StartOptions } from '../../src/bench/contestants/contestant.js'
import { CONTESTANTS, namesOf } from '../../src/bench/contestants/index.js'
import { ipForward, kernelIpvs } from '../../src/bench/contestants/kernel.js'
import { NotStarted, startProgram } from '../../src/bench/contestants/program.js'
import { umlIpvs } from '../../src/bench/contestants/uml.js'
import { Field } from '../../src/bench/wire/field.js'
import { Generator } from '../../src/bench/wire/generator.js'
import { DEFAULT_RULES, wireRules } from '../../src/bench/wire/rules.js'
import { readRules } from '../../src/cli/rules-file.js'

const RULES = wireRules(DEFAULT_RULES, readRules(DEFAULT_RULES, 'test'))

/** A field that only notes what is done to it. */
function noted() {
  const done: string[] = []
  const field = {
    macOf: (end: string) => `mac of ${end}`,
    run: (host: string, lines: string[]) => {
      done.push(...lines.map((line) => `${host}: ${line}`))
    },
    ip: (host: string, lines: string[]) => {
      done.push(...lines.map((line) => `${host}: ip ${line}`))
    },
    output: (host: string, command: string[], input = '') => {
      done.push(`${host}: ${command.join(' ')}${input === '' ? '' : ` < ${input.length} bytes`}`)
      return command.includes('--save') ? 'what ipvsadm says' : ''
    },
    // Not in a namespace: these tests need no root.
    spawn: (_host: string, [program, ...args]: string[]) => spawn(program, args),
  }
  const options = { field, rules: RULES, directory: '/nowhere', pinning: [] } as unknown
  return { done, field: field as never, options: options as StartOptions }
}

t.test('names are those of the options, and no two the same', async (t) => {
  const names = CONTESTANTS.map(({ name }) => name)
  t.equal(new Set(names).size, names.length)
  t.same(namesOf('uipvs'), ['af_xdp', 'af_packet', 'libpcap'])
  t.ok(['ip_forward', 'ipvs', 'c_af_xdp', 'c_af_packet'].every((each) => names.includes(each)))
  t.same(namesOf('generator'), ['generator'])
})

t.test('IPVS of the kernel gets the VIPs and the rules, and tells them', async (t) => {
  const { done, options } = noted()
  const running = await kernelIpvs.start(options)
  t.equal(await running.rules(), 'what ipvsadm says')
  await running.stop()
  t.same(done, [
    'director: ip addr add 10.77.0.100/32 dev in',
    `director: ipvsadm --restore < ${DEFAULT_RULES.length} bytes`,
    'director: ipvsadm --save -n',
    'director: ipvsadm --clear',
    'director: ip addr del 10.77.0.100/32 dev in',
  ])
})

t.test('routing is undone', async (t) => {
  const { done, options } = noted()
  const running = await ipForward.start(options)
  t.equal(running.rules(), null, 'it balances nothing')
  await running.stop()
  t.same(done, [
    'director: ip neigh replace 10.78.0.2 lladdr mac of sink:eth0 dev out nud permanent',
    'director: ip route replace 10.77.0.100/32 via 10.78.0.2 dev out',
    'director: sysctl -qw net.ipv4.ip_forward=1',
    'director: sysctl -qw net.ipv4.ip_forward=0',
    'director: ip route del 10.77.0.100/32',
    'director: ip neigh del 10.78.0.2 dev out',
  ])
})

t.test(
  'Linux in user mode forwards every frame, under the same rules',
  { skip: umlIpvs.whyNot({} as StartOptions) ?? false },
  async (t) => {
    const field = new Field(RULES, false)
    t.teardown(() => field.close())
    const { directory } = field
    const running = await umlIpvs.start({
      ...{ field, rules: RULES, directory, pinning: [], nodeFlags: [], workers: 1 },
    })
    t.ok(running.pids.length > 0)
    t.equal(await running.rules(), DEFAULT_RULES)
    const generator = await Generator.start(
      field,
      RULES,
      { flows: 9, bytes: 60, isLive: false },
      [],
    )
    const from = field.counters('sink', 'eth0').received
    const { offered } = await generator.send(1000, 200, 'socket')
    // ARP of Linux for its realservers is among them.
    const came = () => field.counters('sink', 'eth0').received - from
    while (came() < offered) await new Promise((resolve) => setTimeout(resolve, 20))
    t.ok(offered > 100 && came() >= offered, `${offered} sent, ${came()} came`)
    generator.stop()
    await running.stop()
    await t.rejects(running.failure, /Linux in user mode has ended/)
    t.equal(field.output('director', ['nft', 'list', 'tables']), '')
  },
)

t.test('a program: ready, stopped, or ended by itself', async (t) => {
  const { field } = noted()
  const start = (script: string) =>
    startProgram(field, ['sh', '-c', script], {
      name: 'it',
      input: 'input',
      isReady: (line) => line === 'ready',
    })
  await t.rejects(
    start('echo no >&2; echo such >&2; exit 1'),
    new NotStarted('it ended: no | such'),
  )
  const running = await start(
    'read word; test "$word" = input || exit 1; echo ready; exec sleep 60',
  )
  await running.stop()
  const ending = await start('echo ready; exit 0')
  await t.rejects(ending.failure, { message: /^it ended while it was measured: ready$/ })
})
