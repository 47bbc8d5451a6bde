/**
 * `uipvs bench send` and `receive`: the generator's half of a benchmark between two machines. See
 * docs/benchmarking.md.
 */
import { type Command, Option } from 'commander'
import { type Received, StampedReceiver } from '../bench/stamped-receiver.js'
import {
  FLOWS_MOST,
  FRAME_BYTES_MIN,
  type Sent,
  StampedSender,
  type Stream,
} from '../bench/stamped-sender.js'
import { packed, timesOf, timesText } from '../bench/times.js'
import { whoHas } from '../doctor/segment.js'
import { readAddresses, readInterface } from '../native/interfaces.js'
import { formatIpv4, formatMac, parseIpv4, parseMac } from '../wire/address.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from './failure.js'

const ETHERNET_BYTES = 14
const SECONDS_MAX = 3600
const RATE_MAX = 100_000_000

interface SendFlags {
  readonly interface: string
  readonly to: { address: string; port: number }
  readonly mac?: string
  readonly source?: string
  readonly rate: number
  readonly duration: number
  readonly flows: number
  readonly size: number
  readonly dryRun?: true
  readonly json?: true
}

const SEND_EXAMPLES = `
Examples:
  uipvs bench send -i eth1 --to 192.168.1.110:9 --rate 100000 --duration 10
  uipvs bench send -i eth1 --to 192.168.1.110:9 --rate max --flows 1024 --size 1514
  uipvs bench send -i eth1 --to 192.168.1.110:9 --dry-run     what it would send, and to whom

Frames go to the address given and to nobody else, on the segment of the interface: its MAC address
is asked for by ARP there, so that no router passes them on. What is sent is said beforehand.
`

const RECEIVE_EXAMPLES = `
Examples:
  uipvs bench receive -i eth2             waits for one run of 'uipvs bench send'
  uipvs bench receive -i eth2 --json > received.json
  uipvs bench receive -i eth2 --timeout 60

Start it before the sender. It ends when the sender has said that it ends; Ctrl-C ends it before.
Times under way are measured where sender and receiver are one machine (one clock).
`

export function addHostCommands(bench: Command): void {
  bench
    .command('send')
    .description('send numbered and stamped UDP frames to a VIP: the generator of two machines')
    .requiredOption('-i, --interface <name>', 'the interface that frames leave by')
    .requiredOption(
      '--to <address:port>',
      'the VIP and the UDP port: nobody else is sent to',
      target,
    )
    .option('--mac <mac>', "the director's MAC address; by default whoever answers ARP for it", mac)
    .option('--source <address>', "the frames' source; by default the interface's address", ipv4)
    .option('--rate <frames>', 'frames a second, or max', rate, 10_000)
    .option('--duration <seconds>', 'for how long', number('--duration', 0.1, SECONDS_MAX), 10)
    .option('--flows <number>', 'source ports in turn', whole('--flows', 1, FLOWS_MOST), 256)
    .option(
      '--size <bytes>',
      'of a frame, without the checksum behind it',
      whole('--size', FRAME_BYTES_MIN, 9014),
      FRAME_BYTES_MIN,
    )
    .option('--dry-run', 'say what would be sent, and send nothing')
    .option('--json', 'print what was sent as JSON')
    .addHelpText('after', SEND_EXAMPLES)
    .action(send)
  bench
    .command('receive')
    .description("count what comes of 'uipvs bench send': loss, order, duplicates, times")
    .requiredOption('-i, --interface <name>', 'the interface that frames come to')
    .addOption(
      new Option('--timeout <seconds>', 'give up if nothing is sent; by default never').argParser(
        number('--timeout', 0.1, SECONDS_MAX),
      ),
    )
    .option('--json', 'print the result as JSON')
    .addHelpText('after', RECEIVE_EXAMPLES)
    .action(receive)
}

async function send(flags: SendFlags): Promise<void> {
  const stream = await streamOf(flags)
  process.stderr.write(`uipvs: ${planText(stream)}\n`)
  if (flags.dryRun === true) return
  const over = endedBySignal()
  const sender = new StampedSender(stream)
  try {
    const sent = await sender.send(over)
    print(flags.json, { stream, ...sent }, sentText(sent))
  } finally {
    sender.close()
  }
}

async function streamOf(flags: SendFlags): Promise<Stream> {
  const { interface: name, to, flows, size: bytes, rate, duration } = flags
  const found = readInterface(name)
  if (bytes > found.mtu + ETHERNET_BYTES) {
    throw new CliFailure(
      `frames of ${bytes} bytes do not fit (${name} has MTU ${found.mtu})`,
      EXIT_USAGE,
      `--size ${found.mtu + ETHERNET_BYTES} is the longest`,
    )
  }
  const own = readAddresses().filter((each) => each.interface === name)
  const source = flags.source ?? own.find(({ address }) => parseIpv4(address) !== null)?.address
  if (source === undefined) {
    throw new CliFailure(`${name} has no IPv4 address`, EXIT_FAILED, 'give it one, or --source')
  }
  const { address, port } = to
  const director = flags.mac ?? (await directorOf(name, address, source))
  return {
    interface: name,
    mac: director,
    source,
    address,
    port,
    flows,
    bytes,
    rate,
    ms: duration * 1000,
  }
}

/** The one who answers for the VIP on this very segment. */
async function directorOf(name: string, address: string, source: string): Promise<string> {
  const macs = await whoHas(name, address, source)
  if (macs.length === 1) return macs[0]!
  throw macs.length === 0
    ? new CliFailure(
        `nobody answers ARP for ${address} (on ${name})`,
        EXIT_FAILED,
        'start the director, or give its MAC address with --mac',
      )
    : new CliFailure(
        `several answer ARP for ${address}: ${macs.join(', ')} (on ${name})`,
        EXIT_FAILED,
        "keep realservers silent ('uipvs realserver up'), or choose one with --mac",
      )
}

function planText({ rate, ms, bytes, flows, source, address, port, mac, interface: name }: Stream) {
  const seconds = ms / 1000
  const frames = Math.round(rate * seconds)
  const amount =
    rate === 0
      ? `as many frames of ${bytes} bytes as it can`
      : `${frames} frames of ${bytes} bytes, ${rate} a second ` +
        `(${megabits(rate * bytes)} Mbit/s, ${((frames * bytes) / 1e6).toFixed(1)} MB in all)`
  const way = `from ${source} to ${address}:${port} (${mac}) by ${name}`
  return `${amount}, in ${flows} flows ${way}, for ${seconds} s`
}

function megabits(bytesPerSecond: number): string {
  return ((bytesPerSecond * 8) / 1e6).toFixed(1)
}

function sentText({ sent, refused, ms, lateTimes, leftOut }: Sent): string {
  const rate = Math.round((sent * 1000) / ms)
  const late = lateTimes > 0 ? `; was late ${lateTimes} times and left ${leftOut} frames out` : ''
  const full = refused > 0 ? `; the kernel had no room for ${refused} more` : ''
  return `sent ${sent} frames in ${(ms / 1000).toFixed(2)} s, ${rate} a second${full}${late}\n`
}

interface ReceiveFlags {
  readonly interface: string
  readonly timeout?: number
  readonly json?: true
}

async function receive(flags: ReceiveFlags): Promise<void> {
  const isEnded = endedBySignal()
  const receiver = new StampedReceiver(flags.interface)
  const deadline = performance.now() + (flags.timeout ?? Number.POSITIVE_INFINITY) * 1000
  process.stderr.write(
    `uipvs: ready: waiting for frames of 'uipvs bench send' on ${flags.interface}\n`,
  )
  try {
    const isOver = (hasBegun: boolean) => isEnded() || (!hasBegun && performance.now() > deadline)
    const received = await receiver.receive(isOver)
    if (received.received === 0) {
      throw new CliFailure(
        `no frame of 'uipvs bench send' came (${flags.interface})`,
        EXIT_FAILED,
        "is the receiver's address a realserver of the service, and the director up?",
      )
    }
    const { latency, ...counts } = received
    const times = latency === null ? null : timesOf(latency)
    const histogram = latency === null ? null : packed(latency)
    const result = { ...counts, microseconds: times, histogram }
    print(flags.json, result, receivedText(received))
  } finally {
    receiver.close()
  }
}

function receivedText(received: Received): string {
  const { sent, lost, reordered, duplicates, stale, flows, ringDrops, latency } = received
  const count = (value: number, what: string) => (value > 0 ? [`${value} ${what}`] : [])
  const percent = sent === null || lost === null ? 0 : (100 * lost) / Math.max(1, sent)
  const loss =
    lost === null
      ? "lost: not known, as the sender's end did not come"
      : `lost ${lost} of ${sent} (${percent.toFixed(4)} %)`
  return [
    `received ${received.received} frames in ${flows} flows, ` +
      `${Math.round(received.framesPerSecond)} a second`,
    loss,
    ...count(ringDrops, 'of those were lost here, for want of room in the ring of this receiver'),
    `out of order ${reordered}, twice ${duplicates}`,
    ...count(stale, 'came so late that nobody knows whether twice'),
    latency === null
      ? 'time under way: not known, sender and receiver have different clocks'
      : `time under way: ${timesText(timesOf(latency))}`,
    ...count(received.beforeSent, 'came before they left: the clock was set meanwhile'),
    '',
  ].join('\n')
}

function print(json: true | undefined, value: unknown, text: string): void {
  process.stdout.write(json === true ? `${JSON.stringify(value, null, 2)}\n` : text)
}

/** Ctrl-C ends what goes on, and its result is printed. */
function endedBySignal(): () => boolean {
  let isEnded = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      isEnded = true
    })
  }
  return () => isEnded
}

function target(text: string): { address: string; port: number } {
  const [, address = '', digits = ''] = /^([\d.]+):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (parseIpv4(address) === null || port < 1 || port > 0xffff) {
    throw new CliFailure(
      `"${text}" is no IPv4 address with a port (--to)`,
      EXIT_USAGE,
      'give one like 192.168.1.110:9',
    )
  }
  // This network, loopback, multicast, and what lies behind it: broadcast too.
  if (/^(0|127|2(2[4-9]|[345]\d))\./.test(address)) {
    throw new CliFailure(
      `${address} is not the address of one host (--to)`,
      EXIT_USAGE,
      'name a VIP',
    )
  }
  return { address, port }
}

function ipv4(text: string): string {
  const address = parseIpv4(text)
  if (address !== null) return formatIpv4(address)
  throw new CliFailure(`"${text}" is no IPv4 address (--source)`, EXIT_USAGE, 'like 192.168.1.9')
}

function mac(text: string): string {
  const found = parseMac(text)
  if (found !== null && (found.high & 0x0100) === 0) return formatMac(found.high, found.low)
  throw new CliFailure(
    `"${text}" is not the MAC address of one host (--mac)`,
    EXIT_USAGE,
    'like 02:00:c0:a8:01:01',
  )
}

/** 0 stands for as many as can be. */
function rate(text: string): number {
  return text === 'max' ? 0 : whole('--rate', 1, RATE_MAX)(text)
}

function number(option: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() !== '' && value >= least && value <= most) return value
    throw new CliFailure(
      `"${text}" is no number from ${least} to ${most} (${option})`,
      EXIT_USAGE,
      `like ${option} ${Math.max(least, 1)}`,
    )
  }
}

function whole(option: string, least: number, most: number): (text: string) => number {
  const parse = number(option, least, most)
  return (text) => {
    const value = parse(text)
    if (Number.isInteger(value)) return value
    throw new CliFailure(
      `"${text}" is no whole number (${option})`,
      EXIT_USAGE,
      `like ${option} 256`,
    )
  }
}
