/**
 * Firewall marks. Frames reach the director before netfilter, so it marks them by rules of its own,
 * as `iptables -t mangle -A PREROUTING … -j MARK --set-mark` would: the last rule that applies
 * decides. Asked for packets without connection only, so its price is paid once a connection: a
 * look at each rule, from the last to the first that applies.
 *
 *   word  0     mark (int32 bit pattern)       1     protocol, 0: any
 *         2     family, 0: both                3, 4  lowest and highest port; ANY_PORT: not asked
 *         5, 6  bits of the two prefixes, source and destination
 *         7-10  source                        11-14  destination (IPv4 in the first word)
 */
import type { Flow } from './scheduler.js'

export const MARKS_MAX = 1024
export const LOCAL_MARKS_MAX = 256

const WORDS = 16
const PROTOCOL = 1
const FAMILY = 2
const LOW_PORT = 3
const HIGH_PORT = 4
const SOURCE_BITS = 5
const DESTINATION_BITS = 6
const SOURCE = 7
const DESTINATION = 11

/** Of a rule: ports are not asked. Of a packet: it has none, so that no rule with ports applies. */
export const ANY_PORT = -1

/** A rule as the table has it; addresses are four words each. */
export interface MarkEntry {
  readonly mark: number
  readonly protocol: number
  readonly family: 0 | 4 | 6
  readonly lowPort: number
  readonly highPort: number
  readonly sourceBits: number
  readonly destinationBits: number
  readonly source: Int32Array
  readonly destination: Int32Array
}

export class MarkTable {
  readonly #words = new Int32Array(MARKS_MAX * WORDS)
  readonly #local = new Int32Array(LOCAL_MARKS_MAX)
  #count = 0
  #localCount = 0

  /** Are there marks whose packets are served whatever their address? */
  get hasLocal(): boolean {
    return this.#localCount > 0
  }

  /** All rules at once, in order; `local`: marks whose packets are for this host in any case. */
  replace(entries: readonly MarkEntry[], local: readonly number[]): void {
    const words = this.#words
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]
      const at = i * WORDS
      words[at] = entry.mark
      words[at + PROTOCOL] = entry.protocol
      words[at + FAMILY] = entry.family
      words[at + LOW_PORT] = entry.lowPort
      words[at + HIGH_PORT] = entry.highPort
      words[at + SOURCE_BITS] = entry.sourceBits
      words[at + DESTINATION_BITS] = entry.destinationBits
      words.set(entry.source, at + SOURCE)
      words.set(entry.destination, at + DESTINATION)
    }
    this.#count = entries.length
    this.#local.set(local)
    this.#localCount = local.length
  }

  /** The mark of a packet, 0 if no rule applies to it. */
  of(flow: Flow): number {
    for (let i = this.#count - 1; i >= 0; i--) {
      if (this.#applies(i * WORDS, flow)) return this.#words[i * WORDS]
    }
    return 0
  }

  /** Is a packet with this mark for this host, whatever its address? */
  isLocal(mark: number): boolean {
    if (mark === 0) return false
    for (let i = 0; i < this.#localCount; i++) if (this.#local[i] === mark) return true
    return false
  }

  #applies(at: number, flow: Flow): boolean {
    const words = this.#words
    const protocol = words[at + PROTOCOL]
    const family = words[at + FAMILY]
    if (protocol !== 0 && protocol !== flow.protocol) return false
    if (family !== 0 && family !== flow.family) return false
    const low = words[at + LOW_PORT]
    if (low !== ANY_PORT && (flow.vipPort < low || flow.vipPort > words[at + HIGH_PORT])) {
      return false
    }
    return (
      this.#hasPrefix(flow.client, at + SOURCE, words[at + SOURCE_BITS]) &&
      this.#hasPrefix(flow.vip, at + DESTINATION, words[at + DESTINATION_BITS])
    )
  }

  #hasPrefix(address: Int32Array, prefix: number, bits: number): boolean {
    let left = bits
    for (let i = 0; left > 0; i++, left -= 32) {
      const mask = left >= 32 ? -1 : -1 << (32 - left)
      if (((address[i] ^ this.#words[prefix + i]) & mask) !== 0) return false
    }
    return true
  }
}
