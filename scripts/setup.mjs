/**
 * Makes a fresh Debian machine ready: Debian packages, npm packages, the build. `npm start` and
 * `npm test` run it first every time, so it does only what is not done yet and is quick when
 * nothing is. It runs before node_modules exists and therefore uses nothing but Node.
 *
 *   node scripts/setup.mjs            everything that is missing
 *   node scripts/setup.mjs --tests    the same, for the tests, which need more
 *   node scripts/setup.mjs --build    only the build
 *   node scripts/setup.mjs --retry    also what failed before
 *
 * What has been done is remembered in node_modules/.uipvs-setup.json and build/.stamp, so that
 * deleting either folder means doing its part anew. The packet engine in one file
 * (scripts/bundle.mjs) and the page (scripts/page.mjs) are part of the build.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

const ROOT = dirname(import.meta.dirname ?? new URL('.', import.meta.url).pathname)
const SETUP_RECORD = join(ROOT, 'node_modules', '.uipvs-setup.json')
const BUILD_STAMP = join(ROOT, 'build', '.stamp')
const NODE_MAJOR_MIN = 20

/**
 * Debian packages, by what shows that they are there: a program, or a file with an absolute path.
 * Those that are needed, always or by the tests, stop us when they cannot be had; the others leave
 * something out, as `for` says. `only`: for the tests. `isService`: it would begin to listen on
 * this machine's network as soon as it is installed, so it is not, where a systemd would start it.
 */
const DEBIAN_PACKAGES = [
  { name: 'iproute2', shownBy: 'ip', needed: 'always', for: 'network namespaces and interfaces' },
  {
    name: 'nftables',
    shownBy: 'nft',
    needed: 'always',
    for: "keeping the director's kernel quiet",
  },
  { name: 'procps', shownBy: 'sysctl', needed: 'tests', for: 'sysctl in tests and realserver' },
  { name: 'ethtool', shownBy: 'ethtool', needed: 'tests', for: 'offloads in lab, tests, doctor' },
  { name: 'curl', shownBy: 'curl', needed: 'tests', for: 'an HTTP client in lab and tests' },
  { name: 'netcat-openbsd', shownBy: 'nc', for: 'a plain TCP client in the lab' },
  { name: 'iputils-ping', shownBy: 'ping', needed: 'tests', for: 'ping in lab and tests' },
  { name: 'tcpdump', shownBy: 'tcpdump', for: 'independent captures in tests' },
  { name: 'tshark', shownBy: 'tshark', only: 'tests', for: 'reading captures of ours in tests' },
  { name: 'tmux', shownBy: 'tmux', only: 'tests', for: 'a terminal for uipvs top in tests' },
  {
    name: 'prometheus-node-exporter',
    shownBy: 'prometheus-node-exporter',
    only: 'tests',
    isService: true,
    for: 'reading --proc in tests',
  },
  { name: 'chromium', shownBy: 'chromium', only: 'tests', for: 'a browser for the page in tests' },
  { name: 'zsh', shownBy: 'zsh', only: 'tests', for: 'testing completion in zsh' },
  { name: 'fish', shownBy: 'fish', only: 'tests', for: 'testing completion in fish' },
  { name: 'mandoc', shownBy: 'mandoc', only: 'tests', for: 'testing the man pages' },
  {
    name: 'user-mode-linux',
    shownBy: 'linux.uml',
    only: 'tests',
    for: 'comparing with IPVS of Linux in tests',
  },
  { name: 'kmod', shownBy: 'modprobe', only: 'tests', for: 'the modules of that Linux' },
  {
    name: 'ipvsadm',
    shownBy: 'ipvsadm',
    only: 'tests',
    isService: true,
    for: 'comparing with IPVS of Linux in tests',
  },
  {
    name: 'iptables',
    shownBy: 'iptables-legacy',
    only: 'tests',
    for: 'firewall marks of that Linux',
  },
  { name: 'netbase', shownBy: '/etc/services', for: 'service names in uipvsadm' },
  { name: 'libpcap-dev', shownBy: '/usr/include/pcap.h', for: 'building cap' },
  { name: 'g++', shownBy: 'g++', for: 'building cap and raw-socket' },
  { name: 'make', shownBy: 'make', for: 'building cap and raw-socket' },
  { name: 'python3', shownBy: 'python3', for: 'building cap and raw-socket' },
]

/** npm packages that are compiled on this machine and may be missing, and what goes with them. */
const OPTIONAL_NATIVE = [
  { name: 'cap', for: 'the libpcap engine' },
  { name: 'raw-socket', for: 'hand-made frames in lab and doctor' },
]

const NATIVE_TOOLCHAIN = ['/usr/include/pcap.h', 'g++', 'make', 'python3']

const argv = process.argv.slice(2)

function say(line) {
  process.stderr.write(`setup: ${line}\n`)
}

/** Says what is wrong and what to do, and ends. */
function stop(problem, remedy) {
  process.stderr.write(`setup: ${problem}; ${remedy}\n`)
  process.exit(1)
}

/** Whether we cannot go on without a Debian package. */
function isVital(item) {
  return item.needed === 'always' || (item.needed === 'tests' && argv.includes('--tests'))
}

/** Whether a Debian package is for what we were called for, and may be installed unasked. */
function isWanted(item) {
  if (item.only === 'tests' && !argv.includes('--tests')) return false
  return !(item.isService && existsSync('/run/systemd/system'))
}

/** Whether a program is on PATH or where administrators' programs live, or a file exists. */
function isPresent(shownBy) {
  if (shownBy.startsWith('/')) return existsSync(shownBy)
  const folders = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`
  return folders.split(':').some((folder) => {
    try {
      accessSync(join(folder, shownBy), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Runs a program and returns whether it succeeded; its output is shown only if it did not. */
function succeeds(command, args, options = {}) {
  const run = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  })
  if (run.status === 0) return { ok: true, output: `${run.stdout}${run.stderr}` }
  return { ok: false, output: `${run.stdout ?? ''}${run.stderr ?? ''}${run.error ?? ''}` }
}

/** The beginning and the end of what a program printed: the cause is in one of the two. */
function excerpt(text) {
  const lines = text.trimEnd().split('\n')
  if (lines.length <= 40) return lines.join('\n')
  return [...lines.slice(0, 20), '…', ...lines.slice(-20)].join('\n')
}

function readRecord() {
  try {
    return JSON.parse(readFileSync(SETUP_RECORD, 'utf8'))
  } catch {
    return {}
  }
}

function writeRecord(record) {
  mkdirSync(dirname(SETUP_RECORD), { recursive: true })
  writeFileSync(SETUP_RECORD, `${JSON.stringify(record, null, 2)}\n`)
}

/** The words before `apt-get` that make it work here, or why there are none. */
function administrator() {
  if (process.getuid() === 0) return { prefix: [] }
  if (!isPresent('sudo')) return { reason: 'installing them needs root' }
  if (succeeds('sudo', ['-n', 'true']).ok) return { prefix: ['sudo', '-n'] }
  return { reason: 'installing them needs root, and sudo asks for a password' }
}

/** One line for a shell of this user that installs `packages`, however one becomes root here. */
function installLine(packages) {
  const line = `apt-get update && apt-get install -y --no-install-recommends ${packages}`
  if (process.getuid() === 0) return line
  // `su -`, since plain su keeps a PATH on which dpkg does not find its tools.
  return isPresent('sudo') ? `sudo sh -c '${line}'` : `su - -c '${line}'`
}

/** Says which packages are missing, what each is for, and the one line that installs them. */
function reportMissing(missing, reason) {
  const width = Math.max(...missing.map((item) => item.name.length))
  say(`Debian packages are missing, and ${reason}:`)
  for (const item of missing) say(`  ${item.name.padEnd(width)}  ${item.for}`)
  const packages = missing.map((item) => item.name).join(' ')
  const mustStop = missing.some(isVital)
  say(mustStop ? 'Install them, then start again:' : 'Going on without them. To have them too:')
  const remedy = isPresent('apt-get')
    ? installLine(packages)
    : `# with your system's package manager, what Debian calls: ${packages}`
  process.stderr.write(`\n    ${remedy}\n\n`)
  if (mustStop) process.exit(1)
}

/** Installs missing Debian packages. Returns what was tried in vain, to be remembered. */
function installDebianPackages(triedBefore) {
  const missing = DEBIAN_PACKAGES.filter((item) => isWanted(item) && !isPresent(item.shownBy))
  if (missing.length === 0) return []
  const names = missing.map((item) => item.name)
  if (names.join() === triedBefore.join() && !missing.some(isVital)) return names

  let reason = 'this system has no apt-get'
  if (isPresent('apt-get')) {
    const { prefix, reason: whyNot } = administrator()
    if (prefix === undefined) reason = whyNot
    else {
      say(`installing Debian packages: ${names.join(' ')}`)
      reason = aptInstall(prefix, names)
    }
  }
  const still = missing.filter((item) => !isPresent(item.shownBy))
  if (still.length > 0) reportMissing(still, reason)
  return still.map((item) => item.name)
}

/** Installs through apt-get; returns why it did not work, '' if it did. */
function aptInstall(prefix, names) {
  // DPkg's lock may be held for a while by a machine that has just booted.
  const options = ['-y', '-qq', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=2']
  const apt = (...args) => {
    const line = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...options]
    return succeeds(line[0], [...line.slice(1), ...args])
  }
  const install = () => apt('install', '--no-install-recommends', ...names)
  if (hasPackageLists()) {
    // The lists may be too old to name a version that is still on the server: then ask anew.
    if (install().ok) return ''
  }
  const update = apt('update')
  const installed = install()
  if (installed.ok) return ''
  // One that cannot be had here is no reason to do without the others.
  if (update.ok) for (const name of names) apt('install', '--no-install-recommends', name)
  process.stderr.write(`${excerpt(update.ok ? installed.output : update.output)}\n`)
  return update.ok ? 'apt-get install failed' : 'apt-get update failed (no network?)'
}

function hasPackageLists() {
  try {
    return readdirSync('/var/lib/apt/lists').some((name) => /_Packages(\.|$)/.test(name))
  } catch {
    return false
  }
}

/** Everything that makes an installed node_modules wrong when it changes. */
function dependenciesKey() {
  const hash = createHash('sha256')
  hash.update(readFileSync(join(ROOT, 'package-lock.json')))
  hash.update(`${process.version} ${process.arch}`)
  // A compiler that has come since then is a reason to try the native packages again.
  hash.update(String(NATIVE_TOOLCHAIN.every(isPresent)))
  return hash.digest('hex')
}

/**
 * Node's headers as they came with this very Node, if they did: then node-gyp need not fetch them.
 * Debian's, NodeSource's and the official archive's all lie at ../include/node from the program.
 */
function nodeHeadersFolder() {
  const prefix = dirname(dirname(process.execPath))
  try {
    const header = readFileSync(join(prefix, 'include/node/node_version.h'), 'utf8')
    const part = (name) => header.match(new RegExp(`define NODE_${name}_VERSION (\\d+)`))?.[1]
    const version = `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`
    return version === process.versions.node ? prefix : null
  } catch {
    return null
  }
}

function installDependencies(record) {
  const key = dependenciesKey()
  const wanted = !argv.includes('--retry') && record.key === key
  if (wanted && existsSync(join(ROOT, 'node_modules/typescript'))) return key
  say('installing npm packages (a minute or two the first time)')
  const env = {
    ...process.env,
    npm_config_loglevel: 'error',
    npm_config_update_notifier: 'false',
    // Without a network npm's own pauses between its attempts make one wait for a minute.
    npm_config_fetch_retry_mintimeout: '1000',
    npm_config_fetch_retry_maxtimeout: '10000',
  }
  const headers = nodeHeadersFolder()
  if (headers !== null && env.npm_config_nodedir === undefined) env.npm_config_nodedir = headers
  const run = succeeds('npm', ['ci', '--include=dev', '--include=optional'], { env })
  if (run.ok) return key
  const trouble = registryTrouble(env)
  if (trouble !== '') {
    const remedy = "check the network and npm's settings (npm config list), then try again"
    stop(`npm cannot fetch packages: ${trouble}`, remedy)
  }
  process.stderr.write(`${excerpt(run.output)}\n`)
  return stop('npm ci failed (see above)', 'try again, and look at the disk and the npm cache')
}

/**
 * Why the npm registry does not answer, in npm's own words, or '' if it does. Asked for after a
 * failure, since `npm ci` does not always get round to telling its cause.
 */
function registryTrouble(env) {
  const once = ['--fetch-retries=0', '--fetch-timeout=15000']
  const asked = succeeds('npm', ['view', 'typescript', 'version', ...once], { env })
  if (asked.ok) return ''
  return asked.output.match(/request to .+/)?.[0] ?? excerpt(asked.output)
}

/** Loads each native package in a Node of its own and says which cannot be used, and why. */
function checkOptionalPackages() {
  const absent = []
  const lacking = DEBIAN_PACKAGES.filter(
    ({ shownBy }) => NATIVE_TOOLCHAIN.includes(shownBy) && !isPresent(shownBy),
  )
    .map((item) => item.name)
    .join(', ')
  for (const { name, for: purpose } of OPTIONAL_NATIVE) {
    if (succeeds(process.execPath, ['-e', `require('${name}')`]).ok) continue
    // npm takes away what it could not build, and keeps to itself why.
    const why =
      lacking === ''
        ? `(npm install --no-save --foreground-scripts ${name} shows why)`
        : `without ${lacking}`
    absent.push(`${name} could not be built ${why}; left out: ${purpose}. The rest works`)
  }
  return absent
}

/** Paths below `folder`, relative to the root, that end in `.suffix`. */
function filesBelow(folder, suffix) {
  if (!existsSync(join(ROOT, folder))) return []
  return readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(ROOT.length + 1))
    .sort()
}

const SOURCE_FOLDERS = ['src', 'test', 'bench']

function buildKey() {
  const hash = createHash('sha256')
  const settings = ['tsconfig.json', 'package.json', 'package-lock.json']
  const sources = SOURCE_FOLDERS.flatMap((folder) => filesBelow(folder, '.ts'))
  const page = [...filesBelow('src/web/page', ''), ...filesBelow('docs/examples', '')]
  for (const path of [...settings, ...sources, ...page, 'scripts/page.mjs', 'scripts/bundle.mjs']) {
    const { mtimeMs, size } = statSync(join(ROOT, path))
    hash.update(`${path} ${mtimeMs} ${size}\n`)
  }
  return hash.digest('hex')
}

/** Removes what was built from files that are gone, lest a deleted test go on passing. */
function pruneBuild() {
  for (const folder of SOURCE_FOLDERS) {
    for (const path of filesBelow(join('build', folder), '')) {
      const source = path.slice('build/'.length).replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts')
      if (source.endsWith('.ts') && !existsSync(join(ROOT, source))) rmSync(join(ROOT, path))
    }
  }
}

function build() {
  const key = buildKey()
  const built = existsSync(BUILD_STAMP) ? readFileSync(BUILD_STAMP, 'utf8') : ''
  if (built === key) return
  say('building')
  rmSync(BUILD_STAMP, { force: true })
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  if (!existsSync(compiler)) stop('the compiler is not installed', 'run npm run setup first')
  const run = succeeds(process.execPath, [compiler, '-p', 'tsconfig.json', '--pretty', 'false'])
  if (!run.ok) {
    process.stderr.write(run.output)
    stop('the build failed (see above)', 'correct the source and run it again')
  }
  const engine = succeeds(process.execPath, [join(ROOT, 'scripts/bundle.mjs')])
  if (!engine.ok) {
    process.stderr.write(engine.output)
    stop('the packet engine could not be put into one file (see above)', 'correct the source')
  }
  const page = succeeds(process.execPath, [join(ROOT, 'scripts/page.mjs')])
  if (!page.ok) {
    process.stderr.write(page.output)
    stop('the page could not be built (see above)', 'correct the source and run it again')
  }
  pruneBuild()
  writeFileSync(BUILD_STAMP, key)
}

function main() {
  const major = Number(process.versions.node.split('.')[0])
  if (process.platform !== 'linux') stop(`this is ${process.platform}`, 'uipvs needs Linux')
  if (major < NODE_MAJOR_MIN) {
    stop(`Node ${process.version} is too old`, `install Node ${NODE_MAJOR_MIN} or later`)
  }
  if (!argv.includes('--build')) {
    const record = readRecord()
    const triedBefore = argv.includes('--retry') ? [] : (record.missingPackages ?? [])
    const missingPackages = installDebianPackages(triedBefore)
    const key = installDependencies(record)
    const isNew = key !== record.key || argv.includes('--retry')
    const absent = isNew ? checkOptionalPackages() : (record.absent ?? [])
    for (const sentence of absent) say(sentence)
    if (isNew || missingPackages.join() !== (record.missingPackages ?? []).join()) {
      writeRecord({ key, missingPackages, absent })
    }
  }
  build()
}

main()
