/**
 * Memory that is not the JavaScript heap's: rings of the kernel, and memory shared with another
 * thread or process.
 *
 * One owner per mapping: whoever made it closes it, after the last use of any view of it. A view
 * does not keep the mapping alive, and reading an unmapped page ends the process.
 *
 * Sources: `asm-generic/mman-common.h`, `linux/mman.h`, `linux/memfd.h`.
 */
import { check, close, ftruncate, madvise, memfd_create, mmap, munmap, viewOf } from './libc.js'

export const PROT_READ = 0x1
export const PROT_WRITE = 0x2
export const MAP_SHARED = 0x01
export const MAP_PRIVATE = 0x02
export const MAP_ANONYMOUS = 0x20
export const MAP_LOCKED = 0x2000
export const MAP_POPULATE = 0x8000
export const MADV_DONTFORK = 10
export const MADV_HUGEPAGE = 14
export const MFD_CLOEXEC = 0x1

export interface Mapping {
  readonly address: number
  readonly bytes: number
  readonly buffer: ArrayBuffer
}

/**
 * Maps `bytes` of `fd` (-1 with MAP_ANONYMOUS) from `offset` on, readable and writable. `what` is
 * for errors.
 */
export function map(fd: number, bytes: number, flags: number, what: string, offset = 0): Mapping {
  const address = check(mmap(0, bytes, PROT_READ | PROT_WRITE, flags, fd, offset), 'mmap', what)
  return { address, bytes, buffer: viewOf(address, bytes) }
}

/**
 * New memory of this process alone, all zero, in pages of 2 MiB where the kernel has them to give:
 * without them small pages do. No child has it: whenever a program is started (`ip`, `nft`),
 * fork(2) would copy byte for byte what a device is writing into, and write-protect the rest; a
 * thread that uses it would stand still meanwhile, up to a tenth of a second.
 */
export function mapPrivate(bytes: number, what: string, hugePages = true): Mapping {
  const mapping = map(-1, bytes, MAP_PRIVATE | MAP_ANONYMOUS, what)
  if (hugePages) madvise(mapping.address, bytes, MADV_HUGEPAGE)
  check(madvise(mapping.address, bytes, MADV_DONTFORK), 'madvise MADV_DONTFORK', what)
  return mapping
}

export function unmap(mapping: Mapping): void {
  check(munmap(mapping.address, mapping.bytes), 'munmap', `${mapping.bytes} bytes`)
}

/**
 * Memory for the threads of this process, in pages of 2 MiB where the kernel has them to give
 * (`transparent_hugepage/enabled` is `always` or `madvise`; memory behind a descriptor gets none on
 * most machines, whose `shmem_enabled` is `never`). Another thread is told the address. Pages come
 * when they are first written, so that even gigabytes are there at once.
 */
export class ThreadMemory {
  readonly address: number
  readonly bytes: number
  readonly buffer: ArrayBuffer
  readonly #mapping: Mapping
  #isOwned: boolean

  private constructor(mapping: Mapping, isOwned: boolean) {
    this.address = mapping.address
    this.bytes = mapping.bytes
    this.buffer = mapping.buffer
    this.#mapping = mapping
    this.#isOwned = isOwned
  }

  /** New memory, all zero. */
  static create(bytes: number, { hugePages = true } = {}): ThreadMemory {
    return new ThreadMemory(mapPrivate(bytes, `${bytes} bytes of memory`, hugePages), true)
  }

  /** The memory that another thread made, and closes when nobody looks at it any more. */
  static at(address: number, bytes: number): ThreadMemory {
    return new ThreadMemory({ address, bytes, buffer: viewOf(address, bytes) }, false)
  }

  /** No thread may touch its `buffer` after this. */
  close(): void {
    if (!this.#isOwned) return
    this.#isOwned = false
    unmap(this.#mapping)
  }
}

/**
 * Memory behind a descriptor (memfd), so that several threads or processes map the same pages: a
 * worker thread is told the number of the descriptor, a child process inherits it
 * (`spawn(…, { stdio: [0, 1, 2, memory.fd] })` makes it number 3 there). Each of them opens it,
 * and closes what it opened. The pages live until the last of them is gone.
 */
export class SharedMemory {
  readonly fd: number
  readonly bytes: number
  readonly buffer: ArrayBuffer
  readonly address: number
  readonly #mapping: Mapping
  readonly #ownsDescriptor: boolean
  #isOpen = true

  private constructor(fd: number, bytes: number, ownsDescriptor: boolean) {
    this.fd = fd
    this.bytes = bytes
    this.#ownsDescriptor = ownsDescriptor
    this.#mapping = map(fd, bytes, MAP_SHARED, `${bytes} bytes of shared memory`)
    this.buffer = this.#mapping.buffer
    this.address = this.#mapping.address
  }

  /** New memory, all zero. With `hugePages` the kernel is asked for 2 MiB pages (a wish). */
  static create(bytes: number, { hugePages = false } = {}): SharedMemory {
    if (!Number.isSafeInteger(bytes) || bytes <= 0) {
      throw new RangeError(`shared memory of ${bytes} bytes can't be made`)
    }
    const fd = check(memfd_create('uipvs', MFD_CLOEXEC), 'memfd_create', 'shared memory')
    try {
      check(ftruncate(fd, bytes), 'ftruncate', `${bytes} bytes of shared memory`)
      const memory = new SharedMemory(fd, bytes, true)
      // Refused where the kernel has no huge pages for shared memory; then small ones do.
      if (hugePages) madvise(memory.address, bytes, MADV_HUGEPAGE)
      return memory
    } catch (error) {
      close(fd)
      throw error
    }
  }

  /** The memory that another thread or process made. `fd` stays the caller's to close. */
  static open(fd: number, bytes: number): SharedMemory {
    return new SharedMemory(fd, bytes, false)
  }

  /** Nobody may touch `buffer` after this. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    unmap(this.#mapping)
    if (this.#ownsDescriptor) close(this.fd)
  }
}
