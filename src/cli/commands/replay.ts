/** `uipvs replay`: a whole capture through the director, offline. */
import { statSync } from 'node:fs'
import type { Command } from 'commander'
import { ENDINGS } from '../../engine/verdict.js'
import { paintFor } from '../../lab/paint.js'
import { frameLine, LINES_HEAD, summaryText } from '../../offline/print-replay.js'
import { Recorder } from '../../offline/recorder.js'
import { type ReplaySummary, type ReplayWatcher, replay, tellFrame } from '../../offline/replay.js'
import { openPcapng, type PcapngFile } from '../../port/pcapng.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from '../failure.js'
import {
  addOfflineOptions,
  begin,
  type OfflineFlags,
  openCapture,
  placed,
  SURROUNDINGS_HELP,
} from '../offline-options.js'

const HELP = `
Examples:
  uipvs replay --rules r.rules in.pcap                    a line for each frame, then tables
  uipvs replay --rules r.rules --summary in.pcapng        the tables only
  uipvs replay --rules r.rules in.pcap -w out.pcapng      for Wireshark: verdicts as comments
  uipvs replay --rules r.rules in.pcap -w - | tshark -r -
  tcpdump -i eth0 -U -w - | uipvs replay --rules r.rules -
  uipvs replay --rules r.rules --json in.pcap | jq 'select(.verdict == "no-service")'

Without --rules they are taken from the running director. With -w, each frame is written as it came
(interface 'in', its verdict as the comment), and as it left (interface 'out'). With --json each
frame is a line, {"type":"frame",...}, and the last line is {"type":"summary",...}.
${SURROUNDINGS_HELP}
Exit status: 0 done; 1 the capture could not be read to its end (what came before was replayed), or
the rules were refused; 2 wrong command line.`

interface Flags extends OfflineFlags {
  readonly write?: string
  readonly summary?: true
  readonly json?: true
}

export function register(program: Command): void {
  const command = program
    .command('replay')
    .description(
      "Sends a capture (Ethernet; pcap or pcapng) through the director, offline, with the capture's clock.",
    )
    .argument('<capture>', 'the capture file; - reads stdin')
  addOfflineOptions(command)
    .option('-w, --write <file>', 'write what came and what left as pcapng; - writes to stdout')
    .option('--summary', 'print no line for each frame')
    .option('--json', 'print JSON, one object a line')
    .addHelpText('after', HELP)
    .action((capture: string, flags: Flags) => run(capture, flags))
}

async function run(capture: string, flags: Flags): Promise<void> {
  checkUse(capture, flags)
  const beginning = await begin(flags)
  const out = new Output(flags)
  const { rules, mode, linux, macs } = beginning
  const options = {
    rules,
    mode,
    linux,
    macs,
    ...(flags.directorMac !== undefined && { directorMac: flags.directorMac }),
    ...(flags.mtu !== undefined && { mtu: flags.mtu }),
  }
  let summary: ReplaySummary
  try {
    summary = await replay(openCapture(capture), options, out.watcher)
    out.finish(summary)
    // A failure ends the process at once, and with it what a slow reader has not taken yet.
    await out.written()
  } catch (error) {
    // The reader of -w - has seen enough.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return
    throw placed(error, beginning)
  } finally {
    out.close()
  }
  report(summary, capture)
}

function checkUse(capture: string, flags: Flags): void {
  const usage = (what: string, hint: string) => new CliFailure(what, EXIT_USAGE, hint)
  if (capture === '-' && flags.rules === '-') {
    throw usage('stdin was named twice', 'put the rules into a file')
  }
  if (flags.write === '-' && flags.json === true) {
    throw usage('--json and -w - both want stdout', 'write the capture to a file')
  }
  if (flags.write === '-' && process.stdout.isTTY === true) {
    throw usage('a capture is not for a terminal', 'pipe it, or write it to a file')
  }
  if (flags.write !== undefined && isSameFile(capture, flags.write)) {
    throw usage(`the capture would be overwritten (${capture})`, 'write to another file')
  }
}

function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }))
  return a !== undefined && b !== undefined && a.isFile() && a.dev === b.dev && a.ino === b.ino
}

/** What is wrong with the capture, now that all that could be read of it was replayed. */
function report({ problem, frames, cutFrames }: ReplaySummary, capture: string): void {
  if (cutFrames > 0) {
    const what = `${counted(cutFrames)} cut when captured, and judged without the rest`
    process.stderr.write(`uipvs: ${what}; capture with 'tcpdump -s 0'\n`)
  }
  if (problem === null) return
  const advice = problem.message.includes('link type')
    ? "; capture on one interface, not 'any'"
    : ''
  const done = frames === 0 ? 'nothing was replayed' : `${counted(frames)} replayed before`
  throw new CliFailure(`${problem.message} (${capture})`, 1, `${done}${advice}`)
}

function counted(frames: number): string {
  return frames === 1 ? '1 frame was' : `${frames} frames were`
}

/** How long lines wait for others to be written together, in ms. */
const GATHER_MS = 50
const GATHERED_CHARACTERS = 1 << 15

/** Lines to stdout (where no capture goes there), and the capture of `-w`. */
class Output {
  readonly watcher: ReplayWatcher
  readonly #flags: Flags
  readonly #paint = paintFor(process.stdout)
  #text = ''
  /** While stdout takes no more: a million lines must not wait in memory. */
  #behind: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #file: PcapngFile | undefined
  #recorder: Recorder | undefined

  constructor(flags: Flags) {
    this.#flags = flags
    const hasLines = flags.summary !== true && flags.write !== '-'
    const hasFile = flags.write !== undefined
    this.watcher = {
      ...((hasLines || hasFile) && {
        frame: (frame, offline) => {
          const told = tellFrame(frame, offline)
          if (hasFile) this.#record().frame(frame, told.realserver)
          if (!hasLines) return
          if (flags.json === true) this.#line(jsonLine(frame, told))
          else {
            if (frame.number === 1) this.#line(this.#paint.dim(LINES_HEAD))
            this.#line(frameLine(frame, told, this.#paint))
          }
        },
      }),
      behind: () => this.#behind,
      ...(hasFile && { own: (bytes, timestampMs) => this.#record().own(bytes, timestampMs) }),
    }
  }

  /** The file is made when there is something to write, not before the capture could be opened. */
  #record(): Recorder {
    if (this.#recorder === undefined) {
      this.#file = openToWrite(this.#flags.write as string)
      this.#recorder = new Recorder(this.#file.writer)
    }
    this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS)
    return this.#recorder
  }

  #line(line: string): void {
    this.#text += `${line}\n`
    if (this.#text.length >= GATHERED_CHARACTERS) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS)
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#file?.flush()
    const text = this.#text
    this.#text = ''
    if (text === '' || process.stdout.write(text)) return
    this.#behind ??= new Promise((resolve) => {
      process.stdout.once('drain', () => {
        this.#behind = undefined
        resolve()
      })
    })
  }

  finish(summary: ReplaySummary): void {
    const { write, json, summary: isWanted } = this.#flags
    if (write !== undefined && summary.problem === null) this.#record()
    if (json === true) this.#line(JSON.stringify({ type: 'summary', ...summary }))
    // Tables of nothing would only hide what is wrong with the capture.
    else if (summary.frames === 0 && summary.problem !== null) return
    else if (write !== '-') {
      const gap = isWanted === true || summary.frames === 0 ? '' : '\n'
      this.#line(`${gap}${summaryText(summary, this.#paint)}`.trimEnd())
    } else if (isWanted === true) {
      process.stderr.write(summaryText(summary, paintFor(process.stderr)))
    }
    this.#flush()
  }

  async written(): Promise<void> {
    while (this.#behind !== undefined) await this.#behind
  }

  close(): void {
    clearTimeout(this.#timer)
    if (this.#text !== '') process.stdout.write(this.#text)
    this.#file?.close()
  }
}

function openToWrite(path: string): PcapngFile {
  try {
    return openPcapng(path, 'uipvs replay')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const hint = 'name a file in a folder that is there, and that you may write to'
    throw new CliFailure(`the capture can't be written: ${code} (${path})`, EXIT_FAILED, hint)
  }
}

function jsonLine(
  frame: Parameters<typeof frameLine>[0],
  told: ReturnType<typeof tellFrame>,
): string {
  const { number, captured, seconds, verdict } = frame
  const { name, action } = ENDINGS[verdict]
  return JSON.stringify({
    type: 'frame',
    number,
    time: captured.timestampMs / 1000,
    seconds,
    bytes: captured.bytes.length,
    frame: told.frame,
    verdict: name,
    action,
    realserver: told.realserver,
  })
}
