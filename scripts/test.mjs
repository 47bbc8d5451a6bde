/**
 * Runs the tests through tap: every build/test/**\/*.test.js, or those whose path begins with an
 * argument (`node scripts/test.mjs test/wire test/cli/program`). Each file is a process of its own;
 * three run at a time, as many wait more than they work. Prints one line per file, failures in
 * full, what was skipped and why, and ends with `N passed, N failed, N skipped` (assertions). The
 * raw TAP is left in build/test.tap.
 *
 * tap is used as a library here rather than through its command, because the command starts every
 * test under a TypeScript loader that does not know TypeScript 7 and that compiled tests don't
 * need.
 */
import { spawnSync } from 'node:child_process'
import { createWriteStream, existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { t } from 'tap'

const ROOT = dirname(import.meta.dirname ?? new URL('.', import.meta.url).pathname)
const JOBS = 3
/** For one file, in seconds, unless the file itself sets another with `t.setTimeout`. */
const FILE_TIMEOUT_S = 180
/** Folders whose tests take longest; begun first, so that both processors are busy to the end. */
const SLOW_FOLDERS = ['test/e2e/', 'test/lab/', 'test/fuzz/', 'test/packaging', 'test/docs/lessons']
const INSIDE_NAMESPACE = 'UIPVS_TEST_NAMESPACE'

/**
 * Test files as paths relative to the build, `test/wire/ipv4.test.js`, in the order to run them.
 */
function findTests(prefixes) {
  const folder = join(ROOT, 'build/test')
  if (!existsSync(folder)) return []
  const paths = readdirSync(folder, { recursive: true })
    .filter((path) => path.endsWith('.test.js'))
    .map((path) => `test/${path}`)
  const wanted = prefixes.map((prefix) => prefix.replace(/^build\//, '').replace(/\.[jt]s$/, ''))
  const rank = (path) => {
    const at = SLOW_FOLDERS.findIndex((slow) => path.startsWith(slow))
    return at === -1 ? SLOW_FOLDERS.length : at
  }
  return paths
    .filter((path) => wanted.length === 0 || wanted.some((prefix) => path.startsWith(prefix)))
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
}

/**
 * What is done inside the namespace first. tcpdump would take itself for root's there, want to go
 * on as a user of its own, and fail, as there is none: programs get one without any rights, which
 * is enough to read files.
 */
const ENTER = `
set -e
mount -t tmpfs tmpfs /run
ip link set lo up
if real=$(command -v tcpdump); then
  mkdir /run/bin
  printf '#!/bin/sh\\nexec unshare --user %s "$@"\\n' "$real" > /run/bin/tcpdump
  chmod +x /run/bin/tcpdump
  PATH=/run/bin:$PATH
fi
exec "$0" "$@"`

/**
 * Without root, starts this very run again as root of a user namespace of its own, where packet
 * sockets and network namespaces are allowed. `/run` is replaced there, as `ip netns` writes to it.
 */
function enterNamespace() {
  if (process.getuid() === 0 || process.env[INSIDE_NAMESPACE] !== undefined) return
  const probe = spawnSync('unshare', ['-Urnm', 'true'], { stdio: 'ignore' })
  if (probe.status !== 0) {
    console.log('Not root, and this kernel does not allow user namespaces: tests that need')
    console.log('network namespaces or packet sockets are skipped. Run as root for all of them.')
    return
  }
  console.log('Not root: running in a user namespace. Left out: AF_XDP, which needs real root, and')
  console.log('what needs a network or a second user.')
  const again = [process.execPath, ...process.argv.slice(1)]
  const run = spawnSync('unshare', ['-Urnm', 'sh', '-c', ENTER, ...again], {
    stdio: 'inherit',
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, [INSIDE_NAMESPACE]: '1' },
  })
  process.exit(run.status ?? 1)
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1).padStart(6)} s`
}

function indented(text) {
  return text.trimEnd().replace(/^/gm, '    ')
}

function fullName(result) {
  return result.fullname || result.name
}

/** What tap knows of a failed assertion, for people: where, why, and the difference. */
function explainFailure(result) {
  const { diff, stack, at, source, ...rest } = result.diag ?? {}
  const lines = [`  not ok: ${fullName(result)}`]
  const place = at?.fileName ? `at ${at.fileName}:${at.lineNumber}` : ''
  if (place) lines.push(indented(place))
  if (source) lines.push(indented(source))
  if (diff) lines.push(indented(diff))
  const known = Object.entries(rest).filter(([name]) => name !== 'compare' && name !== 'tapCaught')
  for (const [name, value] of known) {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    if (text !== undefined) lines.push(indented(`${name}: ${text}`))
  }
  if (stack && !place) lines.push(indented(stack))
  return lines.join('\n')
}

/**
 * What one finished file adds to the sums. A process that crashed, was killed, ran out of time or
 * asserted nothing counts as one failure even if every assertion it made before was fine.
 */
function judge(file, results) {
  const { counts, lists, options } = file
  const skipped = lists.skip.map((result) => `${fullName(result)}: ${result.skip}`)
  const failures = [...lists.fail, ...lists.todo].map(explainFailure)
  const reason = results.plan?.skipAll ? results.plan.skipReason : ''
  if (reason && reason !== 'no tests found') skipped.push(`${file.name}: ${reason}`)
  const silent = counts.pass + failures.length + skipped.length === 0
  if (failures.length === 0 && (!results.ok || silent)) {
    const why = file.timedOut
      ? `no end within ${FILE_TIMEOUT_S} s or its own timeout`
      : silent
        ? 'it asserted nothing'
        : `exit status ${options.exitCode}, signal ${options.signal}`
    failures.push(`  not ok: the test process itself (${why})`)
  }
  return { passed: counts.pass, skipped, failures }
}

async function runFile(path, totals) {
  let chatter = ''
  const begun = Date.now()
  const options = process.env.NODE_OPTIONS
  const environment = options === undefined ? ['-u', 'NODE_OPTIONS'] : [`NODE_OPTIONS=${options}`]
  const node = [process.execPath, '--enable-source-maps', join('build', path)]
  // Started through env, since tap puts a hook of its own (for coverage, which we don't measure)
  // into NODE_OPTIONS. Every Node that a test starts would load it: slower, and failing as another
  // user.
  const running = t.spawn('env', [...environment, ...node], {
    name: path.replace(/\.js$/, ''),
    cwd: ROOT,
    stdio: 'pipe',
    buffered: true,
    timeout: FILE_TIMEOUT_S * 1000,
    env: { ...process.env, TAP_TIMEOUT: String(FILE_TIMEOUT_S) },
  })
  const file = running.subtest
  const listen = (child) => {
    child.stdin?.end()
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      chatter += text
    })
  }
  if (file.proc) listen(file.proc)
  else file.on('process', listen)
  file.parser.on('extra', (text) => {
    chatter += text
  })
  const results = (await running) ?? file.results
  const { passed, skipped, failures } = judge(file, results)
  totals.passed += passed
  totals.failed += failures.length
  totals.skipped.push(...skipped)
  const state = failures.length > 0 ? 'FAILED' : passed === 0 ? 'skipped' : 'ok'
  const time = seconds(file.time || Date.now() - begun)
  console.log(`${state.padEnd(7)} ${time}  ${file.name} (${passed})`)
  if (failures.length > 0) {
    console.log(failures.join('\n'))
    if (chatter.trim() !== '') console.log(`  it also printed:\n${indented(chatter)}`)
  }
}

async function main() {
  enterNamespace()
  process.chdir(ROOT)
  const paths = findTests(process.argv.slice(2))
  if (paths.length === 0) {
    console.error('test: no such tests in build/test; build first (npm run build)')
    console.log('0 passed, 0 failed, 0 skipped')
    process.exit(1)
  }
  // Registering makes tap mind the exit status; piping keeps its raw output out of ours.
  t.register()
  t.pipe(createWriteStream(join(ROOT, 'build/test.tap')))
  t.setTimeout(0)
  t.jobs = JOBS
  t.plan(paths.length)
  const totals = { passed: 0, failed: 0, skipped: [] }
  const begun = Date.now()
  await Promise.all(paths.map((path) => runFile(path, totals)))

  console.log(`\n${paths.length} files in ${seconds(Date.now() - begun).trim()}`)
  for (const reason of totals.skipped) console.log(`skipped ${reason}`)
  const { passed, failed, skipped } = totals
  process.exitCode = failed === 0 ? 0 : 1
  console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`)
}

await main()
