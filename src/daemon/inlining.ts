/**
 * Lets V8 inline the whole journey of a frame.
 *
 * `forward()` is many small functions with good names; V8 inlines them until 920 bytes of bytecode
 * are spent in one caller, and what comes after stays a call of 3 to 5 ns. A larger budget took a
 * frame from 124 to 103 ns (256 flows, `bench/micro.ts`, one run on a 2-core virtual machine). The
 * flag holds for the process and for code that is optimised after it was set.
 */
import { setFlagsFromString } from 'node:v8'

const INLINED_BYTECODE_BYTES = 4000

export function allowInlining(): void {
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${INLINED_BYTECODE_BYTES}`)
}
