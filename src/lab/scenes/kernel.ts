/**
 * Scene `kernel`: the director's place, taken by uipvs and then by Linux's own IPVS, which runs as
 * a process (User-Mode Linux) on the same wire.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { cannotHaveLinuxDirector } from '../../uml/linux-director.js'
import { HEADER_BYTES } from '../../wire/ethernet.js'
import * as ipv4 from '../../wire/ipv4.js'
import type { CapturedFrame } from '../capture.js'
import { ipPacket } from '../capture.js'
import { type Passage, pairFrames } from '../evidence.js'
import { packet4, type Scene, type Stage } from '../scene.js'
import { CIP, DIP, macOf, REALSERVERS, VIP } from '../topology.js'
import { isSharedEvenly, ROUNDS, URL, webService } from './web.js'

const LAST_PACKET_MS = 500
/** Linux adds its counters up every two seconds. */
const STATS = `${VIP}:80 +${ROUNDS} `

/** What one director did with the same requests. */
interface Seen {
  readonly answers: readonly string[]
  readonly passages: readonly Passage[]
  /** Frames for the VIP that came and did not leave. */
  readonly lost: number
  /** Packets and bytes of the client's on the director's wire. */
  readonly packets: number
  readonly bytes: number
  readonly stats: string
  readonly connections: string
}

async function requests(stage: Stage, ipvsadm: string): Promise<Seen> {
  let answers: string[] = []
  const frames = await stage.watch('director', async () => {
    answers = stage.ask(ROUNDS, URL)
    // The last acknowledgement leaves when curl has its answer.
    await sleep(LAST_PACKET_MS)
  })
  const passages = pairFrames(frames, macOf(DIP))
  const shown = passages.find(({ before }) => before.includes('GET / HTTP')) ?? passages[0]
  if (shown !== undefined) stage.frames(shown.before, shown.after)
  const came = passages.map(({ before }) => ipPacket(before)!.length)
  return {
    answers,
    passages,
    lost: passages.unpaired + repliesIn(frames),
    packets: came.length,
    bytes: came.reduce((sum, length) => sum + length, 0),
    stats: await stage.untilPrinted('director', `${ipvsadm} -Ln --stats`, new RegExp(STATS)),
    connections: (await stage.shell('director', `${ipvsadm} -Lnc`)).output,
  }
}

/** Direct Routing: none of them should be there. */
function repliesIn(frames: readonly CapturedFrame[]): number {
  return frames.map(packet4).filter((p) => p?.source === VIP && p.destination === CIP).length
}

/** What is left of a frame but for its two MAC addresses. */
function behindMacs(frame: Buffer): Buffer {
  return frame.subarray(12)
}

function goesToRealserver({ after }: Passage): boolean {
  const macs = [after.subarray(0, 6), after.subarray(6, 12)].map((mac) => mac.toString('hex'))
  const of = (address: string) => macOf(address).replaceAll(':', '')
  return macs[1] === of(DIP) && REALSERVERS.some(({ rip }) => of(rip) === macs[0])
}

function isTextbook(passage: Passage): boolean {
  const { before, after } = passage
  return goesToRealserver(passage) && behindMacs(before).equals(behindMacs(after))
}

/** MAC addresses, TTL less one, and the sum over the header that has the TTL in it. */
function isLinux(passage: Passage): boolean {
  const expected = Buffer.from(passage.before)
  const view = new DataView(expected.buffer, expected.byteOffset, expected.length)
  ipv4.setTtl(view, HEADER_BYTES, ipv4.ttl(view, HEADER_BYTES) - 1)
  ipv4.updateChecksum(view, HEADER_BYTES)
  return goesToRealserver(passage) && behindMacs(expected).equals(behindMacs(passage.after))
}

/** A listing without what differs from run to run: the client's ports, the seconds left. */
function comparable(connections: string): string {
  const lines = connections.replaceAll(`${CIP}:`, ' ').replace(/ \d+:\d\d /g, ' ')
  return lines
    .replace(/ {2}\d+ /g, ' ')
    .split('\n')
    .sort()
    .join('\n')
}

function claimAll(stage: Stage, seen: Seen, isAsItShould: (passage: Passage) => boolean): void {
  const { answers, passages, lost } = seen
  stage.claim('each realserver answered as often', isSharedEvenly(answers))
  stage.claim(
    `${passages.length} frames came and left, each changed in this way and in no other`,
    passages.length > 0 && lost === 0 && passages.every(isAsItShould),
  )
}

function claimCounted(stage: Stage, { stats, packets, bytes }: Seen): void {
  const counted = new RegExp(`${STATS} *${packets} +0 +${bytes} +0\n`).test(stats)
  stage.claim(`counted is what was on the wire: ${packets} packets, ${bytes} bytes`, counted)
}

export const kernel: Scene = {
  name: 'kernel',
  title: "Linux's own IPVS as the director",
  question: 'The same hosts, requests and rules, and Linux in the place of uipvs: what differs?',
  engine: 'af_packet',
  cannot: cannotHaveLinuxDirector,
  remember:
    'Linux changes more than the MAC addresses: TTL less one, and the header checksum that covers it. uipvs --mode kernel does the same; which realserver, which counter and which state are the same in both modes.',
  async play(stage) {
    webService(stage)
    stage.heading('uipvs, as the books have it: the MAC addresses')
    const textbook = await requests(stage, 'uipvsadm')
    stage.note('Six bytes name the realserver and six the director; where both names begin alike,')
    stage.note(
      'the bytes stay. The IP packet is as it came: TTL 63, one less than the client sent.',
    )
    claimAll(stage, textbook, isTextbook)
    claimCounted(stage, textbook)

    stage.heading('uipvs --mode kernel: the MAC addresses, the TTL, the sum over the header')
    await stage.restartDirector('--mode', 'kernel')
    webService(stage)
    const kernelMode = await requests(stage, 'uipvsadm')
    claimAll(stage, kernelMode, isLinux)

    stage.heading('Linux itself, in user mode, with the rules that uipvsadm -Sn prints')
    const rules = stage.run('director', 'uipvsadm -Sn').output
    await stage.withLinux(rules, async () => {
      const linux = await requests(stage, 'ipvsadm')
      claimAll(stage, linux, isLinux)
      claimCounted(stage, linux)
      for (const [who, { answers, connections }] of [
        ['textbook', textbook],
        ['kernel', kernelMode],
      ] as const) {
        stage.claim(
          `uipvs (${who} mode) chose the same realservers in the same order`,
          answers.join() === linux.answers.join(),
        )
        stage.claim(
          `and lists the same connections in the same states`,
          connections.includes(`${VIP}:80`) &&
            comparable(connections) === comparable(linux.connections),
        )
      }
    })
  },
}
