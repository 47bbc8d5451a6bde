/** What the tests of the offline director share: rules, explainers, frames in a capture. */
import type { Limits } from '../../src/balance/limits.js'
import { readRules } from '../../src/cli/rules-file.js'
import { Explainer, type ExplainerOptions } from '../../src/offline/explain.js'
import { packetFrame } from '../../src/offline/packet-text.js'
import { DEFAULT_DIRECTOR_MAC, macText } from '../../src/offline/surroundings.js'
import { pcap } from '../port/captures.js'

export const DIRECTOR = macText(DEFAULT_DIRECTOR_MAC)
export const VIP = '192.168.1.110'
export const LIMITS: Limits = {
  services: 16,
  destinations: 32,
  connections4: 256,
  connections6: 64,
  templates: 64,
}

/** Two services on the VIP, and one on an IPv6 address. */
export const RULES = `
-A -t 192.168.1.110:80 -s wlc
-a -t 192.168.1.110:80 -r 192.168.1.2:80 -g -w 1
-a -t 192.168.1.110:80 -r 192.168.1.3:80 -g -w 2
-a -t 192.168.1.110:80 -r 192.168.1.4:80 -g -w 0
-A -u 192.168.1.110:53 -s rr -o
-a -u 192.168.1.110:53 -r 192.168.1.2:53 -g -w 1
-A -t [2001:db8::110]:80 -s rr
-a -t [2001:db8::110]:80 -r [2001:db8::2]:80 -g -w 1
`

export function rulesOf(text: string) {
  return readRules(text, 'rules')
}

export function explainer(text = RULES, options: Partial<ExplainerOptions> = {}): Explainer {
  return new Explainer({
    rules: rulesOf(text),
    mode: 'textbook',
    directorMac: DEFAULT_DIRECTOR_MAC,
    limits: LIMITS,
    ...options,
  })
}

/** The frame of a packet in words; TCP flags may stand at their end. */
export function packet(text: string): Uint8Array {
  const [protocol, from, to, flags] = text.split(' ')
  const settings = flags === undefined ? {} : { flags }
  return packetFrame([protocol, from, to], settings, DEFAULT_DIRECTOR_MAC)
}

/** A capture of frames, each with its time in ms. */
export function captureOf(...moments: readonly (readonly [ms: number, bytes: Uint8Array])[]) {
  return pcap(
    {},
    moments.map(([ms, bytes]) => ({
      seconds: Math.floor(ms / 1000),
      fraction: Math.round((ms % 1000) * 1000),
      bytes,
    })),
  )
}

/** Bytes as they come from a pipe. */
export async function* piped(bytes: Uint8Array, piece = 7): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece)
}
