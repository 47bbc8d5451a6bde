/**
 * Every decision recording of Linux 6.1's IPVS, packet by packet, through the director in kernel mode on
 * a virtual clock. The recordings are copies; where they come from is in their README.
 *
 * Those that need what the director does not have yet are named below, with what they need, and are
 * expected to differ: one that begins to agree has to be taken off the list.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { type Difference, play } from '../../src/conform/play.js'
import type { Recording } from '../../src/conform/recording.js'

const FOLDER = 'test/fixtures/decisions'

const FWMARK = 'services by firewall mark'
const SCHEDULE_ICMP = 'sysctl schedule_icmp'

const NOT_YET: Readonly<Record<string, string>> = {
  'fwmark-any-address': FWMARK,
  'fwmark-basic': FWMARK,
  'fwmark-before-address': FWMARK,
  'fwmark-fragments': FWMARK,
  'fwmark-one-packet': FWMARK,
  'fwmark-overlap': FWMARK,
  'fwmark-persist': FWMARK,
  'fwmark-persist-netmask': FWMARK,
  'fwmark-random-fo-5014': FWMARK,
  'fwmark-random-lblc-5016': FWMARK,
  'fwmark-random-lblcr-5017': FWMARK,
  'fwmark-random-ovf-5015': FWMARK,
  'fwmark-schedulers': FWMARK,
  'fwmark-two-families': FWMARK,
  'fwmark-v6': FWMARK,
  'icmp-errors': SCHEDULE_ICMP,
  'sctp-icmp-errors': SCHEDULE_ICMP,
  'v6-icmp-errors': SCHEDULE_ICMP,
}

function recordings(): Recording[] {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'))
  return files
    .sort()
    .map((name) => JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8')) as Recording)
}

function told({ step, what, recorded, ours }: Difference): string {
  return `step ${step}: ${what}\n  Linux: ${recorded}\n  ours:  ${ours}`
}

t.test('every recording, packet by packet', async (t) => {
  const all = recordings()
  for (const recording of all) {
    const differences = await play(recording)
    const reason = NOT_YET[recording.name]
    if (reason === undefined) {
      t.same(differences.map(told), [], `${recording.name}: ${recording.about}`)
    } else {
      t.not(differences.length, 0, `${recording.name} agrees, so it no longer needs: ${reason}`)
    }
  }
  const names = all.map(({ name }) => name)
  t.same(
    Object.keys(NOT_YET).filter((name) => !names.includes(name)),
    [],
    'everything that is excused exists',
  )
  t.equal(all.length, 128)
  t.equal(
    all.flatMap(({ steps }) => steps.filter((step) => 'send' in step)).length,
    8883,
    'as many packets as the README counts',
  )
})
