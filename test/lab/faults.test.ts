/**
 * Every fault of `uipvs lab break`: the client sees it (`lab check`), `uipvs doctor` names it, and
 * the lines that doctor prints mend it. Several at a time, each at its own realserver, since most
 * of it is waiting.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import type { Finding } from '../../src/doctor/finding.js'
import { inject, rulesOf, takeBack } from '../../src/lab/break.js'
import { articleRules, ipv6Rules, uipvsadm } from '../../src/lab/demonstration.js'
import { FAULTS } from '../../src/lab/faults.js'
import { grade } from '../../src/lab/grade.js'
import { hasIpv6, type Lab, PROGRAMS } from '../../src/lab/lab.js'
import { enter } from '../../src/lab/namespaces.js'
import { type Host, REALSERVERS, type RealserverName, VIP } from '../../src/lab/topology.js'
import { needsRoot, standingLab } from './standing.js'

// For the whole file: it starts many programs, on a machine that may be busy.
t.setTimeout(300_000)

/** A fault somewhere, what of it `lab check` says, and what doctor says on which host. */
interface Case {
  readonly fault: string
  readonly at: RealserverName
  readonly check: RegExp
  readonly doctor: readonly [host: Host, id: string, found: RegExp]
}

const GROUPS: readonly (readonly Case[])[] = [
  [
    {
      fault: 'no-guard',
      at: 'rs2',
      check: /^resets: \d+ x reset from 192\.168\.1\.110:22$/m,
      doctor: ['director', 'kernel-holds-vip', /^192\.168\.1\.110 is on eth0, without guard/],
    },
  ],
  [
    {
      fault: 'vip-missing',
      at: 'rs1',
      check: /^reached: rs1 has none of the SSH/m,
      doctor: ['rs1', 'vip-on-lo', /is not on lo/],
    },
    {
      fault: 'server-dead',
      at: 'rs2',
      check: /^resets: \d+ x reset from 192\.168\.1\.110:22$/m,
      doctor: ['director', 'serves-vip', /^192\.168\.1\.3 refuses 192\.168\.1\.110:80/],
    },
    {
      fault: 'mtu',
      at: 'rs3',
      check: /^reached: rs3 has none of the UDP/m,
      doctor: ['director', 'path-mtu', /^192\.168\.1\.4 takes no packet of 1500 .* 1400 /],
    },
    {
      fault: 'wrong-rip',
      at: 'rs3',
      check: /^rules: new: -a -t 192\.168\.1\.110:80 -r 192\.168\.1\.9:80/m,
      doctor: ['director', 'realserver', /nobody answers ARP for 192\.168\.1\.9; 192\.168\.1\.4 /],
    },
  ],
  [
    {
      fault: 'route-back',
      at: 'rs1',
      check: /^reached: rs1 has none of the SSH/m,
      doctor: ['rs1', 'way-back', /^192\.168\.1\.254\/32 is blackhole/],
    },
    {
      fault: 'rp-filter',
      at: 'rs2',
      check: /^reached: rs2 has none of the UDP/m,
      doctor: ['rs2', 'rp-filter', /leave by eth1; [1-9]\d* dropped so far/],
    },
    {
      fault: 'server-on-rip',
      at: 'rs3',
      check: /^resets: \d+ x reset/m,
      doctor: ['director', 'serves-vip', /^192\.168\.1\.4 refuses 192\.168\.1\.110:22/],
    },
  ],
  [
    {
      fault: 'filter',
      at: 'rs1',
      check: /^reached: rs1 has none of the HTTP of 192/m,
      doctor: ['rs1', 'filter', /ip daddr 192\.168\.1\.110 tcp dport 80 drop/],
    },
    {
      fault: 'server-port',
      at: 'rs2',
      check: /^reached: rs2 has none of the HTTP of 192/m,
      doctor: ['director', 'serves-vip', /^192\.168\.1\.3 refuses 192\.168\.1\.110:80/],
    },
    {
      fault: 'weight-0',
      at: 'rs3',
      check: /^rules: new: -a -t 192\.168\.1\.110:80 -r 192\.168\.1\.4:80 -g -w 0$/m,
      doctor: ['director', 'weight', /^192\.168\.1\.4 has weight 0 at 192\.168\.1\.110:80/],
    },
  ],
  [
    {
      fault: 'vip-on-eth0',
      at: 'rs1',
      check: /^arp: 02:00:c0:a8:01:02$/m,
      doctor: ['rs1', 'vip-on-lo', /is on eth0/],
    },
    {
      fault: 'arp-ignore',
      at: 'rs2',
      check: /^arp: 02:00:c0:a8:01:03$/m,
      doctor: ['director', 'arp-answers', /^192\.168\.1\.3 \(02:00:c0:a8:01:03\) answers/],
    },
    {
      fault: 'stale-arp',
      at: 'rs3',
      check: /^director: \d+ x past it to rs3$/m,
      doctor: ['router', 'neighbour', /is at 02:00:c0:a8:01:04 here \(PERMANENT\)/],
    },
  ],
  [
    {
      fault: 'ip-forward',
      at: 'rs1',
      check: /^once: \d+ x at rs1$/m,
      doctor: ['director', 'ip-forward', /^forwarding is 1, without guard/],
    },
  ],
]

/** What doctor says of the machine that the tests run on, and not of the lab. */
const OF_THE_MACHINE = /^(package|program|cap|memlock|open-files|xdp|echo)/

interface Found extends Finding {
  readonly host: Host
}

const WORDS: readonly (readonly [Host, string])[] = [
  ['director', '-i eth0'],
  ['router', `-i eth1 --vip ${VIP}`],
  ...REALSERVERS.map(({ name }) => [name, `--realserver -i eth0 --vip ${VIP}`] as const),
]

/** As a student who goes from host to host. */
async function doctorEverywhere(lab: Lab): Promise<Found[]> {
  const reports = WORDS.map(async ([host, words]) => {
    const [program, ...rest] = enter(lab.state, host)
    const control = host === 'director' ? lab.controlPath : '/nowhere'
    const command = [PROGRAMS.uipvs, 'doctor', '--json', '--control', control, ...words.split(' ')]
    const child = spawn(program!, [...rest, process.execPath, ...command], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, UIPVS_LAB: lab.state.lab },
    })
    const [output] = await Promise.all([text(child.stdout!), once(child, 'close')])
    const { findings } = JSON.parse(output) as { findings: Finding[] }
    return findings.map((finding) => ({ ...finding, host }))
  })
  return (await Promise.all(reports))
    .flat()
    .filter(({ id, level, fix }) => level !== 'ok' && fix !== null && !OF_THE_MACHINE.test(id))
}

/**
 * Where a line is to be typed: where it was printed, unless it says `# on ADDRESS`; null for `# on
 * each of them`, whom another finding names.
 */
function placeOf({ host, fix }: Found): Host | null {
  const place = /# on (\S+?)[,;]?(?:\s|$)/.exec(fix!)?.[1]
  if (place === undefined) return host
  return REALSERVERS.find(({ rip }) => rip === place)?.name ?? null
}

const said = (marks: Awaited<ReturnType<typeof grade>>) =>
  marks.flatMap(({ id, wrong }) => wrong.map((one) => `${id}: ${one}`)).join('\n')

t.test('every fault has its case', async (t) => {
  const cases = GROUPS.flat().map(({ fault }) => fault)
  t.same(cases.sort(), FAULTS.map(({ name }) => name).sort())
})

t.test('each is seen, named, and mended by what doctor prints', { skip: needsRoot }, async (t) => {
  const lab = standingLab(t, { engine: 'af_packet' })
  await lab.startRealservers()
  await lab.startDirector()
  for (const args of [...articleRules(), ...(hasIpv6() ? ipv6Rules() : [])]) uipvsadm(lab, args)
  const rules = rulesOf(lab)
  t.equal(said(await grade(lab, rules)), '', 'a whole lab passes')
  t.same(await doctorEverywhere(lab), [], 'and doctor has nothing to say')

  for (const group of GROUPS) {
    const name = group.map(({ fault, at }) => `${fault} at ${at}`).join(', ')
    await t.test(name, async (t) => {
      const placed = group.map(({ fault, at }) => ({
        fault: FAULTS.find((one) => one.name === fault)!,
        rs: REALSERVERS.find((one) => one.name === at)!,
      }))
      for (const { fault, rs } of placed) await inject(lab, fault, rs)
      const broken = said(await grade(lab, rules))
      for (const { check } of group) t.match(broken, check)

      let findings = await doctorEverywhere(lab)
      for (const { fault, doctor } of group) {
        const [host, id, found] = doctor
        const named = findings.filter((one) => one.host === host && one.id === id)
        t.ok(
          named.some((one) => found.test(one.found)),
          `${fault}: ${JSON.stringify(named)}`,
        )
      }
      // Some lines uncover the next fault, as a VIP that is to go from eth0 to lo.
      for (let round = 0; round < 3 && findings.length > 0; round++) {
        const lines = new Map(findings.map((one) => [`${placeOf(one)} ${one.fix}`, one]))
        for (const finding of lines.values()) {
          const place = placeOf(finding)
          if (place !== null) lab.shell(place, finding.fix!)
        }
        findings = await doctorEverywhere(lab)
      }
      t.same(findings, [], 'doctor has nothing more to say')
      t.equal(said(await grade(lab, rules)), '', 'and the lab works')
      for (const { fault, rs } of placed) await takeBack(lab, fault, rs)
    })
  }
  t.equal(said(await grade(lab, rules)), '', 'as it was')
})
