/** Directors that can't begin: one line says why and what to do, and nothing is left of them. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { BANNER } from './realserver-program.js'
import { engineMissing, makeSegment, type Segment, until, VIP } from './segment.js'

/** Root without any of root's powers. */
const POWERLESS = ['setpriv', '--bounding-set=-all', '--inh-caps=-all']

async function refused(
  t: Test,
  segment: Segment,
  options: readonly string[],
  line: RegExp,
  wrapper: readonly string[] = [],
): Promise<void> {
  const before = [readdirSync(segment.directory), segment.nftRuleset()]
  const ended = await segment.runToEnd(options, wrapper)
  t.equal(ended.status, 1)
  t.equal(ended.stdout, '')
  t.match(ended.stderr, line)
  t.match(ended.stderr, /^uipvs: [^\n]+; [^\n]+\n$/, 'one line, with what to do')
  t.notMatch(ended.stderr, /bug/)
  t.same([readdirSync(segment.directory), segment.nftRuleset()], before, 'nothing is left')
}

t.test('refusals', async (t) => {
  const segment = await makeSegment(t, { realservers: 1 })
  if (segment === undefined) return
  const control = ['--control', segment.control.path]
  const rules = join(segment.directory, 'rules')
  const withRules = ['-i', 'eth0', '--rules', rules, ...control]

  await t.test('an unknown interface', async (t) => {
    for (const engine of ['af_packet', 'libpcap'] as const) {
      const options = ['-i', 'nope', '--engine', engine, ...control]
      await t.test(engine, { skip: engineMissing(engine) }, (t) =>
        refused(t, segment, options, /no such device, ENODEV \(nope\)/),
      )
    }
  })
  await t.test('memory for the tables that is not to be had', async (t) => {
    const limited = ['sh', '-c', 'ulimit -v 3000000; exec "$@"', 'sh']
    for (const engine of ['af_packet', 'libpcap'] as const) {
      const options = ['-i', 'eth0', '--engine', engine, '--max-connections', '33554432']
      await t.test(engine, { skip: engineMissing(engine) }, (t) =>
        refused(t, segment, [...options, ...control], /ENOMEM.*--max-connections/, limited),
      )
    }
  })
  await t.test('a rules file that is not there', (t) =>
    refused(t, segment, withRules, /rules can't be read: ENOENT/),
  )
  await t.test('a line that is no rule', async (t) => {
    writeFileSync(rules, `-A -t ${VIP}:80 -s rr\n\n# two\n-a -t ${VIP}:80 -r 192.168.1.2 -w\n`)
    await refused(t, segment, withRules, /rules, line 4\)/)
  })
  await t.test('a rule that is refused', async (t) => {
    writeFileSync(rules, `# one\n-A -t ${VIP}:80 -s rr\n\n-a -t ${VIP}:81 -r 192.168.1.2\n`)
    await refused(t, segment, withRules, /no service tcp 192\.168\.1\.110:81 .*rules, line 4\)/)
  })
  await t.test('a socket where no socket can be', (t) =>
    refused(
      t,
      segment,
      ['-i', 'eth0', '--control', '/dev/null/x'],
      /control socket: .*\/dev\/null/,
    ),
  )
  await t.test('no privileges', async (t) => {
    const options = ['-i', 'eth0', ...control]
    await refused(t, segment, options, /nft failed: .*; run it as root/, POWERLESS)
    const unguarded = ['--no-guard', ...options]
    await refused(t, segment, unguarded, /EPERM \(eth0\); run it as root/, POWERLESS)
  })
  await t.test('no privileges, libpcap', { skip: engineMissing('libpcap') }, (t) => {
    const options = ['-i', 'eth0', '--no-guard', '--engine', 'libpcap', ...control]
    return refused(t, segment, options, /\(run as root\)/, POWERLESS)
  })

  await segment.startDirector()
  await segment.addService('tcp', BANNER)
  await t.test('a second director on the same socket', (t) =>
    refused(t, segment, ['-i', 'eth0', ...control], /another director answers .*; name another/),
  )
  await t.test('a second director on the same interface', (t) => {
    const options = ['-i', 'eth0', '--control', join(segment.directory, 'other.sock')]
    return refused(t, segment, options, /another director serves eth0 \(pid \d+\)/)
  })
  t.equal((await segment.ask()).text, 'rs1', 'the first one goes on')
})

t.test('a rule that comes while the director begins', async (t) => {
  const segment = await makeSegment(t, { realservers: 1 })
  if (segment === undefined) return
  const file = join(segment.directory, 'rules')
  writeFileSync(file, `-A -t ${VIP}:${BANNER} -s rr\n`)
  const director = segment.launchDirector(['-i', 'eth0', '--rules', file])
  await until('its socket', () => existsSync(segment.control.path))
  const service = { protocol: 'tcp', address: VIP, port: BANNER } as const
  const settings = { method: 'route', weight: 1, upperThreshold: 0, lowerThreshold: 0 } as const
  const destination = { address: segment.rip(1), port: BANNER }
  const rule = { op: 'add-destination', service, destination, settings } as const
  await segment.control.rules([rule], { atomic: false })
  t.type(await director.ready, 'number', director.said())
  t.equal((await segment.ask()).text, 'rs1', 'it comes after those of the file, and holds')
})
