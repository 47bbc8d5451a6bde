/**
 * A replay as a capture of its own, for Wireshark: each frame as it came on the interface `in`,
 * with its verdict as the packet's comment, and what left on the interface `out`.
 */
import { ENDINGS, FORWARDED } from '../engine/verdict.js'
import type { PcapngWriter } from '../port/pcapng.js'
import type { ReplayedFrame } from './replay.js'

export class Recorder {
  readonly #writer: PcapngWriter
  readonly #in: number
  readonly #out: number

  constructor(writer: PcapngWriter) {
    this.#writer = writer
    this.#in = writer.addInterface({ name: 'in' })
    this.#out = writer.addInterface({ name: 'out' })
  }

  /** `realserver`: where it was forwarded to, if it was. */
  frame({ captured, verdict, after }: ReplayedFrame, realserver: string | null): void {
    const { name, sentence } = ENDINGS[verdict]
    const to = realserver === null ? '' : ` (${realserver})`
    const old = captured.comment === undefined ? '' : `\n${captured.comment}`
    const { timestampMs, bytes, originalLength } = captured
    this.#writer.packet({
      interface: this.#in,
      timestampMs,
      bytes,
      originalLength,
      direction: 'in',
      comment: `${name}: ${sentence}${to}${old}`,
    })
    if (verdict !== FORWARDED) return
    this.#writer.packet({
      interface: this.#out,
      timestampMs,
      bytes: after,
      originalLength: originalLength - bytes.length + after.length,
      direction: 'out',
      comment: `to ${realserver ?? 'its realserver'}`,
    })
  }

  /** A frame of the director's own. */
  own(bytes: Uint8Array, timestampMs: number): void {
    const comment = 'sent by the director itself'
    this.#writer.packet({ interface: this.#out, timestampMs, bytes, direction: 'out', comment })
  }
}
