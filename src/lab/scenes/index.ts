/** The scenes, in the order in which one would look at them. */
import type { Scene } from '../scene.js'
import { arp } from './arp.js'
import { checksum } from './checksum.js'
import { drain } from './drain.js'
import { failure } from './failure.js'
import { half } from './half.js'
import { ipv6 } from './ipv6.js'
import { kernel } from './kernel.js'
import { kernelRst } from './kernel-rst.js'
import { mtu } from './mtu.js'
import { persistence } from './persistence.js'
import { ports } from './ports.js'
import { rpFilter } from './rp-filter.js'
import { schedulers } from './schedulers.js'
import { twoArmed } from './two-armed.js'
import { udpSource } from './udp-source.js'

export const SCENES: readonly Scene[] = [
  arp,
  half,
  ports,
  udpSource,
  kernelRst,
  mtu,
  checksum,
  rpFilter,
  ipv6,
  twoArmed,
  persistence,
  drain,
  failure,
  schedulers,
  kernel,
]
