/** `uipvs explain`: what the director does with one frame, step by step, and why. */
import type { Command } from 'commander'
import type { ExplainedChoice } from '../../control/choice.js'
import { RulesRefused } from '../../control/client.js'
import { paintFor } from '../../lab/paint.js'
import { lookForDirector } from '../../offline/director-mac.js'
import { Explainer } from '../../offline/explain.js'
import type { Explanation } from '../../offline/explanation.js'
import { macForVip } from '../../offline/mac-for-vip.js'
import { BadPacket, packetFrame, parseHex } from '../../offline/packet-text.js'
import { explanationText, wouldChooseText } from '../../offline/print-explanation.js'
import { questionOf } from '../../offline/question.js'
import { DEFAULT_DIRECTOR_MAC, type Mac, vipKeysOf } from '../../offline/surroundings.js'
import { LARGEST_FRAME, LINK_ETHERNET } from '../../port/captured-frame.js'
import { readCapture } from '../../port/replay.js'
import { CliFailure, EXIT_USAGE } from '../failure.js'
import {
  addOfflineOptions,
  type Beginning,
  begin,
  type OfflineFlags,
  openCapture,
  placed,
  readText,
  SURROUNDINGS_HELP,
  wholeNumber,
} from '../offline-options.js'
import { withDirector } from '../running-director.js'

const HELP = `
Examples:
  uipvs explain --rules r.rules tcp 10.0.0.1:40000 192.168.1.110:80
  uipvs explain tcp 10.0.0.1:40000 192.168.1.110:80       with the rules of the running director
  uipvs explain --rules r.rules --mode kernel --ttl 1 udp [2001:db8::1]:5353 [2001:db8::110]:53
  uipvs explain --rules r.rules icmp 10.0.0.1 192.168.1.110
  uipvs explain --rules r.rules --after 'tcp 10.0.0.1:40000 192.168.1.110:80' \\
                --flags A tcp 10.0.0.1:40000 192.168.1.110:80
  uipvs explain --rules r.rules --pcap in.pcap --frame 7  after frames 1 to 6 have passed
  tcpdump -xx -r in.pcap -c 1 | grep 0x | uipvs explain --rules r.rules --hex -
${SURROUNDINGS_HELP}
Of a running director only the rules are known here: not its connections, nor whose turn it is.
Whom it would choose itself, now, it is asked; that stands at the end.
Exit status: 0 whatever the verdict is; 1 nothing to explain; 2 wrong command line.`

interface Flags extends OfflineFlags {
  readonly flags?: string
  readonly ttl?: number
  readonly df?: true
  readonly len?: number
  readonly after?: readonly string[]
  readonly hex?: string
  readonly pcap?: string
  readonly frame?: number
  readonly alone?: true
  readonly json?: true
}

export function register(program: Command): void {
  const command = program
    .command('explain')
    .description(
      'Sends one frame through the director, offline, and shows what it meets and what becomes of it.',
    )
    .argument(
      '[packet...]',
      'tcp, udp or sctp SOURCE:PORT DESTINATION:PORT; or icmp SOURCE DESTINATION (echo request)',
    )
  addOfflineOptions(command)
    .option('--flags <letters>', 'TCP flags, of F S R P A U E C, or . for none (default: S)')
    .option('--ttl <n>', 'TTL or hop limit (default: 64)', wholeNumber('--ttl', 0, 255))
    .option('--df', 'IPv4: may not be fragmented')
    .option('--len <bytes>', 'length of the whole IP packet', wholeNumber('--len', 1, 65575))
    .option(
      '--after <packet>',
      'a packet that passes before; TCP flags may be its last word; may be repeated',
      (text: string, all: string[] = []) => [...all, text],
    )
    .option('--hex <digits>', 'the frame in hex, from its Ethernet header on; - reads stdin')
    .option('--pcap <file>', 'a frame of this capture (pcap or pcapng); - reads stdin')
    .option('--frame <n>', 'which one, from 1', wholeNumber('--frame', 1, 4294967295))
    .option('--alone', 'do not let the frames before it pass first')
    .option('--json', 'print the explanation as JSON')
    .addHelpText('after', HELP)
    .action(async (words: string[], flags: Flags) => {
      checkForm(words, flags)
      const beginning = await begin(flags)
      const explanation = await explain(words, flags, beginning)
      const running =
        beginning.file === null ? await nextOfRunning(flags, beginning, explanation) : null
      if (flags.json === true) {
        const all = running === null ? explanation : { ...explanation, running }
        process.stdout.write(`${JSON.stringify(all, null, 2)}\n`)
        return
      }
      if (beginning.file === null) process.stdout.write(LIVE_NOTE)
      const paint = paintFor(process.stdout)
      process.stdout.write(explanationText(explanation, paint))
      if (running !== null) process.stdout.write(wouldChooseText(running, paint))
    })
}

const LIVE_NOTE =
  'With the rules of the running director. Its connections are not known here, nor whose turn it\n' +
  'is; whom it would choose itself stands at the end.\n\n'

/** Whom the running director would choose now, if this frame opens a connection. */
async function nextOfRunning(
  flags: Flags,
  { rules }: Beginning,
  explanation: Explanation,
): Promise<ExplainedChoice | null> {
  const question = questionOf(explanation, rules)
  if (question === null) return null
  return await withDirector(flags.control, (client) => client.next(question)).catch((error) => {
    // Somebody has just deleted the service.
    if (error instanceof RulesRefused) return null
    throw error
  })
}

/** One of the three forms, and only the options that go with it. */
function checkForm(words: readonly string[], flags: Flags): void {
  const forms = [words.length > 0, flags.hex !== undefined, flags.pcap !== undefined]
  const given = forms.filter((isGiven) => isGiven).length
  const usage = (what: string, hint: string) => new CliFailure(what, EXIT_USAGE, hint)
  if (given === 0) throw usage('no frame was given', "see 'uipvs explain --help'")
  if (given > 1) throw usage('more than one frame was given', 'a packet, --hex or --pcap')
  const { flags: letters, ttl, df, len } = flags
  const isShaped = [letters, ttl, df, len].some((value) => value !== undefined)
  if (isShaped && words.length === 0) {
    throw usage('--flags, --ttl, --df and --len shape a packet', 'write one, or leave them out')
  }
  if (flags.pcap === undefined && (flags.frame ?? flags.alone) !== undefined) {
    throw usage('--frame and --alone go with a capture', 'add --pcap FILE')
  }
  if (flags.pcap !== undefined && flags.frame === undefined) {
    throw usage('which frame of the capture?', 'add --frame 1')
  }
  const pipes = [flags.rules, flags.hex, flags.pcap].filter((value) => value === '-')
  if (pipes.length > 1) throw usage('stdin was named twice', 'put one of them into a file')
}

async function explain(
  words: readonly string[],
  flags: Flags,
  beginning: Beginning,
): Promise<Explanation> {
  try {
    if (flags.pcap !== undefined) return await explainCaptured(flags.pcap, flags, beginning)
    const shape = { ...flags, ...(flags.len !== undefined && { length: flags.len }) }
    const vips = vipKeysOf(beginning.rules)
    const whole = flags.hex === undefined ? null : hexFrame(flags.hex)
    const found = whole === null ? null : macForVip(whole, vips)
    const mac = flags.directorMac ?? found ?? DEFAULT_DIRECTOR_MAC
    const explainer = explainerOf(flags, beginning, mac)
    for (const text of flags.after ?? []) {
      const [protocol, from, to, letters] = text.trim().split(/\s+/)
      const before = [protocol, from, to].filter((word) => word !== undefined)
      explainer.play(packetFrame(before, letters === undefined ? {} : { flags: letters }, mac), 0)
    }
    return explainer.explain(whole ?? packetFrame(words, shape, mac), 0)
  } catch (error) {
    if (!(error instanceof BadPacket)) throw placed(error, beginning)
    throw new CliFailure(error.message, EXIT_USAGE, "see 'uipvs explain --help'")
  }
}

function explainerOf(flags: Flags, beginning: Beginning, directorMac: Mac): Explainer {
  const { rules, mode, linux, macs } = beginning
  const mtu = flags.mtu === undefined ? {} : { mtu: flags.mtu }
  return new Explainer({ rules, mode, linux, macs, directorMac, ...mtu })
}

function hexFrame(digits: string): Uint8Array {
  const bytes = parseHex(digits === '-' ? readText('-', 'the frame') : digits)
  if (bytes.length > LARGEST_FRAME) throw new BadPacket(`a frame of ${bytes.length} bytes`)
  return bytes
}

/** Frame N of a capture, after those before it have passed. */
async function explainCaptured(
  path: string,
  flags: Flags,
  beginning: Beginning,
): Promise<Explanation> {
  const { mac, source } = await lookForDirector(openCapture(path), vipKeysOf(beginning.rules))
  const directorMac = flags.directorMac ?? mac ?? DEFAULT_DIRECTOR_MAC
  const explainer = explainerOf(flags, beginning, directorMac)
  const wanted = flags.frame ?? 1
  const capture = readCapture(source)
  for await (const frame of capture) {
    const isWanted = frame.index + 1 === wanted
    if (!isWanted && flags.alone === true) continue
    if (frame.linkType !== LINK_ETHERNET) {
      const what = `frame ${frame.index + 1} has link type ${frame.linkType}, not Ethernet (1)`
      throw new CliFailure(`${what} (${path})`, 1, "capture on one interface, not on 'any'")
    }
    if (isWanted) return explainer.explain(frame.bytes, frame.timestampMs)
    explainer.play(frame.bytes, frame.timestampMs)
  }
  if (capture.problem !== null) throw new CliFailure(`${capture.problem.message} (${path})`)
  throw new CliFailure(`there is no frame ${wanted}: the capture has ${capture.count} (${path})`)
}
