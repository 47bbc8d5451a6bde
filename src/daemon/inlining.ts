/**
 * Lets V8 inline the whole journey of a frame.
 *
 * `forward()` is many small functions with good names; V8 inlines those of up to 460 bytes of
 * bytecode until 920 are spent in one caller, and what comes after stays a call of 3 to 5 ns. With
 * the limit below a batch is decided without a call, and as the outermost function knows its one
 * director and its one arena, so does all that is inlined into it. That is why even what is rare
 * must fit: code once compiled counts with all that was inlined into it, and a `#pass` that is too
 * long for the loop around it knows neither (47 instead of 33 ns, 256 flows, `uipvs bench micro`).
 *
 * The flags hold for the process and for code that is optimised after they were set.
 */
import { setFlagsFromString } from 'node:v8'

/** All there is comes to some 14,000. */
const INLINED_BYTES = 20_000

export function allowInlining(): void {
  setFlagsFromString(`--max-inlined-bytecode-size=${INLINED_BYTES}`)
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${INLINED_BYTES}`)
  // Beyond this not even functions of a few bytes are inlined.
  setFlagsFromString(`--max-inlined-bytecode-size-absolute=${INLINED_BYTES}`)
}
