/**
 * `uipvs bench --director kernel` with IPVS of a real kernel: in Linux in user mode, where this
 * machine's kernel need not have any; and the other machine's `send` and `receive`.
 */
import { join } from 'node:path'
import t from 'tap'
import type { Passed } from '../../src/bench/director.js'
import { cannotHaveLinuxDirector, LinuxDirector } from '../../src/uml/linux-director.js'
import { quoted } from '../../src/uml/machine.js'
import { type Lab, makeNamespaces } from '../namespaces.js'

t.setTimeout(180_000)

const PROGRAM = join(import.meta.dirname, '..', '..', 'src', 'cli', 'uipvs.js')
const VIP = '10.4.0.100'
const RULES = `-A -u ${VIP}:9 -s rr\n-a -u ${VIP}:9 -r 10.4.0.3:9 -g\n`
/** Frames that say that a run is over; they are forwarded too. */
const ENDS = 5

/** Generator, director and receiver on one segment. */
function segment(t: Parameters<typeof makeNamespaces>[0]): Lab | undefined {
  const hosts = ['gen', 'director', 'sink'] as const
  const lab = makeNamespaces(t, {
    hosts: [...hosts, 'bridge'],
    links: hosts.map((host) => [`${host}:eth0`, `bridge:${host}`] as const),
    ipv6: false,
  })
  lab?.run(
    'bridge',
    `ip link add name seg0 type bridge forward_delay 0
     ip link set seg0 up
     ${hosts.map((host) => `ip link set ${host} master seg0`).join('\n')}`,
  )
  hosts.forEach((host, i) => {
    lab?.run(host, `ip addr add 10.4.0.${i + 1}/24 dev eth0`)
  })
  return lab
}

function start(lab: Lab, host: string, ...args: string[]) {
  const child = lab.spawn(host, process.execPath, [PROGRAM, 'bench', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, err] = ['', '']
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  const done = new Promise<{ status: number | null; out: string; err: string }>((resolve) => {
    child.on('close', (status) => resolve({ status, out, err }))
  })
  const ready = new Promise<void>((resolve) => {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      err += text
      if (err.includes('uipvs: ready')) resolve()
    })
    child.on('close', () => resolve())
  })
  return { ready, done, end: () => child.kill('SIGINT') }
}

/** What the generator host sees: frames sent, and those of them that came. */
async function run(lab: Lab): Promise<{ sent: number; received: number; lost: number }> {
  const receiving = start(lab, 'sink', 'receive', '-i', 'eth0', '--json')
  await receiving.ready
  const words = ['--to', `${VIP}:9`, '--rate', '2000', '--duration', '0.3', '--flows', '8']
  const sent = await start(lab, 'gen', 'send', '-i', 'eth0', ...words).done
  if (sent.status !== 0) throw new Error(sent.err)
  return JSON.parse((await receiving.done).out)
}

/** Linux in user mode has a /tmp and a /run of its own. */
const isHidden = /^\/(tmp|run)\//.test(PROGRAM) && `Linux in user mode does not see ${PROGRAM}`

t.test(
  "IPVS of the director's kernel",
  { skip: cannotHaveLinuxDirector() || isHidden },
  async (t) => {
    const lab = segment(t)
    if (lab === undefined) return
    // This machine's kernel need not have IPVS: the program runs in a Linux that has.
    const linux = await LinuxDirector.start({
      enter: ['ip', 'netns', 'exec', lab.name('director')],
      wires: [{ interface: 'eth0', mac: lab.macOf('director:eth0'), addresses: ['10.4.0.2/24'] }],
      rules: '',
    })
    t.teardown(() => linux.close())
    const rules = await linux.file('rules.ipvs', RULES)
    const command = [process.execPath, PROGRAM, 'bench', '--director', 'kernel', '-i', 'eth0']
    const words = [...command, '--rules', rules, '--json'].map(quoted).join(' ')
    await linux.must(`: > /tmp/err; ${words} > /tmp/out 2> /tmp/err & echo $! > /tmp/pid`)
    while (!/ready|;/.test(await linux.must('cat /tmp/err'))) await linux.must('sleep 0.1')
    const { sent, received, lost } = await run(lab)
    t.same([received, lost], [sent, 0])
    await linux.must('kill -INT $(cat /tmp/pid); wait $(cat /tmp/pid)')
    const counted = JSON.parse(await linux.must('cat /tmp/out')) as Passed
    // ARP comes and leaves too.
    t.ok(counted.received >= sent + ENDS && counted.sent >= sent + ENDS, JSON.stringify(counted))
    t.ok((counted.microsecondsPerFrame ?? 0) > 0)
    t.equal(await linux.must('ipvsadm -Sn'), '', 'its rules are gone')
    t.notMatch(await linux.must('ip addr'), VIP, 'and the VIP')

    await linux.must(`ipvsadm -A -t ${VIP}:80 -s rr`)
    const refused = await linux.shell(words)
    t.equal(refused.rc, 1)
    t.match(refused.stdout, /this kernel has IPVS rules already; ipvsadm -C clears them/)
    t.match(await linux.must('ipvsadm -Sn'), `-A -t ${VIP}:80`, "somebody else's rules stay")
  },
)
