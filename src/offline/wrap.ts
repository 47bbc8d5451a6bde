/** Texts in lines of a terminal. */

/** The widest line that is printed, in columns, as far as what is printed can be broken at all. */
export const COLUMNS = 98

/** The words of `text` in lines of at most `columns`; those after the first begin with `indent`. */
export function wrapped(text: string, columns: number, indent = ''): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && longer.length > columns) {
      lines.push(line)
      line = indent + word
    } else line = longer
  }
  return [...lines, line]
}
