/**
 * Puts the XDP program on an interface, through a link that goes with this process: in native mode,
 * in the driver, where that can be had; else in generic mode, behind it.
 */
import type { ArmMode } from '../engine/port.js'
import {
  attachXdp,
  BPF_MAP_TYPE_XSKMAP,
  BpfMap,
  XDP_FLAGS_DRV_MODE,
  XDP_FLAGS_SKB_MODE,
  XdpProgram,
} from '../native/bpf.js'
import type { Interface } from '../native/interfaces.js'
import { close, errno, errnoOf, SystemCallError } from '../native/libc.js'
import type { ArmPlan } from './xdp-ground.js'
import type { XdpMaps } from './xdp-maps.js'
import { xdpProgram } from './xdp-program.js'

const EBUSY = errnoOf('EBUSY')
const EEXIST = errnoOf('EEXIST')
const EPERM = errnoOf('EPERM')

export interface XdpAttachment {
  readonly mode: ArmMode
  close(): void
}

export interface AttachOptions {
  readonly isGeneric: boolean
  /** The kernel's function that tells of 802.1Q tags (`xdp-tag.ts`). */
  readonly tagFunction: number | undefined
  /** The longest IP packet that the umem holds. */
  readonly mtuMax: number
}

export function attach(
  arm: ArmPlan,
  workers: number,
  maps: XdpMaps,
  options: AttachOptions,
): XdpAttachment {
  const places = arm.queues.flat()
  const sockets = new BpfMap('uipvs_sockets', BPF_MAP_TYPE_XSKMAP, 4, 4, places.length)
  try {
    // By queue, and for each queue by worker: as the program works it out.
    for (const [i, { fd }] of places.entries()) sockets.set(Uint32Array.of(i), Int32Array.of(fd))
    const descriptors = {
      served: maps.served.fd,
      fragments: maps.fragments.fd,
      sockets: sockets.fd,
      grain: maps.grain.fd,
    }
    const compose = (tagFunction?: number) =>
      xdpProgram(arm.macHigh, arm.macLow, descriptors, { workers, tagFunction })
    const { program, link, mode } = linkTo(arm, compose, options)
    const isZeroCopy = places.every((place) => place.isZeroCopy)
    return {
      mode: { arm: arm.name, mode, isZeroCopy, mtuMax: options.mtuMax },
      close: () => {
        close(link)
        program.close()
        sockets.close()
      },
    }
  } catch (error) {
    sockets.close()
    throw error
  }
}

interface Linked {
  readonly program: XdpProgram
  readonly link: number
}

/** The best that can be had: in the driver, and told of tags; in the driver; behind it. */
function linkTo(
  arm: Interface,
  compose: (tagFunction?: number) => Uint8Array,
  { isGeneric, tagFunction }: AttachOptions,
): Linked & { readonly mode: ArmMode['mode'] } {
  if (!isGeneric) {
    const bound = tagFunction === undefined ? null : loadBound(arm, compose(tagFunction))
    const told = bound === null ? null : tryLink(arm, bound, XDP_FLAGS_DRV_MODE)
    const native = told ?? tryLink(arm, load(compose()), XDP_FLAGS_DRV_MODE)
    if (native !== null) return { ...native, mode: 'native' }
  }
  const program = load(compose())
  const link = attachXdp(program, arm.index, XDP_FLAGS_SKB_MODE)
  if (link >= 0) return { program, link, mode: 'generic' }
  const code = errno()
  program.close()
  throw refusal(arm.name, code)
}

function load(instructions: Uint8Array): XdpProgram {
  return new XdpProgram('uipvs', instructions)
}

/** The program bound to its interface; null if this kernel or driver does not take it so. */
function loadBound(arm: Interface, instructions: Uint8Array): XdpProgram | null {
  try {
    return new XdpProgram('uipvs', instructions, arm.index)
  } catch (error) {
    if (error instanceof SystemCallError && error.errno !== EPERM) return null
    throw error
  }
}

/** Puts the program on the interface; null, and the program is gone, if another way may work. */
function tryLink(arm: Interface, program: XdpProgram, flags: number): Linked | null {
  const link = attachXdp(program, arm.index, flags)
  if (link >= 0) return { program, link }
  const code = errno()
  program.close()
  if (isFinal(code)) throw refusal(arm.name, code)
  return null
}

/** Errors that generic mode would meet just as well. */
function isFinal(code: number): boolean {
  return code === EBUSY || code === EEXIST || code === EPERM
}

function refusal(name: string, code: number): SystemCallError {
  const hint =
    code === EBUSY || code === EEXIST
      ? `${name} has an XDP program already: \`ip link show dev ${name}\` and \`bpftool net\` show it, ` +
        `\`ip link set dev ${name} xdp off\` removes one that no process holds; or use --engine af_packet`
      : code === EPERM
        ? 'run it as root, or give it CAP_BPF and CAP_NET_ADMIN'
        : undefined
  return new SystemCallError('bpf BPF_LINK_CREATE', code, name, hint)
}
