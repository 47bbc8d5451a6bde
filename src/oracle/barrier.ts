/**
 * What comes out for one packet, without a time-out: an echo request goes behind it, and what comes
 * before the reply is the outcome. The machine has one processor and one queue, so nothing passes
 * anything else.
 */
import { frameBytes } from '../conform/packet-bytes.js'
import type { FrameSocket } from '../native/frame-socket.js'
import { UmlError } from '../uml/machine.js'
import * as ethernet from '../wire/ethernet.js'
import * as icmp from '../wire/icmp.js'
import * as ipv4 from '../wire/ipv4.js'

const DIRECTOR = '192.168.1.1'
/** Asks for the echo; no scenario has a host of this address. */
const ASKER = '192.168.1.253'
const ECHO_ID = 0x7570
const PATIENCE_MS = 5000

export class Barrier {
  readonly #wire: FrameSocket
  #sequence = 0

  constructor(wire: FrameSocket) {
    this.#wire = wire
  }

  /** Sends a frame and returns what came out for it, in order. */
  exchange(frame: Uint8Array): Uint8Array[] {
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.#wire.send(frame)
    this.#wire.send(
      frameBytes(
        { proto: 'icmp', type: icmp.TYPE_ECHO_REQUEST, src: ASKER, echo_id: ECHO_ID },
        DIRECTOR,
        this.#sequence,
      ),
    )
    const came: Uint8Array[] = []
    const until = Date.now() + PATIENCE_MS
    for (;;) {
      const next = this.#wire.receive()
      if (next === null) {
        const left = until - Date.now()
        if (left <= 0) throw new UmlError('the oracle does not answer an echo request')
        this.#wire.wait(left)
      } else if (this.#isReply(next)) return came
      else if (isOutcome(next)) came.push(next)
    }
  }

  #isReply(frame: Uint8Array): boolean {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const at = ethernet.HEADER_BYTES
    if (ethernet.type(view, 0) !== ethernet.ETH_P_IP) return false
    if (ipv4.protocol(view, at) !== ipv4.PROTO_ICMP) return false
    const message = at + ipv4.headerBytes(view, at)
    return (
      icmp.type(view, message) === icmp.TYPE_ECHO_REPLY &&
      view.getUint16(message + 4) === ECHO_ID &&
      view.getUint16(message + 6) === this.#sequence
    )
  }
}

/** Neighbours are known beforehand, and reports of multicast listeners (33:33) answer nothing. */
function isOutcome(frame: Uint8Array): boolean {
  const type = (frame[12] << 8) | frame[13]
  if (type === ethernet.ETH_P_IPV6) return !(frame[0] === 0x33 && frame[1] === 0x33)
  return type === ethernet.ETH_P_IP
}

/** The frame without what a driver may have added behind the packet. */
export function trimmed(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const at = ethernet.HEADER_BYTES
  const isIpv6 = ethernet.type(view, 0) === ethernet.ETH_P_IPV6
  const length = isIpv6 ? 40 + view.getUint16(at + 4) : ipv4.totalLength(view, at)
  return frame.subarray(0, at + length)
}
