/** Network namespaces, from the inside of a thread: setns(2). */
import { closeSync, openSync } from 'node:fs'
import { check, setns } from './libc.js'

/** `linux/sched.h` */
const CLONE_NEWNET = 0x40000000

/**
 * Runs `body` with this thread in the network namespace at `path`, and comes back. Sockets that it
 * makes stay there. It must be synchronous: the thread goes back when it returns.
 */
export function insideNamespace<T>(path: string, body: () => T): T {
  const home = openSync('/proc/thread-self/ns/net', 'r')
  try {
    const there = openSync(path, 'r')
    try {
      check(setns(there, CLONE_NEWNET), 'setns', path)
      try {
        return body()
      } finally {
        check(setns(home, CLONE_NEWNET), 'setns', 'home')
      }
    } finally {
      closeSync(there)
    }
  } finally {
    closeSync(home)
  }
}
