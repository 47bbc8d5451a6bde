/**
 * SCTP as the director sees it: the client's half only (`net/netfilter/ipvs/ip_vs_proto_sctp.c`,
 * the block for input-only connections). The event is the type of the first chunk; unknown types
 * count as DATA. Only ESTABLISHED is an active connection.
 */
export const SCTP_STATES = [
  'NONE',
  'INIT1',
  'INIT',
  'C-SENT',
  'C-REPLIED',
  'C-WAIT',
  'COOKIE',
  'C-ECHOED',
  'ESTABLISHED',
  'S-SENT',
  'S-RECEIVED',
  'S-ACK-SENT',
  'REJECTED',
  'CLOSED',
] as const

const I1 = 1
const IN = 2
const CS = 3
const CR = 4
const CW = 5
const CO = 6
const CE = 7
const ES = 8
const SS = 9
const SR = 10
const SA = 11
const RJ = 12
const CL = 13

export const SCTP_INIT1 = I1
export const SCTP_INIT = IN
export const SCTP_CLOSED = CL
export const SCTP_ESTABLISHED = ES

/** Timeouts in seconds, by state. */
export const SCTP_TIMEOUTS_S = [2, 4, 61, 61, 61, 61, 61, 61, 900, 61, 61, 61, 4, 61]

/** Columns: the events, in this order. */
const DATA = 0
const INIT = 1
const INIT_ACK = 2
const COOKIE_ECHO = 3
const COOKIE_ACK = 4
const SHUTDOWN = 5
const SHUTDOWN_ACK = 6
const SHUTDOWN_COMPLETE = 7
const ERROR = 8
const ABORT = 9
const EVENTS = 10

// biome-ignore format: a table
const INPUT_ONLY = [
  /*         DATA INIT I-ACK C-ECHO C-ACK SHUT S-ACK S-COMP ERROR ABORT */
  /* NO */ [  ES,  I1,  CE,    ES,   ES,   SR,   CL,   CL,   CL,   CL ],
  /* I1 */ [  I1,  IN,  CE,    ES,   I1,   I1,   IN,   CL,   I1,   CL ],
  /* IN */ [  IN,  IN,  CE,    ES,   IN,   IN,   IN,   CL,   IN,   CL ],
  /* CS */ [  CS,  IN,  CE,    ES,   ES,   CS,   CS,   CL,   CS,   CL ],
  /* CR */ [  CR,  IN,  CE,    ES,   ES,   CR,   CR,   CL,   CR,   CL ],
  /* CW */ [  ES,  IN,  CE,    ES,   CW,   CW,   CW,   CW,   CW,   RJ ],
  /* CO */ [  CO,  CO,  CO,    CO,   ES,   CO,   CO,   CO,   CO,   CL ],
  /* CE */ [  CE,  CE,  CE,    CE,   ES,   CE,   CE,   CE,   CE,   CL ],
  /* ES */ [  ES,  ES,  ES,    ES,   ES,   SR,   CL,   ES,   ES,   CL ],
  /* SS */ [  SS,  SS,  SS,    SS,   SS,   SS,   CL,   SS,   SS,   CL ],
  /* SR */ [  SR,  SR,  SR,    SR,   SR,   SR,   SR,   CL,   SR,   CL ],
  /* SA */ [  SA,  SA,  SA,    SA,   SA,   SA,   CL,   CL,   SA,   CL ],
  /* RJ */ [  RJ,  IN,  RJ,    RJ,   RJ,   RJ,   RJ,   RJ,   RJ,   CL ],
  /* CL */ [  CL,  IN,  CL,    CL,   CL,   CL,   CL,   CL,   CL,   CL ],
]

const NEXT_STATE = Uint8Array.from(INPUT_ONLY.flat())

/** The event of each chunk type from 0 to 14; every other type is DATA. */
const EVENT = Uint8Array.from({ length: 256 }, () => DATA)
EVENT[1] = INIT
EVENT[2] = INIT_ACK
EVENT[6] = ABORT
EVENT[7] = SHUTDOWN
EVENT[8] = SHUTDOWN_ACK
EVENT[9] = ERROR
EVENT[10] = COOKIE_ECHO
EVENT[11] = COOKIE_ACK
EVENT[14] = SHUTDOWN_COMPLETE

/** The state that follows `state` when a packet whose deciding chunk is `chunkType` arrives. */
export function nextSctpState(state: number, chunkType: number): number {
  return NEXT_STATE[state * EVENTS + EVENT[chunkType & 0xff]]
}
