/** Memory shared between threads and processes, wake-ups, and how a refused call is reported. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { drain, Wakeup } from '../../src/native/eventfd.js'
import {
  addressOf,
  bind,
  check,
  close,
  errnoOf,
  poll,
  SystemCallError,
  socket,
} from '../../src/native/libc.js'
import { SharedMemory, ThreadMemory } from '../../src/native/mapping.js'
import { AF_INET, POLLIN, pollfd, SOCK_DGRAM } from '../../src/native/socket.js'

const mapping = new URL('../../src/native/mapping.js', import.meta.url)
const eventfd = new URL('../../src/native/eventfd.js', import.meta.url)

t.test('shared memory: begins as zeros, is one memory for all who open it', async (t) => {
  const memory = SharedMemory.create(1 << 16, { hugePages: true })
  t.teardown(() => memory.close())
  const here = new Int32Array(memory.buffer)
  t.equal(here.length, 1 << 14)
  t.ok(here.every((word) => word === 0))
  const again = SharedMemory.open(memory.fd, memory.bytes)
  here[5] = 77
  t.equal(new Int32Array(again.buffer)[5], 77)
  t.not(again.address, memory.address)
  again.close()
  again.close()
  t.equal(here[5], 77, 'ours is still there')
  t.throws(() => SharedMemory.create(0), RangeError)
  t.throws(() => SharedMemory.open(memory.fd, -1), SystemCallError)
})

t.test('memory of threads is not copied when a program is started', async (t) => {
  const memory = ThreadMemory.create(1 << 22)
  t.teardown(() => memory.close())
  const areas = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
  const own = areas.find((area) => {
    const [from, to] = area.split(/[- ]/, 2).map((hex) => Number.parseInt(hex, 16))
    return from <= memory.address && memory.address < to
  })
  t.match(own, /^VmFlags:.* dc( |$)/m, 'fork(2) leaves it out')
})

t.test('memory of threads: another thread writes to it by its address', async (t) => {
  const memory = ThreadMemory.create(1 << 22)
  t.teardown(() => memory.close())
  const here = new Int32Array(memory.buffer)
  t.ok(here.every((word) => word === 0))
  here[3] = 5
  const program = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(${JSON.stringify(mapping.href)}).then(({ ThreadMemory }) => {
      const memory = ThreadMemory.at(workerData.address, workerData.bytes)
      const there = new Int32Array(memory.buffer)
      there[4] = there[3] + 1
      memory.close()
      parentPort.postMessage(there.length)
    })`
  const { address, bytes } = memory
  const worker = new Worker(program, { eval: true, workerData: { address, bytes } })
  const [length] = await once(worker, 'message')
  await worker.terminate()
  t.equal(length, 1 << 20)
  t.equal(here[4], 6, 'still there when the other thread has gone')
  t.throws(() => ThreadMemory.create(2 ** 50), SystemCallError)
  t.throws(() => ThreadMemory.at(address, 2 ** 33), RangeError)
})

t.test('a worker thread maps it, writes, and wakes us', async (t) => {
  const memory = SharedMemory.create(4096)
  const wakeup = new Wakeup()
  t.teardown(() => {
    memory.close()
    wakeup.close()
  })
  const script = `
    const { workerData } = require('node:worker_threads')
    Promise.all([import('${mapping}'), import('${eventfd}')]).then(([{ SharedMemory }]) => {
      const memory = SharedMemory.open(workerData.fd, 4096)
      Atomics.store(new Int32Array(memory.buffer), 3, 42)
      require('node:fs').writeSync(workerData.wake, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]))
      memory.close()
    })`
  const worker = new Worker(script, { eval: true, workerData: { fd: memory.fd, wake: wakeup.fd } })
  const fds = new Uint8Array(pollfd.size)
  new Int32Array(fds.buffer)[0] = wakeup.fd
  new Int16Array(fds.buffer)[pollfd.events >> 1] = POLLIN
  t.equal(poll(fds, 1, 10_000), 1, 'woken')
  t.equal(Atomics.load(new Int32Array(memory.buffer), 3), 42)
  wakeup.wake()
  drain(wakeup.fd)
  t.equal(poll(fds, 1, 0), 0, 'all wake-ups are taken at once')
  await once(worker, 'exit')
})

t.test('a child process inherits the descriptor and maps the same', async (t) => {
  const memory = SharedMemory.create(4096)
  t.teardown(() => memory.close())
  const script = `
    import { SharedMemory, ThreadMemory } from '${mapping}'
    new Int32Array(SharedMemory.open(3, 4096).buffer)[7] = 4242`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'inherit', 'inherit', memory.fd],
  })
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
  t.equal(new Int32Array(memory.buffer)[7], 4242)
})

t.test('a refused call says what, where and what to do', async (t) => {
  try {
    check(bind(-1, new Uint8Array(16), 16), 'bind', 'eth7')
    t.fail('it was not refused')
  } catch (error) {
    t.ok(error instanceof SystemCallError)
    t.match(error, { call: 'bind', code: 'EBADF', errno: errnoOf('EBADF') })
    t.equal(
      (error as Error).message,
      'bind: bad file descriptor, EBADF (eth7); `uipvs doctor` checks the machine',
    )
  }
  t.match(new SystemCallError('socket', errnoOf('EPERM'), 'eth0').message, /root/)
  t.match(new SystemCallError('x', errnoOf('EINVAL'), 'y', 'do z').message, /; do z$/)
  t.match(new SystemCallError('x', 99999, 'y').code, 'errno 99999')
  t.throws(() => errnoOf('ENOTHING'), /ENOTHING/)
  const fd = check(socket(AF_INET, SOCK_DGRAM, 0), 'socket', 'here')
  t.equal(close(fd), 0)
  t.equal(close(fd), -1)
})

t.test('the memory of a buffer stays where it is', async (t) => {
  const buffer = new ArrayBuffer(100_000)
  const before = addressOf(buffer)
  const garbage: unknown[] = []
  for (let i = 0; i < 200; i++) garbage.push(new Uint8Array(100_000))
  t.equal(addressOf(buffer), before)
  t.equal(addressOf(new Uint8Array(buffer, 8)), before + 8)
})
