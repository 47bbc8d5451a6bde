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
import { close, errno, errnoOf, SystemCallError } from '../native/libc.js'
import type { XdpArm } from './xdp-arm.js'
import type { XdpMaps } from './xdp-maps.js'
import { xdpProgram } from './xdp-program.js'

const EBUSY = errnoOf('EBUSY')
const EEXIST = errnoOf('EEXIST')
const EPERM = errnoOf('EPERM')

export interface XdpAttachment {
  readonly mode: ArmMode
  close(): void
}

export function attach(arm: XdpArm, maps: XdpMaps, isGeneric: boolean): XdpAttachment {
  const sockets = new BpfMap('uipvs_sockets', BPF_MAP_TYPE_XSKMAP, 4, 4, arm.sockets.length)
  let program: XdpProgram | undefined
  try {
    for (const socket of arm.sockets) {
      sockets.set(Uint32Array.of(socket.queue), Int32Array.of(socket.fd))
    }
    const descriptors = {
      served: maps.served.fd,
      fragments: maps.fragments.fd,
      sockets: sockets.fd,
    }
    program = new XdpProgram('uipvs', xdpProgram(arm.macHigh, arm.macLow, descriptors))
    const { link, mode } = linkTo(arm, program, isGeneric)
    const isZeroCopy = arm.sockets.every((socket) => socket.isZeroCopy)
    const loaded = program
    return {
      mode: { arm: arm.name, mode, isZeroCopy },
      close: () => {
        close(link)
        loaded.close()
        sockets.close()
      },
    }
  } catch (error) {
    program?.close()
    sockets.close()
    throw error
  }
}

function linkTo(
  arm: XdpArm,
  program: XdpProgram,
  isGeneric: boolean,
): { link: number; mode: ArmMode['mode'] } {
  if (!isGeneric) {
    const link = attachXdp(program, arm.index, XDP_FLAGS_DRV_MODE)
    if (link >= 0) return { link, mode: 'native' }
    const code = errno()
    if (isFinal(code)) throw refusal(arm.name, code)
  }
  const link = attachXdp(program, arm.index, XDP_FLAGS_SKB_MODE)
  if (link >= 0) return { link, mode: 'generic' }
  throw refusal(arm.name, errno())
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
