/** The figure of the article: where its hosts stand, and along which lines frames travel. Pure. */

export interface Point {
  readonly x: number
  readonly y: number
}

export const WIDTH = 1000
export const HEIGHT = 410
export const BOX_WIDTH = 232
/** The segment: one line to which the router, the director and the realservers are joined. */
export const BUS_Y = 252

export const PLACES: Readonly<Record<string, Point>> = {
  client: { x: 375, y: 44 },
  router: { x: 375, y: 174 },
  director: { x: 125, y: 352 },
  rs1: { x: 375, y: 352 },
  rs2: { x: 625, y: 352 },
  rs3: { x: 875, y: 352 },
}

/** How high the box of a host is: those of the segment have a VIP to tell of. */
export function boxHeight(name: string): number {
  return name === 'client' || name === 'router' ? 80 : 108
}

/** The way of a frame from a host to another, corner by corner. */
export function wayOf(from: string, to: string): Point[] {
  const [a, b] = [PLACES[from], PLACES[to]]
  if (a === undefined || b === undefined) return []
  const isOwnWire = from === 'client' || to === 'client'
  if (isOwnWire) return [edgeOf(from, b.y), edgeOf(to, a.y)]
  const corners = [a, b].map(({ x }) => ({ x, y: BUS_Y }))
  return [edgeOf(from, BUS_Y), ...corners, edgeOf(to, BUS_Y)]
}

/** Where the box of a host ends in the direction of the height `y`: frames are seen outside. */
function edgeOf(name: string, y: number): Point {
  const { x, y: middle } = PLACES[name]
  return { x, y: middle + (Math.sign(y - middle) * boxHeight(name)) / 2 }
}

/** The point at which the share `part` of a way is behind. */
export function pointAt(way: readonly Point[], part: number): Point {
  const lengths = way.slice(1).map((point, i) => Math.hypot(point.x - way[i].x, point.y - way[i].y))
  let left = Math.min(1, Math.max(0, part)) * lengths.reduce((sum, length) => sum + length, 0)
  for (const [i, length] of lengths.entries()) {
    if (left <= length && length > 0) {
      const share = left / length
      return {
        x: way[i].x + (way[i + 1].x - way[i].x) * share,
        y: way[i].y + (way[i + 1].y - way[i].y) * share,
      }
    }
    left -= length
  }
  return way[way.length - 1]
}
