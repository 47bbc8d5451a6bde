/**
 * How a command says that it could not do its work: `uipvs: what is wrong (where); what to do` on
 * stderr, and an exit status. A stack trace helps nobody who is not debugging uipvs itself, so it
 * is printed only when UIPVS_DEBUG=1 is set.
 */

/** The work could not be done: the machine, the director or a file did not let us. */
export const EXIT_FAILED = 1
/** The command was not called as it wants to be. */
export const EXIT_USAGE = 2

/** An operator's problem, put in words by whoever found it. */
export class CliFailure extends Error {
  override readonly name = 'CliFailure'
  readonly exitCode: number
  /** What to do about it, as the second half of a sentence; none if the problem says it. */
  readonly hint: string | undefined

  constructor(message: string, exitCode: number = EXIT_FAILED, hint?: string) {
    super(message)
    this.exitCode = exitCode
    this.hint = hint
  }
}

/**
 * Whether an error tells the operator all there is to say. Error classes of our own do, and so do
 * system calls that the machine refused: they have a code such as EACCES and name what they were
 * about. A bare Error, a TypeError, or one of Node's ERR_... codes is a mistake of ours.
 */
function isExplained(error: Error): boolean {
  if ('code' in error && typeof error.code === 'string') return !error.code.startsWith('ERR_')
  return !(error.name in globalThis)
}

/** One line, without a newline, for an error that ended the program `name`. */
export function failureLine(name: string, error: unknown): string {
  if (!(error instanceof Error)) return `${name}: ${String(error)}`
  const message = error.message.trim().replace(/\s*\n\s*/g, ' ')
  const hint = error instanceof CliFailure ? error.hint : undefined
  if (hint !== undefined) return `${name}: ${message}; ${hint}`
  if (isExplained(error)) return `${name}: ${message}`
  return `${name}: ${error.name}: ${message}; this is a bug, UIPVS_DEBUG=1 shows where it happened`
}

/** Prints a failure and returns the exit status that goes with it. */
export function reportFailure(name: string, error: unknown): number {
  process.stderr.write(`${failureLine(name, error)}\n`)
  if (process.env.UIPVS_DEBUG === '1' && error instanceof Error) {
    process.stderr.write(`${error.stack ?? ''}\n`)
  }
  return error instanceof CliFailure ? error.exitCode : EXIT_FAILED
}

/**
 * Lets `uipvs replay … | head` end without a word when the reader has seen enough. A command that
 * has taken charge of its own end (it listens for SIGTERM: a director, a lab) goes on without its
 * output instead, since a lost reader is no reason to stop forwarding or to leave a lab behind.
 */
export function endQuietlyWithoutReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      if (process.listenerCount('SIGTERM') === 0) process.exit(0)
    })
  }
}
