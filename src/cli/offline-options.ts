/**
 * What `uipvs explain` and `uipvs replay` have in common: where the rules come from, and what
 * stands for the network that an offline director does not have.
 */
import { createReadStream, readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import type { Rule } from '../balance/rule.js'
import { DEFAULT_KERNEL, type FollowedKernel } from '../balance/thresholds.js'
import { ControlClient, controlPath, Unreachable } from '../control/client.js'
import type { Mode } from '../engine/director-state.js'
import { liveOptions, macsOf, rulesOf } from '../offline/live-rules.js'
import { RefusedRule } from '../offline/offline-director.js'
import { DEFAULT_DIRECTOR_MAC, type Mac, macText, parseMacs } from '../offline/surroundings.js'
import { parseMac } from '../wire/address.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from './failure.js'
import { linuxOptionWithoutDefault } from './linux-option.js'
import { readRules } from './rules-file.js'

export interface OfflineFlags {
  readonly rules?: string
  readonly control?: string
  readonly mode?: Mode
  readonly linux?: FollowedKernel
  readonly mac?: readonly string[]
  readonly directorMac?: Mac
  readonly mtu?: number
}

/** For the end of `--help`: what an offline director takes for granted. */
export const SURROUNDINGS_HELP = `
Nothing is sent and nothing is asked of the network, so no privileges are needed. Instead:
  VIPs            the addresses of the services (services by firewall mark are not reached)
  realservers     all on the director's own link; 127.0.0.1 and ::1 are the director itself
  MAC addresses   of a realserver: --mac, or what ARP in the capture says, or 02:00 and the last
                  32 bits of its address; of the director: --director-mac, or the address that the
                  first frame for a VIP was sent to, or ${macText(DEFAULT_DIRECTOR_MAC)}
`

export function addOfflineOptions(command: Command): Command {
  return command
    .option('--rules <file>', 'rules in the format of ipvsadm-save; - reads stdin')
    .option('--control <path>', 'control socket of a running director, to take its rules')
    .addOption(
      new Option(
        '--mode <mode>',
        'textbook (default): only the Ethernet header changes; kernel: TTL, MTU and ICMP as Linux',
      ).choices(['textbook', 'kernel']),
    )
    .addOption(linuxOptionWithoutDefault())
    .option(
      '--mac <realserver=mac>',
      'MAC address of a realserver; may be repeated',
      (text: string, all: string[] = []) => [...all, text],
    )
    .option('--director-mac <mac>', 'MAC address of the director', directorMac)
    .option(
      '--mtu <bytes>',
      "MTU of the director's link (default: 1500)",
      wholeNumber('--mtu', 68, 65535),
    )
}

function directorMac(text: string): Mac {
  const mac = parseMac(text)
  if (mac !== null && (mac.high & 0x0100) === 0) return mac
  const hint = `write it like ${macText(DEFAULT_DIRECTOR_MAC)}`
  throw new CliFailure(`'${text}' is no MAC address of one host (--director-mac)`, EXIT_USAGE, hint)
}

/** A reader of the value of `option` that takes whole numbers of a range. */
export function wholeNumber(option: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    const hint = `write a number from ${min} to ${max}`
    throw new CliFailure(`'${text}' is out of range (${option})`, EXIT_USAGE, hint)
  }
}

/** What an offline director begins with, and where it comes from. */
export interface Beginning {
  readonly rules: readonly Rule[]
  readonly mode: Mode
  readonly linux: FollowedKernel
  readonly macs: ReadonlyMap<string, Mac>
  /** The file of the rules; null: those of the running director. */
  readonly file: string | null
}

/** The rules of `--rules`, else those of the running director. */
export async function begin(flags: OfflineFlags): Promise<Beginning> {
  const given = parseMacs(flags.mac ?? [])
  if (typeof given === 'string') {
    const hint = 'write it like 192.168.1.2=02:00:00:00:00:02'
    throw new CliFailure(`'${given}' is no address and MAC (--mac)`, EXIT_USAGE, hint)
  }
  if (flags.rules === undefined) return ofRunningDirector(flags, given)
  if (flags.control !== undefined) {
    throw new CliFailure('--rules and --control were both given', EXIT_USAGE, 'choose one')
  }
  const file = flags.rules === '-' ? 'standard input' : flags.rules
  const rules = readRules(readText(flags.rules, 'the rules'), file)
  const { mode = 'textbook', linux = DEFAULT_KERNEL } = flags
  return { rules, mode, linux, macs: given, file }
}

async function ofRunningDirector(
  flags: OfflineFlags,
  given: ReadonlyMap<string, Mac>,
): Promise<Beginning> {
  const client = new ControlClient(flags.control ?? controlPath(process.env))
  try {
    const table = await client.table()
    const live = liveOptions(await client.status())
    const macs = new Map([...macsOf(table), ...given])
    const rules = rulesOf(table, await client.marks(), await client.sysctls())
    const { mode = live.mode, linux = live.linux } = flags
    return { rules, mode, linux, macs, file: null }
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    throw new CliFailure(`there are no rules: ${error.message}`, 1, 'give --rules FILE')
  } finally {
    client.close()
  }
}

/** A file as text, `-` for standard input; `what` is what it is needed for. */
export function readText(file: string, what: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const hint = code === 'ENOENT' ? 'there is no such file' : 'may you read it, and is it a file?'
    throw new CliFailure(`${what} can't be read: ${code} (${file})`, EXIT_FAILED, hint)
  }
}

/** A capture as its bytes come. */
export function openCapture(path: string): AsyncIterable<Uint8Array> {
  const highWaterMark = 1 << 18
  if (path === '-') return createReadStream('', { fd: 0, autoClose: false, highWaterMark })
  return createReadStream(path, { highWaterMark })
}

/**
 * An error as the operator should see it: a rule that the director refuses is told with its place.
 */
export function placed(error: unknown, { file }: Beginning): unknown {
  if (!(error instanceof RefusedRule)) return error
  const where = `rule ${error.index + 1} of ${file ?? 'the running director'}`
  return new CliFailure(`${error.message} (${where})`)
}
