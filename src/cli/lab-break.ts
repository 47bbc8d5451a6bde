/** `uipvs lab break`, `check` and `serve`: exercises in a lab that stands. */
import { spawnSync } from 'node:child_process'
import { Argument, type Command } from 'commander'
import { breakLab, brokenIn, faultsFor, rulesOf, serveAgain, undoFault } from '../lab/break.js'
import { FAULTS } from '../lab/faults.js'
import { grade, type Mark } from '../lab/grade.js'
import { Lab, outside } from '../lab/lab.js'
import { type Paint, paintFor } from '../lab/paint.js'
import { isInstalled } from '../lab/requests.js'
import { isStale, type LabState, labsDirectory, listLabs } from '../lab/state.js'
import { REALSERVERS, VIP } from '../lab/topology.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from './failure.js'

interface Flags {
  readonly name?: string
  readonly json?: boolean
  readonly list?: true
  readonly undo?: true
}

const BREAK_EXAMPLES = `
Examples:
  uipvs lab --keep              a lab that works
  uipvs lab break               something breaks, somewhere: find it, mend it
  uipvs lab check               is it mended? exit status 0 if it is, 1 if not
  uipvs lab break --undo        give up: put it right, and say what it was
  uipvs lab break --list        what can be broken
  uipvs lab break rp-filter     this, somewhere
`

export function registerExercises(lab: Command): void {
  const flagsOf = (command: Command) => command.optsWithGlobals<Flags>()
  const name = ['--name <lab>', 'which lab; by default the newest'] as const
  const fault = new Argument('[fault]', 'what to break; by default anything')
  fault.argChoices = FAULTS.map((one) => one.name)
  lab
    .command('break')
    .description('break a lab that stands, without saying where: an exercise')
    .addArgument(fault)
    .option('--list', 'the faults there are')
    .option('--undo', 'put right what was broken, and say what it was')
    .option('--json', 'with --list: as JSON')
    .option(...name)
    .addHelpText('after', BREAK_EXAMPLES)
    .action(async (wanted: string | undefined, _flags: unknown, command: Command) => {
      await breakOrUndo(wanted, flagsOf(command))
    })
  lab
    .command('check')
    .description('grade a lab by real traffic: exit status 0 if it works, 1 if not')
    .option('--json', 'as JSON')
    .option(...name)
    .action(async (_flags: unknown, command: Command) => {
      process.exitCode = await check(flagsOf(command))
    })
  const names = REALSERVERS.map((rs) => rs.name)
  lab
    .command('serve')
    .description("start a realserver's servers again, as they should be")
    .addArgument(new Argument('<realserver>', 'which').choices(names))
    .option(...name)
    .action(async (host: string, _flags: unknown, command: Command) => {
      const standing = enterLab(flagsOf(command).name)
      if (standing === null) return
      const rs = REALSERVERS.find((one) => one.name === host)!
      await serveAgain(standing, rs.name)
      process.stdout.write(`${host} serves HTTP, SSH and UDP echo on ${VIP}\n`)
    })
}

async function breakOrUndo(wanted: string | undefined, flags: Flags): Promise<void> {
  if (flags.list === true) {
    listFaults(flags.json === true)
    return
  }
  const fault = FAULTS.find(({ name }) => name === wanted)
  if (wanted !== undefined && fault === undefined) {
    throw new CliFailure(
      `there is no fault called "${wanted}"`,
      EXIT_USAGE,
      "'uipvs lab break --list' lists them",
    )
  }
  const lab = enterLab(flags.name)
  if (lab === null) return
  const broken = brokenIn(lab)
  if (flags.undo === true) {
    if (broken === null) throw new CliFailure(`nothing is broken in ${lab.state.lab}`, EXIT_FAILED)
    await undoFault(lab, broken)
    process.stdout.write(`it was ${broken.fault} at ${broken.host}: ${titleOf(broken.fault)}\n`)
    return
  }
  if (broken !== null) {
    throw new CliFailure(
      `${lab.state.lab} is broken already`,
      EXIT_FAILED,
      "'uipvs lab check' says whether it is mended, 'uipvs lab break --undo' mends it",
    )
  }
  if (fault !== undefined && !faultsFor(lab.state).includes(fault)) {
    throw new CliFailure(
      `${fault.name} does nothing where XDP takes the frames (${lab.state.lab})`,
      EXIT_FAILED,
      "make the lab with 'uipvs lab --keep --engine af_packet'",
    )
  }
  await breakLab(lab, fault)
  process.stdout.write(invitation(paintFor(process.stdout), lab.state))
}

function listFaults(json: boolean): void {
  const rows = FAULTS.map(({ name, title }) => ({ name, title }))
  const text = rows.map(({ name, title }) => `${name.padEnd(14)} ${title}\n`).join('')
  process.stdout.write(json ? `${JSON.stringify(rows, null, 2)}\n` : text)
}

async function check(flags: Flags): Promise<number> {
  const lab = enterLab(flags.name)
  if (lab === null) return Number(process.exitCode)
  const broken = brokenIn(lab)
  const marks = await grade(lab, broken?.rules ?? rulesOf(lab))
  const works = marks.every(({ holds }) => holds)
  if (works && broken !== null) {
    // What is left of it and does no harm goes too, so that the next exercise begins as this one.
    await undoFault(lab, broken)
  }
  if (flags.json === true) {
    const { lab: name } = lab.state
    const was = works && broken !== null ? { fault: broken.fault, host: broken.host } : null
    process.stdout.write(`${JSON.stringify({ lab: name, works, was, marks }, null, 2)}\n`)
  } else {
    const paint = paintFor(process.stdout)
    process.stdout.write(marks.map((mark) => markLine(paint, mark)).join(''))
    const good = marks.filter(({ holds }) => holds).length
    process.stdout.write(`\n   ${good} of ${marks.length}. ${verdict(works, broken)}\n`)
  }
  return works ? 0 : EXIT_FAILED
}

function verdict(works: boolean, broken: { fault: string; host: string } | null): string {
  if (!works) return "Not yet: 'uipvs doctor' on the hosts, then once more."
  if (broken === null) return 'The lab works.'
  return `Mended. It was ${broken.fault} at ${broken.host}: ${titleOf(broken.fault)}.`
}

/** Of what is wrong the first few: the rest is more of the same. */
const SHOWN_MAX = 3

function markLine(paint: Paint, { text, holds, wrong }: Mark): string {
  const more = wrong.length > SHOWN_MAX ? [`and ${wrong.length - SHOWN_MAX} more`] : []
  return [
    `   ${holds ? paint.green('✓') : paint.red('✗')} ${text}\n`,
    ...[...wrong.slice(0, SHOWN_MAX), ...more].map((one) => `       ${paint.dim(one)}\n`),
  ].join('')
}

function titleOf(fault: string): string {
  return FAULTS.find(({ name }) => name === fault)?.title ?? 'a fault of another version'
}

function invitation(paint: Paint, { lab, rootless }: LabState): string {
  const npx = isInstalled('uipvs') ? '' : 'npx '
  const ask = rootless
    ? `${npx}uipvs lab --shell client`
    : `ip netns exec ${lab}-client curl http://${VIP}/`
  return [
    paint.bold(`Something is broken in ${lab}.`),
    `   what a client sees     ${ask}`,
    `   look around            ${npx}uipvs lab --shell director`,
    '                          (or client, router, rs1, rs2, rs3)',
    '   there                  ip, nstat, tcpdump, nft, uipvsadm -Ln, uipvs trace',
    '   on the director        uipvs doctor -i eth0',
    `   on the router          uipvs doctor -i eth1 --vip ${VIP}`,
    `   on a realserver        uipvs doctor --realserver -i eth0 --vip ${VIP}`,
    `   is it mended?          ${npx}uipvs lab check`,
    `   give up                ${npx}uipvs lab break --undo`,
    '',
  ].join('\n')
}

/** The lab to work on; null if the work was done by another process, inside its user namespace. */
function enterLab(name: string | undefined): Lab | null {
  const state = standingLab(name)
  const way = outside(state)
  if (way.length === 0) return Lab.attach(state)
  const [program = '', ...words] = [...way, process.execPath, ...process.argv.slice(1)]
  const done = spawnSync(program, words, {
    stdio: 'inherit',
    env: { ...process.env, UIPVS_LAB_ROOTLESS: '1', UIPVS_LAB_STATE: labsDirectory() },
  })
  process.exitCode = done.status ?? EXIT_FAILED
  return null
}

/** By its name, or the newest. */
export function standingLab(name: string | undefined): LabState {
  const labs = listLabs().filter((lab) => !isStale(lab))
  const lab = name === undefined ? labs.at(-1) : labs.find((one) => one.lab === name)
  if (lab !== undefined) return lab
  throw new CliFailure(
    name === undefined ? 'no lab stands' : `no lab is called ${name}`,
    EXIT_FAILED,
    "'uipvs lab --keep' makes one, 'uipvs lab list' lists them",
  )
}
