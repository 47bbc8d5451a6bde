/**
 * Linux with its IPVS as a process (`src/uml`), its one interface a pair of links to us, in
 * network, mount and process namespaces of its own that have no names. See `scripts.ts`.
 */
import { FrameSocket } from '../native/frame-socket.js'
import { insideNamespace } from '../native/namespace.js'
import { type CommandOut, cannotHaveUml, quoted, Uml, UmlError } from '../uml/machine.js'
import { initScript, launchScript } from '../uml/scripts.js'
import { INIT, NETWORK, RECORDER_INTERFACE, WIRE } from './scripts.js'

/** Why there can be no oracle on this machine, or false. */
export function cannotHaveOracle(): string | false {
  return cannotHaveUml([
    ['iptables-legacy', 'iptables'],
    ['ethtool', 'ethtool'],
  ])
}

export class Machine extends Uml {
  #socket: FrameSocket | null = null

  private constructor() {
    super({
      name: 'the oracle',
      namespaces: ['--net'],
      launch: launchScript({ before: NETWORK, wires: [WIRE] }),
      init: initScript(INIT),
    })
  }

  /** Boots a machine; some three seconds. */
  static async boot(): Promise<Machine> {
    const impossible = cannotHaveOracle()
    if (impossible !== false) throw new UmlError(`no oracle here: ${impossible}`)
    const machine = new Machine()
    try {
      await machine.booted()
      machine.#socket = insideNamespace(
        `/proc/${machine.pid}/ns/net`,
        () => new FrameSocket(RECORDER_INTERFACE, { incomingOnly: true }),
      )
      return machine
    } catch (error) {
      await machine.close()
      throw error
    }
  }

  /** Our end of its wire. */
  get wire(): FrameSocket {
    if (this.#socket === null) throw new UmlError('the oracle is closed')
    return this.#socket
  }

  ipvsadm(args: readonly string[]): Promise<CommandOut> {
    return this.shell(['ipvsadm', ...args].map(quoted).join(' '))
  }

  override async close(): Promise<void> {
    this.#socket?.close()
    this.#socket = null
    await super.close()
  }
}
