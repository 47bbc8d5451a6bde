import t from 'tap'
import * as balance from '../../src/balance/tcp-flags.js'
import * as wire from '../../src/wire/tcp.js'

t.test('the four flags that decide are those of the codec', async (t) => {
  const { FIN, SYN, RST, ACK } = balance
  t.same([FIN, SYN, RST, ACK], [wire.FLAG_FIN, wire.FLAG_SYN, wire.FLAG_RST, wire.FLAG_ACK])
})
