/**
 * Every sentence that ipvsadm says when it refuses, and the status it ends with. The texts are the
 * program's interface (scripts compare them), so they stand here once and nowhere else.
 */
import type { Rule, RuleError, RuleErrorCode } from '../../balance/rule.js'

/** Exit statuses: a shell shows ipvsadm's -1 as 255. */
export const DONE = 0
export const NOT_LISTED = 1
export const BAD_USAGE = 2
export const REFUSED = 255

/** Why a command line is not run. `text` is what goes to stderr, newline included. */
export interface CommandError {
  readonly kind: 'error'
  readonly text: string
  readonly status: number
  /** In a file that is restored: whether this line's mistake ends the run. */
  readonly endsRun: boolean
}

/** Thrown while a command line is read; `parse` turns it into its value. */
export class CommandFault extends Error {
  override readonly name = 'CommandFault'
  readonly value: CommandError

  constructor(text: string, status: number, endsRun: boolean) {
    super(text)
    this.value = { kind: 'error', text: `${text}\n`, status, endsRun }
  }
}

/** A bad value or combination. */
export function badUsage(text: string): CommandFault {
  return new CommandFault(text, BAD_USAGE, true)
}

/** @param program argv[0], as the program was called. */
export function tryHelp(program: string): CommandFault {
  const text = `Try \`${program} -h' or '${program} --help' for more information.`
  return new CommandFault(text, REFUSED, true)
}

/** What popt objects to. The only mistakes after which a restored file goes on. */
export function badOption(argument: string, fault: string): CommandFault {
  return new CommandFault(`${argument}: ${fault}`, REFUSED, false)
}

export const NO_SUCH_SERVICE = 'No such service\n'

export const NOT_PERMITTED =
  "Can't initialize ipvs: Permission denied (you must be root)\n" +
  'Are you sure that IP Virtual Server is built in the kernel or as module?\n'

/** The C library's texts, for what ipvsadm has none of its own. */
const ERRNO_TEXT: Readonly<Record<RuleErrorCode, string>> = {
  EEXIST: 'File exists',
  ESRCH: 'No such process',
  ENOENT: 'No such file or directory',
  EINVAL: 'Invalid argument',
  ERANGE: 'Numerical result out of range',
  EAFNOSUPPORT: 'Operation not supported with specified address family',
  ENOSPC: 'No space left on device',
  ENODEV: 'No such device',
  EALREADY: 'Operation already in progress',
  EROFS: 'Read-only file system',
  EIO: 'Input/output error',
}

const NO_SERVICE = 'No such service'
const NO_SCHEDULER = 'Scheduler or persistence engine not found'
const NOT_DEFINED = 'Service not defined'
const NO_DESTINATION = 'No such destination'
const DAEMON_RUNS = 'Daemon has already run'

/** What a refusal is called depends on what was tried: ESRCH of `-a` is not ESRCH of `-D`. */
const REFUSALS: {
  readonly [op in Rule['op']]?: { readonly [code in RuleErrorCode]?: string }
} = {
  'add-service': { EEXIST: 'Service already exists', ENOENT: NO_SCHEDULER },
  'edit-service': { ESRCH: NO_SERVICE, ENOENT: NO_SCHEDULER },
  'delete-service': { ESRCH: NO_SERVICE },
  zero: { ESRCH: NO_SERVICE },
  'add-destination': {
    ESRCH: NOT_DEFINED,
    EEXIST: 'Destination already exists',
    EINVAL: 'Invalid operation.  Possibly wrong module version, address not unicast, ...',
  },
  'edit-destination': { ESRCH: NOT_DEFINED, ENOENT: NO_DESTINATION },
  'delete-destination': { ESRCH: NOT_DEFINED, ENOENT: NO_DESTINATION },
  'start-daemon': { EEXIST: DAEMON_RUNS, EALREADY: DAEMON_RUNS },
  'stop-daemon': { ESRCH: 'No daemon is running', ENOENT: 'No daemon is running' },
}

/**
 * What to say of a rule that the director refused. EINVAL beyond the table is something that Linux
 * has no case for, so the director's own sentence is the only one that helps.
 */
export function refusal(rule: Rule, error: RuleError): string {
  // Nor has Linux a file that could be full: only the director's sentence names it.
  if (error.subject === 'state') return `${error.message}\n`
  const own = error.code === 'EINVAL' && error.message !== '' ? error.message : undefined
  return `${REFUSALS[rule.op]?.[error.code] ?? own ?? ERRNO_TEXT[error.code]}\n`
}
