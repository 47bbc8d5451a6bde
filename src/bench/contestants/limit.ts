/**
 * The least that can be done on the same sockets: a C program that changes two MAC addresses and
 * decides nothing. Compiled here and now, into the benchmark's own directory.
 */
import { join } from 'node:path'
import { compile, whyNoCompiler } from '../compiler.js'
import type { Contestant, StartOptions } from './contestant.js'
import { startProgram } from './program.js'

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
        name: 'the program',
        isReady: (line) => line === 'ready',
      })
      return {
        pids: [program.pid],
        counts: async () => null,
        rules: () => null,
        failure: program.failure,
        stop: program.stop,
      }
    },
  }
}

export const cAfXdp = limit('c_af_xdp', 'C af_xdp, decides nothing', 'xdp-forwarder.c')
export const cAfPacket = limit('c_af_packet', 'C af_packet, the same', 'packet-forwarder.c')
