/**
 * The page of a lab without root. The lab is in a network namespace of its own, where no browser
 * gets; so the process outside listens, and hands each connection on through a unix socket, which
 * network namespaces do not divide.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, isIPv6, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ListenAddress } from './reports.js'

/** How the process inside is told: where to listen, and the address that browsers open. */
const SOCKET = 'UIPVS_LAB_PAGE_SOCKET'
const ADDRESS = 'UIPVS_LAB_PAGE_ADDRESS'

export interface Relayed {
  readonly socket: string
  /** `127.0.0.1:41000` */
  readonly address: string
}

/** Inside: what the process outside has told; null where there is no relay. */
export function relayed(): Relayed | null {
  const { [SOCKET]: socket, [ADDRESS]: address } = process.env
  return socket === undefined || address === undefined ? null : { socket, address }
}

export class PageRelay {
  readonly #folder = mkdtempSync(join(tmpdir(), 'uipvs-page-'))
  readonly #socket = join(this.#folder, 'page.sock')
  readonly #server: Server

  constructor() {
    this.#server = createServer((browser) => {
      const page = connect(this.#socket)
      browser.pipe(page).pipe(browser)
      // Before the lab stands nobody answers there, and either end may go at any time.
      page.on('error', () => browser.destroy())
      browser.on('error', () => page.destroy())
      browser.on('close', () => page.destroy())
    })
  }

  /** Listens; what to give the process inside as environment. */
  async listen({ host, port }: ListenAddress): Promise<Readonly<Record<string, string>>> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, ipv6Only: true }, resolve)
    })
    const chosen = (this.#server.address() as AddressInfo).port
    const shown = isIPv6(host) ? `[${host}]` : host
    return { [SOCKET]: this.#socket, [ADDRESS]: `${shown}:${chosen}` }
  }

  /** After the process inside has gone, and its connections with it. */
  close(): void {
    this.#server.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
