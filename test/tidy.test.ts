/**
 * The house rules that a machine can check: who may import whom, sizes, words that have no place on
 * the path of a frame, leftovers, dead files, tests that mirror the source. Each rule collects what
 * breaks it, so that a failure lists every place at once.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import t from 'tap'
import { COMMANDS } from '../src/cli/program.js'

const LINES_MAX = 400
const COLUMNS_MAX = 100

/** Folders that also run in a browser page: plain TypeScript, nothing of Node. */
const PURE = ['wire', 'link', 'balance', 'engine']

/** Which folders of src a folder may import from, besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  link: [],
  balance: [],
  engine: ['wire', 'link', 'balance'],
  native: [],
  uml: [],
  port: ['engine', 'native'],
  control: [...PURE],
  daemon: [...PURE, 'native', 'port', 'control'],
  // These two share the form of a finding: doctor/finding.ts goes into both reports.
  realserver: ['wire', 'native', 'doctor'],
  doctor: ['wire', 'native', 'control', 'lab', 'realserver'],
  lab: ['wire', 'native', 'control', 'uml'],
  offline: [...PURE, 'port', 'control', 'lab'],
  conform: [...PURE, 'port', 'control', 'cli'],
  // The page in the browser: what it takes from these folders imports nothing of Node, or it would
  // not compile (below) and the bundler would refuse it.
  web: [...PURE, 'port', 'control', 'offline', 'cli', 'lab'],
  bench: [...PURE, 'native', 'port', 'control', 'daemon', 'lab', 'uml'],
  oracle: [...PURE, 'native', 'conform', 'uml'],
  cli: [
    ...PURE,
    'native',
    'port',
    'control',
    'conform',
    'daemon',
    'realserver',
    'doctor',
    'lab',
    'offline',
    'web',
    'bench',
  ],
}

/** A port knows the engine only by the things that go through its interface. */
const ENGINE_FILES_OF_PORTS = ['batch', 'port', 'verdict'].map((name) => `src/engine/${name}.ts`)

/** Foreign packages, and the only folders that may import them. Anything else is foreign to us. */
const PACKAGE_FOLDERS: Readonly<Record<string, readonly string[]>> = {
  koffi: ['native'],
  cap: ['port'],
  'pcap-parser': ['port'],
  'raw-socket': ['lab', 'doctor'],
  commander: ['cli'],
  zod: ['control', 'cli', 'web'],
  'prom-client': ['control'],
  'hdr-histogram-js': ['bench'],
  preact: ['web'],
  'preact/hooks': ['web'],
  // What scripts/page.mjs puts into the bundle.
  uplot: ['web'],
  'virtual:sources': ['web'],
  'virtual:example-capture': ['web'],
  'virtual:example-rules': ['web'],
}

/** Files of the pure folders that no frame passes through, and why they are there. */
const OFF_THE_PATH: Readonly<Record<string, string>> = {
  'src/balance/address.ts': 'addresses as text',
  'src/balance/apply.ts': 'carries out rules, between batches',
  'src/balance/judge.ts': 'judges rules, between batches',
  'src/balance/mark-rules.ts': 'judges mark rules, between batches',
  'src/balance/rehearsal.ts': 'judges lists of rules, in the main thread',
  'src/balance/settings.ts': 'carries out settings, between batches',
  'src/engine/trace-filter.ts': 'reads filters, when a trace begins',
  'src/engine/trace-match.ts': 'makes tests of filters, when a trace begins',
  'src/engine/trace-value.ts': 'reads filters, when a trace begins',
  'src/wire/address.ts': 'addresses as text',
  'src/wire/build.ts': 'makes frames for tests and tools',
  'src/wire/describe.ts': 'frames for people',
  'src/wire/frame-spec.ts': 'makes frames for tests and tools',
  'src/wire/segment.ts': 'makes frames for tests and tools',
}

/** Words that allocate, throw, print or look at a clock, for the files on the path. */
const NOT_ON_THE_PATH: readonly [string, RegExp][] = [
  ['throws', /\bthrow\b/],
  ['makes a view per frame', /\.subarray\(/],
  ['copies', /\.slice\(/],
  ['makes an array', /\.(map|filter|flatMap|concat|split)\(/],
  ['calls a closure per element', /\.forEach\(/],
  ['catches', /\btry \{/],
]

/** Lines of files on the path that break a rule above for a reason: they run once per change. */
const EXCUSED: readonly { file: string; line: RegExp; reason: string }[] = [
  {
    file: 'src/balance/region.ts',
    line: /throw new RangeError/,
    reason: 'when memory is laid out',
  },
  { file: 'src/engine/director-state.ts', line: /arms\.map\(/, reason: 'at start' },
  { file: 'src/engine/director-state.ts', line: /vips\.filter\(/, reason: 'when VIPs change' },
  { file: 'src/engine/port.ts', line: /throw new RangeError/, reason: 'when an outbox is made' },
  { file: 'src/engine/verdict.ts', line: /throw new /, reason: 'when the list is loaded' },
  { file: 'src/link/vips.ts', line: /throw new RangeError/, reason: 'when a rule adds a VIP' },
  { file: 'src/balance/destination.ts', line: /address\.subarray/, reason: 'when a rule adds one' },
  { file: 'src/balance/service.ts', line: /address\.subarray/, reason: 'when a rule adds one' },
  { file: 'src/balance/tcp-state.ts', line: /\.slice\(/, reason: 'when the table is loaded' },
]

/**
 * Nowhere in the pure folders: time and chance are arguments, and nothing prints. Timers need no
 * word here, since these folders compile under a tsconfig that does not know them (below).
 */
const NOT_IN_PURE: readonly [string, RegExp][] = [
  ['prints', /\bconsole\./],
  ['uses big integers', /\bBig(Int|Uint)|\b\d+n\b/],
  ['reads a clock', /\b(Date\.now|performance\.now|hrtime|new Date)\b/],
  ['throws dice', /\bMath\.random\b/],
  ['is Node', /\b(process|Buffer|require)\b[.(]/],
  ['waits', /\b(async |await |Promise\b)/],
]

/** Pure files without a test of their own, and where they are tested instead. */
const TESTED_ELSEWHERE: Readonly<Record<string, string>> = {
  'src/balance/hash.ts': 'connection.test.ts and template.test.ts',
  'src/balance/limits.ts': 'numbers',
  'src/balance/settings.ts': 'apply.test.ts',
  'src/balance/rule.ts': 'types, and an error class',
  'src/engine/answers.ts': 'journeys-ipv4.ts and journeys-ipv6.ts',
  'src/engine/director-state.ts': 'every journey; changes of routes in transmitter.test.ts',
  'src/engine/fragment-road.ts': 'journeys-ipv4.ts and journeys-ipv6.ts',
  'src/engine/fragments.ts': 'journeys-ipv4.ts and journeys-ipv6.ts',
  'src/engine/link-frames.ts': 'journeys-link.ts and resolver.test.ts',
  'src/engine/marked.ts': 'journeys-marks.ts',
  'src/engine/martian.ts': 'journeys-ipv4.ts and journeys-ipv6.ts',
  'src/engine/port.ts': 'types, and the outbox: test/port/memory.test.ts',
  'src/engine/side-roads4.ts': 'journeys-ipv4.ts',
  'src/engine/side-roads6.ts': 'journeys-ipv6.ts',
  'src/engine/trace-guard.ts': 'trace-match.test.ts',
  'src/engine/trace-key.ts': 'trace-match.test.ts',
  'src/engine/trace-value.ts': 'trace-filter.test.ts',
  'src/engine/batch.ts': 'fields only; every test of a port and of the engine',
  'src/wire/frame-spec.ts': 'types only',
  'src/wire/segment.ts': 'the transport half of build.ts: test/wire/build.test.ts',
}

function filesBelow(folder: string, suffix: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(suffix) && !path.includes('fixtures/'))
    .map((path) => join(folder, path))
    .sort()
}

interface Source {
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
  /** The text without comments: what the machine reads. */
  readonly code: readonly string[]
}

/** Replaces comments by spaces, so that lines keep their numbers and strings stay. */
function withoutComments(text: string): string {
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g
  return text.replace(token, (match) =>
    match.startsWith('/') ? match.replace(/[^\n]/g, ' ') : match,
  )
}

function read(path: string): Source {
  const text = readFileSync(path, 'utf8')
  const code = withoutComments(text).split('\n')
  return { path, text, lines: text.trimEnd().split('\n'), code }
}

const source = ['.ts', '.tsx'].flatMap((suffix) => filesBelow('src', suffix)).map(read)
const declarations = source.filter((file) => file.path.endsWith('.d.ts'))
const program = source.filter((file) => !declarations.includes(file))
const everything = [
  ...source,
  ...['test', 'bench'].flatMap((folder) => filesBelow(folder, '.ts')).map(read),
  ...filesBelow('scripts', '.mjs').map(read),
]

/** `wire` for src/wire/ipv4.ts; '' for files in src itself. */
function folderOf(path: string): string {
  const [, folder = '', ...rest] = path.split('/')
  return rest.length === 0 ? '' : folder
}

const pure = program.filter((file) => PURE.includes(folderOf(file.path)))

/** What a file imports: modules as written. `import type` counts, as knowing is coupling too. */
function importsOf(file: Source): string[] {
  const statement =
    /(?<!\.)\b(?:from |import |import\()'([^']+)'|\b(?:require|createRequire\([^)]*\))\('([^']+)'\)/g
  return [...file.code.join('\n').matchAll(statement)].map((match) => match[1] ?? match[2] ?? '')
}

/** The source file that a relative import means. */
function resolved(file: Source, module: string): string {
  return normalize(join(dirname(file.path), module)).replace(/\.js(x?)$/, '.ts$1')
}

/** `path:line` of each line of code that matches. */
function places(files: readonly Source[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    file.code.flatMap((line, i) => (pattern.test(line) ? [`${file.path}:${i + 1}`] : [])),
  )
}

t.test('the rules look at something', async (t) => {
  t.ok(pure.length > 20 && program.length > 40, `${program.length} files, ${pure.length} pure`)
  t.equal(withoutComments(`a /* b */ 'c // d' // e`).trimEnd(), `a         'c // d'`)
})

t.test('folders import only what the architecture allows', async (t) => {
  const wrong: string[] = []
  for (const file of program) {
    const folder = folderOf(file.path)
    if (folder === '') continue
    const allowed = MAY_IMPORT[folder]
    if (allowed === undefined) wrong.push(`${file.path}: a folder that the rules do not know`)
    for (const module of importsOf(file)) {
      if (!module.startsWith('.')) continue
      const target = resolved(file, module)
      const other = folderOf(target)
      if (other !== folder && !allowed?.includes(other)) wrong.push(`${file.path}: ${module}`)
      if (folder === 'port' && other === 'engine' && !ENGINE_FILES_OF_PORTS.includes(target)) {
        wrong.push(`${file.path}: ${module}`)
      }
    }
  }
  t.same(wrong, [])
})

t.test('each foreign package has its folder', async (t) => {
  const wrong: string[] = []
  for (const file of program) {
    const folder = folderOf(file.path)
    for (const module of importsOf(file)) {
      if (module.startsWith('.')) continue
      if (module.startsWith('node:')) {
        if (PURE.includes(folder)) wrong.push(`${file.path}: ${module}`)
      } else if (!PACKAGE_FOLDERS[module]?.includes(folder)) wrong.push(`${file.path}: ${module}`)
    }
  }
  t.same(wrong, [])
})

t.test('every dependency is used', async (t) => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
  const wanted = { ...manifest.dependencies, ...manifest.optionalDependencies }
  const used = new Set(program.flatMap(importsOf))
  t.same(
    Object.keys(wanted).filter((name) => !used.has(name)),
    [],
  )
  // And the other way: what is imported comes with a fresh clone.
  const there = { ...wanted, ...manifest.devDependencies }
  const foreign = [...used].filter((name) => !/^(\.|node:|virtual:)/.test(name))
  t.same(
    foreign.filter(
      (name) =>
        there[
          name
            .split('/')
            .slice(0, name[0] === '@' ? 2 : 1)
            .join('/')
        ] === undefined,
    ),
    [],
  )
})

t.test(`files have at most ${LINES_MAX} lines of ${COLUMNS_MAX} columns`, async (t) => {
  const long = source.filter((file) => file.lines.length > LINES_MAX)
  t.same(
    long.map((file) => `${file.path}: ${file.lines.length}`),
    [],
  )
  const wide = everything.flatMap((file) =>
    file.lines.flatMap((line, i) => {
      // The formatter does not cut a text in two, and a text that is searched for is better whole.
      const isText = /['`"].{40,}['`"]/.test(file.code[i] ?? '')
      if (file.path === 'src/cli/ipvsadm/help.ts') return [] // ipvsadm's words, to the byte
      return line.length > COLUMNS_MAX && !isText ? [`${file.path}:${i + 1}`] : []
    }),
  )
  t.same(wide, [])
})

t.test('every file of the product begins with what it is', async (t) => {
  const product = everything.filter((file) => !file.path.startsWith('test/'))
  const silent = product.filter((file) => !/^(#!.*\n)?\/\*\*/.test(file.text))
  t.same(
    silent.map((file) => file.path),
    [],
  )
})

t.test('nothing is left over', async (t) => {
  // Put together here, lest this very line be found.
  const markers = ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK']
  const pattern = new RegExp(`\\b(${markers.join('|')})\\b|\\bdebugger\\b|\\.only\\(`)
  const left = everything.flatMap((file) =>
    file.lines.flatMap((line, i) => (pattern.test(line) ? [`${file.path}:${i + 1}`] : [])),
  )
  t.same(left, [])
})

t.test('the pure folders know no clock, no chance and no machine', async (t) => {
  for (const [what, pattern] of NOT_IN_PURE) t.same(places(pure, pattern), [], what)
})

t.test('nothing on the path of a frame allocates or throws', async (t) => {
  const hot = pure.filter((file) => !(file.path in OFF_THE_PATH))
  for (const [what, pattern] of NOT_ON_THE_PATH) {
    const found = places(hot, pattern).filter((place) => {
      const [path = '', line = ''] = place.split(':')
      const text = hot.find((file) => file.path === path)?.lines[Number(line) - 1] ?? ''
      return !EXCUSED.some((each) => each.file === path && each.line.test(text))
    })
    t.same(found, [], what)
  }
})

t.test('the exceptions still exist', async (t) => {
  const named = [...Object.keys(OFF_THE_PATH), ...Object.keys(TESTED_ELSEWHERE)]
  t.same(
    named.filter((path) => !existsSync(path)),
    [],
  )
  const idle = EXCUSED.filter(({ file, line }) => {
    const found = pure.find((each) => each.path === file)
    return found === undefined || !found.lines.some((text) => line.test(text))
  })
  t.same(idle, [])
})

t.test('no file is dead', async (t) => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
  const bins = Object.values(manifest.bin as Record<string, string>)
  const entries = new Set([
    'src/index.ts',
    'src/oracle/program.ts', // npm run oracle
    'src/web/page/main.tsx', // scripts/page.mjs
    'src/web/page/live-main.tsx',
    ...bins.map((path) => path.replace(/^build\//, '').replace(/\.js$/, '.ts')),
    ...COMMANDS.map(({ name }) => `src/cli/commands/${name}.ts`),
  ])
  const imported = new Set(program.flatMap((file) => importsOf(file).map((m) => resolved(file, m))))
  // Programs of their own (the lab's servers, and the worker, bundled) are started by file name.
  const isStarted = (file: Source) => {
    const name = new RegExp(`\\b${basename(file.path, '.ts')}\\.c?js\\b`)
    return program.some((other) => other !== file && name.test(other.code.join('\n')))
  }
  const dead = program.filter(
    (file) => !entries.has(file.path) && !imported.has(file.path) && !isStarted(file),
  )
  t.same(
    dead.map((file) => file.path),
    [],
  )
  t.same(
    [...entries].filter((path) => !existsSync(path)),
    [],
    'every program and command has its file',
  )
})

t.test('tests mirror the pure folders', async (t) => {
  const untested = pure
    .map((file) => file.path)
    .filter((path) => !existsSync(path.replace(/^src/, 'test').replace(/\.ts$/, '.test.ts')))
    .filter((path) => !(path in TESTED_ELSEWHERE))
  t.same(untested, [])
})

t.test('the pure folders compile without Node', async (t) => {
  const tsc = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.pure.json']
  const done = spawnSync(process.execPath, tsc, { encoding: 'utf8' })
  t.equal(done.status, 0, done.stdout)
})

t.test('the page compiles without Node', async (t) => {
  const tsc = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.page.json']
  const done = spawnSync(process.execPath, tsc, { encoding: 'utf8' })
  t.equal(done.status, 0, done.stdout)
})

t.test('linter and formatter have nothing to say', async (t) => {
  const biome = ['node_modules/@biomejs/biome/bin/biome', 'ci', '--colors=off', '.']
  const done = spawnSync(process.execPath, biome, { encoding: 'utf8' })
  t.equal(done.status, 0, `${done.stdout}${done.stderr}`)
})
