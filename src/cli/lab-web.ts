/** The page of a lab, from the process that owns the lab: `uipvs lab`, `uipvs lab --web`. */
import { ControlClient } from '../control/client.js'
import type { Lab } from '../lab/lab.js'
import type { RunningLab } from '../web/lab-feed.js'
import type { WebServer } from '../web/server.js'
import { relayed } from './page-relay.js'
import { type ListenAddress, listening, parseListenAddress, WEB } from './reports.js'

/** Where the page is if nobody says: a port that is free, for this machine only. */
export const ANY_PORT = '127.0.0.1:0'

export class LabWeb {
  readonly address: ListenAddress
  readonly #text: string
  #client: ControlClient | null = null
  #feed: RunningLab | null = null
  #server: WebServer | null = null

  /** Throws if the address makes no sense, before anything has been built. */
  constructor(text: string) {
    this.#text = text
    this.address = parseListenAddress(text, false, WEB)
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
    const relay = relayed()
    if (relay !== null) return await this.#server.listenBehind(relay.socket, relay.address)
    const { host, port } = this.address
    return await listening(this.#server.listen(host, port), refusalOf(this.#text), '--web')
  }

  async close(): Promise<void> {
    this.#feed?.stop()
    await this.#server?.close()
    this.#client?.close()
  }
}

export function refusalOf(text: string): string {
  return `the page can't be offered at ${text}`
}
