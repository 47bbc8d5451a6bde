/**
 * Every decision recording of Linux 6.1's IPVS, packet by packet, through the director in kernel
 * mode on a virtual clock. The recordings are copies; where they come from is in their README.
 *
 * Those that need what the director does not have yet are named below, with what they need and
 * where they begin to differ for it: one that begins to agree has to be taken off the list.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { type Difference, play } from '../../src/conform/play.js'
import type { Recording } from '../../src/conform/recording.js'

const FOLDER = 'test/fixtures/decisions'

const FWMARK = 'services by firewall mark'
const SCHEDULE_ICMP = 'sysctl schedule_icmp'

interface Lack {
  readonly needs: string
  /** The first step that needs it: all before agree. */
  readonly step: number
}

const NOT_YET: Readonly<Record<string, Lack>> = {
  'fwmark-any-address': { needs: FWMARK, step: 1 },
  'fwmark-basic': { needs: FWMARK, step: 1 },
  'fwmark-before-address': { needs: FWMARK, step: 1 },
  'fwmark-fragments': { needs: FWMARK, step: 2 },
  'fwmark-one-packet': { needs: FWMARK, step: 1 },
  'fwmark-overlap': { needs: FWMARK, step: 1 },
  'fwmark-persist': { needs: FWMARK, step: 1 },
  'fwmark-persist-netmask': { needs: FWMARK, step: 1 },
  'fwmark-random-fo-5014': { needs: FWMARK, step: 1 },
  'fwmark-random-lblc-5016': { needs: FWMARK, step: 2 },
  'fwmark-random-lblcr-5017': { needs: FWMARK, step: 1 },
  'fwmark-random-ovf-5015': { needs: FWMARK, step: 1 },
  'fwmark-schedulers': { needs: FWMARK, step: 1 },
  'fwmark-two-families': { needs: FWMARK, step: 1 },
  'fwmark-v6': { needs: FWMARK, step: 1 },
  'icmp-errors': { needs: SCHEDULE_ICMP, step: 32 },
  'sctp-icmp-errors': { needs: SCHEDULE_ICMP, step: 21 },
  'v6-icmp-errors': { needs: SCHEDULE_ICMP, step: 55 },
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
    const lack = NOT_YET[recording.name]
    if (lack === undefined) {
      t.same(differences.map(told), [], `${recording.name}: ${recording.about}`)
    } else {
      const steps = differences.map(({ step }) => step)
      t.same(steps, [lack.step], `${recording.name} has not begun to agree: ${lack.needs}`)
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
