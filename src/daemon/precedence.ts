/**
 * A thread that takes frames comes before others: what it does not take in time a ring loses, and
 * the main thread, `uipvsadm` or garbage collection on a thread of V8's can wait. (For IPVS in the
 * kernel it is the same: it works in softirqs, before any program.)
 *
 * By weight, not by a real-time policy: one such was measured, and as the kernel allows it 95 % of
 * a second, a thread under full load stood still for 50 ms in every second (docs/performance.md).
 */
import { getPriority, setPriority } from 'node:os'

/** About ten times the weight of a thread that has none of its own. */
const NICE = -10

/** For the calling thread alone. Whoever started us with a priority has said what he wants. */
export function takePrecedence(): void {
  try {
    if (getPriority() === 0) setPriority(NICE)
  } catch {
    // It needs CAP_SYS_NICE. Without it frames are taken all the same.
  }
}
