/**
 * `uipvs run`: the director in the foreground, until SIGINT or SIGTERM.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { type Command, Option } from 'commander'
import { CONNECTIONS_MAX, DEFAULT_LIMITS } from '../../balance/limits.js'
import type { FollowedKernel } from '../../balance/thresholds.js'
import { controlPath } from '../../control/client.js'
import { ControlServer } from '../../control/server.js'
import { DirectorDaemon } from '../../daemon/director-daemon.js'
import { ENGINES, type EngineName } from '../../daemon/messages.js'
import type { Mode } from '../../engine/director-state.js'
import { Beginning, type BeginningOptions } from '../beginning.js'
import { CliFailure, EXIT_USAGE } from '../failure.js'
import { linuxOption } from '../linux-option.js'
import { type ReportOptions, Reports } from '../reports.js'

const EXAMPLES = `
Examples:
  uipvs run -i eth0                                 then: uipvsadm -A -t VIP:80 -s rr ...
  uipvs run -i eth0 --rules /etc/uipvs.rules        rules as ipvsadm-save writes them
  uipvs run -i eth0 --state /var/lib/uipvs          whatever is changed is there after a restart
  uipvs run -i eth0 -i eth1 --mode kernel           two arms; TTL, MTU and ICMP as Linux has them
  uipvs run -i eth0 --metrics 127.0.0.1:9105 --proc /run/uipvs/proc
                                                    for Prometheus; for node_exporter
  uipvs run -i eth0 --web 127.0.0.1:8080            the page: prints the address to open
  uipvs run -i eth0 --engine af_packet              not the fastest way that there is
  uipvs run -i eth0 --workers 4                     four processors share the frames
  uipvs run --engine none --control /tmp/u.sock     rules only, no frames, no privileges

The director answers ARP for its VIPs, finds the MAC addresses of the realservers, and keeps this
machine's own kernel from answering what it forwards (an nftables table, removed at the end).`

/** A tenth of a second: nothing else of the director would have its turn. */
const BUSY_POLL_MAX = 100_000
/** Each has tables for all services and rings of its own. */
const WORKERS_MAX = 64

interface RunOptions extends ReportOptions, BeginningOptions {
  busyPoll?: number
  interface?: string[]
  engine: 'auto' | EngineName | 'none'
  mode: Mode
  linux: FollowedKernel
  arp: boolean
  guard: boolean
  quiet: boolean
  control?: string
  controlGroup?: string
  maxConnections?: number
  workers: number
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > CONNECTIONS_MAX) {
    throw new CliFailure(
      `'${text}' is no number of connections`,
      EXIT_USAGE,
      `1 to ${CONNECTIONS_MAX}`,
    )
  }
  return value
}

function microseconds(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > BUSY_POLL_MAX) {
    const hint = `1 to ${BUSY_POLL_MAX}; 20 is usual`
    throw new CliFailure(`'${text}' is no number of µs (--busy-poll)`, EXIT_USAGE, hint)
  }
  return value
}

function workers(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > WORKERS_MAX) {
    const hint = `1 to ${WORKERS_MAX}; as many as there are processors to spare`
    throw new CliFailure(`'${text}' is no number of workers (--workers)`, EXIT_USAGE, hint)
  }
  return value
}

export function register(program: Command): void {
  program
    .command('run')
    .description(
      'The director, in the foreground: takes the frames for the VIPs on the interfaces, chooses a realserver, and sends them on.',
    )
    .option(
      '-i, --interface <name>',
      'interface of the segment; repeat it for several arms',
      (name, all: string[] = []) => [...all, name],
    )
    .addOption(
      new Option('--engine <name>', 'how frames are taken')
        .choices(['auto', ...ENGINES, 'none'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--busy-poll <µs>',
        'af_xdp: poll the network card for so long, instead of waiting for its interrupts; needs a processor of its own',
      ).argParser(microseconds),
    )
    .addOption(
      new Option(
        '--workers <n>',
        'threads that share the frames (af_xdp, af_packet); see docs/workers.md',
      )
        .argParser(workers)
        .default(1),
    )
    .option('--rules <file>', 'rules to begin with, in the format of ipvsadm-save; - reads stdin')
    .option('--state <dir>', 'keep the rules there over restarts; --rules is then for the first')
    .addOption(
      new Option(
        '--mode <mode>',
        'textbook: only the Ethernet header changes; kernel: TTL, MTU and ICMP as Linux',
      )
        .choices(['textbook', 'kernel'])
        .default('textbook'),
    )
    .addOption(linuxOption())
    .option('--no-arp', 'something else answers ARP and neighbour discovery for the VIPs')
    .option('--no-guard', 'do not keep the own kernel from answering for served ports')
    .option('--quiet', 'send no RST, ICMP error or echo reply to clients', false)
    .option(
      '--max-connections <n>',
      `size of the IPv4 connection table, 68 bytes each (default: ${DEFAULT_LIMITS.connections4})`,
      whole,
    )
    .option(
      '--control <path>',
      'control socket (default: UIPVS_CONTROL, or /run/uipvs/control.sock)',
    )
    .option('--control-group <name>', 'let this group use the control socket too (mode 0660)')
    .option('--proc <dir>', 'keep what Linux has in /proc/net/ip_vs* in DIR/net, for node_exporter')
    .option('--metrics <address:port>', 'offer metrics to Prometheus, over HTTP at /metrics')
    .option('--metrics-public', 'let --metrics listen where others can reach it')
    .option(
      '--web <address:port>',
      'offer the page, live: tables, rates, weights (a token opens it)',
    )
    .option('--web-public', 'let --web listen where others can reach it')
    .addHelpText('after', EXAMPLES)
    .action((options: RunOptions) => run(options))
}

async function run(options: RunOptions): Promise<void> {
  const interfaces = options.interface ?? []
  if (options.engine !== 'none' && interfaces.length === 0) {
    throw new CliFailure('no interface was named', EXIT_USAGE, 'add -i eth0, or --engine none')
  }
  if (new Set(interfaces).size !== interfaces.length) {
    throw new CliFailure('an interface was named twice', EXIT_USAGE, 'name each arm once')
  }
  const log = (line: string) => process.stderr.write(`uipvs: ${line}\n`)
  const path = options.control ?? controlPath(process.env)
  const limits =
    options.maxConnections === undefined ? {} : { connections4: options.maxConnections }
  const reports = new Reports(options)
  const { engine, mode, linux, arp, guard, quiet, busyPoll: busyPollMicroseconds = 0 } = options
  if (options.workers > 1 && (engine === 'libpcap' || engine === 'none')) {
    throw new CliFailure(
      `${engine} has one worker (--workers ${options.workers})`,
      EXIT_USAGE,
      'several share the frames with af_xdp and af_packet',
    )
  }
  if (busyPollMicroseconds > 0 && engine !== 'auto' && engine !== 'af_xdp') {
    throw new CliFailure('--busy-poll is for af_xdp', EXIT_USAGE, `leave it out with ${engine}`)
  }
  const group = options.controlGroup === undefined ? undefined : groupId(options.controlGroup)
  const beginning = new Beginning(options, log)
  const journal = beginning.journal === undefined ? {} : { journal: beginning.journal }
  const director = new DirectorDaemon({
    interfaces,
    engine,
    busyPollMicroseconds,
    mode,
    linux,
    arp,
    guard,
    quiet,
    limits,
    workers: options.workers,
    log,
    ...journal,
  })
  if (options.workers > availableParallelism()) {
    log(
      `${options.workers} workers on ${availableParallelism()} processors wait for each other; ` +
        'fewer are faster',
    )
  }
  const server = new ControlServer(path, director, group)
  // From now on: whoever stops a director that is still beginning shall find nothing left of it.
  const stopped = new Promise<undefined>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => resolve(undefined))
    }
  })
  // Listening first: two directors on one socket would fight over everything else.
  await server.listen().catch((error: NodeJS.ErrnoException) => {
    beginning.close()
    const what = error.code === undefined ? error.message : `it can't be made, ${error.message}`
    const hint = error.code === 'EACCES' ? 'run it as root, or name' : 'name'
    throw new CliFailure(`control socket: ${what} (${path})`, 1, `${hint} another with --control`)
  })
  try {
    // Both at once: the rules of the file come before any that a client sends meanwhile.
    await Promise.all([director.start(), beginning.carryOut(director)])
    await reports.start(director, log)
  } catch (error) {
    await reports.stop().catch(() => undefined)
    await director.stop().catch(() => undefined)
    await server.close()
    beginning.close()
    throw error
  }
  const arms = interfaces.length === 0 ? 'no interface' : interfaces.join(', ')
  log(`ready: ${director.describeEngine()} on ${arms}, ${mode} mode, control socket ${path}`)
  void server.prepare()
  const ended = await Promise.race([stopped, director.gone])
  await server.close()
  await reports.stop()
  await director.stop()
  beginning.close()
  if (ended !== undefined) {
    const failure = new CliFailure(
      `the packet engine has ended: ${ended.message} (${arms})`,
      1,
      "'uipvs doctor' may know why",
    )
    throw Object.assign(failure, { stack: ended.stack })
  }
  log('stopped')
}

function groupId(name: string): number {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${name}:`))
  const id = Number(line?.split(':')[2] ?? (/^\d+$/.test(name) ? name : Number.NaN))
  if (Number.isInteger(id)) return id
  throw new CliFailure(`there is no group ${name} (/etc/group)`, EXIT_USAGE, `groupadd ${name}`)
}
