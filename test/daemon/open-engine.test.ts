/** What is said of the engine that was opened: the ready line, and warnings. */
import t from 'tap'
import { describeEngine, MtuWatch, type OpenedEngine } from '../../src/daemon/open-engine.js'

const arm = { arm: 'eth0', mode: 'native', isZeroCopy: false, mtuMax: 1772 } as const

function opened(changes: Partial<OpenedEngine>, modes: readonly object[] = []): OpenedEngine {
  const workers = { modes, count: 1 } as unknown as OpenedEngine['workers']
  return { name: 'af_packet', workers, isAuto: false, refused: [], ...changes }
}

t.test('the ready line', async (t) => {
  t.equal(describeEngine(opened({})), 'af_packet')
  const workers = { modes: [], count: 3 } as unknown as OpenedEngine['workers']
  t.equal(describeEngine(opened({ workers })), 'af_packet (3 workers)')
  t.equal(
    describeEngine(opened({ name: 'af_xdp' }, [arm, { ...arm, arm: 'eth1', isZeroCopy: true }])),
    'af_xdp (eth0 native, copy; eth1 native, zero-copy)',
  )
  t.equal(
    describeEngine(opened({ isAuto: true, refused: [{ name: 'af_xdp', why: 'no BPF' }] })),
    'af_packet (auto: the fastest that can be had here; not af_xdp: no BPF)',
  )
})

t.test('an MTU that grows is told of once, and again after it was right', async (t) => {
  const watch = new MtuWatch()
  const at = (mtu: number) => watch.warnings([arm], () => mtu).length
  t.same([at(1500), at(1772), at(3000), at(3000), at(9000)], [0, 0, 1, 0, 0])
  t.same([at(1500), at(9000)], [0, 1])
  t.match(new MtuWatch().warnings([arm], () => 2000)[0], /eth0 is 2000 now.* 1772 .*; start/)
})
