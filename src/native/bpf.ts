/**
 * Maps, programs and links of the kernel's BPF: `linux/bpf.h`, bpf(2). Layouts and constants are
 * verified in `native-notes/bpf.md`; programs are written with `bpf-assembler.ts`.
 *
 * Everything that bpf(2) makes is a descriptor, and goes with its last one: a program attached
 * through a link leaves the interface when the process ends, however it ends.
 */
import { addressOf, check, close, errno, errnoOf, SystemCallError, syscall } from './libc.js'

const ARCHITECTURES: Readonly<Record<string, number>> = { x64: 321, arm64: 280 }

export const BPF_MAP_CREATE = 0
export const BPF_MAP_LOOKUP_ELEM = 1
export const BPF_MAP_UPDATE_ELEM = 2
export const BPF_MAP_DELETE_ELEM = 3
export const BPF_PROG_LOAD = 5
export const BPF_PROG_TEST_RUN = 10
export const BPF_LINK_CREATE = 28

export const BPF_MAP_TYPE_HASH = 1
export const BPF_MAP_TYPE_ARRAY = 2
export const BPF_MAP_TYPE_LRU_HASH = 9
export const BPF_MAP_TYPE_XSKMAP = 17
/** Of a hash map: memory is taken for the entries that there are. */
export const BPF_F_NO_PREALLOC = 1

export const BPF_PROG_TYPE_XDP = 6
export const BPF_XDP = 37
export const BPF_F_TEST_XDP_LIVE_FRAMES = 2
/** In `prog_flags`: for one interface, whose driver it may ask about a frame. Since Linux 6.3. */
export const BPF_F_XDP_DEV_BOUND_ONLY = 64
export const BPF_OBJ_NAME_LEN = 16

/** What an XDP program says of a frame. */
export const XDP_ABORTED = 0
export const XDP_DROP = 1
export const XDP_PASS = 2
export const XDP_TX = 3
export const XDP_REDIRECT = 4

/** `linux/if_link.h`: in the driver before a buffer is made for the frame, or after. */
export const XDP_FLAGS_SKB_MODE = 2
export const XDP_FLAGS_DRV_MODE = 4

/** The context of an XDP program. */
export const xdp_md = {
  size: 24,
  data: 0,
  data_end: 4,
  data_meta: 8,
  ingress_ifindex: 12,
  rx_queue_index: 16,
  egress_ifindex: 20,
} as const

// `union bpf_attr` by command; the size is that of the part which we fill.
export const bpf_attr_map_create = {
  size: 44,
  map_type: 0,
  key_size: 4,
  value_size: 8,
  max_entries: 12,
  map_flags: 16,
  map_name: 28,
} as const
export const bpf_attr_map_elem = { size: 32, map_fd: 0, key: 8, value: 16, flags: 24 } as const
export const bpf_attr_prog_load = {
  size: 72,
  prog_type: 0,
  insn_cnt: 4,
  insns: 8,
  license: 16,
  log_level: 24,
  log_size: 28,
  log_buf: 32,
  prog_flags: 44,
  prog_name: 48,
  prog_ifindex: 64,
  expected_attach_type: 68,
} as const
export const bpf_attr_test_run = {
  size: 76,
  prog_fd: 0,
  retval: 4,
  data_size_in: 8,
  data_size_out: 12,
  data_in: 16,
  data_out: 24,
  repeat: 32,
  duration: 36,
  ctx_size_in: 40,
  ctx_in: 48,
  flags: 64,
  cpu: 68,
  batch_size: 72,
} as const
export const bpf_attr_link_create = {
  size: 16,
  prog_fd: 0,
  target_ifindex: 4,
  attach_type: 8,
  flags: 12,
} as const

const INSTRUCTION_BYTES = 8
const EAGAIN = errnoOf('EAGAIN')
const EINTR = errnoOf('EINTR')
const LOAD_ATTEMPTS_MAX = 20
const LOG_BYTES = 1 << 20
/** The end of what the verifier says names the instruction; before it stands how it got there. */
const LOG_LINES = 6
const PERMISSION_HINT = 'run it as root, or give it CAP_BPF and CAP_NET_ADMIN'

/** One `union bpf_attr` on its way to the kernel. */
class Attributes {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  /** What addresses in it point to must live as long as the call. */
  readonly #kept: ArrayBufferView[] = []

  constructor(bytes: number) {
    this.#bytes = new Uint8Array(bytes)
    this.#view = new DataView(this.#bytes.buffer)
  }

  word(offset: number, value: number): this {
    this.#view.setUint32(offset, value, true)
    return this
  }

  readWord(offset: number): number {
    return this.#view.getUint32(offset, true)
  }

  pointer(offset: number, memory: ArrayBufferView): this {
    this.#kept.push(memory)
    this.#view.setBigUint64(offset, BigInt(addressOf(memory)), true)
    return this
  }

  /** A name of the kernel's: letters, digits, `_` and `.`; cut to what fits. */
  name(offset: number, name: string): this {
    this.#bytes.set(Buffer.from(name.slice(0, BPF_OBJ_NAME_LEN - 1)), offset)
    return this
  }

  call(command: number): number {
    return syscall(systemCallNumber(), command, this.#bytes, this.#bytes.length)
  }
}

function systemCallNumber(): number {
  const number = ARCHITECTURES[process.arch]
  if (number === undefined) {
    throw new Error(`bpf(2) has no known number on ${process.arch}; use x86-64 or arm64`)
  }
  return number
}

function hintOf(code: number): string | undefined {
  return code === errnoOf('EPERM') ? PERMISSION_HINT : undefined
}

/** A map, owned by whoever made it. Keys and values have the sizes that it was made with. */
export class BpfMap {
  readonly fd: number
  readonly name: string
  #isOpen = true

  constructor(
    name: string,
    type: number,
    keyBytes: number,
    valueBytes: number,
    entriesMax: number,
    flags = 0,
  ) {
    const layout = bpf_attr_map_create
    const attributes = new Attributes(layout.size)
      .word(layout.map_type, type)
      .word(layout.key_size, keyBytes)
      .word(layout.value_size, valueBytes)
      .word(layout.max_entries, entriesMax)
      .word(layout.map_flags, flags)
      .name(layout.map_name, name)
    const fd = attributes.call(BPF_MAP_CREATE)
    if (fd === -1) {
      const code = errno()
      throw new SystemCallError('bpf BPF_MAP_CREATE', code, name, hintOf(code))
    }
    this.fd = fd
    this.name = name
  }

  #element(key: ArrayBufferView): Attributes {
    const layout = bpf_attr_map_elem
    return new Attributes(layout.size).word(layout.map_fd, this.fd).pointer(layout.key, key)
  }

  set(key: ArrayBufferView, value: ArrayBufferView): void {
    const attributes = this.#element(key).pointer(bpf_attr_map_elem.value, value)
    if (attributes.call(BPF_MAP_UPDATE_ELEM) === -1) {
      const code = errno()
      const hint = code === errnoOf('E2BIG') ? 'the map is full: serve fewer ports' : undefined
      throw new SystemCallError('bpf BPF_MAP_UPDATE_ELEM', code, this.name, hint)
    }
  }

  /** Copies the value of `key` to `into`; whether there is one. */
  get(key: ArrayBufferView, into: ArrayBufferView): boolean {
    const attributes = this.#element(key).pointer(bpf_attr_map_elem.value, into)
    return attributes.call(BPF_MAP_LOOKUP_ELEM) === 0
  }

  /** Whether there was such an entry. */
  delete(key: ArrayBufferView): boolean {
    return this.#element(key).call(BPF_MAP_DELETE_ELEM) === 0
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    close(this.fd)
  }
}

export interface TestRun {
  /** What the program said of the frame. */
  readonly verdict: number
  /** The frame as the program left it. */
  readonly frame: Uint8Array
  /** How long one run took, on average. */
  readonly nanoseconds: number
}

/** A program that the kernel has accepted. */
export class XdpProgram {
  readonly fd: number
  readonly name: string
  #isOpen = true

  /**
   * Has the verifier judge `instructions`; what it finds wrong is in the error. With `ifindex` the
   * program is for that interface only, in native mode.
   */
  constructor(name: string, instructions: Uint8Array, ifindex = 0) {
    const layout = bpf_attr_prog_load
    const attributes = new Attributes(layout.size)
      .word(layout.prog_type, BPF_PROG_TYPE_XDP)
      .word(layout.insn_cnt, instructions.length / INSTRUCTION_BYTES)
      .pointer(layout.insns, instructions)
      .pointer(layout.license, Buffer.from('Dual MIT/GPL\0'))
      .word(layout.prog_flags, ifindex === 0 ? 0 : BPF_F_XDP_DEV_BOUND_ONLY)
      .word(layout.prog_ifindex, ifindex)
      .word(layout.expected_attach_type, BPF_XDP)
      .name(layout.prog_name, name)
    let fd = -1
    let refused = EAGAIN
    // A signal to this thread interrupts the verifier, which then has to begin again.
    for (let attempt = 0; refused === EAGAIN && attempt < LOAD_ATTEMPTS_MAX; attempt++) {
      fd = attributes.call(BPF_PROG_LOAD)
      refused = fd === -1 ? errno() : 0
    }
    if (fd === -1) {
      // Once more with a log: asking for one at first would be refused where it doesn't fit.
      const log = Buffer.alloc(LOG_BYTES)
      attributes.word(layout.log_level, 1).word(layout.log_size, LOG_BYTES)
      fd = attributes.pointer(layout.log_buf, log).call(BPF_PROG_LOAD)
      if (fd === -1) throw loadError(name, refused, log)
    }
    this.fd = fd
    this.name = name
  }

  /** Runs it over `frame`, outside of any interface. */
  test(frame: Uint8Array, { repeat = 1, rxQueue = 0 } = {}): TestRun {
    const layout = bpf_attr_test_run
    const after = new Uint8Array(frame.length + 512)
    const context = new Uint32Array(xdp_md.size / 4)
    context[xdp_md.data_end >> 2] = frame.length
    context[xdp_md.rx_queue_index >> 2] = rxQueue
    // An interface must have such a queue; loopback, index 1, has the queue 0.
    context[xdp_md.ingress_ifindex >> 2] = rxQueue === 0 ? 0 : 1
    const attributes = new Attributes(layout.size)
      .word(layout.prog_fd, this.fd)
      .word(layout.data_size_in, frame.length)
      .word(layout.data_size_out, after.length)
      .pointer(layout.data_in, frame)
      .pointer(layout.data_out, after)
      .word(layout.ctx_size_in, context.byteLength)
      .pointer(layout.ctx_in, context)
      .word(layout.repeat, repeat)
    check(attributes.call(BPF_PROG_TEST_RUN), 'bpf BPF_PROG_TEST_RUN', this.name)
    return {
      verdict: attributes.readWord(layout.retval),
      frame: after.subarray(0, attributes.readWord(layout.data_size_out)),
      nanoseconds: attributes.readWord(layout.duration),
    }
  }

  /**
   * Has the kernel make `repeat` frames of these bytes, as if they had come in on the interface
   * `ifindex`, and do with each what the program says. `batch`: frames at a time. A signal ends it
   * before all are made.
   */
  emit(frame: Uint8Array, ifindex: number, repeat: number, batch: number): void {
    const layout = bpf_attr_test_run
    const context = new Uint32Array(xdp_md.size / 4)
    context[xdp_md.data_end >> 2] = frame.length
    context[xdp_md.ingress_ifindex >> 2] = ifindex
    const attributes = new Attributes(layout.size)
      .word(layout.prog_fd, this.fd)
      .word(layout.data_size_in, frame.length)
      .pointer(layout.data_in, frame)
      .word(layout.ctx_size_in, context.byteLength)
      .pointer(layout.ctx_in, context)
      .word(layout.repeat, repeat)
      .word(layout.flags, BPF_F_TEST_XDP_LIVE_FRAMES)
      .word(layout.batch_size, batch)
    if (attributes.call(BPF_PROG_TEST_RUN) === -1 && errno() !== EINTR) {
      check(-1, 'bpf BPF_PROG_TEST_RUN (live)', this.name)
    }
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    close(this.fd)
  }
}

function loadError(name: string, code: number, log: Buffer): SystemCallError {
  const end = log.indexOf(0)
  const lines = log.toString('latin1', 0, end < 0 ? log.length : end).split('\n')
  const said = lines.filter((line) => line !== '' && !line.startsWith('processed '))
  if (code === EAGAIN) {
    const hint = 'signals kept interrupting the verifier (a profiler?): try it without them'
    return new SystemCallError('bpf BPF_PROG_LOAD', code, name, hint)
  }
  const hint =
    said.length === 0 ? hintOf(code) : `the verifier says: ${said.slice(-LOG_LINES).join(' | ')}`
  return new SystemCallError('bpf BPF_PROG_LOAD', code, name, hint)
}

/**
 * Attaches a program to an interface; the descriptor of the link, or -1 with `errno()` telling why
 * not. Closing the descriptor, the last there is, takes the program away.
 */
export function attachXdp(program: XdpProgram, ifindex: number, flags: number): number {
  const layout = bpf_attr_link_create
  return new Attributes(layout.size)
    .word(layout.prog_fd, program.fd)
    .word(layout.target_ifindex, ifindex)
    .word(layout.attach_type, BPF_XDP)
    .word(layout.flags, flags)
    .call(BPF_LINK_CREATE)
}
