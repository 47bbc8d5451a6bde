/** `uipvs run --proc` and `--metrics`: what is refused, and that nothing is left of what was. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { CliFailure } from '../../src/cli/failure.js'
import { parseListenAddress, Reports } from '../../src/cli/reports.js'
import { makeFolder, startDirector } from '../control/director-process.js'

/** What came of an address: where to listen, or the sentence of the refusal. */
function judge(text: string, isPublic = false) {
  try {
    const { host, port } = parseListenAddress(text, isPublic)
    return `${host} ${port}`
  } catch (error) {
    const { exitCode, message } = error as CliFailure
    return `${exitCode} ${message}`
  }
}

t.test('addresses to listen at', async (t) => {
  t.equal(judge('127.0.0.1:9105'), '127.0.0.1 9105')
  t.equal(judge('127.3.2.1:0'), '127.3.2.1 0')
  t.equal(judge('[::1]:9105'), '::1 9105')
  t.equal(judge('localhost:65535'), '127.0.0.1 65535')
  t.equal(judge('0.0.0.0:9105', true), '0.0.0.0 9105')
  t.equal(judge('[2001:db8::1]:9105', true), '2001:db8::1 9105')
  t.equal(judge('[fe80::1%eth0]:9105', true), 'fe80::1%eth0 9105')
  for (const text of [
    '',
    ':9105',
    '9105',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:x',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    '127.0.0:80',
    '127.0.0.1:80:80',
    '::1:9105',
    '[127.0.0.1]:80',
    '[::1:80',
    'example.org:80',
    ' 127.0.0.1:80',
  ]) {
    t.equal(judge(text, true), `2 '${text}' is no address to listen at (--metrics)`)
  }
})

t.test('an address that others can reach must be meant', async (t) => {
  for (const text of [
    '0.0.0.0:80',
    '192.168.1.1:9105',
    '[::]:80',
    '[2001:db8::1]:80',
    '128.0.0.1:1',
  ]) {
    t.equal(judge(text), `2 others could read the metrics at ${text} (--metrics)`)
  }
})

t.test('options that make no sense are refused before anything is done', async (t) => {
  const message = '--metrics-public without --metrics'
  t.throws(() => new Reports({ metricsPublic: true }), { message })
  t.throws(() => new Reports({ metrics: 'x' }), { message: "'x' is no address" })
  t.throws(() => new Reports({ proc: '' }), { message: 'the folder has no name (--proc)' })
  t.doesNotThrow(() => new Reports({ metrics: '0.0.0.0:1', metricsPublic: true }))
})

/** Runs a director that must fail; what it said. Nothing may be left of it. */
async function refused(t: Test, ...args: string[]): Promise<string> {
  const path = join(makeFolder(t), 'c.sock')
  const { ended } = await startDirector(t, path, { args })
  const { status, stderr } = await ended
  t.equal(status, 1, stderr)
  t.notOk(existsSync(path), 'no socket is left')
  return stderr
}

t.test('a port in use, an address of nobody', async (t) => {
  const holder = createServer()
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
  t.teardown(() => holder.close())
  const at = `127.0.0.1:${(holder.address() as AddressInfo).port}`
  t.match(
    await refused(t, '--metrics', at),
    `uipvs: metrics can't be offered at ${at}: something listens there already (--metrics); choose`,
  )
  t.match(
    await refused(t, '--metrics', '192.0.2.1:9105', '--metrics-public'),
    /at 192\.0\.2\.1:9105: this machine does not have that address \(--metrics\); ip addr shows/,
  )
})

t.test('a folder that can not be had; the other report is undone too', async (t) => {
  const folder = makeFolder(t)
  writeFileSync(join(folder, 'file'), '')
  const proc = join(folder, 'file')
  t.match(
    await refused(t, '--proc', proc),
    /files can't be kept: ENOTDIR.*\(--proc .*; name a folder/,
  )
  mkdirSync(join(folder, 'proc'))
  const args = ['--proc', join(folder, 'proc'), '--metrics', '192.0.2.1:9105', '--metrics-public']
  await refused(t, ...args)
  t.same(readdirSync(join(folder, 'proc')), [])
})

t.test('both at once, until the director ends', async (t) => {
  const folder = makeFolder(t)
  const [proc, path] = [join(folder, 'proc'), join(folder, 'c.sock')]
  const args = ['--proc', proc, '--metrics', '[::1]:0']
  const { child, ended } = await startDirector(t, path, { args })
  t.same(readdirSync(join(proc, 'net')).length, 4)
  child.kill('SIGINT')
  const { status, stderr } = await ended
  t.equal(status, 0)
  t.match(stderr, /^uipvs: metrics at http:\/\/\[::1\]:\d+\/metrics\nuipvs: ready: /)
  t.same(readdirSync(folder), [])
})
