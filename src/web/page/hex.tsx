/** Bytes of a frame, sixteen a line, some of them marked. */
import { Scroll } from './scroll.jsx'

export const BYTES_A_LINE = 16

export interface HexProps {
  readonly title: string
  readonly bytes: Uint8Array
  /** What to compare with: bytes that differ are marked. */
  readonly other: Uint8Array | null
  /** The bytes that are pointed at. */
  readonly pointed: { readonly offset: number; readonly bytes: number } | null
  /** Bytes that are shown at most. */
  readonly most?: number
}

export function Hex({ title, bytes, other, pointed, most = bytes.length }: HexProps) {
  const lines = []
  const shown = Math.min(bytes.length, most)
  for (let at = 0; at < shown; at += BYTES_A_LINE) {
    const cells = []
    for (let i = at; i < Math.min(at + BYTES_A_LINE, shown); i++) {
      const isChanged = other !== null && other[i] !== bytes[i]
      const isPointed =
        pointed !== null && i >= pointed.offset && i < pointed.offset + pointed.bytes
      const text = bytes[i].toString(16).padStart(2, '0')
      const name = `${isChanged ? 'changed ' : ''}${isPointed ? 'pointed' : ''}`.trim()
      const gap = i % 8 === 7 ? '  ' : ' '
      cells.push(
        name === '' ? (
          <span key={i}>{text}</span>
        ) : isChanged ? (
          <mark key={i} class={name}>
            {text}
          </mark>
        ) : (
          <span key={i} class={name}>
            {text}
          </span>
        ),
        gap,
      )
    }
    lines.push(
      <div key={at} class="line">
        <span class="offset">{at.toString(16).padStart(4, '0')}</span>
        <span class="cells">{cells}</span>
        {' '.repeat(paddingOf(Math.min(BYTES_A_LINE, shown - at)))}
        <span class="letters" aria-hidden="true">
          {lettersOf(bytes.subarray(at, Math.min(at + BYTES_A_LINE, shown)))}
        </span>
      </div>,
    )
  }
  return (
    <figure class="hex">
      <figcaption>{title}</figcaption>
      <Scroll label={title}>
        {lines}
        {shown < bytes.length && <div class="line">… {bytes.length - shown}</div>}
      </Scroll>
    </figure>
  )
}

function lettersOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·',
  ).join('')
}

/** Columns that a line of `count` bytes lacks to a whole one. */
function paddingOf(count: number): number {
  return 3 * (BYTES_A_LINE - count) + (count < 8 ? 2 : count < BYTES_A_LINE ? 1 : 0)
}
