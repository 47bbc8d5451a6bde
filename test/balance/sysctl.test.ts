import t from 'tap'
import {
  FIXED_SYSCTLS,
  fixedSysctl,
  isSysctlName,
  SYSCTL_RANGES,
  Sysctls,
} from '../../src/balance/sysctl.js'

t.test("Linux's names and defaults", async (t) => {
  t.same(
    { ...new Sysctls() },
    {
      am_droprate: 10,
      amemthresh: 1024,
      cache_bypass: 0,
      conn_reuse_mode: 1,
      drop_entry: 0,
      drop_packet: 0,
      expire_nodest_conn: 0,
      expire_quiescent_template: 0,
      lblc_expiration: 86_400,
      lblcr_expiration: 86_400,
      run_estimation: 1,
      schedule_icmp: 0,
      secure_tcp: 0,
      sloppy_tcp: 0,
      sloppy_sctp: 0,
    },
  )
})

t.test('each setting has a range, and each range a setting', async (t) => {
  t.same(Object.keys(SYSCTL_RANGES).sort(), Object.keys(new Sysctls()).sort())
  for (const [name, value] of Object.entries(new Sysctls())) {
    const [min, max] = SYSCTL_RANGES[name as keyof Sysctls]
    t.ok(isSysctlName(name) && min <= value && value <= max, name)
  }
})

t.test('what is fixed can not be set', async (t) => {
  t.same(Object.keys(FIXED_SYSCTLS).filter(isSysctlName), [])
  t.equal(fixedSysctl('sync_threshold')?.value, '3 50')
  t.equal(fixedSysctl('sloppy_tcp'), undefined)
})

t.test('names that every object has are no settings', async (t) => {
  for (const name of ['', 'toString', 'constructor', '__proto__', 'conn_reuse_mode ']) {
    t.notOk(isSysctlName(name), name)
    t.equal(fixedSysctl(name), undefined)
  }
})
