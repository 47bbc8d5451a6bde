/**
 * Breaks a lab that stands, and puts it right again. What was done, where, and what the rules were
 * before, is in the file `fault.json` of the lab's directory as long as it lasts.
 */
import { randomInt } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Act, FAULTS, type Fault, type Site } from './faults.js'
import { type Lab, PROGRAMS } from './lab.js'
import { CommandError, LabError, namespacePath, processesIn } from './namespaces.js'
import { killAll } from './processes.js'
import type { LabState } from './state.js'
import { REALSERVERS, type Realserver, type RealserverName, VIP } from './topology.js'

export interface Broken {
  readonly fault: string
  readonly host: RealserverName
  /** What `uipvsadm -Sn` printed before, a rule a line. */
  readonly rules: readonly string[]
}

function fileOf(state: Pick<LabState, 'directory'>): string {
  return join(state.directory, 'fault.json')
}

/** What is broken in a lab; null if nothing is, as far as we have done it. */
export function brokenIn(lab: Lab): Broken | null {
  const file = fileOf(lab.state)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Broken) : null
}

/** The director's rules in no particular order, since to take one out and in again changes that. */
export function rulesOf(lab: Lab): string[] {
  const { status, stdout, stderr } = lab.shell('director', 'uipvsadm -Sn')
  if (status !== 0) throw new CommandError(`uipvsadm -Sn (in ${lab.state.lab})`, stderr)
  return stdout.trim().split('\n').sort()
}

/** The faults that make a difference in this lab. */
export function faultsFor({ engine }: Pick<LabState, 'engine'>): Fault[] {
  return FAULTS.filter(({ needsKernel }) => needsKernel !== true || engine !== 'af_xdp')
}

/** Injects a fault, by default any, at any realserver; what it was is in the lab's directory. */
export async function breakLab(lab: Lab, wanted?: Fault, at?: Realserver): Promise<Broken> {
  const rules = rulesOf(lab)
  for (const { rip } of REALSERVERS) {
    if (rules.some((rule) => rule.startsWith(`-a -t ${VIP}:80 -r ${rip}:80 -g -w 1`))) continue
    throw new LabError(
      `${lab.state.lab} is not as the article has it: ${rip} does not serve ${VIP}:80 with weight 1; ` +
        "'uipvs lab --keep' makes one that is",
    )
  }
  const any = faultsFor(lab.state)
  const fault = wanted ?? any[randomInt(any.length)]!
  const rs = at ?? REALSERVERS[randomInt(REALSERVERS.length)]!
  const broken: Broken = { fault: fault.name, host: rs.name, rules }
  // Written first: whatever ends us half-way, `undo` knows what to put right.
  writeFileSync(fileOf(lab.state), `${JSON.stringify(broken, null, 2)}\n`)
  await inject(lab, fault, rs)
  return broken
}

/** The fault alone, without a word of it anywhere. */
export async function inject(lab: Lab, fault: Fault, rs: Realserver): Promise<void> {
  for (const act of fault.acts(siteOf(lab, rs))) await carryOut(lab, rs, act, true)
}

/** Everything as it was before the fault, whatever has been mended of it. */
export async function undoFault(lab: Lab, { fault: name, host, rules }: Broken): Promise<void> {
  const fault = FAULTS.find((other) => other.name === name)
  const rs = REALSERVERS.find((other) => other.name === host)!
  if (fault !== undefined) await takeBack(lab, fault, rs)
  if (rulesOf(lab).join('\n') !== rules.join('\n')) {
    // A service stands before its realservers, as A before a.
    const lines = `uipvsadm -C && uipvsadm -R <<'end'\n${rules.join('\n')}\nend`
    const { status, stderr } = lab.shell('director', lines)
    if (status !== 0) throw new CommandError('uipvsadm -R', stderr)
  }
  rmSync(fileOf(lab.state), { force: true })
}

/** All of a fault but what it did to the rules. */
export async function takeBack(lab: Lab, fault: Fault, rs: Realserver): Promise<void> {
  const site = siteOf(lab, rs)
  for (const act of fault.undo(site)) await carryOut(lab, rs, act, false)
  if (fault.acts(site).some((act) => 'servers' in act)) await serveAgain(lab, rs.name)
}

/** A realserver's servers as they should be, whoever has ended or misled them. */
export async function serveAgain(lab: Lab, name: RealserverName): Promise<void> {
  endServers(lab, name)
  await lab.startRealserver(name)
}

/** Whoever has started them: the lab's owner, or `lab serve` and `lab break` before us. */
function endServers(lab: Lab, name: RealserverName): void {
  const inside = processesIn(namespacePath(lab.state, name))
  killAll(inside.filter(({ pid }) => commandLine(pid).includes(PROGRAMS.realserver)))
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return '' // gone meanwhile
  }
}

async function carryOut(lab: Lab, rs: Realserver, act: Act, must: boolean): Promise<void> {
  if ('servers' in act) {
    endServers(lab, rs.name)
    if (act.servers !== null) await lab.startRealserver(rs.name, act.servers)
    return
  }
  for (const line of act.lines) {
    const { status, stderr } = lab.shell(act.host, line)
    if (must && status !== 0) throw new CommandError(line, stderr)
  }
}

function siteOf(lab: Lab, rs: Realserver): Site {
  const { state } = lab
  return {
    rs,
    routerNamespace: namespacePath(state, 'router'),
    directory: state.directory,
    vipOnDirector: state.vipOnDirector,
  }
}
