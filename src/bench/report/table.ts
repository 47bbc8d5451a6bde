/** Tables of a report: for a terminal, and in Markdown. */

export interface Table {
  readonly title: string
  /** Of the columns; the first is to the left, all others to the right. */
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export function textTable({ title, head, rows }: Table): string {
  const all = [head, ...rows]
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i].length)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd()
  return [title, ...all.map(line)].map((each) => `${each}\n`).join('')
}

export function markdownTable({ title, head, rows }: Table): string {
  const cells = (row: readonly string[]) => `| ${row.map(escaped).join(' | ')} |`
  const rule = `| ${head.map((_, i) => (i === 0 ? '---' : '---:')).join(' | ')} |`
  return [`**${title}**`, '', cells(head), rule, ...rows.map(cells)]
    .map((each) => `${each}\n`)
    .join('')
}

function escaped(cell: string): string {
  return cell.replace(/[|\\`*_<]/g, '\\$&')
}
