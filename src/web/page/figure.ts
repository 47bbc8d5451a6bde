/**
 * The figure of a lab: where its hosts stand, and along which lines frames travel. As in the
 * article the client stands at the top, and below it, row by row, whoever is one wire further away.
 * Between two rows lie the wires that join them. Pure.
 */
import type { LabHost } from '../moment.js'

export interface Point {
  readonly x: number
  readonly y: number
}

export type FigureHost = Pick<LabHost, 'name' | 'wires' | 'vip'>

export interface PlacedHost extends Point {
  readonly name: string
  readonly width: number
  readonly height: number
}

export interface PlacedWire {
  readonly name: string
  readonly y: number
  readonly from: number
  readonly to: number
  /** Between two hosts: a cable, and no segment. */
  readonly isCable: boolean
}

export const WIDTH = 1000
const BOX_WIDTH = 232
const BOX_GAP = 18
/** Rows of a box without and with a line about the VIP. */
const HEIGHT_PLAIN = 80
const HEIGHT_VIP = 108
/** From a row of hosts to the wire below it, and from there to the next row. */
const TO_WIRE = 24
/** Between wires that lie between the same rows. */
const WIRE_GAP = 16
const MARGIN = 4

export class Figure {
  readonly hosts: ReadonlyMap<string, PlacedHost>
  readonly wires: ReadonlyMap<string, PlacedWire>
  readonly height: number
  readonly #wiresOf: ReadonlyMap<string, readonly string[]>

  constructor(hosts: readonly FigureHost[]) {
    this.#wiresOf = new Map(hosts.map(({ name, wires }) => [name, wires]))
    const rows = rowsOf(hosts)
    const placed = new Map<string, PlacedHost>()
    const wires = new Map<string, PlacedWire>()
    let top = MARGIN
    for (const [r, row] of rows.entries()) {
      const height = row.some(({ vip }) => vip !== null) ? HEIGHT_VIP : HEIGHT_PLAIN
      const space = WIDTH / row.length
      for (const [i, { name, vip }] of row.entries()) {
        placed.set(name, {
          name,
          x: space * (i + 0.5),
          y: top + height / 2,
          width: Math.min(BOX_WIDTH, space - BOX_GAP),
          height: vip === null && height === HEIGHT_VIP ? HEIGHT_VIP : height,
        })
      }
      top += height
      const below = wiresBelow(rows, r)
      if (below.length === 0) continue
      top += TO_WIRE
      for (const [i, name] of below.entries()) {
        wires.set(name, { name, y: top + i * WIRE_GAP, from: 0, to: 0, isCable: false })
      }
      top += (below.length - 1) * WIRE_GAP + TO_WIRE
    }
    for (const [name, wire] of wires) {
      const ends = hosts.filter((host) => host.wires.includes(name))
      const xs = ends.map((host) => placed.get(host.name)?.x ?? 0)
      const isCable = ends.length === 2
      wires.set(name, { ...wire, from: Math.min(...xs), to: Math.max(...xs), isCable })
    }
    this.hosts = placed
    this.wires = wires
    this.height = top + MARGIN
  }

  /** The way of a frame over a wire, corner by corner: outside of the boxes, where it is seen. */
  wayOf(from: string, to: string, wire: string): Point[] {
    const [a, b, line] = [this.hosts.get(from), this.hosts.get(to), this.wires.get(wire)]
    if (a === undefined || b === undefined || line === undefined) return []
    const corner = ({ x }: Point) => ({ x, y: line.y })
    return [edgeOf(a, line.y), corner(a), corner(b), edgeOf(b, line.y)]
  }

  /** Who else hears what a host says to everybody on a wire. */
  othersOn(wire: string, than: string): string[] {
    return [...this.#wiresOf].flatMap(([name, wires]) =>
      name !== than && wires.includes(wire) ? [name] : [],
    )
  }

  /** The lines that join hosts to their wires. */
  get joints(): (readonly [Point, Point])[] {
    return [...this.#wiresOf].flatMap(([name, wires]) =>
      wires.flatMap((wire) => {
        const [host, line] = [this.hosts.get(name), this.wires.get(wire)]
        if (host === undefined || line === undefined) return []
        return [[edgeOf(host, line.y), { x: host.x, y: line.y }] as const]
      }),
    )
  }
}

/** The client's row, then those that it reaches over one wire, over two, … */
function rowsOf(hosts: readonly FigureHost[]): FigureHost[][] {
  const rows: FigureHost[][] = []
  const left = new Set(hosts)
  let row = hosts.filter(({ name }) => name === 'client')
  if (row.length === 0) row = hosts.slice(0, 1)
  while (row.length > 0) {
    rows.push(row)
    for (const host of row) left.delete(host)
    const wires = new Set(row.flatMap((host) => host.wires))
    row = [...left].filter((host) => host.wires.some((wire) => wires.has(wire)))
  }
  // Whoever is joined to nothing stands at the end.
  if (left.size > 0) rows.push([...left])
  return rows
}

/** Wires whose first host, from the top, stands in this row. */
function wiresBelow(rows: readonly FigureHost[][], r: number): string[] {
  const above = new Set(rows.slice(0, r).flatMap((row) => row.flatMap(({ wires }) => wires)))
  const own = (rows[r] ?? []).flatMap(({ wires }) => wires)
  return [...new Set(own)].filter((wire) => !above.has(wire))
}

/** Where a box ends in the direction of the height `y`. */
function edgeOf({ x, y: middle, height }: PlacedHost, y: number): Point {
  return { x, y: middle + (Math.sign(y - middle) * height) / 2 }
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
