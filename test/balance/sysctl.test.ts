import t from 'tap'
import { isSysctlName, NOT_HERE, SYSCTL_RANGES, Sysctls } from '../../src/balance/sysctl.js'

t.test("Linux's names and defaults", async (t) => {
  t.same(
    { ...new Sysctls() },
    {
      cache_bypass: 0,
      conn_reuse_mode: 1,
      expire_nodest_conn: 0,
      expire_quiescent_template: 0,
      run_estimation: 1,
      schedule_icmp: 0,
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

t.test('what is said to be missing is missing', async (t) => {
  t.same(Object.keys(NOT_HERE).filter(isSysctlName), [])
  t.ok(Object.keys(NOT_HERE).length > 20)
})

t.test('names that every object has are no settings', async (t) => {
  for (const name of ['', 'toString', 'constructor', '__proto__', 'conn_reuse_mode ']) {
    t.notOk(isSysctlName(name), name)
  }
})
