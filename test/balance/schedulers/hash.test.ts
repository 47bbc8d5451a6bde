import t from 'tap'
import { fold, hash32, sipHash } from '../../../src/balance/schedulers/hash.js'

const KEY = 2654435761

/**
 * Address, hash of 8 bits, with port 40000, of 10 bits; SipHash; its slot of 4093, and with the
 * port.
 */
const VECTORS = [
  [0x0a000001, 39, 203, 159, 0x03080ce4, 3711, 2940],
  [0x0a000002, 137, 45, 550, 0x41cfde13, 1884, 273],
  [0xc0a80101, 136, 44, 547, 0xd3f1b4d3, 2456, 3629],
  [0xcb00714d, 57, 221, 230, 0xd668af81, 2731, 1834],
  [0x08080808, 188, 96, 754, 0x325170ec, 502, 4082],
] as const

t.test('as the kernel computes them', async (t) => {
  for (const [address, eight, withPort, ten, sip, slot, slotWithPort] of VECTORS) {
    t.equal(hash32(address, 8), eight)
    t.equal(hash32((address + 40_000) | 0, 8), withPort)
    t.equal(hash32(address, 10), ten)
    t.equal(sipHash(address, KEY), sip)
    t.equal(sipHash(address, KEY) % 4093, slot)
    t.equal(sipHash((address + 40_000) | 0, KEY) % 4093, slotWithPort)
  }
})

t.test('an address is one word', async (t) => {
  t.equal(fold(Int32Array.of(0x0a000001, 0, 0, 0)), 0x0a000001)
  t.equal(fold(Int32Array.of(0x20010db8, 1, 2, 4)), 0x20010db8 ^ 7)
})
