/** The table is typed here once more, as text, from the semantics reference (§3.6): every cell. */
import t from 'tap'
import {
  nextSctpState,
  SCTP_CLOSED,
  SCTP_ESTABLISHED,
  SCTP_STATES,
  SCTP_TIMEOUTS_S,
} from '../../src/balance/sctp-state.js'

const SHORT = ['NO', 'I1', 'IN', 'CS', 'CR', 'CW', 'CO', 'CE', 'ES', 'SS', 'SR', 'SA', 'RJ', 'CL']

const INPUT_ONLY = `
from DATA INIT INIT-ACK C-ECHO C-ACK SHUTD SHUTD-ACK SHUTD-COMPL ERROR ABORT
NO ES I1 CE ES ES SR CL CL CL CL
I1 I1 IN CE ES I1 I1 IN CL I1 CL
IN IN IN CE ES IN IN IN CL IN CL
CS CS IN CE ES ES CS CS CL CS CL
CR CR IN CE ES ES CR CR CL CR CL
CW ES IN CE ES CW CW CW CW CW RJ
CO CO CO CO CO ES CO CO CO CO CL
CE CE CE CE CE ES CE CE CE CE CL
ES ES ES ES ES ES SR CL ES ES CL
SS SS SS SS SS SS SS CL SS SS CL
SR SR SR SR SR SR SR SR CL SR CL
SA SA SA SA SA SA SA CL CL SA CL
RJ RJ IN RJ RJ RJ RJ RJ RJ RJ CL
CL CL IN CL CL CL CL CL CL CL CL`

/** Columns of the table by chunk type: 0, 3, 4, 5, 12, 13 and all beyond 14 count as DATA. */
const COLUMN: Record<number, number> = { 1: 1, 2: 2, 6: 9, 7: 5, 8: 6, 9: 8, 10: 3, 11: 4, 14: 7 }

t.test('every state on every chunk type', async (t) => {
  const rows = INPUT_ONLY.trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/))
  t.equal(rows.length, SCTP_STATES.length)
  const wrong: string[] = []
  for (const [state, [name, ...cells]] of rows.entries()) {
    t.equal(name, SHORT[state])
    t.equal(cells.length, 10)
    for (let type = 0; type < 256; type++) {
      const expected = cells[COLUMN[type] ?? 0]
      const next = SHORT[nextSctpState(state, type)]
      if (next !== expected) wrong.push(`${name} on ${type}: ${next}, not ${expected}`)
    }
  }
  t.same(wrong, [])
})

t.test('names and timeouts', async (t) => {
  const table =
    'NONE 2, INIT1 4, INIT 61, C-SENT 61, C-REPLIED 61, C-WAIT 61, COOKIE 61, C-ECHOED 61, ' +
    'ESTABLISHED 900, S-SENT 61, S-RECEIVED 61, S-ACK-SENT 61, REJECTED 4, CLOSED 61'
  t.equal(SCTP_STATES.map((name, i) => `${name} ${SCTP_TIMEOUTS_S[i]}`).join(', '), table)
  t.equal(SCTP_STATES[SCTP_CLOSED], 'CLOSED')
  t.equal(SCTP_STATES[SCTP_ESTABLISHED], 'ESTABLISHED')
})
