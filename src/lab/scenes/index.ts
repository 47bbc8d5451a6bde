/** The scenes, in the order in which one would look at them. */
import type { Scene } from '../scene.js'
import { arp } from './arp.js'
import { drain } from './drain.js'
import { failure } from './failure.js'
import { half } from './half.js'
import { kernel } from './kernel.js'
import { kernelRst } from './kernel-rst.js'
import { persistence } from './persistence.js'
import { ports } from './ports.js'
import { schedulers } from './schedulers.js'
import { udpSource } from './udp-source.js'

export const SCENES: readonly Scene[] = [
  arp,
  half,
  ports,
  udpSource,
  kernelRst,
  persistence,
  drain,
  failure,
  schedulers,
  kernel,
]
