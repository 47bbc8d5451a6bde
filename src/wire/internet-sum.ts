/**
 * The arithmetic of the Internet checksum: 16-bit words added in one's complement (RFC 1071), and
 * its correction when a word changes (RFC 1624). `checksum.ts` applies it to transports.
 *
 * In one's complement 0x0000 and 0xffff are the same number, zero. A sum of words of which one is
 * not 0 folds to 0x0001..0xffff, never to 0x0000; so a checksum, its complement, is 0x0000..0xfffe.
 */

/**
 * Adds the `bytes` bytes at `at`, as big-endian 16-bit words, to the partial sum `initial`. A last
 * odd byte counts as a word with a zero byte behind it, so only the last piece of several may be
 * odd. At most 65,536 bytes a piece. Returns a partial sum, for `fold`, `complement` or another
 * `sum`.
 *
 * The halves of 32-bit words are added apart: that keeps both sums within int32, where V8 is quick.
 */
export function sum(view: DataView, at: number, bytes: number, initial = 0): number {
  let high = 0
  let low = 0
  let i = at
  const end = at + bytes
  for (; i + 4 <= end; i += 4) {
    const word = view.getInt32(i)
    high += word >>> 16
    low += word & 0xffff
  }
  if (i + 2 <= end) {
    high += view.getUint16(i)
    i += 2
  }
  if (i < end) low += view.getUint8(i) << 8
  return initial + (high >>> 16) + (high & 0xffff) + (low >>> 16) + (low & 0xffff)
}

/** The two 16-bit words of a 32-bit word, added. */
export function halves(word: number): number {
  return (word >>> 16) + (word & 0xffff)
}

/** A partial sum, below 2^32, as one 16-bit word. Not complemented: 0xffff for what is intact. */
export function fold(sum: number): number {
  const once = (sum >>> 16) + (sum & 0xffff)
  return (once >>> 16) + (once & 0xffff)
}

/** The checksum that goes into a header: the complement of the folded sum. */
export function complement(sum: number): number {
  return ~fold(sum) & 0xffff
}

/**
 * The checksum after one 16-bit word that it covers changed (RFC 1624 equation 3:
 * HC' = ~(~HC + ~m + m')). Both words must have stood at an even offset of what is covered.
 *
 * Exact, not merely equal in one's complement: a checksum computed over words that are not all 0 is
 * 0x0000..0xfffe, so ~HC is not 0, so the sum here is not 0 and folds to 0x0001..0xffff, and HC' is
 * again 0x0000..0xfffe, where each number stands for itself. (RFC 1141 gets 0xffff for 0x0000.)
 */
export function adjust(checksum: number, oldWord16: number, newWord16: number): number {
  return ~fold((~checksum & 0xffff) + (~oldWord16 & 0xffff) + newWord16) & 0xffff
}
