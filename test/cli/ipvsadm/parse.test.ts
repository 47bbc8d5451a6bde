import t from 'tap'
import { FileNames, HostWanted } from '../../../src/cli/ipvsadm/names.js'
import { parse } from '../../../src/cli/ipvsadm/parse.js'
import { recordedNames } from './recorded-names.js'

const names = recordedNames()

function words(line: string) {
  return ['ipvsadm', ...line.split(' ')]
}

function ruleOf(line: string) {
  const command = parse(words(line), names)
  if (command.kind !== 'rule') throw new Error(`${line}: ${JSON.stringify(command)}`)
  return command.rule
}

function errorOf(line: string) {
  const command = parse(words(line), names)
  return command.kind === 'error' ? [command.text, command.status, command.endsRun] : command
}

t.test('a service with everything', async (t) => {
  t.same(ruleOf('-A -u 10.1:domain -s sh -b sh-port,flag-3 -p 5 -M 255.255.0.0 --pe sip -o'), {
    op: 'add-service',
    service: { protocol: 'udp', address: '10.0.0.1', port: 53 },
    settings: {
      scheduler: 'sh',
      persistent: 5,
      netmask: '255.255.0.0',
      ops: true,
      pe: 'sip',
      schedulerFlags: 0x30,
    },
  })
})

t.test('-E sets everything too', async (t) => {
  t.same(ruleOf('-E -f 7 -6'), {
    op: 'edit-service',
    service: { fwmark: 7, family: 'inet6' },
    settings: {
      scheduler: 'wlc',
      persistent: 0,
      netmask: '128',
      ops: false,
      pe: '',
      schedulerFlags: 0,
    },
  })
})

t.test('the port of a server', async (t) => {
  const portOf = (line: string) => {
    const rule = ruleOf(line)
    return 'destination' in rule ? rule.destination.port : null
  }
  t.equal(portOf('-a -t 10.0.0.1:80 -r 10.0.0.2:8080'), 80, 'routed: the service has the say')
  t.equal(portOf('-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -i'), 80, 'tunnelled: too')
  t.equal(portOf('-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m'), 8080)
  t.equal(portOf('-a -t 10.0.0.1:80 -r 10.0.0.2 -m'), 80)
  t.equal(portOf('-a -r 10.0.0.2 -t 10.0.0.1:80 -m'), 0, 'no service yet')
  t.equal(portOf('-a -f 3 -r 10.0.0.2'), 0)
  t.equal(portOf('-a -f 3 -r 10.0.0.2:http'), 80)
  t.equal(portOf('-d -t 10.0.0.1:80 -r 10.0.0.2:8080'), 8080, 'deleting takes nothing over')
  t.same(errorOf('-a -r 10.0.0.2:http -t 10.0.0.1:80'), [
    'illegal real server address[:port] specified\n',
    2,
    true,
  ])
})

t.test('a tunnel', async (t) => {
  const rule = ruleOf('-a -t 10.0.0.1:80 -r 10.0.0.2 -i --tun-type gue --tun-port 6080 --tun-csum')
  t.match(rule, { settings: { tunnel: { type: 'gue', port: 6080, checksum: 'csum' } } })
  t.notOk('tunnel' in (ruleOf('-a -t 10.0.0.1:80 -r 10.0.0.2') as { settings: object }).settings)
})

t.test('daemons, with what Linux takes for granted', async (t) => {
  const daemon = { interface: 'eth0', syncid: 0, group: '224.0.0.81', port: 8848, ttl: 1 }
  t.same(ruleOf('--start-daemon master'), {
    op: 'start-daemon',
    daemon: { role: 'master', maxlen: 1472, ...daemon },
  })
  t.same(ruleOf('--start-daemon=backup --syncid 9 --mcast-group FF05:0::1'), {
    op: 'start-daemon',
    daemon: { role: 'backup', maxlen: 65507, ...daemon, syncid: 9, group: 'ff05::1' },
  })
  t.same(errorOf('--start-daemon both --bogus'), [
    'illegal start-daemon parameter specified\n',
    2,
    true,
  ])
})

t.test('counters of all, or of one service', async (t) => {
  for (const line of ['-Z', '-Z -t 0.0.0.0', '-Z -u [::]:0']) t.same(ruleOf(line), { op: 'zero' })
  t.match(ruleOf('-Z -t 0.0.0.0:22'), { service: { address: '0.0.0.0', port: 22 } })
})

t.test('which mistakes end a restored file', async (t) => {
  t.same(errorOf('-A -t 10.0.0.1:80 -q'), ['-q: unknown option\n', 255, false])
  t.same(errorOf('-A -t'), ['-t: missing argument\n', 255, false])
  t.same(errorOf('-q')[1 as never], 255)
  t.same(errorOf('-q')[2 as never], true)
  t.same(errorOf('-L --start-daemon master'), ["invalid option `master'\n", 2, true])
})

t.test('--json is for listings', async (t) => {
  t.match(parse(words('-Ln --json'), names), { kind: 'list', json: true, numeric: true })
  t.same(errorOf('-S --json'), ["Illegal 'json' option with the 'save' command\n", 2, true])
})

t.test('a host that only DNS knows is asked for, what cannot be one is not', async (t) => {
  const directory = {
    addressOf: async (host: string) => (host === 'there.example' ? '10.9.8.7' : null),
    hostsOf: async () => new Map<string, string>(),
  }
  const asking = new FileNames(
    () => '',
    () => '192.0.2.1 Local.example',
    directory,
  )
  const line = words('-D -t there.example:80')
  t.throws(() => parse(line, asking), new HostWanted('there.example'))
  await asking.askAddress('there.example')
  t.match(parse(line, asking), { rule: { service: { address: '10.9.8.7' } } })
  t.match(parse(words('-D -t LOCAL.example:80'), asking), { kind: 'rule' }, 'hosts: any case')
  for (const host of ['192.168.1.300', '10.0.0.1/24', '10.0.0.1;22', "'10.0.0.1'"]) {
    t.match(parse(words(`-D -t ${host}:80`), asking), { kind: 'error' }, host)
  }
  await asking.askAddress('gone.example')
  t.match(parse(words('-D -t gone.example:80'), asking), { kind: 'error' })
})
