/** How the owner of a lab ends, so that the lab goes with it. */
import { watchParent } from './rootless.js'

export class Ended extends Error {
  readonly status: number

  constructor(status: number) {
    super('ended by a signal')
    this.status = status
  }
}

/**
 * A promise that rejects at the first signal that asks us to end. `cleanUp` also runs if the
 * process leaves by any other way that lets it run code at all.
 */
export function endOnSignals(cleanUp: () => void): Promise<never> {
  process.on('exit', cleanUp)
  const ended = new Promise<never>((_, reject) => {
    const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const
    for (const [name, number] of Object.entries(numbers)) {
      process.on(name, () => reject(new Ended(128 + number)))
    }
    if (process.env.UIPVS_LAB_ROOTLESS === '1') watchParent(() => reject(new Ended(128 + 1)))
  })
  ended.catch(() => {}) // it may come while nobody waits for it
  return ended
}

/**
 * Waits for the end. Ctrl-C is the way out that we have named, so it is no failure; another signal
 * is passed on. A handler for signals alone does not keep Node running: something has to be
 * awaited.
 */
export async function standUntil(ended: Promise<never>): Promise<void> {
  const hold = setInterval(() => {}, 2 ** 30)
  try {
    await ended
  } catch (error) {
    if (!(error instanceof Ended) || error.status !== 130) throw error
  } finally {
    clearInterval(hold)
  }
}
