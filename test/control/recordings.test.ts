/**
 * The recorded commands of ipvsadm 1.31 against a real director, through its socket: all scenarios
 * that need no traffic, and no scheduler that is not there yet (the replay in test/cli/ipvsadm has
 * all of them against a model). The director runs among the addresses of the recordings' machine,
 * which matter for what is refused.
 */
import { join } from 'node:path'
import t from 'tap'
import { SCHEDULERS } from '../../src/balance/schedulers/index.js'
import type { ControlClient } from '../../src/control/client.js'
import { recordedNames } from '../cli/ipvsadm/recorded-names.js'
import {
  answerOf,
  type CommandStep,
  type Recording,
  recordings,
} from '../cli/ipvsadm/recordings.js'
import { makeNamespaces } from '../namespaces.js'
import { makeFolder, startDirector } from './director-process.js'

const ADDRESSES = `
  ip addr add 192.168.1.1/24 dev d0
  ip addr add 192.168.7.1/24 dev d0
  ip addr add 10.20.0.1/16 dev d0
  ip addr add 172.16.5.1/24 dev d0
  ip addr add 2001:db8::1/64 dev d0
  ip addr add 2001:db8:7::1/64 dev d0`

const commandsOf = (recording: Recording) =>
  recording.steps.filter((step): step is CommandStep => 'argv' in step)

/** Schedulers that a recording names and gets, and that the director does not have. */
function missing(recording: Recording): string[] {
  const named = commandsOf(recording).flatMap(({ argv, stdin, stdout }) => [
    ...argv.flatMap((word, i) =>
      /^(-[A-Za-z]*s|--scheduler)$/.test(word) ? [argv[i + 1] ?? ''] : [],
    ),
    ...[...`${stdin ?? ''} ${stdout}`.matchAll(/ -s ([a-z]+)/g)].map(([, name = '']) => name),
  ])
  const known = 'lblc lblcr dh sh sed nq fo ovf mh twos'.split(' ')
  return [...new Set(named.filter((name) => known.includes(name) && !SCHEDULERS.has(name)))]
}

/** An empty table, Linux's timeouts, no daemons. */
async function reset(client: ControlClient): Promise<void> {
  const { daemons } = await client.table()
  const stops = daemons.map(({ role }) => ({ op: 'stop-daemon', role }) as const)
  const timeouts = { op: 'set-timeouts', tcp: 900, tcpfin: 120, udp: 300 } as const
  await client.rules([{ op: 'flush' }, timeouts, ...stops], { atomic: false })
}

t.test('the recordings', async (t) => {
  const lab = makeNamespaces(t, {
    hosts: ['director', 'other'],
    links: [['director:d0', 'other:d0']],
  })
  if (lab === undefined) return
  lab.run('director', ADDRESSES)
  const before = ['ip', 'netns', 'exec', lab.name('director')]
  const path = join(makeFolder(t), 'control.sock')
  const { client } = await startDirector(t, path, { before })
  const all = recordings().filter(({ needs = [] }) => needs.every((need) => need === 'hosts'))
  const left = all.filter((recording) => missing(recording).length === 0)
  t.comment(
    `left out: ${all
      .filter((one) => !left.includes(one))
      .map((one) => `${one.scenario} (${missing(one)})`)
      .join(', ')}`,
  )
  t.ok(left.length >= 40, `${left.length} of ${all.length}`)
  for (const recording of left) {
    await t.test(recording.scenario, async (t) => {
      await reset(client)
      for (const { argv, stdin, status, stdout, stderr } of commandsOf(recording)) {
        const answer = await answerOf(argv, [stdin ?? ''], client, recordedNames())
        t.same(answer, { status, stdout, stderr }, argv.join(' '))
      }
    })
  }
})
