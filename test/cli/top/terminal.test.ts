import type { ReadStream, WriteStream } from 'node:tty'
import t from 'tap'
import type { StyledLine } from '../../../src/cli/top/lines.js'
import { changes, keysOf, Terminal } from '../../../src/cli/top/terminal.js'

const plain = (text: string): StyledLine => ({ text, style: 'plain' })

/** A terminal that remembers each write. */
function make(environment: NodeJS.ProcessEnv = {}) {
  const writes: string[] = []
  const modes: boolean[] = []
  const output = { columns: 10, rows: 3, write: (text: string) => writes.push(text) > 0 }
  const input = { isTTY: true, setRawMode: (isRaw: boolean) => modes.push(isRaw) }
  const terminal = new Terminal(
    input as unknown as ReadStream,
    output as unknown as WriteStream,
    environment,
  )
  return { terminal, writes, modes }
}

t.test('keys, several at once, with and without names', async (t) => {
  t.same(keysOf('q'), ['q'])
  t.same(keysOf('\x1b[A\x1b[B\x1bOAk\x1b[6~'), ['up', 'down', 'up', 'k', 'page down'])
  t.same(keysOf('\x1b[1~\x1b[H\x1bOH\x1b[4~\x1b[F'), ['home', 'home', 'home', 'end', 'end'])
  t.same(keysOf('\x03 \x1a'), ['interrupt', 'space', 'stop'])
  t.same(keysOf('\x1b[15~\x1b[1;5Cq'), ['q'], 'what we do not know is no key')
  t.same(keysOf('\x1b'), [])
  t.same(keysOf(''), [])
})

t.test('only lines that differ are written, each in its place and to the edge', async (t) => {
  const before = [plain('one'), plain('two'), plain('three')]
  const after = [plain('one'), plain('2'), { text: 'three', style: 'bold' as const }]
  t.equal(
    changes(before, after, 6, true),
    '\x1b[?2026h\x1b[2;1H\x1b[0m2     \x1b[3;1H\x1b[0m\x1b[1mthree \x1b[0m\x1b[?2026l',
  )
  t.equal(changes(after, after, 6, true), '')
})

t.test('a frame is one write; one in which nothing changed is none', async (t) => {
  const { terminal, writes } = make()
  terminal.draw([plain('before it has the terminal')])
  t.same(writes, [])
  terminal.enter()
  terminal.draw([plain('a'), plain('b'), plain('c')])
  terminal.draw([plain('a'), plain('b'), plain('c')])
  t.equal(writes.length, 2)
  t.ok(writes[1]?.startsWith('\x1b[?2026h\x1b[1;1H') && writes[1].endsWith('\x1b[?2026l'))
  terminal.forget()
  terminal.draw([plain('a'), plain('b'), plain('c')])
  t.equal(writes[2], writes[1], 'after a change of size everything is drawn')
  t.notMatch(writes.join(''), '\x1b[2J', 'the screen is never emptied first')
})

t.test('what is changed on entering is changed back on leaving, once', async (t) => {
  const { terminal, writes, modes } = make()
  terminal.leave()
  terminal.enter()
  terminal.enter()
  terminal.leave()
  terminal.leave()
  t.same(writes, ['\x1b[?1049h\x1b[?25l', '\x1b[0m\x1b[?25h\x1b[?1049l'])
  t.same(modes, [true, false])
})

t.test('NO_COLOR, and terminals without', async (t) => {
  for (const environment of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
    const { terminal, writes } = make(environment)
    terminal.enter()
    terminal.draw([{ text: 'alarm', style: 'alarm' }])
    t.match(writes[1], '\x1b[1malarm')
    t.notMatch(writes[1], '\x1b[31m')
  }
})
