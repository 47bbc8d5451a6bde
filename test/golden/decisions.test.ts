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
  'change-scheduler': 'sh',
  commands: 'mh, sh',
  'dh-addresses': 'dh',
  'dh-changes': 'dh',
  'edit-defaults': 'sh',
  'fo-changes': 'fo',
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
  'lblc-changes': 'lblc',
  'lblcr-changes': 'lblcr',
  'mh-addresses': 'mh',
  'mh-changes': 'mh',
  'mh-changes-flags': 'mh',
  'mh-zero-weights': 'mh',
  'nothing-there': 'dh, fo, lblc, lblcr, mh, nq, ovf, sed, sh',
  'nq-load': 'nq',
  'ovf-load': 'ovf',
  'random-dh-1007': 'dh, sed',
  'random-dh-1020': 'dh, nq',
  'random-fo-1010': 'fo',
  'random-fo-1023': 'fo',
  'random-lblc-1012': 'lblc',
  'random-lblc-1025': 'fo, lblc',
  'random-lblcr-1000': 'lblcr, nq',
  'random-lblcr-1013': 'lblcr',
  'random-mh-1009': 'mh',
  'random-mh-1022': 'mh',
  'random-nq-1006': 'nq',
  'random-nq-1019': 'nq',
  'random-ovf-1011': 'ovf',
  'random-ovf-1024': 'ovf',
  'random-rr-1001': 'sh',
  'random-sed-1005': 'fo, sed',
  'random-sed-1018': 'lblc, sed',
  'random-sh-1021': 'sh',
  'random-wlc-1004': 'mh',
  'sctp-icmp-errors': SCHEDULE_ICMP,
  'sctp-random-dh-4010': 'dh',
  'sctp-random-mh-4012': 'mh',
  'sctp-random-nq-4009': 'nq',
  'sctp-random-sh-4011': 'sh',
  'sctp-schedulers': 'mh, nq, ovf, sed, sh',
  'sed-load': 'sed',
  'sh-addresses': 'sh',
  'sh-changes': 'sh',
  'sh-changes-flags': 'sh',
  'v6-commands': 'mh',
  'v6-dh-addresses': 'dh',
  'v6-icmp-errors': SCHEDULE_ICMP,
  'v6-lblc-addresses': 'lblc',
  'v6-lblcr-addresses': 'lblcr',
  'v6-mh-changes': 'mh',
  'v6-mh-changes-flags': 'mh',
  'v6-random-sed-3007': 'mh, sed',
  'v6-random-wlc-3006': 'fo',
  'v6-schedulers': 'dh, fo, lblc, lblcr, mh, nq, ovf, sed, sh',
  'v6-sh-changes': 'sh',
  'v6-sh-changes-flags': 'sh',
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
