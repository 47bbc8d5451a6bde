import fc from 'fast-check'
import t from 'tap'
import { field, readField, writeField } from '../../src/wire/field.js'
import { fromHex, SEED, toHex, viewOf } from './harness.js'

t.test('fields of whole bytes and of bits are read', async (t) => {
  const view = viewOf(fromHex('00 f8 9a bc de 00'))
  t.equal(readField(view, 1, field('all', 0, 4, 'hex', '')), 0xf89abcde)
  t.equal(readField(view, 0, field('byte', 2, 1, 'hex', '')), 0x9a)
  t.equal(readField(view, 1, field('top', 0, 4, 'hex', '', { shift: 28, width: 4 })), 0xf)
  t.equal(readField(view, 1, field('middle', 0, 2, 'hex', '', { shift: 7, width: 5 })), 0b10001)
  t.equal(readField(view, 1, field('low', 0, 4, 'hex', '', { width: 20 })), 0xabcde)
})

t.test('what is written is read again, and the bits beside it stay', async () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(31),
      fc.nat(31),
      fc.nat(0xffffffff),
      (bytes, size, low, wide, random) => {
        const shift = low % (8 * size)
        const width = 1 + (wide % (8 * size - shift))
        const row = field('any', 2, size, 'number', '', { shift, width })
        const value = random % 2 ** width
        const view = viewOf(bytes)
        const before = toHex(bytes)
        const old = readField(view, 1, row)
        writeField(view, 1, row, value)
        const isRead = readField(view, 1, row) === value
        writeField(view, 1, row, old)
        return isRead && toHex(bytes) === before
      },
    ),
    { seed: SEED, numRuns: 1000 },
  )
})
