/** Looks at this machine as a realserver, carries plans out, and remembers what to undo. */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { readAddresses, runTool } from '../native/interfaces.js'
import {
  type Action,
  hostPrefix,
  NOTHING_REMEMBERED,
  type Observed,
  PERSISTENT_FILE,
  type Plan,
  persistentText,
  type Remembered,
  SILENCE,
} from './plan.js'

/**
 * Under /run, since it describes the running kernel and means nothing after a reboot. Addresses and
 * these sysctls belong to a network namespace, so one that is not the machine's own has its own
 * file.
 */
export function stateFile(): string {
  let name = 'realserver'
  try {
    const own = readlinkSync('/proc/self/ns/net')
    const first = readlinkSync('/proc/1/ns/net')
    if (own !== first) name += `-${/\d+/.exec(own)?.[0]}`
  } catch {
    // Not root, who alone may ask where process 1 is, and who alone may change anything here.
  }
  return `/run/uipvs/${name}.json`
}

function sysctlFile(name: string): string {
  return `/proc/sys/${name.replaceAll('.', '/')}`
}

export function readSysctl(name: string): string | null {
  try {
    return readFileSync(sysctlFile(name), 'utf8').trim()
  } catch {
    return null
  }
}

export function observe(): Observed {
  return {
    addresses: readAddresses(),
    sysctls: Object.fromEntries(SILENCE.map(({ name }) => [name, readSysctl(name)])),
    persistent: existsSync(PERSISTENT_FILE),
  }
}

export function recall(file = stateFile()): Remembered {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Remembered
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NOTHING_REMEMBERED
    const { code, message } = error as NodeJS.ErrnoException
    const remedy = code === 'EACCES' ? 'run it as root' : 'repair or remove it'
    throw Object.assign(
      new Error(`what to undo can't be read, ${code ?? message} (${file}); ${remedy}`),
      {
        code: code ?? 'EINVAL',
      },
    )
  }
}

/**
 * Carries a plan out. What to undo is written down before anything is changed: if we are ended
 * half-way, `down` still knows the old values.
 */
export function carryOut(plan: Plan, file = stateFile()): void {
  const undoes = plan.actions.some(
    ({ kind }) => kind === 'delete-address' || kind === 'remove-persistent',
  )
  if (!undoes) remember(plan.remember, file)
  for (const action of plan.actions) act(action)
  remember(plan.remember, file)
}

function remember(what: Remembered, file: string): void {
  if (what.vips.length === 0 && Object.keys(what.sysctls).length === 0) {
    rmSync(file, { force: true })
    return
  }
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
  writeFileSync(`${file}.new`, `${JSON.stringify(what, null, 2)}\n`)
  renameSync(`${file}.new`, file)
}

function act(action: Action): void {
  switch (action.kind) {
    case 'add-address':
      runTool('ip', ['addr', 'add', hostPrefix(action.address), 'dev', 'lo'], 'iproute2')
      break
    case 'delete-address':
      runTool('ip', ['addr', 'del', hostPrefix(action.address), 'dev', 'lo'], 'iproute2')
      break
    case 'set-sysctl':
      writeFileSync(sysctlFile(action.name), action.value)
      break
    case 'write-persistent':
      mkdirSync(dirname(PERSISTENT_FILE), { recursive: true })
      writeFileSync(PERSISTENT_FILE, persistentText())
      break
    case 'remove-persistent':
      rmSync(PERSISTENT_FILE, { force: true })
      break
  }
}
