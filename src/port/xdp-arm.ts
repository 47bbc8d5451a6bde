/** One arm of the port af_xdp, as one worker has it: a socket for each queue of an interface. */
import type { Arm } from '../engine/port.js'
import type { Umem } from './umem.js'
import type { ArmPlan } from './xdp-ground.js'
import { XskSocket } from './xsk-socket.js'

export class XdpArm implements Arm {
  readonly name: string
  readonly index: number
  readonly macHigh: number
  readonly macLow: number
  readonly mtu: number
  readonly superframes = false
  /** By queue. */
  readonly sockets: readonly XskSocket[]
  /** Those of them that this worker sends by. */
  readonly #ways: readonly XskSocket[]

  constructor(plan: ArmPlan, umem: Umem, worker: number) {
    this.name = plan.name
    this.index = plan.index
    this.macHigh = plan.macHigh
    this.macLow = plan.macLow
    this.mtu = plan.mtu
    const sockets: XskSocket[] = []
    try {
      for (const places of plan.queues) {
        const place = places[worker]
        sockets.push(new XskSocket(umem, place, `${plan.name}, queue ${place.queue}`))
      }
    } catch (error) {
      for (const socket of sockets) socket.close()
      throw error
    }
    this.sockets = sockets
    this.#ways = sockets.filter((socket) => socket.tx !== null)
  }

  /** By which socket the frames leave that came in on `queue`, of this arm or another. */
  wayOut(queue: number): XskSocket {
    const ways = this.#ways
    return ways[queue < ways.length ? queue : queue % ways.length]
  }

  close(): void {
    for (const socket of this.sockets) socket.close()
  }
}
