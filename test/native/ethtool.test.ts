/** Offloads are set and read, and a sender's frames show that they are off. */
import t from 'tap'
import {
  hasLargeReceive,
  hasOffload,
  type Offload,
  offloads,
  setOffload,
} from '../../src/native/ethtool.js'
import { SystemCallError } from '../../src/native/libc.js'
import { makeNamespaces } from '../namespaces.js'

t.test('of a veth', async (t) => {
  const lab = makeNamespaces(t, { hosts: ['a', 'b'], links: [['a:eth0', 'b:eth0']] })
  if (lab === undefined) return
  const inA = <T>(body: () => T) => lab.inside('a', body)
  const read = () => inA(() => offloads().filter((name) => hasOffload('eth0', name)))
  t.ok(read().includes('tx'), 'a veth leaves checksums to hardware that does not exist')
  inA(() => {
    for (const name of offloads()) setOffload('eth0', name, false)
  })
  t.same(read(), [], 'all off')
  const change = (name: Offload) => inA(() => setOffload('eth0', name, true))
  change('gro')
  t.same(read(), ['gro'], 'one on again')
  t.equal(
    inA(() => hasLargeReceive('eth0')),
    false,
    'veth has no LRO',
  )
  t.throws(() => inA(() => hasOffload('none0', 'tx')), SystemCallError)
})
