/**
 * The tables are typed here once more, as text, from the semantics reference (§3.4): every cell.
 */
import t from 'tap'
import {
  NEXT_STATE,
  NEXT_STATE_DEFENCE,
  nextTcpState,
  TCP_ACTIVE,
  TCP_STATES,
  TCP_TIMEOUTS_S,
} from '../../src/balance/tcp-state.js'

const SHORT = ['NO', 'ES', 'SS', 'SR', 'FW', 'TW', 'CL', 'CW', 'LA', 'LI', 'SA']

const INPUT_ONLY = `
from SYN FIN ACK RST defence-SYN
NO   SR  CL  ES  CL  SA
ES   ES  FW  ES  CL  ES
SS   ES  SS  SS  CL  ES
SR   SR  TW  ES  SR  SR
FW   SR  FW  FW  CL  SA
TW   SR  TW  TW  CL  SA
CL   SR  CL  CL  CL  SA
CW   SR  CW  CW  CL  SA
LA   SR  LA  CL  LA  SA
LI   SR  LI  LI  LI  SA
SA   SR  TW  ES  CL  SA`

const BITS: Record<string, number> = { FIN: 0x01, SYN: 0x02, RST: 0x04, ACK: 0x10 }

/** The flag that decides: the first of RST, SYN, FIN, ACK that is set. */
function deciding(flags: number): string | undefined {
  return ['RST', 'SYN', 'FIN', 'ACK'].find((name) => (flags & (BITS[name] ?? 0)) !== 0)
}

const rows = INPUT_ONLY.trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(/\s+/))

t.test('every state on every value of the flags, ordinary and under defence', async (t) => {
  t.equal(rows.length, TCP_STATES.length)
  const wrong: string[] = []
  for (const [state, [name, onSyn, onFin, onAck, onRst, onSynDefence]] of rows.entries()) {
    t.equal(name, SHORT[state])
    for (let flags = 0; flags < 256; flags++) {
      const event = deciding(flags)
      const cells: Record<string, string | undefined> = {
        SYN: onSyn,
        FIN: onFin,
        ACK: onAck,
        RST: onRst,
      }
      const expected = event === undefined ? 'CL' : cells[event]
      const expectedDefence = event === 'SYN' ? onSynDefence : expected
      const next = SHORT[nextTcpState(NEXT_STATE, state, flags)]
      const nextDefence = SHORT[nextTcpState(NEXT_STATE_DEFENCE, state, flags)]
      if (next !== expected) wrong.push(`${name} ${flags}: ${next}, not ${expected}`)
      if (nextDefence !== expectedDefence) wrong.push(`${name} ${flags}, defence: ${nextDefence}`)
    }
  }
  t.same(wrong, [])
})

t.test('names, timeouts and activity', async (t) => {
  const table = `
    NONE        2   no
    ESTABLISHED 900 yes
    SYN_SENT    120 yes
    SYN_RECV    60  yes
    FIN_WAIT    120 no
    TIME_WAIT   120 no
    CLOSE       10  no
    CLOSE_WAIT  60  no
    LAST_ACK    30  no
    LISTEN      120 no
    SYNACK      120 yes`
  const lines = table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  t.same(
    lines,
    TCP_STATES.map((name, i) => [name, String(TCP_TIMEOUTS_S[i]), TCP_ACTIVE[i] ? 'yes' : 'no']),
  )
})

t.test('the life of a connection as the director sees it', async (t) => {
  const SYN = 0x02
  const life = (flags: number[]) => {
    let state = 0
    return flags.map((each) => {
      state = nextTcpState(NEXT_STATE, state, each)
      return SHORT[state]
    })
  }
  t.same(life([SYN, 0x10, 0x18, 0x11, 0x10, 0x10]), ['SR', 'ES', 'ES', 'FW', 'FW', 'FW'])
  t.same(life([SYN, 0x04]), ['SR', 'SR'], 'a reset of a half open connection leaves it')
  t.same(life([SYN, 0x10, 0x14]), ['SR', 'ES', 'CL'])
  t.same(life([0x12]), ['SR'], 'SYN and ACK: SYN decides')
  t.same(life([SYN, 0x10, 0x08]), ['SR', 'ES', 'CL'], 'none of the four closes')
})
