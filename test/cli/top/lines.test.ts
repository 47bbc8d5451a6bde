import t from 'tap'
import {
  amount,
  headLines,
  plainText,
  roomFor,
  type Sorting,
  screenLines,
  tableLines,
  titleLine,
  uptime,
  type View,
} from '../../../src/cli/top/lines.js'
import type { Line, Report, ServiceLine } from '../../../src/cli/top/report.js'

const BY_NAME: Sorting = { by: 'name', isReversed: false }
const VIEW: View = { ...BY_NAME, top: 0, isPaused: false, trouble: '' }

function line(name: string, changes: Partial<Line> = {}): Line {
  return {
    name,
    how: 'route',
    weight: 1,
    active: 0,
    inactive: 0,
    connectionsPerSecond: 0,
    packetsPerSecond: 0,
    bytesPerSecond: 0,
    isServed: true,
    ...changes,
  }
}

function service(name: string, destinations: Line[], changes: Partial<Line> = {}): ServiceLine {
  const made = { ...line(name, { how: 'wlc', weight: null, ...changes }), destinations }
  return made as unknown as ServiceLine
}

function makeReport(services: ServiceLine[], changes: Partial<Report> = {}): Report {
  return {
    seconds: 2,
    engine: 'af_packet',
    interfaces: ['eth0'],
    mode: 'textbook',
    uptimeSeconds: 93_784,
    frames: 1e6,
    framesPerSecond: 12_345.6,
    actionsPerSecond: { forward: 12_300, answer: 2, pass: 10.5, hold: 0, drop: 33 },
    verdictsPerSecond: { forwarded: 12_300, 'no-service': 2, 'connections-full': 33 },
    busy: 0.123,
    ringOccupancy: 0.25,
    ringDrops: 12,
    ringDropsPerSecond: 0,
    sendErrors: 0,
    sendErrorsPerSecond: 0,
    heldFrames: 3,
    longestGapMs: 1.25,
    connections: 1234,
    connectionsMax: 1_310_720,
    templates: 0,
    templatesMax: 262_144,
    services,
    notServed: { destinations: 0, daemons: [] },
    ...changes,
  }
}

const TWO = [
  service(
    'TCP  192.168.1.110:80',
    [
      line('10.0.0.1:80', { active: 7, packetsPerSecond: 10, weight: 0 }),
      line('10.0.0.2:80', { active: 3, packetsPerSecond: 20, weight: 5 }),
      line('10.0.0.3:80', { how: 'masq', isServed: false, weight: 2 }),
    ],
    { active: 10, packetsPerSecond: 30, connectionsPerSecond: 0.5, bytesPerSecond: 1_234_567 },
  ),
  service('UDP  192.168.1.110:53', [], { active: 50, packetsPerSecond: 5 }),
]

t.test('amounts have six characters at most, whatever they are', async (t) => {
  const expected: [number, string][] = [
    [0, '0'],
    [0.04, '0.0'],
    [0.5, '0.5'],
    [9.94, '9.9'],
    [9.96, '10'],
    [12.3, '12'],
    [9999, '9999'],
    [9999.6, '10.0k'],
    [12_345, '12.3k'],
    [99_960, '100k'],
    [999_600, '1.0M'],
    [1_310_720, '1.3M'],
    [2 ** 53, '9.0P'],
    [1e25, '>999P'],
  ]
  for (const [value, text] of expected) t.equal(amount(value), text, `${value}`)
  for (let value = 1; value < 1e18; value *= 1.37) t.ok(amount(value).length <= 6, amount(value))
})

t.test('times', async (t) => {
  t.same([0, 59, 3661, 86_399].map(uptime), ['00:00:00', '00:00:59', '01:01:01', '23:59:59'])
  t.equal(uptime(93_784), '1d 02:03:04')
})

t.test('above the table', async (t) => {
  const report = makeReport(TWO, { notServed: { destinations: 1, daemons: ['master'] } })
  t.same(
    headLines(report, 100).map(({ text }) => text),
    [
      'uipvs top: af_packet on eth0, textbook mode, up 1d 02:03:04',
      'frames/s 12.3k: forwarded 12.3k, answered 2, passed 11, held 0, dropped 33',
      'ring drops/s 0 (12)   send errors/s 0 (0)   held 3',
      'worker 12 % busy   ring 25 % full   longest gap 1.3 ms',
      'not forwarded/s: connections-full 33, no-service 2',
      'connections 1234 of 1.3M   templates 0 of 262k',
      '1 realserver with -m or -i: stored, not served',
      'sync daemon (master): stored, not served',
    ],
  )
  const styles = (r: Report) => headLines(r, 100).filter(({ style }) => style === 'alarm').length
  t.equal(styles(report), 2)
  t.equal(styles(makeReport(TWO, { ringDropsPerSecond: 1 })), 1)
  t.equal(headLines(makeReport([], { engine: 'none' }), 80).length, 2, 'nothing of frames')
})

t.test('the table at 80 columns', async (t) => {
  t.same(
    [titleLine(makeReport(TWO), 80), ...tableLines(makeReport(TWO), BY_NAME, 80)],
    [
      {
        text: 'SERVICE / REALSERVER  HOW   WEIGHT ACTIVE  INACT CONN/S   PKT/S  BYTE/S',
        style: 'title',
      },
      {
        text: 'TCP  192.168.1.110:80 wlc              10      0    0.5      30    1.2M',
        style: 'bold',
      },
      {
        text: '  10.0.0.1:80         route      0      7      0      0      10       0',
        style: 'dim',
      },
      {
        text: '  10.0.0.2:80         route      5      3      0      0      20       0',
        style: 'plain',
      },
      {
        text: '  10.0.0.3:80         masq       2      0      0  stored, not served',
        style: 'alarm',
      },
      {
        text: 'UDP  192.168.1.110:53 wlc              50      0      0       5       0',
        style: 'bold',
      },
    ],
  )
})

t.test('the title is whole where there is room, and else a shorter one', async (t) => {
  const one = makeReport([])
  t.match(titleLine(one, 80).text, /^SERVICE \/ REALSERVER HOW /)
  t.match(titleLine(one, 66).text, /^SERVICE {9} HOW /)
  t.equal(titleLine(one, 12).text, 'SERVICE    ~')
})

t.test('a name too long is cut in its middle, so that its port stays', async (t) => {
  const report = makeReport([service('TCP  [2001:db8:1111:2222:3333:4444:5555:6666]:8080', [])])
  const [row] = tableLines(report, BY_NAME, 80)
  t.equal(row?.text.length, 80)
  t.match(row?.text, /^TCP {2}\[2001:db8:~555:6666\]:8080 wlc /)
})

t.test('sorted by each column, services and realservers, equal ones by name', async (t) => {
  const names = (by: Sorting['by'], isReversed = false) =>
    tableLines(makeReport(TWO), { by, isReversed }, 80).map(({ text }) =>
      text
        .trim()
        .split(' ')
        .at(text.startsWith(' ') ? 0 : 2),
    )
  const [tcp, udp] = ['192.168.1.110:80', '192.168.1.110:53']
  const [one, two, three] = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80']
  t.same(names('name'), [tcp, one, two, three, udp])
  t.same(names('name', true), [udp, tcp, three, two, one])
  t.same(names('active'), [udp, tcp, one, two, three])
  t.same(names('packets'), [tcp, two, one, three, udp])
  t.same(names('packets', true), [udp, tcp, three, one, two])
  t.same(names('weight'), [tcp, two, three, one, udp])
  t.same(names('bytes'), [tcp, one, two, three, udp])
  t.same(names('connections'), [tcp, one, two, three, udp])
})

t.test('a screen is exactly as large as it is told, at any size', async (t) => {
  const many = Array.from({ length: 40 }, (_, i) => service(`TCP  10.1.1.1:${i + 1}`, []))
  for (const services of [[], TWO, many]) {
    const report = makeReport(services, { notServed: { destinations: 3, daemons: ['master'] } })
    for (let rows = 0; rows < 40; rows++) {
      for (const columns of [0, 1, 2, 11, 20, 40, 79, 80, 200]) {
        const lines = screenLines(report, { ...VIEW, top: 7 }, rows, columns)
        if (lines.length !== rows) t.fail(`${lines.length} lines of ${rows}`)
        const wide = lines.find(({ text }) => text.length > columns)
        if (wide !== undefined) t.fail(`${columns} columns: ${wide.text}`)
      }
    }
  }
  t.pass('all sizes')
})

t.test('scrolling: what is shown, and never beyond the end', async (t) => {
  const many = Array.from({ length: 40 }, (_, i) => service(`TCP  10.1.1.1:${i + 1}`, []))
  const report = makeReport(many)
  const room = roomFor(report, 24, 80)
  t.equal(room, 24 - 6 - 2)
  const shown = (top: number) =>
    screenLines(report, { ...VIEW, top }, 24, 80)
      .filter(({ text }) => text.startsWith('TCP'))
      .map(({ text }) => Number(/:(\d+)/.exec(text)?.[1]))
  const range = (from: number) => Array.from({ length: room }, (_, i) => from + i)
  t.same(shown(0), range(1))
  t.same(shown(10), range(11))
  t.same(shown(39), range(40 - room + 1))
  t.match(screenLines(report, { ...VIEW, top: 99 }, 24, 80).at(-1)?.text, /^25-40 of 40 /)
})

t.test('a low screen keeps what is wrong, and at least half for the table', async (t) => {
  const report = makeReport(TWO, { notServed: { destinations: 3, daemons: [] } })
  const texts = screenLines(report, VIEW, 8, 80).map(({ text }) => text)
  t.match(texts, [
    /^uipvs top/,
    /^frames/,
    /^3 realservers with -m or -i: stored, not served/,
    /^SERVICE/,
    /^TCP/,
    /10\.0\.0\.1/,
    /10\.0\.0\.2/,
    /^1-3 of 5 {2}by name/,
  ])
})

t.test('the last line: paused, or what is wrong', async (t) => {
  const last = (view: View) => screenLines(makeReport(TWO), view, 24, 80).at(-1)
  t.match(last({ ...VIEW, isPaused: true })?.text, /^PAUSED {2}by name {3}q quit/)
  t.match(last({ ...VIEW, by: 'bytes', isReversed: true })?.text, /^by bytes, reversed {3}q quit/)
  t.same(last({ ...VIEW, trouble: 'no director answers' }), {
    text: 'no director answers',
    style: 'alarm',
  })
})

t.test('no services: how to add one', async (t) => {
  t.ok(screenLines(makeReport([]), VIEW, 24, 80).some(({ text }) => /uipvsadm -A/.test(text)))
})

t.test('what a director calls itself can not write to the terminal', async (t) => {
  const report = makeReport([], { interfaces: ['eth\x1b[2J\x07é'] })
  t.match(headLines(report, 80)[0]?.text, 'on eth?[2J??, textbook')
})

t.test('for a file: everything, and no blanks at the ends of lines', async (t) => {
  const text = plainText(makeReport(TWO), BY_NAME)
  t.notMatch(text, / \n/)
  t.equal(text.split('\n').length, 6 + 1 + 5 + 1)
  t.match(text, /10\.0\.0\.3:80 .* stored, not served\n/)
})
