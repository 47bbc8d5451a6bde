import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { openLibpcap } from '../../src/port/libpcap.js'
import { libpcapFilter } from '../../src/port/libpcap-filter.js'

const VIP = '10.9.0.100'
const MAC = '02:00:00:00:09:01'

t.test('the filter names our MAC address and the VIPs, and nothing but addresses', (t) => {
  const filter = libpcapFilter(MAC, [VIP, '2001:db8::100'])
  t.match(filter, /^not ether src 02:00:00:00:09:01 and \(/)
  t.match(filter, /ip dst host 10\.9\.0\.100/)
  t.match(filter, /ip6 dst host 2001:db8::100/)
  t.match(filter, /arp dst host 10\.9\.0\.100/)
  for (const text of ['10.9.0.1 or tcp', 'example.org', 'fe80::1%eth0', '']) {
    t.throws(() => libpcapFilter(MAC, [text]), /is not an IP address/, text)
  }
  const many = Array.from({ length: 300 }, (_, i) => `10.1.${i >> 8}.${i & 255}`)
  t.notMatch(libpcapFilter(MAC, many), /dst host/, 'beyond a number it takes all IP')
  t.end()
})

/** Why something that is needed is not there, or false. */
function missing(): string | false {
  if (process.getuid?.() !== 0) return 'needs root, for network namespaces'
  for (const program of ['ip', 'tcpdump']) {
    const { error } = spawnSync(program, ['-V'])
    if (error !== undefined) return `${program} does not run here: ${error.message}`
  }
  try {
    openLibpcap({ interfaces: ['uipvs-none'] })
  } catch (error) {
    if (/could not be loaded/.test((error as Error).message)) return (error as Error).message
  }
  return false
}

const skip = missing()

t.test('libpcap accepts every kind of filter', { skip }, (t) => {
  const many = Array.from({ length: 256 }, (_, i) => `10.1.0.${i}`)
  for (const vips of [[], [VIP], [VIP, '2001:db8::100'], many, [...many, '10.2.0.1']]) {
    // Compiles the filter, and exits: -d. Ethernet: -y EN10MB, with no interface.
    const filter = libpcapFilter(MAC, vips)
    const compiled = spawnSync('tcpdump', ['-d', '-y', 'EN10MB', filter], { encoding: 'utf8' })
    t.equal(compiled.status, 0, `${vips.length} VIPs ${compiled.stderr}`)
  }
  t.end()
})

t.test('errors say what to do', { skip }, async (t) => {
  t.throws(() => openLibpcap({ interfaces: [] }), /at least one interface/)
  t.throws(() => openLibpcap({ interfaces: ['uipvs-none'] }), /uipvs-none/)
  t.throws(() => openLibpcap({ interfaces: ['lo'] }), /lo is not an Ethernet interface/)
  const url = new URL('../../src/port/libpcap.js', import.meta.url).href
  const worker = new Worker(
    `import('${url}').then((m) => m.openLibpcap({ interfaces: ['lo'] })).catch((e) => {
      require('node:worker_threads').parentPort.postMessage(e.message)
    })`,
    { eval: true },
  )
  const message = await new Promise((resolve) => worker.once('message', resolve))
  t.match(message, /only in the main thread/)
  await worker.terminate()
})

t.test('where cap is not installed, the error says how to get it', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'uipvs-nocap-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  cpSync(new URL('../../src', import.meta.url).pathname, join(directory, 'src'), {
    recursive: true,
  })
  cpSync('package.json', join(directory, 'package.json'))
  mkdirSync(join(directory, 'node_modules'))
  for (const one of ['koffi', '@koromix']) {
    symlinkSync(join(process.cwd(), 'node_modules', one), join(directory, 'node_modules', one))
  }
  const program = `const { openLibpcap } = await import('${directory}/src/port/libpcap.js')
    try { openLibpcap({ interfaces: ['lo'] }) } catch (e) { console.log(e.message) }`
  const { stdout, stderr } = spawnSync('node', ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  })
  t.match(
    stdout,
    /cap.* could not be loaded \(.*\); install libpcap-dev .* npm install cap/,
    stderr,
  )
  t.end()
})

/** Sends one line and gives the answer to it. */
type Ask = (words: string) => Promise<Record<string, unknown> & Counts>

interface Counts {
  readonly forwarded: number
  readonly sendErrors: number
}

/** A client, a director and a realserver on one bridge, each in a namespace of its own. */
class Segment {
  readonly prefix = `uipcap${process.pid}`
  readonly children: ChildProcess[] = []
  readonly macs = {
    client: `${MAC.slice(0, -1)}2`,
    director: MAC,
    realserver: `${MAC.slice(0, -1)}3`,
  }

  build(): void {
    this.#ip(`netns add ${this.prefix}s`)
    this.#ip(`-n ${this.prefix}s link add br0 up type bridge`)
    Object.entries(this.macs).forEach(([host, mac], i) => {
      const ns = this.prefix + host[0]
      this.#ip(`netns add ${ns}`)
      this.#ip(`-n ${ns} link set lo up`)
      this.#ip(
        `-n ${this.prefix}s link add p${i} type veth peer name eth0 netns ${ns} address ${mac}`,
      )
      this.#ip(`-n ${this.prefix}s link set p${i} master br0 up`)
      this.#ip(`-n ${ns} link set eth0 up`)
      if (host !== 'director') this.#ip(`-n ${ns} addr add 10.9.0.${i + 1}/24 dev eth0`)
    })
    this.#ip(`-n ${this.prefix}r addr add ${VIP}/32 dev lo`)
    // No ARP in this test: the neighbours are written down.
    for (const address of [VIP, '10.9.0.77']) {
      this.#ip(`-n ${this.prefix}c neigh add ${address} lladdr ${MAC} dev eth0`)
    }
    this.#ip(`-n ${this.prefix}r neigh add 10.9.0.1 lladdr ${this.macs.client} dev eth0`)
  }

  #ip(words: string): void {
    const { status, stderr } = spawnSync('ip', words.split(' '), { encoding: 'utf8' })
    if (status !== 0) throw new Error(`ip ${words}: ${stderr}`)
  }

  /** Starts a role and returns how to ask it: one line, one answer. */
  async start(role: string, ...args: string[]): Promise<Ask> {
    const program = new URL('./libpcap-roles.js', import.meta.url).pathname
    const command = [
      'netns',
      'exec',
      this.prefix + role[0],
      process.execPath,
      program,
      role,
      ...args,
    ]
    const child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.children.push(child)
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
    const answer = async () => {
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`the ${role} has ended`)
      return JSON.parse(value)
    }
    await answer()
    return (words) => {
      child.stdin!.write(`${words}\n`)
      return answer()
    }
  }

  tearDown(): void {
    for (const child of this.children) child.kill('SIGKILL')
    for (const ns of ['c', 'd', 'r', 's']) spawnSync('ip', ['netns', 'del', this.prefix + ns])
  }
}

t.test('on a segment of veths with all offloads on', { skip }, async (t) => {
  const segment = new Segment()
  const leave = () => segment.tearDown()
  t.teardown(leave)
  process.once('exit', leave)
  segment.build()
  const realserver = await segment.start('realserver', VIP)
  const director = await segment.start('director', 'eth0', segment.macs.realserver, VIP)
  const client = await segment.start('client')

  await t.test('TCP passes, although its checksums arrive partial', async (t) => {
    const { lengths } = await client(`tcp ${VIP} 20`)
    t.same(lengths, new Array(20).fill(101_000))
    const { fromUs, forwarded, ringDrops, sendErrors, arm } = await director('report')
    t.equal(fromUs, 0, 'what the director sends does not come back to it')
    t.ok(forwarded > 60)
    t.same([ringDrops, sendErrors], [0, 0])
    t.match(arm, { name: 'eth0', macHigh: 0x0200, macLow: 0x0901, mtu: 1500, superframes: false })
  })

  await t.test('what is not for a VIP does not come in', async (t) => {
    const before = await director('report')
    await client('udp 10.9.0.77 50')
    const after = await director('report')
    t.equal(after.forwarded, before.forwarded)
  })

  await t.test('the filter changes under traffic: each frame once, none lost', async (t) => {
    const count = 1500
    const [, swapped] = await Promise.all([client(`udp ${VIP} ${count}`), director('swap 10')])
    await new Promise((resolve) => setTimeout(resolve, 100))
    t.same(await realserver('report'), { different: count, repeated: 0 })
    t.equal(swapped.ringDrops, 0)
    await director('serve 10.9.8.1')
    const before = await director('report')
    await client(`udp ${VIP} 20`)
    const after = await director('report')
    t.equal(after.forwarded, before.forwarded, 'and a VIP that is no longer served is left alone')
  })

  await t.test(
    'a frame longer than the MTU is an error, with a tag there is more room',
    async (t) => {
      const { sendErrors } = await director('report')
      const after = async (words: string) => (await director(words)).sendErrors - sendErrors
      t.equal(await after(`send 1514 ${0x88b5}`), 0)
      t.equal(await after(`send 1518 ${0x8100}`), 0)
      t.equal(await after(`send 1515 ${0x88b5}`), 1)
      t.equal(await after(`send 1519 ${0x8100}`), 2)
    },
  )

  await t.test('after close() nothing is sent', async (t) => {
    const { sendErrors } = await director('close')
    t.equal((await director(`send 60 ${0x88b5}`)).sendErrors, sendErrors + 1)
  })
})
