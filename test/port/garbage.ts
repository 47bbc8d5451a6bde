/** Demands of a port that it allocates nothing for a frame or a batch: `garbage-program.ts`. */
import { execFileSync } from 'node:child_process'
import type { Test } from 'tap'
import type { Lab } from '../namespaces.js'

export function allocatesNothing(t: Test, lab: Lab, engine: 'af_xdp' | 'af_packet'): void {
  const program = new URL('./garbage-program.js', import.meta.url).pathname
  const places = ['client', 'director'].map((host) => `/run/netns/${lab.name(host)}`)
  const mac = lab.macOf('director:in')
  // What V8 allocates for itself must not decide; what the path allocates shows in each run.
  let isClean = false
  for (let attempt = 0; attempt < 4 && !isClean; attempt++) {
    const text = execFileSync(process.execPath, [program, ...places, mac, engine])
    const { frames, batches, allocated, ringDrops, sendErrors } = JSON.parse(String(text))
    t.comment(String(text).trim())
    t.same({ ringDrops, sendErrors }, { ringDrops: 0, sendErrors: 0 })
    t.ok(frames >= 200_000, `${frames} frames`)
    const bytes = Object.values(allocated as Record<string, number>).reduce((a, b) => a + b, 0)
    // The smallest object, once a batch, would be more.
    isClean = bytes < 12 * batches
  }
  t.ok(isClean, 'in one run at least')
}
