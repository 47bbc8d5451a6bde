/** The generator's process (`generator-program.ts`), from outside. */
import { createInterface } from 'node:readline'
import type { Child, Field } from './field.js'
import type { Ready, Sending, Traffic } from './generator-program.js'
import type { WireRules } from './rules.js'

/** What it sends, but for where: that is the field's business. */
export interface Load {
  readonly flows: number
  /** Bytes of a frame from its Ethernet header on, without the checksum behind it. */
  readonly bytes: number
  /** Whether the kernel shall be able to make frames: `live` below. */
  readonly isLive: boolean
}

/** Frames come from a packet socket, or the kernel makes them itself (BPF_PROG_TEST_RUN). */
export type GeneratorKind = 'live' | 'socket'

export class Generator {
  readonly #child: Child
  readonly #lines: AsyncIterator<string>
  #said = ''
  /** Why the kernel makes no frames, although it was asked to; null if it does. */
  whyNotLive: string | null = null

  private constructor(child: Child) {
    this.#child = child
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    child.stdin.on('error', () => {}) // it has ended: the next line from it will not come
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text
    })
  }

  static async start(
    field: Field,
    rules: WireRules,
    load: Load,
    pinning: readonly string[],
  ): Promise<Generator> {
    const mac = field.macOf('director:in')
    const traffic: Traffic = { ...load, interface: 'eth0', mac, targets: rules.targets }
    const program = new URL('./generator-program.js', import.meta.url).pathname
    const child = field.spawn('gen', [...pinning, process.execPath, program])
    const generator = new Generator(child)
    child.stdin.write(`${JSON.stringify(traffic)}\n`)
    const { whyNotLive } = JSON.parse(await generator.#line()) as Ready
    generator.whyNotLive = whyNotLive
    return generator
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Opens the connection of each flow that needs to be opened. */
  async open(): Promise<void> {
    this.#child.stdin.write('open\n')
    await this.#line()
  }

  /** `rate` in frames a second, 0 for as many as can be. */
  async send(rate: number, ms: number, kind: GeneratorKind): Promise<Sending> {
    this.#child.stdin.write(`${rate} ${ms} ${kind}\n`)
    return JSON.parse(await this.#line()) as Sending
  }

  stop(): void {
    this.#child.stdin.end()
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`the generator ended by itself: ${this.#said.trim()}`)
    return value
  }
}
