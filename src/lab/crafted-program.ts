/**
 * Hand-made packets from a host of the lab, through raw sockets:
 *
 *   node crafted-program.js echo ADDRESS
 *   node crafted-program.js udp ADDRESS PORT PAYLOAD
 *
 * Prints one line of JSON: {missing: true} without the package `raw-socket`, else {answer}, null if
 * none came.
 */
import { loadRawSocket, type ProbeAnswer, probeEcho, probeUdp } from './raw-probe.js'

export type CraftedResult = { readonly missing: true } | { readonly answer: ProbeAnswer | null }

const PATIENCE_MS = 2000

async function send(words: readonly string[]): Promise<CraftedResult> {
  const [kind, address, port, payload] = words
  const raw = await loadRawSocket()
  if (raw === null) return { missing: true }
  const answer =
    kind === 'echo'
      ? await probeEcho(raw, address!, PATIENCE_MS)
      : await probeUdp(raw, address!, Number(port), payload ?? '', PATIENCE_MS)
  return { answer }
}

if (process.argv[1] === import.meta.filename) {
  process.stdout.write(`${JSON.stringify(await send(process.argv.slice(2)))}\n`)
}
