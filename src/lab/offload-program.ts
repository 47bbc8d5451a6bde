/**
 * Switches offloads of a lab's host off: `node offload-program.js INTERFACE…`. Frames then leave it
 * with finished checksums and none is longer than the MTU.
 */
import { offloads, setOffload } from '../native/ethtool.js'

if (process.argv[1] === import.meta.filename) {
  for (const name of process.argv.slice(2)) {
    for (const offload of offloads()) setOffload(name, offload, false)
  }
}
