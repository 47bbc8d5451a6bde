/**
 * A trace as a capture, for Wireshark: both sides of each frame on the interface where it was, with
 * the verdict as the packet's comment.
 */
import type { TracedFrame } from '../control/traced-frame.js'
import type { PcapngWriter } from '../port/pcapng.js'
import { bytesOf, tracedText } from './traced.js'

export class TraceRecorder {
  readonly #writer: PcapngWriter
  readonly #arms = new Map<string, number>()

  constructor(writer: PcapngWriter) {
    this.#writer = writer
  }

  frame(traced: TracedFrame): void {
    const { arm, egress, time, length, verdict, realserver, before, after } = traced
    const { sentence, share } = tracedText(traced)
    const timestampMs = time * 1000
    const common = { timestampMs, originalLength: length }
    const where = realserver === null ? '' : ` (${realserver})`
    this.#writer.packet({
      ...common,
      interface: this.#interface(arm),
      bytes: bytesOf(before),
      direction: 'in',
      comment: `${verdict}: ${sentence}${where}${share === '' ? '' : `\n${share} like it`}`,
    })
    if (after === null || egress === null) return
    this.#writer.packet({
      ...common,
      interface: this.#interface(egress),
      bytes: bytesOf(after),
      direction: 'out',
      comment: `to ${realserver ?? 'where it is addressed'}`,
    })
  }

  #interface(arm: string): number {
    const known = this.#arms.get(arm)
    if (known !== undefined) return known
    const made = this.#writer.addInterface({ name: arm })
    this.#arms.set(arm, made)
    return made
  }
}
