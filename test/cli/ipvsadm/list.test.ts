import t from 'tap'
import { ModelDirector } from './model-director.js'
import { recordedNames } from './recorded-names.js'
import { answerOf } from './recordings.js'

const names = recordedNames()
const CONNECTION = {
  protocol: 'tcp',
  expires: 899,
  state: 'ESTABLISHED',
  client: '10.0.0.9',
  clientPort: 40001,
  vip: '192.168.1.110',
  vport: 22,
  destination: '192.168.1.2',
  destinationPort: 22,
  template: false,
}

async function json(director: ModelDirector, ...args: string[]) {
  const answer = await answerOf(['ipvsadm', '-L', '--json', ...args], [], director, names)
  return { ...answer, stdout: answer.stdout === '' ? null : JSON.parse(answer.stdout) }
}

t.test('--json is what the director tells, in the order of the listing', async (t) => {
  const director = new ModelDirector()
  for (const address of ['10.0.0.1', '192.168.1.110']) {
    await answerOf(['ipvsadm', '-A', '-t', `${address}:80`], [], director, names)
  }
  const { stdout } = await json(director)
  for (const view of ['--stats', '--rate', '--thresholds', '--persistent-conn', '--tun-info']) {
    t.same(await json(director, view), { status: 0, stdout, stderr: '' }, `${view}: all is there`)
  }
  t.match(stdout, { version: '1.2.1', size: 4096, timeouts: { tcp: 900 }, daemons: [] })
  const addresses = (listing: typeof stdout) =>
    listing.services.map((each: { service: { address: string } }) => each.service.address)
  t.same(addresses(stdout), ['192.168.1.110', '10.0.0.1'])
  t.same(addresses((await json(director, '-t', '10.0.0.1:80')).stdout), ['10.0.0.1'])
  t.same((await json(director, '--timeout')).stdout, {
    timeouts: { tcp: 900, tcpfin: 120, udp: 300 },
  })
  t.same((await json(director, '--daemon')).stdout, { daemons: [] })
  t.same(await json(director, '-t', '10.0.0.1:81'), {
    status: 1,
    stdout: null,
    stderr: 'No such service\n',
  })
})

t.test('connections in any number', async (t) => {
  const director = new ModelDirector()
  for (const count of [0, 1, 3]) {
    director.connections = new Array(count).fill(CONNECTION)
    t.same((await json(director, '-c')).stdout, { connections: director.connections })
    const listed = await answerOf(['ipvsadm', '-Lnc'], [], director, names)
    t.equal(listed.stdout.split('\n').length, count + 3, 'two titles, and the end')
  }
})

t.test('nothing is printed where nobody answers', async (t) => {
  const director = new ModelDirector()
  director.isForbidden = true
  for (const args of ['-Lnc', '-L', '-S', '-C', '--bogus', '-h', '-R', '-L --json']) {
    const answer = await answerOf(['ipvsadm', ...args.split(' ')], [], director, names)
    t.equal(answer.stdout, '', args)
    t.equal(answer.status, 2, args)
    t.match(answer.stderr, /^Can't initialize ipvs: Permission denied/, args)
  }
})
