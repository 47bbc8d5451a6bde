/** Colours for a terminal, and none for anything else (https://no-color.org). */

type Colour = (text: string) => string

export interface Paint {
  readonly bold: Colour
  readonly dim: Colour
  readonly red: Colour
  readonly green: Colour
  readonly yellow: Colour
  readonly cyan: Colour
}

const plain: Colour = (text) => text
const sgr =
  (on: number, off: number): Colour =>
  (text) =>
    `\x1b[${on}m${text}\x1b[${off}m`

export const PLAIN: Paint = {
  bold: plain,
  dim: plain,
  red: plain,
  green: plain,
  yellow: plain,
  cyan: plain,
}

const COLOURED: Paint = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  red: sgr(31, 39),
  green: sgr(32, 39),
  yellow: sgr(33, 39),
  cyan: sgr(36, 39),
}

export function paintFor(stream: { isTTY?: boolean }, env = process.env): Paint {
  const refused = env.NO_COLOR !== undefined && env.NO_COLOR !== ''
  return stream.isTTY === true && !refused && env.TERM !== 'dumb' ? COLOURED : PLAIN
}
