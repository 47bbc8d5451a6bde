/** Every frame said on the link, as a neighbour reads it; the bytes: resolver.test.ts. */
import t from 'tap'
import { LinkFrames } from '../../src/engine/link-frames.js'
import { Outbox } from '../../src/engine/port.js'
import { NeighbourTable } from '../../src/link/neighbour.js'
import { isWellFormed } from '../../src/wire/arp.js'
import { viewOf } from '../../src/wire/build.js'
import { isWellFormedNeighbourDiscovery } from '../../src/wire/icmpv6.js'
import { build, OWN6, VIP6, words } from './world.js'

const ARM = { name: 'a', macHigh: 0x0200, macLow: 1, mtu: 1500, superframes: false }

function make(slots = 8, slotBytes = 128) {
  const outbox = new Outbox(new ArrayBuffer(slots * slotBytes), slots, slotBytes)
  return { outbox, frames: new LinkFrames([ARM], outbox) }
}

const neighbours = new NeighbourTable(2)
neighbours.acquire(0, 4, 0x0a000001, 0, 0, 0, 0)
const six = words('2001:db8::12:3456') as unknown as [number, number, number, number]
neighbours.acquire(0, 6, six[0], six[1], six[2], six[3], 0)

t.test('all of them are well formed', async (t) => {
  const { outbox, frames } = make()
  const own = { ipv4: 0x0a0000fe, ipv6: words(OWN6) }
  frames.solicit(neighbours, 0, own)
  frames.solicit(neighbours, 1, own)
  neighbours.confirm(1, 0x0200, 0x77, 0)
  frames.announce6(0, words(VIP6))
  frames.requestArp(0, 5, 5, 0xffff, -1)
  t.equal(outbox.count, 4)
  t.equal(frames.sent, 4)
  for (let slot = 0; slot < outbox.count; slot++) {
    const at = slot * outbox.slotBytes
    const end = at + (outbox.length[slot] as number)
    const type = outbox.view.getUint16(at + 12)
    if (type === 0x0806) t.ok(isWellFormed(outbox.view, at + 14, end))
    else t.ok(isWellFormedNeighbourDiscovery(outbox.view, at + 14, at + 54, end), `slot ${slot}`)
  }
})

t.test(
  'without an address of its own it asks by ARP from nowhere, and not at all by ND',
  async (t) => {
    const { outbox, frames } = make()
    frames.solicit(neighbours, 0, { ipv4: null, ipv6: null })
    frames.solicit(neighbours, 1, { ipv4: null, ipv6: null })
    t.equal(outbox.count, 1)
    t.equal(outbox.view.getInt32(28), 0, 'the sender of the question')
  },
)

t.test(
  'a full outbox, or slots that are too short: nothing is said, nothing is counted',
  async (t) => {
    for (const { outbox, frames } of [make(0), make(8, 40)]) {
      const frame = build({
        arp: { senderMac: '02:00:00:00:00:09', sender: '10.0.0.9', target: '10.0.0.1' },
      })
      t.notOk(frames.answerArp(0, viewOf(frame), 0, 14))
      const own = { ipv4: 1, ipv6: words(OWN6) }
      frames.solicit(neighbours, 0, own)
      frames.solicit(neighbours, 1, own)
      frames.announce6(0, words(VIP6))
      t.same([outbox.count, frames.sent], [0, 0])
    }
  },
)
