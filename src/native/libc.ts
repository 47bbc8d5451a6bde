/**
 * The C library's calls, declared once. Nothing else in the project imports koffi.
 *
 * Every address is a plain number (an `uintptr_t`): user addresses stay below 2^47 on x86_64 and
 * below 2^52 on arm64, so a double holds them exactly and no BigInt is made on the path of a
 * frame. `addressOf()` gives the address of an ArrayBuffer's memory, which V8 never moves; it is
 * valid for as long as somebody keeps a reference to the buffer.
 *
 * A call costs some 250 ns here: call per batch, never per frame. Memory is handed over as a view
 * where the call is on the path, for an address would be a number too large for V8 to keep without
 * allocating.
 */
import { constants } from 'node:buffer'
import { getSystemErrorMap } from 'node:util'
import koffi from 'koffi'

// The process itself: Node links the C library dynamically, whatever the library's file is called.
const libc = koffi.load(null)

type Call<A extends unknown[]> = (...args: A) => number

// biome-ignore format: one call a line
export const socket: Call<[domain: number, type: number, protocol: number]> =
  libc.func('int socket(int, int, int)')
export const bind: Call<[fd: number, address: ArrayBufferView, bytes: number]> = libc.func(
  'int bind(int, void*, uint32_t)',
)
export const setsockopt: Call<
  [fd: number, level: number, name: number, value: ArrayBufferView, bytes: number]
> = libc.func('int setsockopt(int, int, int, void*, uint32_t)')
export const getsockopt: Call<
  [fd: number, level: number, name: number, value: ArrayBufferView, bytes: Uint32Array]
> = libc.func('int getsockopt(int, int, int, void*, void*)')
export const sendto: Call<
  [fd: number, bytes: ArrayBufferView, count: number, flags: number, to: null, toBytes: 0]
> = libc.func('long sendto(int, void*, size_t, int, void*, uint32_t)')
export const recv: Call<[fd: number, into: ArrayBufferView, bytes: number, flags: number]> =
  libc.func('long recv(int, void*, size_t, int)')
/** `messages` is an array of `struct mmsghdr`. */
export const sendmmsg: Call<[fd: number, messages: ArrayBufferView, count: number, flags: number]> =
  libc.func('int sendmmsg(int, void*, uint32_t, int)')
/** `fds` is an array of `struct pollfd`. */
export const poll: Call<[fds: ArrayBufferView, count: number, ms: number]> = libc.func(
  'int poll(void*, unsigned long, int)',
)
/** `time` is a `struct timespec`. */
export const clock_gettime: Call<[clock: number, time: ArrayBufferView]> = libc.func(
  'int clock_gettime(int, void*)',
)
/** `timer` and `old` are a `struct itimerval` each: four 64-bit words. */
export const setitimer: Call<[which: number, timer: ArrayBufferView, old: ArrayBufferView]> =
  libc.func('int setitimer(int, void*, void*)')
export const mmap: Call<
  [at: number, bytes: number, protection: number, flags: number, fd: number, offset: number]
> = libc.func('intptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)')
export const munmap: Call<[address: number, bytes: number]> = libc.func(
  'int munmap(uintptr_t, size_t)',
)
export const madvise: Call<[address: number, bytes: number, advice: number]> = libc.func(
  'int madvise(uintptr_t, size_t, int)',
)
export const memfd_create: Call<[name: string, flags: number]> = libc.func(
  'int memfd_create(const char*, uint32_t)',
)
export const ftruncate: Call<[fd: number, bytes: number]> = libc.func('int ftruncate(int, int64_t)')
export const eventfd: Call<[initial: number, flags: number]> = libc.func(
  'int eventfd(uint32_t, int)',
)
export const read: Call<[fd: number, into: ArrayBufferView, bytes: number]> = libc.func(
  'long read(int, void*, size_t)',
)
export const write: Call<[fd: number, from: ArrayBufferView, bytes: number]> = libc.func(
  'long write(int, void*, size_t)',
)
export const close: Call<[fd: number]> = libc.func('int close(int)')
// Variadic in C; on x86_64 and arm64 Linux an integer or pointer travels in the same register.
export const ioctl: Call<[fd: number, request: number, argument: ArrayBufferView]> = libc.func(
  'int ioctl(int, unsigned long, void*)',
)
/** Variadic in C, like ioctl; the calls that we make so have these arguments. */
export const syscall: Call<
  [number: number, command: number, argument: ArrayBufferView, bytes: number]
> = libc.func('long syscall(long, long, void*, unsigned long)')
/** flock(2): a lock on a file that ends with the process, however that ends. */
export const flock: Call<[fd: number, operation: number]> = libc.func('int flock(int, int)')
export const if_nametoindex: Call<[name: string]> = libc.func(
  'uint32_t if_nametoindex(const char*)',
)
/** Moves the calling thread, and no other, into the namespace that `fd` stands for. */
export const setns: Call<[fd: number, type: number]> = libc.func('int setns(int, int)')
export const unshare: Call<[flags: number]> = libc.func('int unshare(int)')

/** The errno of the call before: ask at once. */
export const errno: () => number = () => koffi.errno()

/** Where the memory of `memory` lies. The caller keeps `memory` referenced while it is used. */
export function addressOf(memory: ArrayBufferLike | ArrayBufferView): number {
  return Number(koffi.address(memory))
}

/** An ArrayBuffer over memory that the caller owns. Touching it after `munmap` is fatal. */
export function viewOf(address: number, bytes: number): ArrayBuffer {
  // The addon would end the process.
  if (bytes > constants.MAX_LENGTH) throw new RangeError(`${bytes} bytes are too many for a view`)
  return koffi.view(BigInt(address), bytes)
}

/** The names of this machine's errors, for messages and for comparing without magic numbers. */
const ERRNO_BY_NAME = new Map([...getSystemErrorMap()].map(([number, [name]]) => [name, -number]))

/** The number of an error by its name, `EAGAIN`. */
export function errnoOf(name: string): number {
  const number = ERRNO_BY_NAME.get(name)
  if (number === undefined) throw new Error(`no error is called ${name}`)
  return number
}

const HINTS: Record<string, string> = {
  EPERM: 'run it as root, give it CAP_NET_RAW and CAP_NET_ADMIN, or use `unshare -Urn`',
  EACCES: 'run it as root, or give it CAP_NET_RAW and CAP_NET_ADMIN',
  ENODEV: '`ip link` lists the interfaces of this network namespace',
  ENXIO: '`ip link` lists the interfaces of this network namespace',
  ENETDOWN: 'bring the interface up: `ip link set DEV up`',
  ENOMEM: 'give it less to reserve, or raise the memory limits (`ulimit -l`, cgroup)',
  EMFILE: 'raise the limit of open files (`ulimit -n`)',
  EAFNOSUPPORT: 'this kernel lacks the protocol family (a module may be missing)',
  ENOPROTOOPT: 'this kernel is too old for the option, Linux 4.20 or later has it',
}

/**
 * A system call that was refused. `message` reads `what is wrong (where); what to do`; programs put
 * their name before it.
 */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError'
  /** The call, `setsockopt PACKET_RX_RING`. */
  readonly call: string
  readonly errno: number
  /** The errno's name, `EPERM`. */
  readonly code: string
  /** What the operator can do about it. */
  readonly hint: string

  constructor(call: string, errno: number, where: string, hint?: string) {
    const [code, sentence] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error']
    const advice = hint ?? HINTS[code] ?? '`uipvs doctor` checks the machine'
    super(`${call}: ${sentence}, ${code} (${where}); ${advice}`)
    this.call = call
    this.errno = errno
    this.code = code
    this.hint = advice
  }
}

/** Passes on what a call returned, or throws if it failed. */
export function check(result: number, call: string, where: string, hint?: string): number {
  if (result === -1) throw new SystemCallError(call, errno(), where, hint)
  return result
}
