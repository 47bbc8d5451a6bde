/**
 * The lines of source that the frame took. Each call of a function is a block, indented below its
 * caller: lines that ran are lit, and the last of the journey is marked.
 */

import sources from 'virtual:sources'
import { useMemo, useState } from 'preact/hooks'
import { LitLine } from './lit-line.jsx'
import { Scroll } from './scroll.jsx'
import type { Texts } from './texts/index.js'
import type { Call } from './trace.js'

/** The functions that tell the journey; others are helpers, shown when asked for. */
const JOURNEY = 'src/engine/forward.ts'
export const FORWARD = sources.functions.findIndex(
  ({ file, name }) => sources.files[file].path === JOURNEY && name === 'forward',
)
/** Shorter functions answer one question and say with their names which. */
const HELPER_LINES = 12
const BLOCKS_MAX = 60

interface Block {
  readonly call: Call
  readonly depth: number
}

/** The calls below `call`, in the order in which they began. */
function blocksOf(call: Call, depth: number, isWanted: (id: number) => boolean): Block[] {
  const isShown = isWanted(call.id)
  const below = call.calls.flatMap((each) => blocksOf(each, depth + (isShown ? 1 : 0), isWanted))
  return isShown ? [{ call, depth }, ...below] : below
}

function isTelling(id: number): boolean {
  const { file, first, last } = sources.functions[id]
  const { path } = sources.files[file]
  if (path === JOURNEY) return true
  return path.startsWith('src/engine/') || path.includes('/schedulers/')
    ? last - first + 1 >= HELPER_LINES
    : false
}

export function SourceView({ texts, call }: { texts: Texts; call: Call | null }) {
  const [isAll, setAll] = useState(false)
  const blocks = useMemo(() => {
    if (call === null) return []
    return blocksOf(call, 0, isAll ? () => true : isTelling).slice(0, BLOCKS_MAX)
  }, [call, isAll])
  if (blocks.length === 0) return <p>{texts.sourceNone}</p>
  return (
    <>
      <p class="hint">{texts.sourceLead}</p>
      <label>
        <input
          type="checkbox"
          checked={isAll}
          onChange={(event) => setAll(event.currentTarget.checked)}
        />{' '}
        {texts.showHelpers}
      </label>
      {blocks.map((block, i) => (
        <Code key={i} {...{ texts, block }} />
      ))}
    </>
  )
}

interface CodeProps {
  readonly texts: Texts
  readonly block: Block
}

function Code({ block: { call, depth } }: CodeProps) {
  const { file, name, first, last } = sources.functions[call.id]
  const { path, lines } = sources.files[file]
  const ran = new Set(call.lines)
  const end = endOf(lines, call.lines)
  const indent = /^ */.exec(lines[first - 1])?.[0].length ?? 0
  return (
    <details class="code" open style={{ marginInlineStart: `${Math.min(depth, 6) * 1.2}rem` }}>
      <summary>
        <code>
          <b>{name}</b> {path}:{first}
        </code>
      </summary>
      <Scroll label={`${name} ${path}`}>
        <pre>
          {lines.slice(first - 1, last).map((line, i) => (
            <LitLine
              key={first + i}
              number={first + i}
              text={line.slice(indent)}
              isEnd={first + i === end}
              isLit={i === 0 || isLit(lines, ran, first + i)}
            />
          ))}
        </pre>
      </Scroll>
    </details>
  )
}

/**
 * The line that ended the call; 0 if it ran to its end. A guard on one line (`if (…) return …`) is
 * two statements, so it returned only if it was met twice.
 */
function endOf(text: readonly string[], ran: readonly number[]): number {
  const last = ran[ran.length - 1] ?? 0
  const isGuard = /^\s*if \(.*\) return\b/.test(text[last - 1] ?? '')
  return isGuard && ran[ran.length - 2] !== last ? 0 : last
}

/** A statement that goes over several lines is lit to its end. */
function isLit(lines: readonly string[], ran: ReadonlySet<number>, line: number): boolean {
  if (ran.has(line)) return true
  const indent = indentOf(lines[line - 1])
  for (let above = line - 1; above > 0 && line - above < 14; above--) {
    const text = lines[above - 1]
    if (indentOf(text) > indent) continue
    if (!ran.has(above)) {
      if (indentOf(text) < indent) return false
      continue
    }
    // A block of its own is no continuation: what is in it ran or did not.
    return !/[{]$/.test(text) && (indentOf(text) < indent || /^\s*[)\]}]/.test(lines[line - 1]))
  }
  return false
}

function indentOf(text: string): number {
  return /^ */.exec(text)?.[0].length ?? 0
}
