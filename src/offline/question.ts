/** The question to a director that an explained frame raises: whom would it choose for it? */
import { serviceText } from '../balance/judge.js'
import type { Rule } from '../balance/rule.js'
import type { NextQuestion } from '../control/choice.js'
import type { Explanation } from './explanation.js'
import { addressText, readFlow } from './flow.js'

/** Null if nobody had to be chosen. */
export function questionOf(
  { choice, service, hexBefore }: Explanation,
  rules: readonly Rule[],
): NextQuestion | null {
  const key = rules.flatMap((rule) =>
    rule.op === 'add-service' && serviceText(rule.service) === service?.key ? [rule.service] : [],
  )[0]
  if (choice === null || key === undefined) return null
  const bytes = Uint8Array.from(hexBefore.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  const flow = readFlow(new DataView(bytes.buffer), 0, bytes.length)
  if (flow === null || flow.ports === null) return null
  const { family, source, destination, ports } = flow
  return {
    service: key,
    client: addressText(family, source),
    clientPort: ports >>> 16,
    vip: addressText(family, destination),
    vport: ports & 0xffff,
  }
}
