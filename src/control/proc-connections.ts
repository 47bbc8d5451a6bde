/**
 * `/proc/net/ip_vs_conn` (`ip_vs_conn_seq_show` of `ip_vs_conn.c`), written as bytes straight from
 * the tables: there may be a million lines, and a text for each would cost three times as much.
 *
 *   TCP C6336407 9C40 C0A8016E 0050 C0A80102 0050 ESTABLISHED     899
 *
 * Templates follow the connections, with client port 0; Linux mixes them, in the order of a hash.
 */
import type { RuleBook } from '../balance/apply.js'
import { type ConnectionTable, NONE } from '../balance/connection.js'
import type { TemplateTable } from '../balance/template.js'
import { TICK_MS } from '../balance/timer-wheel.js'
import type { Part } from './live.js'
import { protocolText } from './proc-text.js'
import { INVALID_PORT, stateName } from './readers.js'

const TITLE = 'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n'
/** Longer than any line: three IPv6 addresses of 39 characters, and the rest. */
export const LINE_BYTES_MAX = 192
/** Records looked at in one piece: about a millisecond. */
const RECORDS_AT_ONCE = 8192

const BLANK = 0x20
const NEWLINE = 0x0a
const COLON = 0x3a
const UPPER = Buffer.from('0123456789ABCDEF')
const LOWER = Buffer.from('0123456789abcdef')

export class ConnectionText {
  readonly #book: RuleBook
  readonly #parts: readonly Part[]
  readonly #bytes: Buffer
  #at = 0
  /** Whose tables are read, which of them, and how far. */
  #part = 0
  #table = 0
  #slot = 0
  #isBegun = false
  /** Names of protocols and states, padded, as bytes. */
  readonly #names = new Map<number, Buffer>()

  /** `bytes` is where pieces are written: at least one line long. */
  constructor(book: RuleBook, parts: readonly Part[], bytes: Buffer) {
    this.#book = book
    this.#parts = parts
    this.#bytes = bytes
  }

  /** The next piece, of the memory that was given, or null when there is no more. */
  next(): Buffer | null {
    this.#at = 0
    if (!this.#isBegun) {
      this.#isBegun = true
      this.#at = this.#bytes.write(TITLE, 'latin1')
    }
    const last = this.#parts.length
    for (let left = RECORDS_AT_ONCE; this.#part < last && left > 0 && this.#hasRoom(); left--) {
      this.#record(this.#parts[this.#part].tables)
    }
    const isOver = this.#part === last && this.#at === 0
    return isOver ? null : this.#bytes.subarray(0, this.#at)
  }

  /** The next record of a worker, or the step to its next table, or to the next worker. */
  #record({ connections4, connections6, templates }: Part['tables']): void {
    const table = this.#table === 0 ? connections4 : this.#table === 1 ? connections6 : templates
    if (this.#slot < table.highWater) {
      if (table === templates) this.#template(templates, this.#slot++)
      else this.#connection(table as ConnectionTable, this.#slot++)
      return
    }
    this.#slot = 0
    this.#table++
    if (table !== templates) return
    this.#table = 0
    this.#part++
  }

  #hasRoom(): boolean {
    return this.#at + LINE_BYTES_MAX <= this.#bytes.length
  }

  #connection(table: ConnectionTable, slot: number): void {
    const use = table.use(slot)
    if (use === 0) return
    const begin = this.#at
    const { destinations } = this.#book.balancer
    const { family } = table
    const words = family === 4 ? 1 : 4
    const destination = table.destination(slot)
    const ports = table.ports(slot)
    const protocol = table.protocol(slot)
    this.#name(protocol, protocolText(protocol), 3)
    for (let i = 0; i < words; i++) this.#address(family, table.client(slot, i), i)
    this.#port(ports >>> 16)
    for (let i = 0; i < words; i++) this.#address(family, table.vip(slot, i), i)
    this.#port(ports & 0xffff)
    this.#destination(family, destination)
    // A bypass connection (cache_bypass) has no destination: all zero.
    const port = destination === NONE ? 0 : destinations.port(destination) || ports & 0xffff
    this.#port(port)
    const state = table.state(slot)
    this.#name(0x1000 | (protocol << 4) | state, stateName(protocol, state), 11)
    this.#expires(table.due(slot))
    // It changed hands while it was read.
    if (table.use(slot) !== use) this.#at = begin
  }

  #template(templates: TemplateTable, slot: number): void {
    if (!templates.isUsed(slot)) return
    const family = templates.family(slot)
    const words = family === 4 ? 1 : 4
    const destination = templates.destination(slot)
    const protocol = templates.protocol(slot)
    const vport = templates.vport(slot)
    this.#name(protocol, protocolText(protocol), 3)
    for (let i = 0; i < words; i++) this.#address(family, templates.client(slot, i), i)
    this.#port(0)
    for (let i = 0; i < words; i++) this.#address(family, templates.vip(slot, i), i)
    this.#port(vport)
    this.#destination(family, destination)
    const port = vport === 0 ? 0 : this.#book.balancer.destinations.port(destination)
    this.#port(vport === INVALID_PORT ? INVALID_PORT : port)
    const isAssured = templates.isAssured(slot)
    this.#name(isAssured ? 0x2001 : 0x2000, isAssured ? 'ASSURED' : 'NONE', 11)
    this.#expires(templates.due(slot))
  }

  #destination(family: number, destination: number): void {
    const { destinations } = this.#book.balancer
    const words = family === 4 ? 1 : 4
    for (let i = 0; i < words; i++) {
      this.#address(family, destination === NONE ? 0 : destinations.address(destination, i), i)
    }
  }

  /** A name padded to `width`, and no blank before it if it begins the line. */
  #name(key: number, text: string, width: number): void {
    let name = this.#names.get(key)
    if (name === undefined) {
      name = Buffer.from(`${width === 3 ? '' : ' '}${text.padEnd(width)}`, 'latin1')
      this.#names.set(key, name)
    }
    for (let i = 0; i < name.length; i++) this.#bytes[this.#at++] = name[i]
  }

  /** Word `index` of an address, with the blank or colon before it. */
  #address(family: number, word: number, index: number): void {
    const digits = family === 4 ? UPPER : LOWER
    this.#bytes[this.#at++] = index === 0 ? BLANK : COLON
    this.#half(word >>> 16, digits)
    if (family !== 4) this.#bytes[this.#at++] = COLON
    this.#half(word & 0xffff, digits)
  }

  #port(port: number): void {
    this.#bytes[this.#at++] = BLANK
    this.#half(port, UPPER)
  }

  #half(value: number, digits: Buffer): void {
    const bytes = this.#bytes
    let at = this.#at
    bytes[at++] = digits[value >>> 12]
    bytes[at++] = digits[(value >>> 8) & 15]
    bytes[at++] = digits[(value >>> 4) & 15]
    bytes[at++] = digits[value & 15]
    this.#at = at
  }

  /** Whole seconds from now, seven wide, and the end of the line. */
  #expires(due: number): void {
    const ticks = (due - this.#parts[this.#part].tick) | 0
    let seconds = ticks <= 0 ? 0 : Math.floor((ticks * TICK_MS) / 1000)
    const bytes = this.#bytes
    const end = this.#at + (seconds < 10_000_000 ? 8 : 9)
    for (let at = end - 1; at >= this.#at; at--) {
      bytes[at] = seconds > 0 || at === end - 1 ? 0x30 + (seconds % 10) : BLANK
      seconds = Math.floor(seconds / 10)
    }
    bytes[end] = NEWLINE
    this.#at = end + 1
  }
}
