/**
 * A terminal that a program has for itself for a while: the alternate screen, keys as they are
 * pressed, whole frames in one write. Whatever ends the program, the terminal is as it was before
 * (but for SIGKILL, which nobody hears: `reset` helps).
 *
 *   enter() --> draw(), draw(), ... --> leave()          escape sequences: ECMA-48, xterm's ctlseqs
 */
import type { ReadStream, WriteStream } from 'node:tty'
import type { Style, StyledLine } from './lines.js'

const ESC = '\x1b'
const ESCAPE = `${ESC}[`
const ENTER = `${ESCAPE}?1049h${ESCAPE}?25l`
const LEAVE = `${ESCAPE}0m${ESCAPE}?25h${ESCAPE}?1049l`
/** Terminals that know these show a frame when it is complete; others ignore them. */
const BEGIN = `${ESCAPE}?2026h`
const END = `${ESCAPE}?2026l`

const STYLES: Readonly<Record<Style, string>> = {
  plain: '',
  bold: `${ESCAPE}1m`,
  title: `${ESCAPE}7m`,
  dim: `${ESCAPE}2m`,
  alarm: `${ESCAPE}31m`,
}
const RESET = `${ESCAPE}0m`

/** One key each: an escape sequence, or a character. */
const KEY = new RegExp(`${ESC}(?:\\[[0-9;]*[A-Za-z~]|O[A-Za-z])|[\\s\\S]`, 'g')
const KEY_NAMES: Readonly<Record<string, string>> = {
  '\x1b[A': 'up',
  '\x1bOA': 'up',
  '\x1b[B': 'down',
  '\x1bOB': 'down',
  '\x1b[5~': 'page up',
  '\x1b[6~': 'page down',
  '\x1b[H': 'home',
  '\x1bOH': 'home',
  '\x1b[1~': 'home',
  '\x1b[F': 'end',
  '\x1bOF': 'end',
  '\x1b[4~': 'end',
  '\x03': 'interrupt',
  '\x1a': 'stop',
  ' ': 'space',
}

/** The keys in what a terminal sent; sequences that mean nothing to us are left out. */
export function keysOf(text: string): string[] {
  return (text.match(KEY) ?? []).flatMap((key) => {
    const name = KEY_NAMES[key] ?? key
    return name.startsWith('\x1b') ? [] : [name]
  })
}

/** What must be written so that a screen with `before` shows `after`; '' if nothing. */
export function changes(
  before: readonly StyledLine[],
  after: readonly StyledLine[],
  columns: number,
  hasColour: boolean,
): string {
  let text = ''
  for (const [row, line] of after.entries()) {
    const old = before[row]
    if (old?.text === line.text && old.style === line.style) continue
    const style = line.style === 'alarm' && !hasColour ? STYLES.bold : STYLES[line.style]
    // Padded to the edge, so that no line need be cleared first.
    text += `${ESCAPE}${row + 1};1H${RESET}${style}${line.text.padEnd(columns)}`
  }
  return text === '' ? '' : `${BEGIN}${text}${RESET}${END}`
}

export class Terminal {
  readonly #input: ReadStream
  readonly #output: WriteStream
  readonly #hasColour: boolean
  #shown: readonly StyledLine[] = []
  #isEntered = false

  constructor(input: ReadStream, output: WriteStream, environment: NodeJS.ProcessEnv) {
    this.#input = input
    this.#output = output
    this.#hasColour = !environment.NO_COLOR && environment.TERM !== 'dumb'
  }

  get rows(): number {
    return this.#output.rows || 24
  }

  get columns(): number {
    return this.#output.columns || 80
  }

  enter(): void {
    if (this.#isEntered) return
    this.#isEntered = true
    this.#shown = []
    if (this.#input.isTTY) this.#input.setRawMode(true)
    this.#output.write(ENTER)
  }

  /** May be called at any time, and more than once. */
  leave(): void {
    if (!this.#isEntered) return
    this.#isEntered = false
    if (this.#input.isTTY) this.#input.setRawMode(false)
    this.#output.write(LEAVE)
  }

  /** The screen has another size, or holds what we did not write. */
  forget(): void {
    this.#shown = []
  }

  /** Shows these lines: what differs, in one write. */
  draw(lines: readonly StyledLine[]): void {
    if (!this.#isEntered) return
    const text = changes(this.#shown, lines, this.columns, this.#hasColour)
    this.#shown = lines
    if (text !== '') this.#output.write(text)
  }
}
