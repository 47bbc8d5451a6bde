/** Becoming another user, for tests of what somebody without rights gets. */
import { readFileSync } from 'node:fs'

/** nobody, on Debian and elsewhere. */
export const NOBODY = 65_534

/**
 * Why this process cannot become nobody, or false if it can: that takes root, and a user namespace
 * that knows a second user. The one in which `npm test` runs without root knows one only
 * (user_namespaces(7): each line of uid_map is first user inside, first outside, how many).
 */
export function cannotBecomeNobody(): string | false {
  if (process.getuid?.() !== 0) return 'needs root, to become somebody else'
  const ranges = readFileSync('/proc/self/uid_map', 'utf8').trim().split('\n')
  const isKnown = ranges.some((range) => {
    const [first, , count] = range.trim().split(/\s+/).map(Number) as [number, number, number]
    return NOBODY >= first && NOBODY < first + count
  })
  return isKnown ? false : 'this user namespace has no second user to become'
}
