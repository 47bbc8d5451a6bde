/**
 * The rules on disk (`uipvs run --state DIR`), so that they survive the director.
 *
 *   DIR/rules.journal   uipvs rules 1
 *                       <checksum> [rule, rule, …]      one line for each change, oldest first
 *   DIR/lock            held (flock) by the director that writes here
 *
 * A change is one line, written and fsync'ed before it is carried out: what a client was told is on
 * disk, and a director that is killed at any moment comes back with all of that, and with the
 * change that it was writing as a whole or not at all. A journal and not a rewrite of everything,
 * since 110,000 rules are 20 MB, and one more destination must not cost half a second.
 *
 * When the lines that were added outweigh those that a fresh file would have, all rules are
 * written to a new file which takes the old one's place: write, fsync, rename, fsync of the
 * directory.
 *
 * What follows the last newline is a change that nobody was told of, and is cut off. Anything else
 * that is wrong is told with its place, and not touched.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Rule, RuleError, type RuleErrorCode } from '../balance/rule.js'
import { makeFolder } from '../control/folder.js'
import { errno, errnoOf, flock } from '../native/libc.js'

const HEADER = 'uipvs rules 1\n'
/** Below this size a journal is not worth being rewritten. */
const COMPACT_BYTES_MIN = 1 << 20
/** Rules in a line of a file that is written as a whole. */
const RULES_PER_LINE = 512
const LOCK_EX_NB = 2 | 4

/** The state can't be used; the message says where and why. */
export class StateError extends Error {
  override readonly name = 'StateError'
}

export interface StoredChange {
  readonly rules: readonly Rule[]
  /** Where it stands, for messages: file and line. */
  readonly place: string
}

export class RuleJournal {
  readonly path: string
  /** What was there when it was opened; null if there was no file. */
  stored: readonly StoredChange[] | null = null
  readonly #directory: string
  readonly #log: (line: string) => void
  readonly #lock: number
  #fd = -1
  #bytes = 0
  #compactAt = COMPACT_BYTES_MIN
  /** The end of the file is not what it should be: it has to be written anew first. */
  #isBroken = false

  /** @throws StateError, having changed nothing. */
  constructor(directory: string, log: (line: string) => void) {
    this.#directory = directory
    this.#log = log
    this.path = join(directory, 'rules.journal')
    this.#lock = lockIn(directory)
    try {
      this.#open()
    } catch (error) {
      closeSync(this.#lock)
      throw error
    }
  }

  /**
   * Writes down a change that is about to be carried out. `all` are the rules before it.
   * @throws RuleError if it can't be written; what was written before stands.
   */
  write(rules: readonly Rule[], all: () => Iterable<Rule>): void {
    const kept = rules.filter(isKept)
    if (kept.length === 0) return
    try {
      if (this.#fd < 0 || this.#isBroken) this.#rewrite(all())
      this.#append(lineOf(kept))
    } catch (error) {
      throw refused(error as NodeJS.ErrnoException, this.path)
    }
  }

  /** Rewrites the file if that is worth it. Not being able to is no harm. */
  tidy(all: () => Iterable<Rule>): void {
    if (this.#fd < 0 || this.#bytes < this.#compactAt) return
    try {
      this.#rewrite(all())
    } catch (error) {
      this.#compactAt = 2 * this.#bytes
      const { message } = error as Error
      this.#log(`${this.path} could not be rewritten, and grows until it can: ${message}`)
    }
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    closeSync(this.#lock)
  }

  #open(): void {
    let text: Buffer
    try {
      text = readFileSync(this.path)
      this.#fd = openSync(this.path, 'r+')
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return
      throw new StateError(`the state can't be opened: ${code} (${this.path})`)
    }
    this.stored = [...changesIn(text, this.path)]
    this.#bytes = text.lastIndexOf(0x0a) + 1
    const torn = text.length - this.#bytes
    if (torn > 0) {
      ftruncateSync(this.#fd, this.#bytes)
      fsyncSync(this.#fd)
      this.#log(`${this.path}: cut off ${torn} bytes of a change that was never acknowledged`)
    }
    this.#compactAt = Math.max(COMPACT_BYTES_MIN, 2 * this.#bytes)
  }

  #append(line: Buffer): void {
    try {
      writeAll(this.#fd, line, this.#bytes)
      fsyncSync(this.#fd)
      this.#bytes += line.length
    } catch (error) {
      // After a failed fsync nobody knows what is on disk: the whole is written again next time.
      this.#isBroken = true
      try {
        ftruncateSync(this.#fd, this.#bytes)
        fsyncSync(this.#fd)
        this.#isBroken = (error as NodeJS.ErrnoException).syscall === 'fsync'
      } catch {
        // It stays broken.
      }
      throw error
    }
  }

  #rewrite(all: Iterable<Rule>): void {
    const fresh = `${this.path}.new`
    const fd = openSync(fresh, 'w', 0o600)
    let bytes = 0
    try {
      const put = (line: Buffer) => {
        writeAll(fd, line, bytes)
        bytes += line.length
      }
      put(Buffer.from(HEADER))
      let rules: Rule[] = []
      for (const rule of all) {
        if (rules.push(rule) < RULES_PER_LINE) continue
        put(lineOf(rules))
        rules = []
      }
      if (rules.length > 0) put(lineOf(rules))
      fsyncSync(fd)
      renameSync(fresh, this.path)
    } catch (error) {
      closeSync(fd)
      throw error
    }
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = fd
    this.#bytes = bytes
    this.#compactAt = Math.max(COMPACT_BYTES_MIN, 2 * bytes)
    this.#isBroken = false
    syncDirectory(this.#directory)
  }
}

/** Counters and what the director does by itself are no part of the state. */
function isKept({ op }: Rule): boolean {
  return op !== 'zero' && op !== 'reap'
}

function lineOf(rules: readonly Rule[]): Buffer {
  const text = JSON.stringify(rules)
  return Buffer.from(`${checksum(text)} ${text}\n`)
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

function* changesIn(bytes: Buffer, path: string): Generator<StoredChange> {
  const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1)
  const damaged = (line: number, what: string) =>
    new StateError(
      `${what} (${path}, line ${line}); put back a copy of the file, or move it away to begin anew`,
    )
  if (!whole.subarray(0, HEADER.length).equals(Buffer.from(HEADER))) {
    throw damaged(1, `this is no state of this version: it does not begin with '${HEADER.trim()}'`)
  }
  let at = HEADER.length
  for (let line = 2; at < whole.length; line++) {
    const end = whole.indexOf(0x0a, at)
    const text = whole.toString('utf8', at, end)
    const rules = text.slice(17)
    if (text[16] !== ' ' || checksum(rules) !== text.slice(0, 16)) {
      throw damaged(line, 'the state is damaged: a line does not have its checksum')
    }
    yield { rules: JSON.parse(rules), place: `${path}, line ${line}` }
    at = end + 1
  }
}

function lockIn(directory: string): number {
  try {
    makeFolder(directory, 0o700)
    const fd = openSync(join(directory, 'lock'), 'a', 0o600)
    if (flock(fd, LOCK_EX_NB) === 0) return fd
    const isTaken = errno() === errnoOf('EAGAIN')
    closeSync(fd)
    throw new StateError(
      isTaken
        ? `another director keeps its rules there (${directory}); give each a directory of its own`
        : `the state can't be locked (${directory}); does its file system know flock(2)?`,
    )
  } catch (error) {
    if (error instanceof StateError) throw error
    const { code } = error as NodeJS.ErrnoException
    throw new StateError(`the state can't be written: ${code} (${directory})`)
  }
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done)
  }
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function refused({ code, message }: NodeJS.ErrnoException, path: string): RuleError {
  const kind: RuleErrorCode =
    code === 'ENOSPC' || code === 'EDQUOT' ? 'ENOSPC' : code === 'EROFS' ? 'EROFS' : 'EIO'
  const what = `the rules can't be written down, so nothing was changed: ${code ?? message}`
  return new RuleError(kind, 'state', `${what} (${path})`)
}
