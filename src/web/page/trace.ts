/**
 * Which lines a frame took. The build of the page (scripts/page.mjs) writes calls of `enter`, `at`
 * and `leave` into the director's functions; elsewhere nobody calls them, and a record is empty.
 */

/** One call of a function: what it did, and whom it called meanwhile. */
export interface Call {
  /** Index into the functions of `virtual:sources`. */
  readonly id: number
  /** Lines whose statement was begun, from 1, in the order of events. */
  readonly lines: number[]
  readonly calls: Call[]
}

/** A frame may make a director look at every record of a table. */
const CALLS_MAX = 4000
const LINES_MAX = 4000

/** The function whose first call is recorded; -2: none is. */
let entrance = -2
let entered: Call | null = null
/** The calls that have not returned, outermost first. */
const stack: Call[] = []
let calls = 0

export function enter(id: number): void {
  if (stack.length === 0) {
    if (id !== entrance || entered !== null) return
    entered = { id, lines: [], calls: [] }
    stack.push(entered)
    return
  }
  const call = { id, lines: [], calls: [] }
  if (calls++ < CALLS_MAX) stack[stack.length - 1].calls.push(call)
  stack.push(call)
}

export function at(line: number): void {
  if (stack.length === 0) return
  const { lines } = stack[stack.length - 1]
  if (lines.length < LINES_MAX) lines.push(line)
}

export function leave(): void {
  if (stack.length > 0) stack.pop()
}

/** Runs something and tells what the first call of the function `from` did; null: not called. */
export function traced<T>(
  from: number,
  run: () => T,
): { readonly result: T; readonly call: Call | null } {
  entrance = from
  entered = null
  calls = 0
  try {
    const result = run()
    return { result, call: entered }
  } finally {
    entrance = -2
    stack.length = 0
  }
}
