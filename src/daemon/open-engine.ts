/**
 * Which engine a director gets: the one that was asked for, or with `auto` the fastest that the
 * machine, its privileges and its interfaces allow.
 */

import type { ArmMode } from '../engine/port.js'
import { hasLargeReceive, hasOffload } from '../native/ethtool.js'
import { EngineFailure, type EngineOptions } from './engine-handle.js'
import { ENGINES, type EngineName } from './messages.js'
import { Workers } from './workers.js'

export interface OpenedEngine {
  readonly name: EngineName
  readonly workers: Workers
  readonly isAuto: boolean
  /** With `auto`: the engines that could not be had, and why. */
  readonly refused: readonly { readonly name: EngineName; readonly why: string }[]
}

/** The engines whose frames several workers can share. */
export const SHARING: readonly EngineName[] = ['af_xdp', 'af_packet']

export async function openEngine(
  wanted: EngineName | 'auto',
  count: number,
  options: Omit<EngineOptions, 'engine'>,
): Promise<OpenedEngine> {
  const isAuto = wanted === 'auto'
  if (count > 1 && !isAuto && !SHARING.includes(wanted)) {
    const what = `${wanted} has one worker: --workers ${count} is for ${SHARING.join(', ')}`
    throw new EngineFailure(what)
  }
  const refused: { name: EngineName; error: Error }[] = []
  const able = count > 1 ? SHARING : ENGINES
  for (const name of isAuto ? able : [wanted]) {
    try {
      const workers = await Workers.start(count, { ...options, engine: name })
      return {
        name,
        workers,
        isAuto,
        refused: refused.map((each) => ({ name: each.name, why: each.error.message })),
      }
    } catch (error) {
      refused.push({ name, error: error as Error })
    }
  }
  // What refuses packet sockets refuses the others too, and says why in the plainest words.
  throw (refused.find(({ name }) => name === 'af_packet') ?? refused[0]).error
}

/** For the ready line: which engine, how it takes frames, and with `auto` why this one. */
export function describeEngine({ name, workers, isAuto, refused }: OpenedEngine): string {
  const notes = workers.modes.map(
    ({ arm, mode, isZeroCopy }) => `${arm} ${mode}, ${isZeroCopy ? 'zero-copy' : 'copy'}`,
  )
  if (workers.count > 1) notes.push(`${workers.count} workers`)
  if (isAuto) notes.unshift('auto: the fastest that can be had here')
  for (const each of refused) notes.push(`not ${each.name}: ${each.why}`)
  return notes.length === 0 ? name : `${name} (${notes.join('; ')})`
}

/** Interfaces whose receiving side joins frames to more than this engine can send on. */
export function offloadWarnings(opened: OpenedEngine, interfaces: readonly string[]): string[] {
  const { name, workers } = opened
  const generic = workers.modes.filter(({ mode }) => mode === 'generic').map(({ arm }) => arm)
  const exposed = name === 'libpcap' ? interfaces : generic
  const what = name === 'libpcap' ? name : `${name} in generic mode`
  return exposed
    .filter((arm) => hasOffload(arm, 'gro') || hasLargeReceive(arm))
    .map(
      (arm) =>
        `${arm} joins frames, and ${what} can't send those; ethtool -K ${arm} gro off lro off`,
    )
}

/** Arms whose MTU has grown beyond what the engine holds, each told of once. */
export class MtuWatch {
  readonly #told = new Set<string>()

  /** `mtuOf`: what the MTU of an interface is now. */
  warnings(modes: readonly ArmMode[], mtuOf: (name: string) => number): string[] {
    return modes.flatMap(({ arm, mtuMax }) => {
      const mtu = mtuOf(arm)
      if (mtu <= mtuMax) this.#told.delete(arm)
      else if (!this.#told.has(arm)) {
        this.#told.add(arm)
        return `the MTU of ${arm} is ${mtu} now, and packets of more than ${mtuMax} bytes are dropped (${arm}); start the director again`
      }
      return []
    })
  }
}
