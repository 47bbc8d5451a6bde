/**
 * Two frames of the same length in hex, one above the other where they differ. Lines that are the
 * same are shown once; under differing bytes stands a mark, for terminals without colours and for
 * eyes that can't tell them apart.
 */
import type { Paint } from './paint.js'

const BYTES_A_LINE = 16

export function hexPair(paint: Paint, before: Buffer, after: Buffer): string {
  const lines: string[] = []
  const end = Math.max(before.length, after.length)
  for (let at = 0; at < end; at += BYTES_A_LINE) {
    const differs = (i: number) => before[at + i] !== after[at + i]
    if (!indices().some(differs)) {
      lines.push(line('both  ', before, at, (text) => text))
      continue
    }
    const red = (text: string, i: number) => (differs(i) ? paint.red(text) : text)
    const green = (text: string, i: number) => (differs(i) ? paint.green(text) : text)
    lines.push(line('before', before, at, red), line('after ', after, at, green))
    lines.push(
      `                 ${spaced(indices().map((i) => (differs(i) ? '^^' : '  ')))}`.trimEnd(),
    )
  }
  return lines.join('\n')
}

function indices(): number[] {
  return Array.from({ length: BYTES_A_LINE }, (_, i) => i)
}

/** Sixteen cells with a wider gap in the middle. */
function spaced(cells: string[]): string {
  return `${cells.slice(0, 8).join(' ')}  ${cells.slice(8).join(' ')}`
}

function line(
  label: string,
  frame: Buffer,
  at: number,
  colour: (text: string, i: number) => string,
): string {
  const cells = indices().map((i) => {
    const byte = frame[at + i]
    return byte === undefined ? '  ' : colour(byte.toString(16).padStart(2, '0'), i)
  })
  const text = frame.toString('latin1', at, at + BYTES_A_LINE).replace(/[^\x20-\x7e]/g, '.')
  return `   ${label}  ${at.toString(16).padStart(4, '0')}  ${spaced(cells)}  ${text}`
}
