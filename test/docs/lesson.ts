/**
 * A lesson of docs/lessons as a program: the commands in its ```console blocks, and what each is to
 * print.
 *
 *     $ uipvs lab --keep                  in the project's folder, on the student's machine
 *     ...                                 any number of lines, or within a line any text
 *     client# curl http://192.168.1.110/  in a shell that `uipvs lab --shell client` opened
 *     rs3
 *     rs1# tcpdump -c 1 tcp &             goes on; the next command waits for what stands below
 *
 * A command that ends in `\` goes on in the next line.
 */

export interface Command {
  /** Line in the file, from 1. */
  readonly line: number
  /** `$`, or a host of the lab. */
  readonly at: string
  readonly text: string
  readonly expected: readonly string[]
  /** Lines of the file that hold what is expected: from, and how many. */
  readonly from: number
}

const PROMPT = /^(?:(\$)|(client|router|director|rs[123])#) (.+)$/

export function commandsOf(markdown: string): Command[] {
  const lines = markdown.split('\n')
  const commands: Command[] = []
  let isInside = false
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ''
    if (!isInside) {
      isInside = line === '```console'
      continue
    }
    if (line === '```') {
      isInside = false
      continue
    }
    const [, dollar, host, begin = ''] = PROMPT.exec(line) ?? []
    const at = dollar ?? host
    if (at === undefined) throw new Error(`line ${i + 1}: output without a command: ${line}`)
    const first = i
    let text = begin
    while (text.endsWith('\\') && i + 1 < lines.length) text += `\n${lines[++i]}`
    const from = i + 1
    const isOutput = (next: string | undefined) =>
      next !== undefined && next !== '```' && !PROMPT.test(next)
    while (isOutput(lines[i + 1])) i++
    commands.push({ line: first + 1, at, text, expected: lines.slice(from, i + 1), from })
  }
  if (isInside) throw new Error('a block without an end')
  return commands
}

function withoutEnds(text: string): string {
  return text.replace(/[ \t]+$/gm, '').replace(/^\n+|\n+$/g, '')
}

/** Whether a line is as expected, `...` in it being any text. */
function isLine(expected: string, line: string): boolean {
  const parts = expected.split('...').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(line)
}

/** Whether a command printed what the lesson shows. Space at the ends of lines does not count. */
export function isAsExpected(expected: readonly string[], printed: string): boolean {
  const wanted = expected.map((line) => line.trimEnd())
  const text = withoutEnds(printed)
  const lines = text === '' ? [] : text.split('\n')
  let want = 0
  let any = -1 // the last `...` that was met,
  let resume = 0 // and the line from which it is tried to end next
  for (let at = 0; at < lines.length; ) {
    if (wanted[want] === '...') {
      any = want++
      resume = at
    } else if (want < wanted.length && isLine(wanted[want] ?? '', lines[at] ?? '')) {
      want++
      at++
    } else if (any >= 0) {
      want = any + 1
      at = ++resume
    } else return false
  }
  return wanted.slice(want).every((line) => line === '...')
}

/** The same lesson with what was printed in the place of what was expected. */
export function withOutput(markdown: string, outputs: ReadonlyMap<Command, string>): string {
  const lines = markdown.split('\n')
  // From the end, so that the places of those before stay right.
  for (const [{ from, expected }, printed] of [...outputs].reverse()) {
    const text = withoutEnds(printed)
    lines.splice(from, expected.length, ...(text === '' ? [] : text.split('\n')))
  }
  return lines.join('\n')
}
