/** `uipvs lab`: the article's network in namespaces, and a demonstration of it. */
import { Argument, type Command } from 'commander'
import { type Demonstration, demonstrate } from '../../lab/demonstration.js'
import { Ended, endOnSignals, standUntil } from '../../lab/ending.js'
import { enterHost, hasIpv6, Lab, removeStaleLabs } from '../../lab/lab.js'
import { type Paint, paintFor } from '../../lab/paint.js'
import * as report from '../../lab/report.js'
import {
  hasRootsRights,
  LEFT_OUT_WITHOUT_ROOT,
  runInUserNamespace,
  whyNotRootless,
} from '../../lab/rootless.js'
import { type Played, playScene, type Scene } from '../../lab/scene.js'
import { sceneEnding, sceneOpening, sceneStep } from '../../lab/scene-report.js'
import { SCENES } from '../../lab/scenes/index.js'
import { isStale, type LabState, listLabs } from '../../lab/state.js'
import { HOSTS, type Host } from '../../lab/topology.js'
import { CliFailure, EXIT_FAILED, EXIT_USAGE } from '../failure.js'
import { registerExercises, standingLab } from '../lab-break.js'
import { ANY_PORT, LabWeb, refusalOf } from '../lab-web.js'
import { PageRelay } from '../page-relay.js'
import { listening } from '../reports.js'

const ENGINES = ['auto', 'af_xdp', 'af_packet', 'libpcap']
const DEFAULT_SCENE = 'dr'
const SCENE_NAMES = [DEFAULT_SCENE, ...SCENES.map(({ name }) => name)]

interface LabFlags {
  readonly once?: true
  readonly json?: true
  readonly keep?: true
  readonly engine: string
  readonly shell?: string
  readonly name?: string
  readonly vipOnDirector: boolean
  /** False: --no-web. */
  readonly web?: string | false
}

const EXAMPLES = `
Examples:
  uipvs lab                     build it, show it, and let it stand until Ctrl-C; on a terminal
                                also in a browser, with buttons: prints the address to open
  uipvs lab --once              build it, show it, take it away
  uipvs lab --once --json       the same for a program: one JSON object
  uipvs lab --web 127.0.0.1:8080
                                the page at this address, on a terminal or not
  uipvs lab --no-web            no page
  uipvs lab --keep              let it stand and return
  uipvs lab --shell rs1         a shell in a realserver of a lab that stands
  uipvs lab list                what else it can show, and which labs stand
  uipvs lab arp                 a realserver answers ARP for the VIP: what breaks, and the fix
  uipvs lab break               break the newest lab, and say nothing: an exercise
  uipvs lab check               does it work? graded by real traffic
  uipvs lab down                take away every lab of yours that is kept or was left by a crash
`

export function register(program: Command): void {
  const lab = program
    .command('lab')
    .description('Direct Routing in network namespaces: client, router, director, realservers')
    .addArgument(sceneArgument())
    .option('--once', 'show the demonstration and take the lab away (default without a terminal)')
    .option('--keep', 'show the demonstration, let the lab stand, and return')
    .option('--json', 'print the result of the demonstration as one JSON object; implies --once')
    .option('--engine <engine>', `how the director takes frames: ${ENGINES.join(', ')}`, 'auto')
    .option('--no-vip-on-director', "leave the VIP off the director's eth0:0 (the article has it)")
    .option(
      '--web <address:port>',
      `where a browser sees the lab while it stands (default: ${ANY_PORT}, any port; on a terminal)`,
    )
    .option('--no-web', 'offer no page')
    .option('--shell <host>', `a shell in a lab that stands: ${HOSTS.join(', ')}`)
    .option('--name <lab>', 'which lab, for --shell; by default the newest')
    .addHelpText('after', EXAMPLES)
    .action(async (scene: string, flags: LabFlags) => {
      process.exitCode = await runLab(scene, flags)
    })
  lab
    .command('down')
    .description('take away a lab: by default all that are kept or whose owner has died')
    .argument('[name]', 'the name of one lab, which may belong to a running uipvs lab')
    .action((name: string | undefined) => downLabs(name))
  lab
    .command('list')
    .description('the scenes, and the labs of this user that stand')
    .option('--json', 'as JSON')
    .action((_flags: unknown, command: Command) => {
      printList(command.optsWithGlobals<{ json?: boolean }>().json === true)
    })
  registerExercises(lab)
}

/** For help and completion; a wrong one is refused in our own words. */
function sceneArgument(): Argument {
  const scene = new Argument('[scene]', 'what to show').default(DEFAULT_SCENE)
  scene.argChoices = [...SCENE_NAMES]
  return scene
}

async function runLab(scene: string, flags: LabFlags): Promise<number> {
  if (!SCENE_NAMES.includes(scene)) {
    throw new CliFailure(
      `there is no scene called "${scene}"`,
      EXIT_USAGE,
      `try ${SCENE_NAMES.join(', ')}`,
    )
  }
  if (!ENGINES.includes(flags.engine)) {
    throw new CliFailure(
      `the lab has no engine "${flags.engine}"`,
      EXIT_USAGE,
      `one of ${ENGINES.join(', ')}`,
    )
  }
  if (flags.shell !== undefined) return openShell(flags.shell, flags.name)
  const isBrief = (flags.once ?? flags.json ?? flags.keep) === true
  if (typeof flags.web === 'string' && isBrief) {
    throw new CliFailure('--web with --once, --json or --keep', EXIT_USAGE, 'leave one of them out')
  }
  const wanted = SCENES.find(({ name }) => name === scene)
  const why = wanted?.cannot?.() ?? false
  if (why !== false) {
    throw new CliFailure(`scene ${scene} cannot be played on this machine`, EXIT_FAILED, why)
  }
  const stays = !isBrief && process.stdout.isTTY === true
  const at = flags.web ?? (stays ? ANY_PORT : false)
  const web = at === false ? null : new LabWeb(at)
  const inside = process.env.UIPVS_LAB_ROOTLESS === '1'
  if (!inside && !hasRootsRights()) return await rootless(web)
  return await standAndShow(flags, wanted, web)
}

async function rootless(web: LabWeb | null): Promise<number> {
  const why = whyNotRootless()
  if (why !== null) {
    throw new CliFailure(
      `no root's rights, and no user namespace either, so no network namespaces: ${why}`,
      EXIT_FAILED,
      'run it as root',
    )
  }
  process.stderr.write(
    `uipvs: not root: in a user namespace, which leaves out ${LEFT_OUT_WITHOUT_ROOT}\n`,
  )
  const argv = process.argv.slice(1)
  if (web === null) return await runInUserNamespace(argv)
  const relay = new PageRelay()
  try {
    const { host, port } = web.address
    return await runInUserNamespace(
      argv,
      await listening(relay.listen(web.address), refusalOf(`${host}:${port}`), '--web'),
    )
  } finally {
    relay.close()
  }
}

/** The lab from its first namespace to its last, whatever ends it. */
async function standAndShow(
  flags: LabFlags,
  scene: Scene | undefined,
  web: LabWeb | null,
): Promise<number> {
  const json = flags.json === true
  const paint = paintFor(process.stdout)
  const say = (text: string) => {
    if (!json) process.stdout.write(text)
  }
  let lab: Lab | null = null
  const ended = endOnSignals(() => lab?.down())
  try {
    const engine = scene?.engine ?? flags.engine
    lab = Lab.up({ engine, vipOnDirector: flags.vipOnDirector })
    const work = scene === undefined ? showDr(lab, paint, say) : showScene(scene, lab, paint, say)
    const done = await Promise.race([work, ended])
    if (json) process.stdout.write(`${JSON.stringify(done, null, 2)}\n`)
    const status = done.failures.length === 0 ? 0 : EXIT_FAILED
    if (flags.keep === true) {
      lab.keep()
      say(report.invitation(paint, lab.state))
      lab = null
      return status
    }
    const isTerminal = process.stdout.isTTY === true
    if (web !== null || (!json && flags.once !== true && isTerminal)) {
      if (isTerminal) say(report.invitation(paint, lab.state))
      if (web !== null) {
        say(`   In a browser, with the token that opens it: ${await web.listen(lab)}\n`)
      }
      if (isTerminal) say('   Ctrl-C takes the lab away.\n')
      await standUntil(ended)
    }
    return status
  } catch (error) {
    if (error instanceof Ended) return error.status
    throw error
  } finally {
    await web?.close()
    lab?.down()
  }
}

type Say = (text: string) => void

/** The article's figure, and all that it promises. */
async function showDr(lab: Lab, paint: Paint, say: Say): Promise<Demonstration> {
  say(`\n${report.figure(paint, lab.state)}`)
  say(report.setUp(paint, lab.state))
  let offloads = lab.switchOffloadsOff()
  await lab.startRealservers()
  await lab.startDirector()
  // Only now is it known what `auto` has become.
  if (offloads === '') offloads = lab.switchOffloadsOff()
  if (offloads !== '') say(`   ${offloads}\n`)
  const done = await demonstrate(lab, hasIpv6(), (part) => {
    if (part.rules)
      say(report.commands(paint, 'the article’s rules, and the same for more services', part.rules))
    if (part.requests) say(report.answers(paint, part.requests))
    if (part.frame) say(report.frameBeforeAndAfter(paint, part.frame))
    if (part.traffic) say(report.trafficProof(paint, part.traffic))
    if (part.listings) say(report.commands(paint, 'what the director has counted', part.listings))
  })
  say(report.conclusion(paint, done))
  return done
}

async function showScene(scene: Scene, lab: Lab, paint: Paint, say: Say): Promise<Played> {
  say(sceneOpening(paint, scene))
  await lab.startRealservers()
  const played = await playScene(scene, lab, (step) => say(sceneStep(paint, step)))
  say(sceneEnding(paint, played))
  return played
}

function openShell(host: string, name: string | undefined): number {
  if (!(HOSTS as readonly string[]).includes(host)) {
    throw new CliFailure(`the lab has no host "${host}"`, EXIT_USAGE, `one of ${HOSTS.join(', ')}`)
  }
  return enterHost(standingLab(name), host as Host, [process.env.SHELL ?? '/bin/sh'])
}

function downLabs(name: string | undefined): void {
  if (name === undefined) {
    const gone = removeStaleLabs()
    for (const state of listLabs().filter(({ kept }) => kept)) {
      Lab.attach(state).down()
      gone.push(state.lab)
    }
    process.stdout.write(gone.length === 0 ? 'no lab was left\n' : `gone: ${gone.join(', ')}\n`)
    return
  }
  const state = listLabs().find(({ lab }) => lab === name)
  if (state === undefined) {
    throw new CliFailure(`no lab is called ${name}`, EXIT_FAILED, "'uipvs lab list' lists them")
  }
  Lab.attach(state).down()
  process.stdout.write(`gone: ${name}\n`)
}

function printList(json: boolean): void {
  const scenes = [
    { name: DEFAULT_SCENE, title: 'the figure: Direct Routing works, frame by frame' },
    ...SCENES.map(({ name, title }) => ({ name, title })),
  ]
  const labs = listLabs().map((lab) => ({ ...lab, condition: conditionOf(lab) }))
  if (json) {
    process.stdout.write(`${JSON.stringify({ scenes, labs }, null, 2)}\n`)
    return
  }
  const standing = labs.map(
    ({ lab, condition, created }) =>
      `  ${lab.padEnd(14)} ${condition.padEnd(8)} since ${created}\n`,
  )
  process.stdout.write(
    [
      "Scenes ('uipvs lab SCENE')\n",
      ...scenes.map(({ name, title }) => `  ${name.padEnd(14)} ${title}\n`),
      '\nLabs that stand\n',
      ...(standing.length > 0 ? standing : ["  none; 'uipvs lab --keep' makes one\n"]),
    ].join(''),
  )
}

function conditionOf(lab: LabState): 'kept' | 'stale' | 'running' {
  if (lab.kept) return 'kept'
  return isStale(lab) ? 'stale' : 'running'
}
