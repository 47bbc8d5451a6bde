/**
 * Builds the page (src/web/page) into build/page: index.html with page.js and page.css, which need
 * no server, and the live page for `uipvs run --web` and `uipvs lab --web`. Part of
 * `npm run build`.
 *
 * The director in it is compiled from the same files as the one on a wire. So that the page can
 * show which lines a frame took, this build writes into each function of src/engine and src/balance
 * where it is entered, which statement comes next, and where it is left (src/web/page/trace.ts).
 * Nothing else about them is changed, and a test compares what they decide.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join } from 'node:path'
import { parse } from 'acorn'
import { build, transform } from 'esbuild'

const ROOT = dirname(import.meta.dirname ?? new URL('.', import.meta.url).pathname)
const PAGE = join(ROOT, 'src/web/page')
const TRACED_FOLDERS = ['src/engine', 'src/balance', 'src/balance/schedulers']

/** Files whose steps are shown, in a fixed order: their index names them in a trace. */
const traced = TRACED_FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`),
).sort()

/** Walks a syntax tree, depth first. */
function walk(node, parents, visit) {
  visit(node, parents)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === 'string') walk(child, [...parents, node], visit)
    }
  }
}

/**
 * The name of a method, of a function, or of a function that is a field; other anonymous functions
 * are part of the function around them.
 */
function nameOf(node, parents) {
  const parent = parents.at(-1)
  if (node.type === 'FunctionDeclaration') return node.id?.name ?? null
  const isMethod = parent?.type === 'MethodDefinition' && parent.kind !== 'constructor'
  const isField = parent?.type === 'PropertyDefinition' && parent.value === node
  if (!isMethod && !isField) return null
  return parent.key.type === 'PrivateIdentifier' ? `#${parent.key.name}` : parent.key.name
}

const SKIPPED = new Set(['FunctionDeclaration', 'BlockStatement', 'EmptyStatement'])

/** The text with marks in it, and the functions that the marks speak of. */
async function instrument(path, file, functions) {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const { code, map } = await transform(text, {
    loader: 'ts',
    sourcemap: 'external',
    sourcefile: path,
    target: 'es2022',
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
  })
  const sourceMap = new SourceMap(JSON.parse(map))
  const lineAt = ({ line, column }) => {
    const entry = sourceMap.findEntry(line - 1, column)
    return entry.originalLine === undefined ? 0 : entry.originalLine + 1
  }
  const edits = []
  const insert = (at, what) => edits.push({ at, what })
  const tree = parse(code, { ecmaVersion: 2022, sourceType: 'module', locations: true })
  walk(tree, [], (node, parents) => {
    const name = node.body?.type === 'BlockStatement' ? nameOf(node, parents) : null
    if (name !== null && !node.generator && !node.async) {
      const first = lineAt(node.loc.start)
      const last = lineAt({ line: node.loc.end.line, column: node.loc.end.column - 1 })
      const id = functions.push({ file, name, first, last }) - 1
      insert(node.body.start + 1, `$enter(${id});try{`)
      insert(node.body.end - 1, '}finally{$leave()}')
    }
    const isInside = parents.some((each) => each.body?.type === 'BlockStatement')
    if (!isInside || SKIPPED.has(node.type) || !/(Statement|Declaration)$/.test(node.type)) return
    const parent = parents.at(-1)
    const inList = parent.type === 'BlockStatement' || parent.type === 'SwitchCase'
    if (inList) {
      insert(node.start, `$at(${lineAt(node.loc.start)});`)
    } else if (!/^(For.*|Labeled)Statement$/.test(parent.type)) {
      insert(node.start, `{$at(${lineAt(node.loc.start)});`)
      insert(node.end, '}')
    }
  })
  const marked = edits
    .map((edit, order) => ({ ...edit, order }))
    .sort((a, b) => a.at - b.at || a.order - b.order)
  let out = ''
  let done = 0
  for (const { at, what } of marked) {
    out += code.slice(done, at) + what
    done = at
  }
  const trace = JSON.stringify(join(PAGE, 'trace.ts'))
  return `import { at as $at, enter as $enter, leave as $leave } from ${trace};${out}${code.slice(done)}`
}

/** Marks the traced files, and gives the page their text as `virtual:sources`. */
async function tracing() {
  const functions = []
  const contents = new Map()
  for (const [file, path] of traced.entries()) {
    contents.set(path, await instrument(path, file, functions))
  }
  return {
    name: 'tracing',
    setup(builder) {
      builder.onLoad({ filter: /\/src\/(engine|balance)\/.*\.ts$/ }, ({ path }) => {
        const marked = contents.get(path.slice(ROOT.length + 1))
        return marked === undefined ? undefined : { contents: marked, loader: 'js' }
      })
      builder.onResolve({ filter: /^virtual:/ }, ({ path }) => ({ path, namespace: 'virtual' }))
      builder.onLoad({ filter: /^virtual:sources$/, namespace: 'virtual' }, () => {
        const files = traced.map((path) => ({
          path,
          lines: readFileSync(join(ROOT, path), 'utf8').split('\n'),
        }))
        return { contents: JSON.stringify({ files, functions }), loader: 'json' }
      })
      builder.onLoad({ filter: /^virtual:example-capture$/, namespace: 'virtual' }, () => ({
        contents: readFileSync(join(ROOT, 'docs/examples/clients.pcap')),
        loader: 'binary',
      }))
      builder.onLoad({ filter: /^virtual:example-rules$/, namespace: 'virtual' }, () => ({
        contents: readFileSync(join(ROOT, 'docs/examples/rules.ipvs'), 'utf8'),
        loader: 'text',
      }))
    },
  }
}

await build({
  entryPoints: [
    { in: join(PAGE, 'main.tsx'), out: 'page' },
    { in: join(PAGE, 'page.css'), out: 'page' },
    { in: join(PAGE, 'index.html'), out: 'index' },
    { in: join(PAGE, 'live-main.tsx'), out: 'live' },
    { in: join(PAGE, 'live.css'), out: 'live' },
    { in: join(PAGE, 'live.html'), out: 'live' },
  ],
  outdir: join(ROOT, 'build/page'),
  tsconfig: join(ROOT, 'tsconfig.page.json'),
  bundle: true,
  // A classic script, since browsers load no modules from a file that was double-clicked.
  format: 'iife',
  platform: 'browser',
  target: ['chrome123', 'firefox120', 'safari17.5'],
  minify: true,
  legalComments: 'linked',
  loader: { '.html': 'copy' },
  plugins: [await tracing()],
  logLevel: 'warning',
})
