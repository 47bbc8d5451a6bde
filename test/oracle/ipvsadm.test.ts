/** Rules of the real ipvsadm and of ours, each read by the other. */
import t from 'tap'
import { isSameListing } from '../../src/conform/compare.js'
import { LISTINGS } from '../../src/conform/listings.js'
import type { Listing } from '../../src/conform/recording.js'
import { World } from '../../src/conform/world.js'
import { cannotHaveOracle, Machine } from '../../src/oracle/machine.js'

const VIP = '192.168.1.110'

/** Every option that a saved file can have; thresholds it cannot, and they are lost. */
const RULES = `-A -t ${VIP}:80 -s wrr
-a -t ${VIP}:80 -r 192.168.1.2:80 -g -w 3 -x 10 -y 5
-a -t ${VIP}:80 -r 192.168.1.3:8080 -m -w 0
-a -t ${VIP}:80 -r 192.168.1.4:80 -i -w 65535
-a -t ${VIP}:80 -r 192.168.1.5:80 -i --tun-type gue --tun-port 6080 -w 1
-a -t ${VIP}:80 -r 192.168.1.6:80 -i --tun-type gue --tun-port 6081 --tun-remcsum -w 1
-a -t ${VIP}:80 -r 192.168.1.7:80 -i --tun-type gre --tun-csum -w 1
-A -u ${VIP}:53 -s sh -o -b sh-port,sh-fallback
-a -u ${VIP}:53 -r 192.168.1.9 -g
-A --sctp-service ${VIP}:2905 -s mh -b mh-port -p 77 -M 255.255.0.0
-a --sctp-service ${VIP}:2905 -r 192.168.1.8:2905
-A -t ${VIP}:0 -s rr -p
-a -t ${VIP}:0 -r 192.168.1.2:0 -g
-A -t [2001:db8:1::110]:443 -s lblcr -p 300 -M 64
-a -t [2001:db8:1::110]:443 -r [2001:db8:1::2]:443 -g -x 7
-a -t [2001:db8:1::110]:443 -r [2001:db8:1::3]:443 -m
-A -f 7 -s fo -p 60 -M 255.255.255.0
-a -f 7 -r 192.168.1.2 -g -w 9
-A -f 7 -6 -s ovf -p 60 -M 112
-a -f 7 -6 -r 2001:db8:1::2 -g -w 9
`

function emptyWorld(): World {
  const recording = { name: '', about: '', vip: VIP, setup: [], setup_out: [], steps: [] }
  return new World(recording, '6.1.176')
}

async function restore(machine: Machine, rules: string) {
  await machine.must('fresh')
  return machine.shell(`ipvsadm -R < ${await machine.file('rules', rules)}`)
}

t.test('each reads what the other writes', { skip: cannotHaveOracle() }, async (t) => {
  t.setTimeout(170_000)
  const machine = await Machine.boot()
  t.teardown(() => machine.close())

  const same = async (world: World, which: readonly Listing[], what: string) => {
    for (const listing of which) {
      const ours = (await world.ipvsadm(LISTINGS[listing])).stdout
      const real = (await machine.ipvsadm(LISTINGS[listing])).stdout
      if (isSameListing(listing, ours, real)) t.ok(real.length > 40, `${what}: ${listing}`)
      else t.equal(ours, real, `${what}: ${listing}`)
    }
  }

  t.same(await restore(machine, RULES), { rc: 0, stdout: '' }, 'the real one takes the rules')
  const first = emptyWorld()
  t.same(await first.ipvsadm(['-R'], RULES), { rc: 0, stdout: '' }, 'and so do we')
  await same(first, ['Ln', 'Sn', 'thresholds', 'persistent', 'stats'], 'from the same file')

  const savedByReal = await machine.must('ipvsadm-save -n')
  const second = emptyWorld()
  t.same(await second.ipvsadm(['-R'], savedByReal), { rc: 0, stdout: '' }, 'its file, to us')
  await restore(machine, savedByReal)
  await same(second, ['Ln', 'Sn', 'thresholds', 'persistent'], 'from its file')

  const savedByUs = (await first.ipvsadm(['-Sn'])).stdout
  t.same(await restore(machine, savedByUs), { rc: 0, stdout: '' }, 'our file, to the real one')
  await same(first, ['Sn'], 'from our file')
  t.ok(isSameListing('Sn', (await machine.ipvsadm(['-Sn'])).stdout, savedByReal), 'and back')

  // A mark of 2^31 and more is saved as a negative one, which is no mark: refused by both.
  await restore(machine, '-A -f 2147483649 -s nq\n')
  const negative = await machine.must('ipvsadm -Sn')
  const refused = await restore(machine, negative)
  t.match(refused.stdout, /invalid fwmark value/)
  t.same(await emptyWorld().ipvsadm(['-R'], negative), refused)
})
