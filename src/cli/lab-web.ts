/** `uipvs lab --web`: the page of a lab, from the process that owns the lab. */
import { ControlClient } from '../control/client.js'
import type { Lab } from '../lab/lab.js'
import type { RunningLab } from '../web/lab-feed.js'
import type { WebServer } from '../web/server.js'
import { CliFailure, EXIT_FAILED } from './failure.js'
import { type ListenAddress, listening, parseListenAddress, WEB } from './reports.js'

export class LabWeb {
  readonly #text: string
  readonly #address: ListenAddress
  #client: ControlClient | null = null
  #feed: RunningLab | null = null
  #server: WebServer | null = null

  /** Throws if the address makes no sense, before anything has been built. */
  constructor(text: string) {
    this.#text = text
    this.#address = parseListenAddress(text, false, WEB)
    if (process.env.UIPVS_LAB_ROOTLESS === '1') {
      throw new CliFailure(
        'a lab without root is in a network namespace of its own, where no browser is (--web)',
        EXIT_FAILED,
        'run it as root',
      )
    }
  }

  /** Offers the page; the address to open. */
  async listen(lab: Lab): Promise<string> {
    const [{ RunningLab }, { WebServer }, { liveThere }] = await Promise.all([
      import('../web/lab-feed.js'),
      import('../web/server.js'),
      import('../web/live.js'),
    ])
    this.#client = new ControlClient(lab.controlPath)
    this.#feed = new RunningLab(lab)
    await this.#feed.start()
    this.#server = new WebServer({ live: liveThere(this.#client), lab: this.#feed })
    const { host, port } = this.#address
    const what = `the page can't be offered at ${this.#text}`
    return await listening(this.#server.listen(host, port), what, '--web')
  }

  async close(): Promise<void> {
    this.#feed?.stop()
    await this.#server?.close()
    this.#client?.close()
  }
}
