import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { cannotHaveOracle, Machine } from '../../src/oracle/machine.js'
import { quoted, UmlError } from '../../src/uml/machine.js'

const skip = cannotHaveOracle()

/** Processes that descend from one, itself among them. */
function familyOf(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (state !== 'Z') parents.set(Number(entry), Number(parent))
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [pid]
  for (const one of found) {
    for (const [child, parent] of parents) if (parent === one) found.push(child)
  }
  return found.filter((one) => parents.has(one))
}

function umlIn(pids: readonly number[]): number[] {
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('linux.uml\0')
    } catch {
      return false
    }
  })
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 20))
}

t.test('words reach a shell as they are', async (t) => {
  t.equal(quoted('-A'), '-A')
  t.equal(quoted('[2001:db8::1]:80'), "'[2001:db8::1]:80'")
  t.equal(quoted("it's"), `'it'\\''s'`)
  t.equal(quoted(''), "''")
})

t.test('a machine answers commands, and is fresh when asked to be', { skip }, async (t) => {
  const machine = await Machine.boot()
  t.teardown(() => machine.close())
  t.same(await machine.shell('echo one; echo two >&2; false'), { rc: 1, stdout: 'one\ntwo\n' })
  await machine.must('fresh')
  await machine.must('ipvsadm -A -t 192.168.1.9:80 && sysctl -qw net.ipv4.vs.sloppy_tcp=1')
  t.match((await machine.ipvsadm(['-Sn'])).stdout, /^-A -t 192\.168\.1\.9:80 -s wlc\n$/)
  await machine.must('fresh')
  t.equal((await machine.ipvsadm(['-Sn'])).stdout, '')
  t.equal(await machine.must('sysctl -n net.ipv4.vs.sloppy_tcp'), '0\n')
  await t.rejects(machine.must('false'), UmlError)
  await t.rejects(machine.shell('echo a\necho b'), /one line/)
  t.equal(await machine.must(`cat ${await machine.file('x', "a 'b'\n\n")}`), "a 'b'\n\n")
  await machine.close()
  await t.rejects(machine.shell('true'), /has ended/)
  t.throws(() => machine.wire, /closed/)
})

t.test('it dies with the program that started it, SIGKILL too', { skip }, async (t) => {
  const module = new URL('../../src/oracle/machine.js', import.meta.url).href
  const program = `import { Machine } from '${module}'
    await Machine.boot()
    console.log('booted')
    setInterval(() => {}, 1000)`
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await new Promise((resolve) => child.stdout?.once('data', resolve))
  const family = familyOf(child.pid ?? 0)
  const kernels = umlIn(family)
  t.ok(kernels.length > 0, 'it runs')
  child.kill('SIGKILL')
  await until(() => umlIn(kernels).length === 0)
  t.same(umlIn(family), [], 'and does not any more')
})
