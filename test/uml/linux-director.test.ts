/** Linux in user mode as a director between namespaces: real TCP through it, and its end. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { cannotHaveLinuxDirector, LinuxDirector } from '../../src/uml/linux-director.js'
import { cannotHaveUml } from '../../src/uml/machine.js'
import { processTree } from '../../src/uml/process-tree.js'
import { type Lab, makeNamespaces, type TestLike } from '../namespaces.js'

const skip = cannotHaveLinuxDirector()
const VIP = '10.9.0.100'
/** Many times the 64 KiB that a sender leaves for its hardware to cut. */
const BYTES = 4_000_000

const RULES = `-A -t ${VIP}:80 -s rr\n-a -t ${VIP}:80 -r 10.9.0.3:80 -g\n`

/** Client, director and realserver on one segment, which is a bridge beside the director. */
function segment(t: TestLike): Lab | undefined {
  const lab = makeNamespaces(t, {
    hosts: ['client', 'director', 'rs', 'bridge'],
    links: [
      ['client:eth0', 'bridge:client'],
      ['director:eth0', 'bridge:director'],
      ['rs:eth0', 'bridge:rs'],
    ],
    ipv6: false,
  })
  lab?.run(
    'bridge',
    `ip link add name seg0 type bridge forward_delay 0
     ip link set seg0 up
     ip link set client master seg0
     ip link set director master seg0
     ip link set rs master seg0`,
  )
  lab?.run('client', 'ip addr add 10.9.0.1/24 dev eth0')
  lab?.run('director', 'ip addr add 10.9.0.2/24 dev eth0')
  lab?.run(
    'rs',
    `sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
     ip addr add 10.9.0.3/24 dev eth0
     ip addr add ${VIP}/32 dev lo`,
  )
  return lab
}

function director(lab: Lab, rules: string): Promise<LinuxDirector> {
  const mac = lab.macOf('director:eth0')
  return LinuxDirector.start({
    enter: ['ip', 'netns', 'exec', lab.name('director')],
    wires: [{ interface: 'eth0', mac, addresses: ['10.9.0.2/24', `${VIP}/32`], takesLong: true }],
    rules,
    setUp: ['sysctl -qw net.ipv4.ip_forward=0'],
  })
}

function tables(lab: Lab): string {
  return lab.run('director', 'nft list tables')
}

t.test('what is missing is named, with its package', async (t) => {
  if (process.getuid?.() !== 0) return t.match(cannotHaveUml(), /needs root/)
  const why = cannotHaveUml([['no-such-program', 'no-such-package']])
  t.match(why, /no-such-program here; apt-get install .*no-such-package|real root/)
})

t.test('TCP passes it whole, long frames and unfinished checksums too', { skip }, async (t) => {
  const lab = segment(t)
  if (lab === undefined) return
  const linux = await director(lab, RULES)
  t.teardown(() => linux.close())
  const pids = linux.pids()
  t.ok(
    pids.some((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('linux.uml\0')),
    'its kernel is among its processes',
  )
  t.equal((await linux.must('cat /proc/sys/net/ipv4/ip_forward')).trim(), '0')

  const server = lab.spawn(
    'rs',
    process.execPath,
    [
      '-e',
      `require('node:net').createServer({ allowHalfOpen: true }, (s) => {
         let received = 0
         s.on('data', (chunk) => { received += chunk.length })
         s.on('end', () => s.end(received + '\\n'))
       }).listen(80, '${VIP}', () => console.log('ready'))`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await new Promise((resolve) => server.stdout!.once('data', resolve))
  const client = lab.spawn(
    'client',
    process.execPath,
    [
      '-e',
      `const s = require('node:net').connect(80, '${VIP}')
       s.end(Buffer.alloc(${BYTES}, 'x'))
       s.pipe(process.stdout)`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let said = ''
  client.stdout!.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  await new Promise((resolve) => client.on('close', resolve))
  t.equal(said, `${BYTES}\n`, 'the realserver has all of it, and its answer came')
  t.match(
    await linux.must('ipvsadm -Lnc'),
    new RegExp(`TCP \\S+ +FIN_WAIT +10\\.9\\.0\\.1:\\d+ +${VIP}:80 +10\\.9\\.0\\.3:80`),
  )

  t.match(tables(lab), 'netdev uipvs_uml')
  await linux.close()
  t.same(
    pids.flatMap((pid) => processTree(pid)),
    [],
    'it has ended',
  )
  t.equal(tables(lab), '', "the namespace's kernel has its interface back")
  t.match(lab.run('director', 'ip -4 addr show dev eth0'), '10.9.0.2/24')
  lab.run('client', 'ping -c1 -W2 10.9.0.2')
})

t.test(
  'rules that Linux refuses: an error that says so, and nothing is left',
  { skip },
  async (t) => {
    const lab = segment(t)
    if (lab === undefined) return
    const wrong = `-A -t ${VIP}:80 -s no-such-scheduler\n`
    await t.rejects(director(lab, wrong), { name: 'UmlError', message: /ipvsadm -R .*Scheduler/s })
    t.equal(tables(lab), '')
  },
)
