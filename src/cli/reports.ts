/** What a director tells others beside its control socket: `--proc` and `--metrics`. */
import { isIP } from 'node:net'
import type { MetricsServer } from '../control/metrics.js'
import type { DirectorDaemon } from '../daemon/director-daemon.js'
import type { ProcFiles } from '../daemon/proc-files.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from './failure.js'
import { version } from './version.js'

export interface ReportOptions {
  readonly proc?: string
  readonly metrics?: string
  readonly metricsPublic?: true
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

const PORT_MAX = 65_535
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/

/** `127.0.0.1:9105`, `[::1]:9105`, `localhost:9105`. */
export function parseListenAddress(text: string, isPublic: boolean): ListenAddress {
  const [, bracketed, plain = '', digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d+)$/.exec(text) ?? []
  const host = bracketed ?? (plain === 'localhost' ? '127.0.0.1' : plain)
  const port = Number(digits)
  if (isIP(host) !== (bracketed === undefined ? 4 : 6) || port > PORT_MAX) {
    throw new CliFailure(
      `'${text}' is no address to listen at (--metrics)`,
      EXIT_USAGE,
      'give an address and a port, such as 127.0.0.1:9105 or [::1]:9105',
    )
  }
  if (!isPublic && !LOOPBACK.test(host)) {
    throw new CliFailure(
      `others could read the metrics at ${text} (--metrics)`,
      EXIT_USAGE,
      'listen on 127.0.0.1, or add --metrics-public if that is what you want',
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
  #proc: ProcFiles | undefined
  #metrics: MetricsServer | undefined

  /** Throws if the options make no sense, before anything has been done. */
  constructor(options: ReportOptions) {
    this.#options = options
    if (options.metrics !== undefined) {
      this.#address = parseListenAddress(options.metrics, options.metricsPublic === true)
    } else if (options.metricsPublic === true) {
      throw new CliFailure('--metrics-public without --metrics', EXIT_USAGE, 'say where to listen')
    }
    if (options.proc === '') {
      throw new CliFailure('the folder has no name (--proc)', EXIT_USAGE, 'name one')
    }
  }

  /** Begins what was asked for; what goes wrong later is told through `log`. */
  async start(director: DirectorDaemon, log: (line: string) => void): Promise<void> {
    const { proc, metrics } = this.#options
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
    if (this.#address === undefined) return
    const { MetricsServer } = await import('../control/metrics.js')
    const server = new MetricsServer(director, version())
    this.#metrics = server
    const { host, port } = this.#address
    const url = await server.listen(host, port).catch((error: NodeJS.ErrnoException) => {
      const [what, hint] = REFUSALS[error.code ?? ''] ?? [error.message, 'choose another address']
      throw new CliFailure(
        `metrics can't be offered at ${metrics}: ${what} (--metrics)`,
        EXIT_FAILED,
        hint,
      )
    })
    log(`metrics at ${url}`)
  }

  async stop(): Promise<void> {
    await this.#metrics?.close()
    await this.#proc?.stop()
  }
}
