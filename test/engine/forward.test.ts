import t from 'tap'
import { ACTION, ANSWER, verdictOf } from '../../src/engine/verdict.js'
import { expected, type Journey, travel } from './journey.js'
import { ipv4Journeys } from './journeys-ipv4.js'
import { ipv6Journeys } from './journeys-ipv6.js'
import { kernelJourneys } from './journeys-kernel.js'
import { linkJourneys } from './journeys-link.js'
import { markJourneys } from './journeys-marks.js'

const LISTS: Record<string, readonly Journey[]> = {
  'link layer': linkJourneys,
  IPv4: ipv4Journeys,
  IPv6: ipv6Journeys,
  'kernel mode': kernelJourneys,
  marks: markJourneys,
}

for (const [name, list] of Object.entries(LISTS)) {
  t.test(name, async (t) => {
    for (const journey of list) {
      const { verdict, out, own, world } = travel(journey)
      t.same({ verdict, out }, expected(journey), journey.sentence)
      const sum = world.loop.counts.reduce((all, count) => all + count, 0)
      if (sum !== world.loop.frames) t.fail(`${journey.sentence}: ${sum} of ${world.loop.frames}`)
      if ((own === 1) !== (ACTION[verdictOf(journey.verdict)] === ANSWER)) {
        t.fail(`${journey.sentence}: an answer is sent exactly where the verdict says so`)
      }
    }
  })
}
