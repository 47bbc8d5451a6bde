import { readFileSync } from 'node:fs'
import t from 'tap'
import * as verdicts from '../../src/engine/verdict.js'
import {
  ACTION,
  ENDINGS,
  FORWARD,
  FORWARDED,
  VERDICT_COUNT,
  verdictOf,
} from '../../src/engine/verdict.js'
import { fragmentVerdicts } from './fragment-verdicts.js'
import { ipv4Journeys } from './journeys-ipv4.js'
import { ipv6Journeys } from './journeys-ipv6.js'
import { kernelJourneys } from './journeys-kernel.js'
import { linkJourneys } from './journeys-link.js'
import { verdictsPage } from './verdicts-page.js'

t.test('every ending has a fixture', async (t) => {
  const journeys = [...linkJourneys, ...ipv4Journeys, ...ipv6Journeys, ...kernelJourneys]
  const reached = new Set([...journeys.map(({ verdict }) => verdict), ...fragmentVerdicts])
  const missing = ENDINGS.map(({ name }) => name).filter((name) => !reached.has(name))
  t.same(missing, [])
})

t.test('sentences of the fixtures tell them apart', async (t) => {
  for (const list of [linkJourneys, ipv4Journeys, ipv6Journeys, kernelJourneys]) {
    const sentences = list.map(({ sentence }) => sentence)
    t.same(
      sentences.filter((each, i) => sentences.indexOf(each) !== i),
      [],
    )
  }
})

t.test('names are labels: once each, lower case, with hyphens', async (t) => {
  const names = ENDINGS.map(({ name }) => name)
  t.equal(new Set(names).size, names.length)
  for (const { name, sentence } of ENDINGS) {
    t.match(name, /^[a-z]+(-[a-z]+)*$/)
    t.match(sentence, /^[A-Z].*[.]$/)
  }
  t.ok(VERDICT_COUNT <= 256, 'a batch has a byte for it')
})

t.test('each ending has its constant, and the constant its number', async (t) => {
  const all = verdicts as unknown as Record<string, unknown>
  for (const [number, { name }] of ENDINGS.entries()) {
    t.equal(all[name.toUpperCase().replaceAll('-', '_')], number, name)
    t.equal(verdictOf(name), number)
  }
  t.throws(() => verdictOf('lost'), { message: /lost/ })
})

t.test('only forwarded frames are sent by a port', async (t) => {
  const sent = ENDINGS.map(({ name }, i) => (ACTION[i] === FORWARD ? name : '')).filter(Boolean)
  t.same(sent, ['forwarded'])
  t.equal(FORWARDED, VERDICT_COUNT - 1)
})

t.test('docs/verdicts.md is in step', async (t) => {
  // Written again by: node build/test/engine/verdicts-page.js
  t.equal(readFileSync('docs/verdicts.md', 'utf8'), verdictsPage())
})
