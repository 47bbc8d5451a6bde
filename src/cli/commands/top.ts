/** `uipvs top`: what the running director does, live. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ControlClient } from '../../control/client.js'
import { withDirector } from '../running-director.js'
import { InteractiveTop } from '../top/interactive.js'
import { plainText, SORTS, type SortBy } from '../top/lines.js'
import { type Look, look, report } from '../top/report.js'
import { Terminal } from '../top/terminal.js'

interface Flags {
  readonly interval: number
  readonly once?: true
  readonly json?: true
  readonly sort: SortBy
  readonly control?: string
}

const SECONDS_MIN = 0.1
const SECONDS_MAX = 3600

const EXAMPLES = `
Examples:
  uipvs top                            live, until q
  uipvs top --interval 5 --sort bytes
  uipvs top --once                     one table; rates are Linux's averages of the last seconds
  uipvs top --interval 10 >> top.log   one table each interval
  uipvs top --json | jq .services      one line of JSON each interval

Keys: q quit, p pause, arrows, page keys, home, end scroll, r reverses, and sorted by
      n name, a active connections, c connections/s, k packets/s, b bytes/s, w weight.
Rates are those between two looks at the director; "not forwarded/s" are the verdicts.`

function seconds(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= SECONDS_MIN && value <= SECONDS_MAX)) {
    throw new InvalidArgumentError(`give seconds, ${SECONDS_MIN} to ${SECONDS_MAX}.`)
  }
  return value
}

export function register(program: Command): void {
  program
    .command('top')
    .description('services, realservers, rates and drops of the running director, live')
    .option('--interval <seconds>', 'how often to look', seconds, 2)
    .option('--once', 'print one table and end')
    .option('--json', 'print JSON, one line for each look')
    .addOption(
      new Option('--sort <by>', 'what to sort by')
        .choices(SORTS.map(({ by }) => by))
        .default('name'),
    )
    .option('--control <path>', "the director's control socket")
    .addHelpText('after', EXAMPLES)
    .action((flags: Flags) => withDirector(flags.control, (client) => top(client, flags)))
}

async function top(client: ControlClient, flags: Flags): Promise<void> {
  const first = await look(client)
  const isDumb = (process.env.TERM ?? 'dumb') === 'dumb'
  const isPlain = flags.once === true || flags.json === true || !process.stdout.isTTY || isDumb
  if (isPlain) return await print(client, flags, first)
  const terminal = new Terminal(process.stdin, process.stdout, process.env)
  await new InteractiveTop(client, terminal, flags, first).run()
}

/** A table, or a line of JSON, each interval. */
async function print(client: ControlClient, flags: Flags, first: Look): Promise<void> {
  const sorting = { by: flags.sort, isReversed: false }
  let last: Look | null = null
  for (let now = first; ; now = await look(client)) {
    const found = report(last, now)
    const time = new Date().toISOString()
    const text =
      flags.json === true
        ? `${JSON.stringify({ time, ...found })}\n`
        : `${last === null ? '' : '\n'}${time}\n${plainText(found, sorting)}`
    if (!process.stdout.write(text)) await drained()
    if (flags.once === true) return
    last = now
    await sleep(flags.interval * 1000)
  }
}

function drained(): Promise<void> {
  return new Promise((resolve) => process.stdout.once('drain', resolve))
}
