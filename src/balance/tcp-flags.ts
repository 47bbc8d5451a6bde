/** The TCP flag bits that decide (RFC 9293 section 3.1), as `balance` may not know `wire`. */
export const FIN = 0x01
export const SYN = 0x02
export const RST = 0x04
export const ACK = 0x10
