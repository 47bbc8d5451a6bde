/**
 * Rules that change while clients ask: nobody notices. And uipvsadm against the living director.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { BANNER, ECHO } from './realserver-program.js'
import { makeSegment, type Segment, tally, until, VIP, VIP6 } from './segment.js'

t.setTimeout(180_000)

const SAVE = new URL('../../src/cli/uipvsadm-save.js', import.meta.url).pathname
const RESTORE = new URL('../../src/cli/uipvsadm-restore.js', import.meta.url).pathname
const KEY = { protocol: 'tcp', address: VIP, port: BANNER } as const

t.test('changes under load', async (t) => {
  const segment = await makeSegment(t, { realservers: 3, vipOnDirector: true })
  if (segment === undefined) return
  await segment.startDirector()
  await segment.addService('tcp', BANNER, { numbers: [1] })
  const { control } = segment
  const destination = (n: number) => ({ address: segment.rip(n), port: BANNER })
  const settings = (weight: number) => ({
    method: 'route' as const,
    weight,
    upperThreshold: 0,
    lowerThreshold: 0,
  })
  const asked = async () => (await segment.counters()).verdicts.forwarded
  /** Some more requests have been answered. */
  const traffic = async () => {
    const before = await asked()
    await until('traffic', async () => (await asked()) > before + 100)
  }
  const answers = segment.client('keepAsking', {
    id: 'load',
    address: VIP,
    port: BANNER,
    parallel: 8,
  })

  for (let round = 0; round < 6; round++) {
    const n = 2 + (round % 2)
    const one = { service: KEY, destination: destination(n) }
    await control.rules([{ op: 'add-destination', ...one, settings: settings(1) }], {
      atomic: false,
    })
    await traffic()
    // Taken out as an operator does it: no new connections, and gone when the last one has ended.
    await control.rules([{ op: 'edit-destination', ...one, settings: settings(0) }], {
      atomic: false,
    })
    await traffic()
    await until(`rs${n} has nothing to do`, async () => {
      const { services } = await control.table()
      const found = services
        .find(({ service }) => 'address' in service && service.address === VIP)
        ?.destinations.find(({ address }) => address === one.destination.address)
      return found?.active === 0
    })
    await control.rules([{ op: 'delete-destination', ...one }], { atomic: false })
    await traffic()
  }
  // Other services come and go meanwhile: the filter and the guard are replaced each time.
  for (let round = 0; round < 4; round++) {
    const service = { protocol: 'udp', address: '192.168.1.111', port: ECHO } as const
    await segment.adm(['-A', '-u', `${service.address}:${service.port}`, '-s', 'wrr'])
    await segment.adm(['-E', '-t', `${VIP}:${BANNER}`, '-s', round % 2 === 0 ? 'wlc' : 'rr'])
    await traffic()
    await segment.adm(['-D', '-u', `${service.address}:${service.port}`])
    await traffic()
  }
  // Removed and added again at once: what was lost in between is sent again by the clients.
  await control.rules(
    [
      { op: 'delete-destination', service: KEY, destination: destination(1) },
      { op: 'add-destination', service: KEY, destination: destination(1), settings: settings(1) },
    ],
    { atomic: false },
  )
  await traffic()

  await segment.client('stop', { id: 'load' })
  const counts = tally(await answers)
  t.comment(JSON.stringify(counts))
  t.same(Object.keys(counts).sort(), ['rs1', 'rs2', 'rs3'], 'every request was answered')
})

/** Lines in any order: a listing begins where the hash table does. */
function sorted(text: string): string[] {
  return text.trim().split('\n').sort()
}

const LINES = (segment: Segment) => [
  `-A -t ${VIP}:${BANNER} -s wrr -p 300`,
  `-a -t ${VIP}:${BANNER} -r ${segment.rip(1)}:${BANNER} -g -w 3`,
  `-a -t ${VIP}:${BANNER} -r ${segment.rip(2)}:${BANNER} -g -w 0`,
  `-A -t [${VIP6}]:${BANNER} -s wlc`,
  `-a -t [${VIP6}]:${BANNER} -r [${segment.rip6(1)}]:${BANNER} -g -w 1`,
  `-A -u ${VIP}:${ECHO} -s rr -o`,
  `-a -u ${VIP}:${ECHO} -r ${segment.rip(2)}:${ECHO} -g -w 1`,
  '-A -f 7 -s lc',
]

t.test('save and restore, with the programs', async (t) => {
  const segment = await makeSegment(t)
  if (segment === undefined) return
  const director = await segment.startDirector()
  await segment.rules(LINES(segment))
  const saved = await segment.adm(['-n'], '', SAVE)
  t.same(sorted(saved), [...LINES(segment)].sort(), 'what was said is what is saved')
  t.equal(await segment.adm(['-S', '-n']), saved, '-S says the same')
  const table = await segment.adm(['-Ln'])

  await segment.adm(['-C'])
  t.equal(await segment.adm(['-S', '-n']), '')
  await segment.adm(['-R'], saved)
  t.same(sorted(await segment.adm(['-S', '-n'])), sorted(saved), '-R')
  await segment.adm(['-C'])
  await segment.adm([], saved, RESTORE)
  t.same(sorted(await segment.adm(['-Ln'])), sorted(table), 'uipvsadm-restore')
  t.match((await segment.ask(VIP6)).text, /^rs1$/, 'and it works')

  director.process.kill('SIGTERM')
  await director.ended
  const file = join(segment.directory, 'saved')
  writeFileSync(file, saved)
  await segment.startDirector(['-i', 'eth0', '--rules', file])
  t.same(sorted(await segment.adm(['-S', '-n'])), sorted(saved), 'a director that begins with it')
  t.equal((await segment.ask()).text, 'rs1')
})
