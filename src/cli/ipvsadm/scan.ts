/**
 * Reads options from a command line as popt(3) does, which ipvsadm is built with: long names whole,
 * letters run together, the value after a blank, an `=` or nothing. Words are kept for later.
 */
import { OPTION_BY_LETTER, OPTION_BY_NAME, type Option } from './options.js'

export interface Given {
  readonly option: Option
  /** null for an option without one, and for an optional one that was left out. */
  readonly value: string | null
}

/** popt's own words, which ipvsadm prints. */
export type ScanFault = 'unknown option' | 'missing argument' | 'option does not take an argument'

export class Scanner {
  /** Words that were no options, in order. */
  readonly words: string[] = []

  readonly #args: readonly string[]
  #next: number
  /** What is left of a group of letters, `n` of `-Ln` after its L. */
  #letters = ''
  #onlyWords = false

  /** @param args with the program's name as the first. */
  constructor(args: readonly string[]) {
    this.#args = args
    this.#next = 1
  }

  /** The argument read last, whole: what messages quote. */
  get lastArgument(): string {
    return this.#args[this.#next - 1]!
  }

  /** The next option, a fault (after which nothing more can be read), or null at the end. */
  next(): Given | ScanFault | null {
    if (this.#letters === '') {
      const argument = this.#nextArgument()
      if (argument === null) return null
      if (argument.startsWith('--')) return this.#long(argument.slice(2))
      this.#letters = argument.slice(1)
    }
    return this.#letter()
  }

  /** The next argument that looks like an option; those before it are words. */
  #nextArgument(): string | null {
    while (this.#next < this.#args.length) {
      const argument = this.#args[this.#next++]!
      if (this.#onlyWords || !argument.startsWith('-') || argument === '-') {
        this.words.push(argument)
      } else if (argument === '--') {
        this.#onlyWords = true
      } else {
        return argument
      }
    }
    return null
  }

  #long(text: string): Given | ScanFault {
    const equals = text.indexOf('=')
    const option = OPTION_BY_NAME.get(equals < 0 ? text : text.slice(0, equals))
    if (option === undefined) return 'unknown option'
    const attached = equals < 0 ? null : text.slice(equals + 1)
    if (option.value !== 'none') return this.#valueOf(option, attached)
    return attached === null ? { option, value: null } : 'option does not take an argument'
  }

  #letter(): Given | ScanFault {
    const option = OPTION_BY_LETTER.get(this.#letters[0]!)
    if (option === undefined) return 'unknown option'
    const rest = this.#letters.slice(1)
    this.#letters = rest
    if (option.value === 'none') {
      return rest.startsWith('=') ? 'option does not take an argument' : { option, value: null }
    }
    this.#letters = ''
    const attached = rest === '' ? null : rest.startsWith('=') ? rest.slice(1) : rest
    return this.#valueOf(option, attached)
  }

  #valueOf(option: Option, attached: string | null): Given | ScanFault {
    if (attached !== null) return { option, value: attached }
    const following = this.#args[this.#next]
    if (option.value === 'optional' && (following === undefined || following.startsWith('-'))) {
      return { option, value: null }
    }
    if (following === undefined) return 'missing argument'
    this.#next++
    return { option, value: following }
  }
}
