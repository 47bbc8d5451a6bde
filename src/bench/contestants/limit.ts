/**
 * The least that can be done on the same sockets: a C program that changes two MAC addresses and
 * decides nothing. Compiled here and now, into the benchmark's own directory.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Contestant, StartOptions } from './contestant.js'
import { startProgram } from './program.js'

/** The sources, which stand beside `build` in the package too. */
export const C_SOURCES = join(import.meta.dirname, '../../../../bench')

/** null where C can be compiled. */
export function whyNoCompiler(): string | null {
  const missing = spawnSync('cc', ['--version']).error !== undefined
  return missing ? 'there is no C compiler (apt install gcc)' : null
}

/** Compiles `source`, once, to `binary`. */
export function compile(source: string, binary: string): void {
  if (existsSync(binary)) return
  execFileSync('cc', ['-O2', '-Wall', '-o', binary, join(C_SOURCES, source)], { stdio: 'pipe' })
}

function limit(name: string, title: string, source: string): Contestant {
  return {
    name,
    title,
    side: 'opponent',
    whyNot: whyNoCompiler,
    start: async (options: StartOptions) => {
      const { field, directory, pinning } = options
      const binary = join(directory, name)
      compile(join('limit-wire', source), binary)
      const macs = [field.macOf('sink:eth0'), field.macOf('director:out')]
      const program = await startProgram(field, [...pinning, binary, 'in', 'out', ...macs], {
        name: title,
        isReady: () => true,
      })
      return {
        pids: [program.pid],
        counts: async () => null,
        rules: () => null,
        stop: program.stop,
      }
    },
  }
}

export const cAfXdp = limit('c_af_xdp', 'C af_xdp, decides nothing', 'xdp-forwarder.c')
export const cAfPacket = limit('c_af_packet', 'C af_packet, the same', 'packet-forwarder.c')
