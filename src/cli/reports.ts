/** What a director tells others beside its control socket: `--proc`, `--metrics`, `--web`. */
import { isIP } from 'node:net'
import type { MetricsServer } from '../control/metrics.js'
import type { DirectorDaemon } from '../daemon/director-daemon.js'
import type { ProcFiles } from '../daemon/proc-files.js'
import type { WebServer } from '../web/server.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from './failure.js'
import { version } from './version.js'

export interface ReportOptions {
  readonly proc?: string
  readonly metrics?: string
  readonly metricsPublic?: true
  readonly web?: string
  readonly webPublic?: true
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

const PORT_MAX = 65_535
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/

/** What listening is for: the option, and what others could do there. */
export interface ListenPurpose {
  readonly option: string
  readonly what: string
}

const METRICS: ListenPurpose = { option: '--metrics', what: 'read the metrics' }
export const WEB: ListenPurpose = { option: '--web', what: 'reach the page' }

/** `127.0.0.1:9105`, `[::1]:9105`, `localhost:9105`. */
export function parseListenAddress(
  text: string,
  isPublic: boolean,
  { option, what }: ListenPurpose = METRICS,
): ListenAddress {
  const [, bracketed, plain = '', digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d+)$/.exec(text) ?? []
  const host = bracketed ?? (plain === 'localhost' ? '127.0.0.1' : plain)
  const port = Number(digits)
  if (isIP(host) !== (bracketed === undefined ? 4 : 6) || port > PORT_MAX) {
    throw new CliFailure(
      `'${text}' is no address to listen at (${option})`,
      EXIT_USAGE,
      'give an address and a port, such as 127.0.0.1:9105 or [::1]:9105',
    )
  }
  if (!isPublic && !LOOPBACK.test(host)) {
    throw new CliFailure(
      `others could ${what} at ${text} (${option})`,
      EXIT_USAGE,
      `listen on 127.0.0.1, or add ${option}-public if that is what you want`,
    )
  }
  return { host, port }
}

/** Why listening was refused, and what to do about it. */
const REFUSALS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  EADDRINUSE: ['something listens there already', 'choose another port'],
  EADDRNOTAVAIL: ['this machine does not have that address', 'ip addr shows those that it has'],
  EACCES: ['ports below 1024 are for root', 'choose another port'],
}

export class Reports {
  readonly #options: ReportOptions
  readonly #address: ListenAddress | undefined
  readonly #webAddress: ListenAddress | undefined
  #proc: ProcFiles | undefined
  #metrics: MetricsServer | undefined
  #web: WebServer | undefined

  /** Throws if the options make no sense, before anything has been done. */
  constructor(options: ReportOptions) {
    this.#options = options
    if (options.metrics !== undefined) {
      this.#address = parseListenAddress(options.metrics, options.metricsPublic === true)
    } else if (options.metricsPublic === true) {
      throw new CliFailure('--metrics-public without --metrics', EXIT_USAGE, 'say where to listen')
    }
    if (options.web !== undefined) {
      this.#webAddress = parseListenAddress(options.web, options.webPublic === true, WEB)
    } else if (options.webPublic === true) {
      throw new CliFailure('--web-public without --web', EXIT_USAGE, 'say where to listen')
    }
    if (options.proc === '') {
      throw new CliFailure('the folder has no name (--proc)', EXIT_USAGE, 'name one')
    }
  }

  /** Begins what was asked for; what goes wrong later is told through `log`. */
  async start(director: DirectorDaemon, log: (line: string) => void): Promise<void> {
    const { proc } = this.#options
    if (proc !== undefined) {
      // Loaded only when wanted: a director without them starts as quickly as before.
      const { ProcFiles } = await import('../daemon/proc-files.js')
      this.#proc = new ProcFiles(proc, director, log)
      await this.#proc.start().catch((error: Error) => {
        throw new CliFailure(
          `files can't be kept: ${error.message} (--proc ${proc})`,
          EXIT_FAILED,
          'name a folder that can be written to, such as /run/uipvs/proc',
        )
      })
    }
    if (this.#address !== undefined) await this.#startMetrics(director, this.#address, log)
    if (this.#webAddress !== undefined) await this.#startWeb(director, this.#webAddress, log)
  }

  async #startMetrics(
    director: DirectorDaemon,
    { host, port }: ListenAddress,
    log: (line: string) => void,
  ): Promise<void> {
    const { MetricsServer } = await import('../control/metrics.js')
    const server = new MetricsServer(director, version())
    this.#metrics = server
    const url = await listening(
      server.listen(host, port),
      `metrics can't be offered at ${this.#options.metrics}`,
      '--metrics',
    )
    log(`metrics at ${url}`)
  }

  async #startWeb(
    director: DirectorDaemon,
    { host, port }: ListenAddress,
    log: (line: string) => void,
  ): Promise<void> {
    const [{ WebServer }, { liveHere }] = await Promise.all([
      import('../web/server.js'),
      import('../web/live.js'),
    ])
    const server = new WebServer({ live: liveHere(director) })
    this.#web = server
    const url = await listening(
      server.listen(host, port),
      `the page can't be offered at ${this.#options.web}`,
      '--web',
    )
    log(`the page, with the token that opens it: ${url}`)
  }

  async stop(): Promise<void> {
    await this.#web?.close()
    await this.#metrics?.close()
    await this.#proc?.stop()
  }
}

/** Waits until a server listens; a refusal becomes a sentence that names the option. */
export async function listening<T>(trying: Promise<T>, what: string, option: string): Promise<T> {
  return await trying.catch((error: NodeJS.ErrnoException) => {
    const [why, hint] = REFUSALS[error.code ?? ''] ?? [error.message, 'choose another address']
    throw new CliFailure(`${what}: ${why} (${option})`, EXIT_FAILED, hint)
  })
}
