/** Whether what we said is what was recorded, with the latitude that the recordings need. */
import { isDeepStrictEqual } from 'node:util'
import type { Listing } from './recording.js'

/** `expire` was read at times that differ by the speed of the recording machine. */
const EXPIRE_LATITUDE_S = 2

export function isSameOut(ours: unknown, recorded: unknown): boolean {
  return isDeepStrictEqual(ours, recorded)
}

export function isSameListing(listing: Listing, ours: string, recorded: string): boolean {
  if (listing === 'timeout') return ours === recorded
  if (listing === 'Lnc') return isSameConnections(ours, recorded)
  return isDeepStrictEqual(blocksOf(ours), blocksOf(recorded))
}

/**
 * A listing's services, each with its servers in order, as a set: the order of services is that of
 * a hash that involves an address in the kernel's memory.
 */
function blocksOf(text: string): string[] {
  const blocks: string[] = []
  for (const line of text.split('\n')) {
    const belongs = /^ {2}->|^-a /.test(line)
    if (belongs && blocks.length > 0) blocks[blocks.length - 1] += `\n${line}`
    else blocks.push(line)
  }
  return blocks.sort()
}

const CONNECTION = /^(\S+) +(\d+):(\d\d) +(\S+) +(\S+) +(\S+) +(\S+)$/

/** Lines in any order but the titles'; the columns as they are, but for the time left. */
function isSameConnections(ours: string, recorded: string): boolean {
  const left = linesOf(ours)
  const right = linesOf(recorded)
  return (
    left.length === right.length &&
    left.every(({ text, expires }, i) => {
      if (text !== right[i].text) return false
      return Math.abs(expires - right[i].expires) <= EXPIRE_LATITUDE_S
    })
  )
}

function linesOf(text: string): { text: string; expires: number }[] {
  const lines = text.split('\n').map((line) => {
    const match = CONNECTION.exec(line)
    if (match === null) return { text: line, expires: 0 }
    const expires = Number(match[2]) * 60 + Number(match[3])
    return { text: line.replace(/ \d+:\d\d /, ' --:-- '), expires }
  })
  return lines.sort((a, b) =>
    a.text === b.text ? a.expires - b.expires : a.text < b.text ? -1 : 1,
  )
}
