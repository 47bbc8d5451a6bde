/**
 * The program `uipvs`: which commands there are, and how one of them is found, run and judged.
 *
 * A command lives in `commands/NAME.ts` and is loaded only when it is called, so that `--help`,
 * `--version` and completion do not wait for the engine. Until then it stands in the list with its
 * name and its sentence from the table below, which is the only owner of both.
 */
import { Command, CommanderError } from 'commander'
import { CliFailure, EXIT_USAGE, reportFailure } from './failure.js'
import { version } from './version.js'

/** What each file in `commands/` exports. */
interface CommandModule {
  /** Adds the command, with its options, help and action, to the program. */
  register(program: Command): void
}

interface CommandEntry {
  readonly name: string
  readonly summary: string
}

export const COMMANDS: readonly CommandEntry[] = [
  { name: 'run', summary: 'run the director in the foreground' },
  { name: 'explain', summary: 'show what the director does with one frame, and why' },
  { name: 'replay', summary: 'send a capture file through the director, offline' },
  { name: 'trace', summary: 'frames and their verdicts from the running director, live' },
  { name: 'top', summary: 'what the running director does, live: services, rates, drops' },
  { name: 'mark', summary: 'mark packets, for services by firewall mark' },
  { name: 'sysctl', summary: "show or set the director's settings, under Linux's names" },
  { name: 'conform', summary: 'compare the director with recordings of Linux IPVS' },
  { name: 'realserver', summary: 'prepare this machine to serve a VIP, undo it, or check it' },
  { name: 'doctor', summary: 'find what breaks a Direct-Routing set-up, and say how to mend it' },
  { name: 'lab', summary: 'a whole Direct-Routing network on this machine, to watch it work' },
  { name: 'bench', summary: 'measure what a director forwards, loses and costs' },
  { name: 'completion', summary: 'print the completion script for a shell' },
]

const EXAMPLES = `
Examples:
  uipvs lab                              see it work, in network namespaces of its own
  uipvs run -i eth0 --rules rules.ipvs   be the director on eth0
  uipvs explain --help                   how to ask what happens to a frame
  uipvsadm -Ln --stats                   what the running director balances

Rules are made with uipvsadm, which takes what ipvsadm takes.
UIPVS_DEBUG=1 adds a stack trace to an error.`

async function load(name: string): Promise<CommandModule> {
  // The table above decides what can stand here; tidy.test.ts checks that each name has its file.
  return (await import(`./commands/${name}.js`)) as CommandModule
}

/** The program with the commands that `isWanted` names loaded, and the others listed only. */
export async function createProgram(isWanted: (name: string) => boolean): Promise<Command> {
  const program = new Command('uipvs')
    .description('A userspace IPVS: a Direct-Routing load balancer.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .showSuggestionAfterError(true)
    // Options behind a command are the command's: `bench` needs it, which has some of its own.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: () => {} }) // run() prints errors, in our own form
    .addHelpText('after', EXAMPLES)
  for (const { name, summary } of COMMANDS) {
    if (isWanted(name)) (await load(name)).register(program)
    else program.command(name)
    program.commands.find((command) => command.name() === name)?.summary(summary)
  }
  return program
}

/** The command that a command line is about, or undefined. The program itself takes no values. */
function wantedCommand(argv: readonly string[]): string | undefined {
  const words = argv.filter((word) => !word.startsWith('-'))
  const name = words[0] === 'help' ? words[1] : words[0]
  return COMMANDS.some((entry) => entry.name === name) ? name : undefined
}

/** Commander's objections in our form: `error: unknown option '-x'` and so on. */
function usageFailure(error: CommanderError, command: string | undefined): CliFailure {
  const help = command === undefined ? 'uipvs --help' : `uipvs ${command} --help`
  const [what = '', ...more] = error.message.replace(/^error: (command-argument )?/, '').split('\n')
  const suggestion = /^\(Did you mean (.*)\?\)$/.exec(more.join(' '))?.[1]
  const hint = suggestion === undefined ? '' : `did you mean '${suggestion}'? `
  return new CliFailure(what.replace(/\.$/, ''), EXIT_USAGE, `${hint}see '${help}'`)
}

/** Runs one command line (without the program's own name) and returns its exit status. */
export async function run(argv: readonly string[]): Promise<number> {
  const wanted = wantedCommand(argv)
  try {
    const program = await createProgram((name) => name === wanted)
    await program.parseAsync(argv, { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure('uipvs', error)
    if (error.exitCode === 0) return 0 // it printed what it was asked for: help or the version
    if (error.code === 'commander.help') return EXIT_USAGE // help instead of a missing command
    return reportFailure('uipvs', usageFailure(error, wanted))
  }
}
