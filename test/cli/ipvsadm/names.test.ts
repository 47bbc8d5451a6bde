import { createSocket } from 'node:dgram'
import t, { type Test } from 'tap'
import { FileNames } from '../../../src/cli/ipvsadm/names.js'
import { domainNames } from '../../../src/cli/ipvsadm/system-names.js'
import { HOSTS, recordedNames, SERVICES } from './recorded-names.js'

t.test('services: aliases in, main names out, each protocol for itself', async (t) => {
  const names = recordedNames()
  t.equal(names.port('www', 'tcp'), 80)
  t.equal(names.port('WWW', 'tcp'), null)
  t.equal(names.port('ssh', 'udp'), null)
  t.equal(names.service(514, 'tcp'), 'shell')
  t.equal(names.service(514, 'udp'), 'syslog')
  t.equal(names.service(22, 'udp'), null)
})

t.test('of several entries the first counts', async (t) => {
  const names = new FileNames(
    () => 'one 7/tcp x\ntwo 7/tcp # comment 9/tcp\none 8/tcp\nbad\nworse x/tcp\n',
    () => '10.0.0.1 a b\n10.0.0.2 b\n::1 six loop\n2001:DB8:0::1 Main\n10.0.0.1 c',
    null,
  )
  t.equal(names.service(7, 'tcp'), 'one')
  t.equal(names.port('one', 'tcp'), 7)
  t.equal(names.port('comment', 'tcp'), null)
  t.equal(names.host('10.0.0.1'), 'a')
  t.equal(names.address('b'), '10.0.0.1')
  t.equal(names.address('LOOP'), '127.0.0.1', 'the C library lends ::1 an IPv4 address')
  t.equal(names.address('main'), null, 'but no other')
  t.equal(names.host('2001:db8::1'), 'Main')
})

t.test('what the files know is not asked for, and nothing twice', async (t) => {
  const asked: string[][] = []
  const names = new FileNames(
    () => SERVICES,
    () => HOSTS,
    {
      addressOf: async () => null,
      hostsOf: async (addresses) => {
        asked.push([...addresses])
        return new Map([['10.0.0.1', 'one.example']])
      },
    },
  )
  await names.askHosts(['192.168.7.2', '10.0.0.1', '10.0.0.2', '10.0.0.1'])
  await names.askHosts(['10.0.0.2', '10.0.0.1'])
  t.same(asked, [['10.0.0.1', '10.0.0.2']])
  t.equal(names.host('10.0.0.1'), 'one.example')
  t.equal(names.host('10.0.0.2'), null)
})

const TYPE_A = 1
const TYPE_PTR = 12

/** A name server that knows one host, and does not answer at all for names with `silent`. */
async function nameServer(t: Test): Promise<string> {
  const socket = createSocket('udp4', (query, { port, address }) => {
    const labels: string[] = []
    let at = 12
    for (; query[at] !== 0; at += 1 + query[at]!) {
      labels.push(query.toString('latin1', at + 1, at + 1 + query[at]!))
    }
    const name = labels.join('.')
    if (name.includes('silent') || name.startsWith('9.')) return
    const type = query.readUInt16BE(at + 1)
    const question = query.subarray(12, at + 5)
    const data =
      type === TYPE_A && name === 'there.example'
        ? Buffer.from([10, 0, 0, 1])
        : type === TYPE_PTR && name === '1.0.0.10.in-addr.arpa'
          ? Buffer.from('\x05there\x07example\x00', 'latin1')
          : null
    const header = Buffer.from(query.subarray(0, 12))
    header.writeUInt16BE(data === null ? 0x8183 : 0x8180, 2)
    header.writeUInt16BE(data === null ? 0 : 1, 6)
    header.fill(0, 8)
    const fixed = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 9, 0, data?.length ?? 0])
    const answer = data === null ? [] : [fixed, data]
    socket.send(Buffer.concat([header, question, ...answer]), port, address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  t.teardown(() => socket.close())
  return `127.0.0.1:${socket.address().port}`
}

const SETTINGS = 'search nowhere.example example\nnameserver 192.0.2.1\n'

t.test('DNS: addresses of hosts, through the search domains', async (t) => {
  const directory = domainNames('', SETTINGS, [await nameServer(t)])!
  t.equal(await directory.addressOf('there.example'), '10.0.0.1')
  t.equal(await directory.addressOf('there'), '10.0.0.1')
  t.equal(await directory.addressOf('gone.example'), null)
})

t.test('DNS: hosts of addresses', async (t) => {
  const directory = domainNames('hosts: files dns', SETTINGS, [await nameServer(t)], 10_000)!
  const found = await directory.hostsOf(['10.0.0.1', '10.0.0.2'])
  t.same([...found], [['10.0.0.1', 'there.example']])
})

t.test('DNS: a server that is silent is not waited for', async (t) => {
  const directory = domainNames('', SETTINGS, [await nameServer(t)])!
  t.same([...(await directory.hostsOf(['10.0.0.9']))], [])
})

t.test('DNS: not where it is not to be asked', async (t) => {
  t.equal(domainNames('passwd: files\nhosts: files\n', SETTINGS), null)
  t.equal(domainNames('', 'search example\n'), null)
  t.ok(domainNames('hosts: files resolve [!UNAVAIL=return]', SETTINGS))
})

t.test('a name server that says nothing is waited for once', async (t) => {
  const server = createSocket('udp4')
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const questions: string[] = []
  server.on('message', (message) => void questions.push(message.toString('latin1')))
  const servers = [`127.0.0.1:${server.address().port}`]
  const directory = domainNames('hosts: files dns', SETTINGS, servers, 100)!
  t.equal((await directory.hostsOf(['10.9.0.1'])).size, 0)
  t.ok(
    questions.some((text) => text.includes('in-addr')),
    'it was asked',
  )
  const count = questions.length
  t.equal((await directory.hostsOf(['10.9.0.2', '10.9.0.3'])).size, 0)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(questions.length, count, 'and then no more')
})
