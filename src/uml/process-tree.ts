/** Which processes descend from one: proc(5). */
import { readdirSync, readFileSync } from 'node:fs'

/** A process and all that descend from it, as they are now; zombies are left out. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>()
  const alive = new Set<number>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1')
      // The name, in brackets, may hold anything: state and parent follow the last bracket.
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (state === 'Z') continue
      const pid = Number(entry)
      alive.add(pid)
      children.set(Number(parent), [...(children.get(Number(parent)) ?? []), pid])
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [root]
  for (const pid of found) found.push(...(children.get(pid) ?? []))
  return found.filter((pid) => alive.has(pid))
}
