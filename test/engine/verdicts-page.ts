/**
 * The page docs/verdicts.md, from the list in src/engine/verdict.ts. After a change of the list:
 *
 *   npm run build && node build/test/engine/verdicts-page.js
 */
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { type Action, ENDINGS } from '../../src/engine/verdict.js'

const ACTIONS: Record<Action, string> = {
  forward: 'rewritten in place and sent to a realserver',
  answer: 'consumed; the director itself sent an answer',
  pass: "left to the director's own kernel, untouched",
  hold: 'kept: a copy waits, or pieces of it leave instead',
  drop: 'consumed, and nothing is sent',
}

export function verdictsPage(): string {
  const actions = Object.entries(ACTIONS).map(
    ([action, meaning]) => `| \`${action}\` | ${meaning} |`,
  )
  const rows = ENDINGS.map((e) => `| \`${e.name}\` | ${e.action} | ${e.sentence} |`)
  return `# Verdicts: how a frame's journey can end

Every frame that the director takes ends in exactly one of these ${ENDINGS.length}. The same names
are in \`GET /v1/counters\`, [metrics](metrics.md), \`uipvs top\`, [traces](trace.md), \`uipvs explain\`
and \`uipvs replay\`; their counts add up to all frames at any time. The order is that in which a
frame can come to them ([life of a frame](life-of-a-frame.md)).

| action | what becomes of the frame |
| --- | --- |
${actions.join('\n')}

| verdict | action | when |
| --- | --- | --- |
${rows.join('\n')}

This page is made from \`src/engine/verdict.ts\` by
\`npm run build && node build/test/engine/verdicts-page.js\`; a test compares the two.
`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync('docs/verdicts.md', verdictsPage())
}
