/**
 * Makes one file of the packet engine and all that it imports: build/src/daemon/worker.cjs. Part of
 * `npm run build`.
 *
 * The code does the same as in its many files; the V8 of Node 20 compiles it better, for two
 * reasons (seen in what `--print-opt-code` shows):
 *
 *   imports   What a module imports lies in a cell that is read, and compared with what it held
 *             before, at each use: a constant costs as much as a variable, a call is checked. In
 *             one scope (a function that runs once) both are known when the code is compiled.
 *   fields    `#words` that a constructor sets has been set twice (at first to undefined), so it
 *             may change, and what it holds is checked at each use. Here it becomes an ordinary
 *             property that is set once. V8 then takes the tables of the one director there is for
 *             constants: no load, no check, and bounds that are numbers in the code.
 *
 * Together they take a third off a decision (docs/performance.md). `uipvsadm` and the rest stay in
 * their files, and so do tests; test/bundle.test.ts compares what both forms decide.
 */
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { parse } from 'acorn'
import { build } from 'esbuild'

const ROOT = dirname(import.meta.dirname ?? new URL('.', import.meta.url).pathname)
/** Below build/: what frames pass through, and what measures it. */
const ENTRIES = ['src/daemon/worker', 'src/bench/micro/child-program']

/** Calls `visit(node, classes)` on each node, `classes` being the classes around it. */
function walk(node, classes, visit) {
  visit(node, classes)
  const inside = /^Class(Decl|Expr)/.test(node.type) ? [...classes, node] : classes
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === 'string') walk(child, inside, visit)
    }
  }
}

const isPrivateField = (member) =>
  member.type === 'PropertyDefinition' && member.key.type === 'PrivateIdentifier'

/** The text with private fields as ordinary ones, named after their class too. */
export function plainFields(text) {
  const edits = []
  walk(parse(text, { ecmaVersion: 2022, sourceType: 'module' }), [], (node, classes) => {
    if (isPrivateField(node) && node.value === null) {
      edits.push({ from: node.start, to: node.end, text: '' })
    } else if (node.type === 'PrivateIdentifier') {
      const owner = classes.findLast(({ body }) =>
        body.body.some((member) => member.key?.name === node.name && member.key.type === node.type),
      )
      const declared = owner.body.body.find((member) => member.key?.name === node.name)
      if (!isPrivateField(declared)) return
      edits.push({ from: node.start, to: node.end, text: `${node.name}$${owner.id?.name ?? ''}` })
    }
  })
  // A removed declaration holds the identifier that it declares: the outer edit comes first.
  edits.sort((a, b) => a.from - b.from || b.to - a.to)
  let done = ''
  let at = 0
  for (const edit of edits) {
    if (edit.from < at) continue
    done += text.slice(at, edit.from) + edit.text
    at = edit.to
  }
  return done + text.slice(at)
}

/** One file of `entry` (compiled, an absolute path) and what it imports, packages excepted. */
export async function bundle(entry, outfile) {
  const plainFieldsOfAll = {
    name: 'plain-fields',
    setup(plugins) {
      plugins.onLoad({ filter: /\.js$/ }, ({ path }) => {
        // Where a file was, for what it looks for beside itself.
        const place = JSON.stringify(relative(dirname(outfile), path))
        const url = `require('node:url').pathToFileURL(require('node:path').join(__dirname,${place})).href`
        const text = plainFields(readFileSync(path, 'utf8'))
        return { contents: text.replaceAll('import.meta.url', url), loader: 'js' }
      })
    },
  }
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    packages: 'external',
    // Constants of other files become numbers.
    minifySyntax: true,
    plugins: [plainFieldsOfAll],
    logLevel: 'warning',
  })
}

if (process.argv[1] === import.meta.filename) {
  for (const entry of ENTRIES) {
    const path = join(ROOT, 'build', entry)
    await bundle(`${path}.js`, `${path}.cjs`)
  }
}
