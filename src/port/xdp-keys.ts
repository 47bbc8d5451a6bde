/**
 * The keys and values of the maps that the XDP program asks (`xdp-program.ts`) and that we fill
 * (`xdp-maps.ts`). One kind of key serves for all questions about what is served:
 *
 *        0                 16           18         19       20
 *        | address         | port       | protocol | family |
 *
 *        VIP, 0, 0      -> WHOLE        all of it is the director's
 *                          SHARED       the kernel holds it: ask for protocol and port
 *        VIP, port, p   -> WHOLE        this port is served
 *        VIP, 0, p      -> WHOLE        every port of the protocol is served
 *                          SHARED       some of them are
 */

/** A key of `served`; address and port are in the order of the wire. */
export const servedKey = { size: 20, address: 0, port: 16, protocol: 18, family: 19 } as const
/** A key of `fragments`: what makes fragments belong together (RFC 791, RFC 8200 section 4.5). */
export const fragmentKey = {
  size: 40,
  source: 0,
  destination: 16,
  identification: 32,
  protocol: 36,
} as const

/** Values of `served`. */
export const WHOLE = 1
export const SHARED = 2

/** The one value of `grain`: how much of a client's address counts, as in `Share`; host order. */
export const grainValue = { size: 20, mask4: 0, mask6: 4 } as const
