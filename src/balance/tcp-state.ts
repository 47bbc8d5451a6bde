/**
 * TCP as the director sees it: the client's half only (`net/netfilter/ipvs/ip_vs_proto_tcp.c`, the
 * block for input-only connections). In Direct Routing no reply passes, so a handshake is a SYN and
 * an ACK, and a close is a FIN after which the state stays until it times out.
 *
 * The event is the first of RST, SYN, FIN, ACK that is set. A segment with none of the four closes.
 */
import { ACK, FIN, RST, SYN } from './tcp-flags.js'

export const TCP_STATES = [
  'NONE',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'SYNACK',
] as const

export const NO = 0
export const ES = 1
export const SS = 2
export const SR = 3
export const FW = 4
export const TW = 5
export const CL = 6
export const CW = 7
export const LA = 8
export const LI = 9
export const SA = 10
const STATES = 11

/** Default timeouts in seconds, by state. `--set` changes ESTABLISHED and FIN_WAIT. */
export const TCP_TIMEOUTS_S = [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120]

/** Counted as an active connection, by state. */
export const TCP_ACTIVE = Uint8Array.of(0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1)

const EVENT_SYN = 0
const EVENT_FIN = 1
const EVENT_ACK = 2
const EVENT_RST = 3
const EVENT_NONE = 4

// biome-ignore format: a table
const INPUT_ONLY = [
  /* from      NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA */
  /* SYN  */ [ SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR ],
  /* FIN  */ [ CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW ],
  /* ACK  */ [ ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES ],
  /* RST  */ [ CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL ],
  /* none */ [ CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL ],
]

/** Under `secure_tcp` a SYN leads to SYNACK, which costs less time, except where one is known. */
const INPUT_ONLY_DEFENCE = [[SA, ES, ES, SR, SA, SA, SA, SA, SA, SA, SA], ...INPUT_ONLY.slice(1)]

/** Next state at index `event * STATES + state`. */
export const NEXT_STATE = Uint8Array.from(INPUT_ONLY.flat())
export const NEXT_STATE_DEFENCE = Uint8Array.from(INPUT_ONLY_DEFENCE.flat())

/** The row of the tables (`event * STATES`) for each value of the six classic flag bits. */
const ROW = Uint8Array.from({ length: 64 }, (_, flags) => {
  if (flags & RST) return EVENT_RST * STATES
  if (flags & SYN) return EVENT_SYN * STATES
  if (flags & FIN) return EVENT_FIN * STATES
  if (flags & ACK) return EVENT_ACK * STATES
  return EVENT_NONE * STATES
})

/** The state that follows `state` on a segment with these flags (byte 13 of the header). */
export function nextTcpState(table: Uint8Array, state: number, flags: number): number {
  return table[ROW[flags & 63] + state]
}
