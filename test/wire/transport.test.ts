import t from 'tap'
import * as transport from '../../src/wire/transport.js'
import { fromHex, viewOf, written } from './harness.js'

t.test('ports are read, alone and together', async (t) => {
  const view = viewOf(fromHex('ff fde8 0050'))
  t.equal(transport.sourcePort(view, 1), 65000)
  t.equal(transport.destinationPort(view, 1), 80)
  t.equal(transport.ports(view, 1), 0xfde80050 | 0)
})

t.test('ports are written', async (t) => {
  t.equal(
    written(t, 4, (view, at) => transport.setPorts(view, at, 65000, 80)),
    'fde80050',
  )
})

t.test('a quote needs both ports', async (t) => {
  const view = viewOf(fromHex('fde80050'))
  t.ok(transport.isWellFormed(view, 0, 4))
  t.notOk(transport.isWellFormed(view, 0, 3))
  t.notOk(transport.isWellFormed(view, 4, 0))
})
