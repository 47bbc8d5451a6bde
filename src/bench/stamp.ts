/**
 * What each frame of `uipvs bench send` carries as the payload of its UDP datagram, so that whoever
 * receives it knows which it is and when it left:
 *
 *   0      2      4      6           10          14           18
 *   | kind | run  | flow | sequence   | seconds  | nanoseconds |     a frame
 *   | kind | run  | flows| frames sent, 64 bit   | clock       |     the end of a run
 *
 * All in network byte order. 18 bytes, so that they fit into the shortest Ethernet frame. `run`
 * tells one run from another; `sequence` counts the frames of one flow, from 0. The time is the
 * sender's CLOCK_REALTIME, of which `seconds` are the low 32 bits. `clock` names the kernel whose
 * clock that is: only under the same one are times of arrival to be compared with it.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

export const STAMP_BYTES = 18
export const FLOWS_MAX = 0x10000

export const KIND_FRAME = 0x7546
export const KIND_END = 0x7545

const TWO_TO_32 = 2 ** 32

export function writeStamp(
  view: DataView,
  at: number,
  sequence: number,
  seconds: number,
  nanoseconds: number,
): void {
  view.setUint32(at + 6, sequence)
  view.setUint32(at + 10, seconds)
  view.setUint32(at + 14, nanoseconds)
}

/** What all frames of a flow have in common. */
export function writeFlow(view: DataView, at: number, run: number, flow: number): void {
  view.setUint16(at, KIND_FRAME)
  view.setUint16(at + 2, run)
  view.setUint16(at + 4, flow)
}

export interface RunEnd {
  readonly flows: number
  readonly sent: number
  readonly clock: number
}

export function writeEnd(view: DataView, at: number, run: number, end: RunEnd): void {
  view.setUint16(at, KIND_END)
  view.setUint16(at + 2, run)
  view.setUint16(at + 4, end.flows - 1)
  view.setUint32(at + 6, Math.floor(end.sent / TWO_TO_32))
  view.setUint32(at + 10, end.sent % TWO_TO_32)
  view.setUint32(at + 14, end.clock)
}

export function readEnd(view: DataView, at: number): RunEnd {
  return {
    flows: view.getUint16(at + 4) + 1,
    sent: view.getUint32(at + 6) * TWO_TO_32 + view.getUint32(at + 10),
    clock: view.getUint32(at + 14),
  }
}

export const kind = (view: DataView, at: number): number => view.getUint16(at)
export const run = (view: DataView, at: number): number => view.getUint16(at + 2)
export const flow = (view: DataView, at: number): number => view.getUint16(at + 4)
export const sequence = (view: DataView, at: number): number => view.getUint32(at + 6)
export const seconds = (view: DataView, at: number): number => view.getUint32(at + 10)
export const nanoseconds = (view: DataView, at: number): number => view.getUint32(at + 14)

/** 32 bits that name this kernel since it booted. */
export function clockOfThisMachine(): number {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')
  return createHash('sha256').update(boot).digest().readUInt32BE(0)
}
