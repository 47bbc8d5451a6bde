/**
 * Runs lines as commands, `-R` under the name of ipvsadm. Rules are collected and sent together,
 * since a table of ten thousand lines should not be ten thousand requests; a refused one is
 * reported in its place, and the rest goes out again. What can be seen is the same as line by line.
 */
import type { Rule } from '../../balance/rule.js'
import { RulesRefused } from '../../control/client.js'
import type { DirectorClient, Io } from './director-client.js'
import { DONE, REFUSED, refusal } from './messages.js'

/** How a line ended: its status, and whether the run ends with it. */
export interface LineEnd {
  readonly status: number
  readonly endsRun: boolean
}

/**
 * Rules sent in one request at most: some megabytes. What follows from rules (filters, the guard)
 * is worked out once a request.
 */
const BATCH_MAX = 32_768

export class RuleQueue {
  readonly #director: DirectorClient
  readonly #io: Io
  #rules: Rule[] = []
  /** Status of the rule last carried out. */
  #status = DONE

  constructor(director: DirectorClient, io: Io) {
    this.#director = director
    this.#io = io
  }

  get isFull(): boolean {
    return this.#rules.length >= BATCH_MAX
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0
  }

  add(rule: Rule): void {
    this.#rules.push(rule)
  }

  /** Carries out what waits. Returns the status of the last of them. */
  async flush(): Promise<number> {
    let waiting = this.#rules
    this.#rules = []
    while (waiting.length > 0) {
      const refused = await this.#send(waiting)
      if (refused === null) {
        this.#status = DONE
        break
      }
      this.#io.err(refusal(waiting[refused.index]!, refused))
      this.#status = REFUSED
      waiting = waiting.slice(refused.index + 1)
    }
    return this.#status
  }

  async #send(rules: readonly Rule[]): Promise<RulesRefused | null> {
    try {
      await this.#director.rules(rules, { atomic: false })
      return null
    } catch (error) {
      if (error instanceof RulesRefused) return error
      throw error
    }
  }
}

/**
 * @param input text in pieces of any size; what is complete of a piece is carried out before the
 *   next one is waited for, so that a program may feed commands one by one.
 * @param runWords a line that is no rule; null: it was one, and waits in the queue.
 */
export async function restore(
  program: string,
  input: AsyncIterable<string>,
  queue: RuleQueue,
  runWords: (argv: readonly string[]) => Promise<LineEnd | null>,
): Promise<number> {
  let status = DONE
  let rest = ''
  for await (const piece of withEnd(input)) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      const words = line.split(/[ \t\r]+/).filter((word) => word !== '' && word !== 'ipvsadm')
      if (words.length === 0) continue
      const end = await runWords([program, ...words])
      if (end?.endsRun) return end.status
      if (end !== null) status = end.status
      if (queue.isFull) status = await queue.flush()
    }
    if (!queue.isEmpty) status = await queue.flush()
  }
  return status
}

/** The last line needs no newline. */
async function* withEnd(input: AsyncIterable<string>): AsyncGenerator<string> {
  yield* input
  yield '\n'
}
