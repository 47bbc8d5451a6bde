/**
 * The rules that a director begins with: those of its state (`--state DIR`), or those of a file
 * (`--rules FILE`). With both, the file is for the first start only: once there is a state, what
 * was changed while the director ran would otherwise be lost at each restart.
 */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { Rule } from '../balance/rule.js'
import type { DirectorDaemon } from '../daemon/director-daemon.js'
import { RuleJournal, type StoredChange } from '../daemon/rule-journal.js'
import { CliFailure } from './failure.js'
import { lineOfRule, readRules } from './rules-file.js'

export interface BeginningOptions {
  readonly rules?: string
  readonly state?: string
}

export class Beginning {
  readonly journal: RuleJournal | undefined
  #stored: readonly StoredChange[]
  readonly #file: string
  readonly #text: string
  readonly #rules: readonly Rule[]

  /** Reads everything; nothing is carried out yet. */
  constructor({ rules, state }: BeginningOptions, log: (line: string) => void) {
    this.journal = state === undefined ? undefined : new RuleJournal(state, log)
    this.#stored = this.journal?.stored ?? []
    this.#file = rules ?? ''
    const isSuperseded = this.#stored.length > 0 && rules !== undefined
    if (isSuperseded) {
      const how = `uipvsadm-restore < ${rules}`
      log(`${rules} is not read, since ${this.journal?.path} has rules; to take its own: ${how}`)
    }
    try {
      this.#text = rules === undefined || isSuperseded ? '' : readInput(rules)
      this.#rules = readRules(this.#text, this.#file)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Asks the director for it all. What is asked of it later comes later. */
  async carryOut(director: DirectorDaemon): Promise<void> {
    const changes = this.#stored
    const rules = changes.flatMap((change) => change.rules)
    const [restored, applied] = await Promise.all([
      rules.length === 0 ? null : director.restore(rules),
      this.#rules.length === 0 ? null : director.apply(this.#rules, true),
    ])
    if (restored !== null) {
      throw new CliFailure(
        `${restored.error.message} (${placeOf(changes, restored.index)})`,
        1,
        'the state is not changed; is it one of a director with other limits, or a newer one?',
      )
    }
    if (applied !== null) {
      const where =
        applied.error.subject === 'state'
          ? ''
          : ` (${this.#file}, line ${lineOfRule(this.#text, applied.index)})`
      throw new CliFailure(
        `${applied.error.message}${where}`,
        1,
        where === ''
          ? 'make room there, or name another directory'
          : 'correct that line: a file of rules is carried out as a whole or not at all',
      )
    }
    this.#stored = []
  }

  close(): void {
    this.journal?.close()
  }
}

function placeOf(changes: readonly StoredChange[], index: number): string {
  let before = 0
  for (const { rules, place } of changes) {
    before += rules.length
    if (index < before) return place
  }
  return ''
}

function readInput(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CliFailure(
      `the rules can't be read: ${code} (${file})`,
      1,
      `is ${basename(file)} the right file?`,
    )
  }
}
