/** `ipvsadm-save` and `ipvsadm-restore`: shell scripts there, a few lines over `run` here. */
import { isByLine, run, type Surroundings } from './run.js'

const SAVE_SUFFIX = '-save'
const RESTORE_SUFFIX = '-restore'

/** @param argv with the program's name as the first, `…-save`. */
export async function runSave(argv: readonly string[], around: Surroundings): Promise<number> {
  const options = argv.slice(1).filter((argument) => argument.startsWith('-'))
  if (options.some((option) => option !== '-n')) {
    const name = argv[0]!.slice(argv[0]!.lastIndexOf('/') + 1)
    around.io.err(
      `${name}: Script to save the IPVS table to stdout.\n` +
        '   With the -n option, prints out the table in numeric format.\n',
    )
    return 1
  }
  const numeric = options.length > 0 ? ['-n'] : []
  return run([plainName(argv[0]!, SAVE_SUFFIX), '-S', ...numeric], around)
}

/**
 * `ipvsadm-restore` clears the table first, whatever the input is worth; only `-R` decides the
 * status. `uipvsadm-restore` replaces the table, or leaves it as it is.
 * @param argv with the program's name as the first, `…-restore`.
 */
export async function runRestore(argv: readonly string[], around: Surroundings): Promise<number> {
  const program = plainName(argv[0]!, RESTORE_SUFFIX)
  if (!isByLine(program)) return run([program, '-R'], { ...around, isReplacing: true })
  await run([program, '-C'], around)
  return run([program, '-R'], { ...around, input: withoutComments(around.input) })
}

/** What the scripts call: found through PATH, so without a directory. */
function plainName(program: string, suffix: string): string {
  const name = program.slice(program.lastIndexOf('/') + 1)
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : name
}

/** Takes out the lines that begin with `#`; one that stands further in is none of ours. */
export async function* withoutComments(input: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = ''
  for await (const piece of input) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop()!
    const kept = lines.filter((line) => !line.startsWith('#'))
    if (kept.length > 0) yield `${kept.join('\n')}\n`
  }
  if (!rest.startsWith('#')) yield rest
}
