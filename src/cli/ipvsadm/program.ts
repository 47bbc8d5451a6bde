/** What the three programs share: their name, the control socket, standard input and output. */
import { existsSync, fstatSync, readFileSync } from 'node:fs'
import { ControlClient, ControlError, controlPath } from '../../control/client.js'
import type { Io } from './director-client.js'
import { BAD_USAGE } from './messages.js'
import type { Surroundings } from './run.js'
import { systemNames } from './system-names.js'

type Program = (argv: readonly string[], around: Surroundings) => Promise<number>

/** Runs a program with this process's arguments and sets its exit status. */
export async function start(program: Program): Promise<void> {
  // A reader that has gone (`| head`) ends us, as SIGPIPE ends others.
  process.stdout.on('error', () => process.exit(128 + 13))
  const name = calledAs()
  const { path, args } = takeControl(process.argv.slice(2))
  if (path === '') {
    io.err(`${name}: --control needs the path of a director's control socket\n`)
    process.exitCode = BAD_USAGE
    return
  }
  const director = new ControlClient(path)
  const around = { input: standardInput(), director, names: systemNames(), io }
  try {
    process.exitCode = await program([name, ...args], around)
  } catch (error) {
    if (!(error instanceof ControlError)) throw error
    io.err(`${name}: ${error.message}; is the director of the same version?\n`)
    process.exitCode = BAD_USAGE
  } finally {
    director.close()
  }
}

const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
}

/** Nothing is opened before somebody reads. */
async function* standardInput(): AsyncGenerator<string> {
  // A file is there as a whole: its rules go to the director in few requests.
  if (isFile(0)) {
    yield readFileSync(0, 'utf8')
    return
  }
  process.stdin.setEncoding('utf8')
  yield* process.stdin
}

/** `--control PATH` is ours, not ipvsadm's, and therefore stands before everything else. */
export function takeControl(args: readonly string[]): { path: string; args: readonly string[] } {
  const [first = '', second = ''] = args
  if (first === '--control') return { path: second, args: args.slice(2) }
  if (first.startsWith('--control=')) {
    return { path: first.slice('--control='.length), args: args.slice(1) }
  }
  return { path: controlPath(process.env), args }
}

/**
 * The name for messages, which quote argv[0]. An interpreted program is not told its own, only the
 * path that the kernel opened; so a name that a shell would have found through PATH is taken to
 * have been typed without its directory.
 */
function calledAs(): string {
  const words = readFileSync('/proc/self/cmdline', 'utf8').split('\0')
  const script = words[1 + process.execArgv.length] ?? process.argv[1]!
  const name = script.slice(script.lastIndexOf('/') + 1)
  if (name.endsWith('.js')) return name.slice(0, -'.js'.length)
  const directories = (process.env.PATH ?? '').split(':')
  const found = directories.find((directory) => existsSync(`${directory}/${name}`))
  return found !== undefined && `${found}/${name}` === script ? name : script
}

function isFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile()
  } catch {
    return false // it is closed
  }
}
