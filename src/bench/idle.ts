/**
 * What a contestant costs while nothing comes, and whether that and its latency are what we aim at.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Running } from './contestants/contestant.js'
import type { Table } from './report/table.js'
import { exactProcessTime } from './wire/clock.js'

/** A director that spins for quick answers does so for a while after the last frame. */
const CALM_MS = 500

/** % of a processor, over `seconds`; null where it has no process, or nobody asks. */
export async function idlePercent({ pids }: Running, seconds: number): Promise<number | null> {
  if (seconds === 0 || pids.length === 0) return null
  await sleep(CALM_MS)
  const [from, before] = [performance.now(), exactProcessTime(pids)]
  await sleep(seconds * 1000)
  return (100 * (exactProcessTime(pids) - before)) / (performance.now() - from)
}

/** Names of contestants to % of a processor. */
export type Idle = ReadonlyMap<string, number>

export function idleTable(idle: Idle, titles: ReadonlyMap<string, string>): Table[] {
  if (idle.size === 0) return []
  const rows = [...idle].map(([name, percent]) => [titles.get(name) ?? name, percent.toFixed(2)])
  return [{ title: 'While nothing comes', head: ['', '% of a processor'], rows }]
}

/** At most so many times what the kernel's routing adds; and under so many % while idle. */
const ADDED_AIM = 2
const IDLE_AIM = 2

/** How `names` stand against what is aimed at, in sentences. */
export function aims(
  names: readonly string[],
  added: ReadonlyMap<string, number>,
  idle: Idle,
  titles: ReadonlyMap<string, string>,
): string[] {
  const routing = added.get('ip_forward') ?? 0
  return names.flatMap((name) => {
    const title = titles.get(name) ?? name
    const [own, percent] = [added.get(name), idle.get(name)]
    const said: string[] = []
    if (own !== undefined && routing > 0) {
      const times = (own / routing).toFixed(1)
      said.push(
        `${title} adds ${own.toFixed(1)} µs at the 99th percentile, ${times} times what ip_forward ` +
          `adds (${routing.toFixed(1)} µs); the aim is at most ${ADDED_AIM} times`,
      )
    }
    if (percent !== undefined) {
      said.push(
        `${title} takes ${percent.toFixed(2)} % of a processor while nothing comes; ` +
          `the aim is under ${IDLE_AIM} %`,
      )
    }
    return said
  })
}
