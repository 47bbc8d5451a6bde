/** `uipvs trace`: frames and their verdicts from the running director, live. */
import { type Command, InvalidArgumentError } from 'commander'
import type { ControlClient } from '../../control/client.js'
import { TRACE_RATE_DEFAULT, TRACE_RATE_MAX, type TraceLine } from '../../control/trace.js'
import { parseFilter } from '../../engine/trace-filter.js'
import { KEPT_BYTES_MAX } from '../../engine/trace-ring.js'
import { FilterError } from '../../engine/trace-value.js'
import { TEXT_BYTES } from '../../offline/traced.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from '../failure.js'
import { withDirector } from '../running-director.js'
import { TraceOutput } from '../trace-output.js'

const HELP = `
Filter (as one word or several; quote parentheses and !):
  host, net, port, portrange      with src or dst before them: dst port 80
  ip, ip6, arp, tcp, udp, sctp, icmp, icmp6, proto N, less N, greater N
  vip ADDRESS[:PORT]              addressed to this virtual IP
  realserver ADDRESS[:PORT]       sent to this realserver, or meant for it
  verdict NAME                    a verdict (docs/verdicts.md), or forward, answer, pass, hold, drop
  and, or, not, ( )               'and' and 'or' bind equally strong, from left to right

Examples:
  uipvs trace                                    everything, as far as the rate allows
  uipvs trace host 192.168.1.254 and tcp port 80
  uipvs trace 'verdict drop or verdict answer'   what was not forwarded, and why
  uipvs trace -c 10 realserver 192.168.1.2
  uipvs trace -w - | tshark -r -                 both sides of each frame, verdicts as comments
  uipvs trace -w trace.pcapng vip 192.168.1.110
  uipvs trace --json | jq 'select(.verdict == "no-service")'

No more than --rate frames a second are shown. Where there are more, one of every so many is shown,
and its line says so: '1 of 37'. Frames of the director's own (ARP, resets) are not shown.
Exit status: 0 ended by -c, Ctrl-C or the reader; 1 the director has ended; 2 wrong command line.`

interface Flags {
  readonly count?: number
  readonly write?: string
  readonly json?: true
  readonly rate: number
  readonly control?: string
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('give 1 or more.')
  return value
}

function frames(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value > 0 && value <= TRACE_RATE_MAX)) {
    throw new InvalidArgumentError(`give frames a second, up to ${TRACE_RATE_MAX}.`)
  }
  return value
}

export function register(program: Command): void {
  program
    .command('trace')
    .description('Shows frames as the running director decides them, and where it sends them.')
    .argument('[filter...]', 'which frames (see below); none: all')
    .option('-c, --count <number>', 'end after so many frames', wholeNumber)
    .option('-w, --write <file>', 'write pcapng instead of text; - writes to stdout')
    .option('-n', 'as for tcpdump; addresses and ports are always numbers here')
    .option('--json', 'print JSON, one object a line')
    .option('--rate <frames>', 'frames a second at most, on average', frames, TRACE_RATE_DEFAULT)
    .option('--control <path>', "the director's control socket")
    .addHelpText('after', HELP)
    .action((words: string[], flags: Flags) => {
      const filter = words.join(' ')
      checkFilter(filter)
      checkUse(flags)
      return withDirector(flags.control, (client) => trace(client, filter, flags))
    })
}

/** Says where in the filter it went wrong. */
function checkFilter(filter: string): void {
  try {
    parseFilter(filter)
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    const { message, column } = error
    process.stderr.write(`  ${filter}\n  ${' '.repeat(column)}^\n`)
    const where = `column ${column + 1} of the filter`
    throw new CliFailure(`${message} (${where})`, EXIT_USAGE, 'see uipvs trace --help')
  }
}

function checkUse(flags: Flags): void {
  if (flags.write === undefined) return
  if (flags.json === true) {
    throw new CliFailure('--json and -w were both given', EXIT_USAGE, 'leave one of them out')
  }
  if (flags.write === '-' && process.stdout.isTTY === true) {
    const hint = 'pipe it, or write it to a file'
    throw new CliFailure('a capture is not for a terminal', EXIT_USAGE, hint)
  }
}

async function trace(client: ControlClient, filter: string, flags: Flags): Promise<void> {
  const out = new TraceOutput(flags)
  const bytes = flags.write !== undefined || flags.json === true ? KEPT_BYTES_MAX : TEXT_BYTES
  const lines = await client.trace({ filter, rate: flags.rate, bytes })
  const stopped = new Promise<'stopped'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => resolve('stopped'))
    }
    out.onClosed(() => resolve('stopped'))
  })
  process.stderr.write(`tracing, at most ${flags.rate} frames a second; Ctrl-C ends\n`)
  const end = await Promise.race([stopped, show(lines, out, flags.count ?? Infinity)])
  await out.finish()
  client.close()
  if (end !== 'over') return
  throw new CliFailure('the director has ended', EXIT_FAILED, `nobody answers at ${client.path}`)
}

/** Shows lines until there are enough of them; `over`: no more come. */
async function show(
  lines: AsyncGenerator<TraceLine[]>,
  out: TraceOutput,
  most: number,
): Promise<'enough' | 'over'> {
  try {
    for await (const batch of lines) {
      for (const line of batch) {
        // The counts behind the last frame still belong to it.
        if (line.type === 'counts') out.counts(line)
        else if (out.shown < most) await out.frame(line)
      }
      out.flush()
      if (out.shown >= most) return 'enough'
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
  }
  return 'over'
}
