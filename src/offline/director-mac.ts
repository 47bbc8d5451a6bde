/**
 * Which MAC address the director of a capture had: the one to which the first frame for a VIP was
 * sent. Must be known before the first frame is decided, so the beginning of the capture is read
 * ahead and then given again, which works for a pipe as for a file.
 */

import { LINK_ETHERNET } from '../port/captured-frame.js'
import { readCapture } from '../port/replay.js'
import { macForVip } from './mac-for-vip.js'
import type { Mac } from './surroundings.js'

/** How much of a capture is looked at, in bytes. */
export const LOOK_AHEAD_BYTES = 16 << 20

export interface LookedAt {
  /** Null if no frame for a VIP was found. */
  readonly mac: Mac | null
  /** The capture, from its first byte on. */
  readonly source: AsyncIterable<Uint8Array>
}

/** `vips` by `addressKey()`. */
export async function lookForDirector(
  source: AsyncIterable<Uint8Array>,
  vips: ReadonlySet<string>,
): Promise<LookedAt> {
  const iterator = source[Symbol.asyncIterator]()
  const seen: Uint8Array[] = []
  let failure: { error: unknown } | null = null
  let isOver = false
  async function* ahead(): AsyncGenerator<Uint8Array> {
    let bytes = 0
    while (bytes < LOOK_AHEAD_BYTES) {
      try {
        const next = await iterator.next()
        isOver = next.done === true
        if (isOver) return
        // The reader may reuse its memory for what it gives next.
        seen.push(next.value.slice())
        bytes += next.value.length
        yield next.value
      } catch (error) {
        failure = { error }
        return
      }
    }
  }
  async function* again(): AsyncGenerator<Uint8Array> {
    try {
      for (let chunk = seen.shift(); chunk !== undefined; chunk = seen.shift()) yield chunk
      if (failure !== null) throw failure.error
      while (!isOver) {
        const next = await iterator.next()
        if (next.done === true) return
        yield next.value
      }
    } finally {
      await iterator.return?.()
    }
  }
  return { mac: await findMac(ahead(), vips), source: again() }
}

async function findMac(
  source: AsyncIterable<Uint8Array>,
  vips: ReadonlySet<string>,
): Promise<Mac | null> {
  for await (const frame of readCapture(source)) {
    if (frame.linkType !== LINK_ETHERNET) return null
    const mac = macForVip(frame.bytes, vips)
    if (mac !== null) return mac
  }
  return null
}
