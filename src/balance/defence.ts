/**
 * What Linux IPVS does when there is more than it has memory for (`update_defense_level` and
 * `ip_vs_todrop` in `net/netfilter/ipvs`): sheds new connections (`drop_packet`), ends connections
 * that cost little to lose (`drop_entry`, in `drop-entry.ts`), and believes a SYN less
 * (`secure_tcp`). Each has a mode:
 *
 *   0  off          1  on when memory is low: then it becomes 2
 *   3  on           2  off when memory is no longer low: then it becomes 1
 *
 * Memory is what the connection tables have room for, since they are all the memory that traffic
 * takes here. Linux counts pages of 4096 bytes. A table counts as PAGES of them whatever its size,
 * which for the default one, 1,048,576 connections of 64 bytes, is the truth; so the default of
 * `amemthresh`, 1024, means one sixteenth of the table. The fuller of the two tables decides.
 */
import type { ConnectionTable } from './connection.js'
import type { Sysctls } from './sysctl.js'
import { NEXT_STATE, NEXT_STATE_DEFENCE } from './tcp-state.js'
import { TICKS_PER_S } from './timer-wheel.js'

/** Pages of a whole connection table. */
export const PAGES = 16_384

export class Defence {
  /** The TCP state table in force: the ordinary one, or the one of `secure_tcp`. */
  tcpTable = NEXT_STATE
  /** Entries are being dropped (`drop_entry`). */
  dropsEntries = false
  readonly #sysctls: Sysctls
  readonly #tables: readonly ConnectionTable[]
  /** One of so many new connections is dropped; 0: none. */
  #rate = 0
  /** Counts down to the next that is dropped. */
  #counter = 0
  #nextLook = 0

  constructor(sysctls: Sysctls, tables: readonly ConnectionTable[]) {
    this.#sysctls = sysctls
    this.#tables = tables
  }

  start(tick: number): void {
    this.#nextLook = (tick + TICKS_PER_S) | 0
  }

  /** To be called at each tick: looks at the memory once a second. */
  advance(tick: number): void {
    if (((tick - this.#nextLook) | 0) < 0) return
    this.#nextLook = (tick + TICKS_PER_S) | 0
    this.update()
  }

  /** Is a packet that would open a connection to be dropped? Asked once for each of them. */
  sheds(): boolean {
    if (this.#rate === 0) return false
    if (--this.#counter > 0) return false
    this.#counter = this.#rate
    return true
  }

  /** Brings the defence in step with modes and memory, as at each write of a mode. */
  update(): void {
    const sysctls = this.#sysctls
    const free = this.#freePages()
    const isLow = free < sysctls.amemthresh

    sysctls.drop_entry = moved(sysctls.drop_entry, isLow)
    this.dropsEntries = sysctls.drop_entry >= 2

    sysctls.drop_packet = moved(sysctls.drop_packet, isLow)
    if (sysctls.drop_packet === 3) this.#rate = sysctls.am_droprate
    else if (sysctls.drop_packet === 2) {
      this.#rate = Math.floor(sysctls.amemthresh / (sysctls.amemthresh - free))
      this.#counter = this.#rate
    } else this.#rate = 0

    sysctls.secure_tcp = moved(sysctls.secure_tcp, isLow)
    this.tcpTable = sysctls.secure_tcp >= 2 ? NEXT_STATE_DEFENCE : NEXT_STATE
  }

  /** Free pages of the fuller table. */
  #freePages(): number {
    let free = PAGES
    for (let i = 0; i < this.#tables.length; i++) {
      const { capacity, count } = this.#tables[i]
      free = Math.min(free, Math.floor((PAGES * (capacity - count)) / capacity))
    }
    return free
  }
}

/** Modes 1 and 2 follow the memory. */
function moved(mode: number, isLow: boolean): number {
  return mode === 1 || mode === 2 ? (isLow ? 2 : 1) : mode
}
