/**
 * What the workers of an af_xdp director stand on together, opened by the first of them: the
 * memory, all sockets, the program on each arm and the maps that it asks. The others are told
 * where everything is (`XdpPlan`, plain data: they are threads of one process).
 *
 *             queue 0          queue 1          queue 2         of an arm, with two workers
 *   program:  whose client?    whose client?    whose client?   `xdp-share.ts`
 *              |      |         |      |         |      |
 *   worker 0  rx,tx   |        rx      |        rx,tx   |       fill and completion of 0 and 2
 *   worker 1          rx              rx,tx             rx      fill and completion of 1
 *
 * A queue's frames are any worker's, for it is not the queue that says whose client it is. But the
 * fill and completion rings of a queue have one writer and one reader: the worker at which the
 * queue is at home, and by whose queues it sends. With more workers than queues some send by a
 * queue that is at home elsewhere.
 */
import type { ArmMode, Share, SharedVip } from '../engine/port.js'
import { receiveQueues } from '../native/ethtool.js'
import { ARPHRD_ETHER } from '../native/if-packet.js'
import { type Interface, readInterface } from '../native/interfaces.js'
import { close, SystemCallError } from '../native/libc.js'
import { mtuOfChunk } from '../native/umem-chunk.js'
import { chunkBytesFor, mapUmem, Umem, type UmemPlan, unmapUmem } from './umem.js'
import { attach, type XdpAttachment } from './xdp-attach.js'
import { XdpMaps } from './xdp-maps.js'
import { tagFunction } from './xdp-tag.js'
import { openXsk, type XskPlace } from './xsk-socket.js'

export interface GroundOptions {
  readonly interfaces: readonly string[]
  readonly workers: number
  /** Entries of each ring, a power of two; if left out, see `receiveEntriesFor`. */
  readonly entries: number | undefined
  readonly busyPollMicroseconds: number
  /** For tests and comparisons: no native mode, no zero-copy. */
  readonly isGeneric: boolean
  readonly isCopying: boolean
}

export interface ArmPlan extends Interface {
  /** The sockets: by queue, and for each queue by worker. */
  readonly queues: readonly (readonly XskPlace[])[]
}

export interface XdpPlan {
  readonly workers: number
  readonly isPolling: boolean
  readonly umem: UmemPlan
  readonly arms: readonly ArmPlan[]
}

interface FoundArm extends Interface {
  readonly queueCount: number
  /** Of each of its fill and rx rings, and of its completion and tx rings. */
  readonly entries: number
  readonly sendEntries: number
}

/** Of rings, where nothing is said; a single queue receives into longer ones. */
const ENTRIES = 4096
const RECEIVE_ENTRIES_MAX = 16_384

export class XdpGround {
  readonly plan: XdpPlan
  readonly modes: readonly ArmMode[]
  readonly #maps: XdpMaps
  readonly #attachments: XdpAttachment[] = []

  constructor(options: GroundOptions) {
    const { workers, busyPollMicroseconds } = options
    const { arms: found, chunkBytes } = findArms(options.interfaces, options.entries)
    const homes = Math.min(workers, Math.max(...found.map((arm) => arm.queueCount)))
    // The first worker has the most.
    const chunksPerHome = found.reduce(
      (sum, arm) => sum + Math.ceil(arm.queueCount / homes) * chunksOfQueue(arm),
      0,
    )
    const umem = mapUmem({ chunkBytes, homes, chunksPerHome }, workers)
    try {
      const opened = openArms(found, umem, options)
      this.plan = { workers, isPolling: busyPollMicroseconds > 0, ...opened }
    } catch (error) {
      unmapUmem(umem)
      throw error
    }
    let maps: XdpMaps | undefined
    try {
      maps = new XdpMaps()
      const { isGeneric } = options
      const how = {
        isGeneric,
        tagFunction: isGeneric ? undefined : tagFunction(),
        mtuMax: mtuOfChunk(chunkBytes),
      }
      for (const arm of this.plan.arms) this.#attachments.push(attach(arm, workers, maps, how))
      this.#maps = maps
    } catch (error) {
      this.#release()
      maps?.close()
      throw error
    }
    this.modes = this.#attachments.map((each) => each.mode)
  }

  serve(vips: readonly string[], shared: readonly SharedVip[], share: Share | undefined): void {
    this.#maps.serve(vips, shared, share)
  }

  /** No worker may touch anything of it after this. */
  close(): void {
    this.#release()
    this.#maps.close()
  }

  #release(): void {
    for (const attachment of this.#attachments) attachment.close()
    closeAll(this.plan.arms)
    unmapUmem(this.plan.umem)
  }
}

/**
 * Room in each of an arm's queues for frames that wait for a worker without a processor: others get
 * one for 4 ms at a time. All queues together take a million frames a second for 16 ms.
 */
export function receiveEntriesFor(queueCount: number): number {
  return Math.max(ENTRIES, RECEIVE_ENTRIES_MAX >> Math.ceil(Math.log2(queueCount)))
}

/** In its fill ring, rx or a batch; in tx; in completion. */
function chunksOfQueue({ entries, sendEntries }: FoundArm): number {
  return entries + 2 * sendEntries
}

/** What the named interfaces are, and the chunk that holds a frame of any of them. */
function findArms(
  names: readonly string[],
  entries: number | undefined,
): { arms: FoundArm[]; chunkBytes: number } {
  if (names.length === 0) throw new Error('no interface was named; give one with -i')
  const arms = names.map((name) => {
    const found = readInterface(name)
    if (found.hardwareType !== ARPHRD_ETHER) {
      throw new Error(
        `${name} does not carry Ethernet frames (hardware type ${found.hardwareType}); ` +
          'choose an Ethernet interface, `ip link` lists them',
      )
    }
    if (chunkBytesFor(found.mtu) === undefined) {
      const most = mtuOfChunk()
      throw new Error(
        `the MTU of ${name} is ${found.mtu}, af_xdp holds packets of up to ${most} bytes ` +
          `(${name}); \`ip link set ${name} mtu ${most}\`, or use --engine af_packet`,
      )
    }
    const queueCount = receiveQueues(name)
    return {
      ...found,
      queueCount,
      entries: entries ?? receiveEntriesFor(queueCount),
      sendEntries: entries ?? ENTRIES,
    }
  })
  const largest = Math.max(...arms.map((arm) => arm.mtu))
  return { arms, chunkBytes: chunkBytesFor(largest) as number }
}

type Opened = Pick<XdpPlan, 'arms' | 'umem'>

/** Opens all sockets: without copies if every device can do that, else all with copies. */
function openArms(found: readonly FoundArm[], umem: UmemPlan, options: GroundOptions): Opened {
  try {
    return openAll(found, umem, options)
  } catch (error) {
    // One umem has one mode: the first device may offer zero-copy where another has none.
    const isBind = error instanceof SystemCallError && error.call === 'bind AF_XDP'
    const isShared =
      found.length > 1 || options.workers > 1 || found.some((arm) => arm.queueCount > 1)
    if (options.isCopying || !isBind || !isShared) throw error
    return openAll(found, umem, { ...options, isCopying: true })
  }
}

function openAll(found: readonly FoundArm[], umem: UmemPlan, options: GroundOptions): Opened {
  const parts = Array.from({ length: umem.homes }, (_, home) => new Umem(umem, home))
  const arms: { readonly queues: XskPlace[][] }[] = []
  try {
    for (const arm of found) {
      const queues: XskPlace[][] = []
      arms.push({ queues })
      for (let queue = 0; queue < arm.queueCount; queue++) {
        const places: XskPlace[] = []
        queues.push(places)
        openQueue(arm, queue, places, { umem, parts, first: arms[0].queues[0][0], options })
      }
    }
  } catch (error) {
    closeAll(arms)
    throw error
  }
  return {
    umem: { ...umem, inHand: parts.map((part) => part.freeCount) },
    arms: found.map((arm, i) => ({ ...arm, queues: arms[i].queues })),
  }
}

interface Opening {
  readonly umem: UmemPlan
  readonly parts: readonly Umem[]
  readonly first: XskPlace | undefined
  readonly options: GroundOptions
}

/** The sockets of a queue, by worker, into `places`: the one at which it is at home comes first. */
function openQueue(
  arm: FoundArm,
  queue: number,
  places: XskPlace[],
  { umem, parts, first, options }: Opening,
): void {
  const { workers, busyPollMicroseconds, isCopying } = options
  const homeWorker = queue % parts.length
  const open = (worker: number, home: XskPlace | undefined) =>
    openXsk(umem, parts[homeWorker], {
      interface: arm.name,
      index: arm.index,
      queue,
      entries: arm.entries,
      sendEntries: arm.sendEntries,
      copy: isCopying,
      busyPollMicroseconds,
      canSend: sendsBy(worker, queue, arm.queueCount, parts.length),
      home,
      sharing: home ?? first,
    })
  const home = open(homeWorker, undefined)
  const opened = [home]
  try {
    for (let worker = 0; worker < workers; worker++) {
      const place = worker === homeWorker ? home : open(worker, home)
      places.push(place)
      if (place !== home) opened.push(place)
    }
  } catch (error) {
    for (const place of opened) close(place.fd)
    places.length = 0
    throw error
  }
}

/** Whether a worker sends by this queue: by all that are at home with it, else by one of others. */
function sendsBy(worker: number, queue: number, queues: number, homes: number): boolean {
  if (worker < Math.min(homes, queues)) return queue % homes === worker
  return queue === worker % queues
}

function closeAll(arms: readonly Pick<ArmPlan, 'queues'>[]): void {
  for (const { queues } of arms) for (const place of queues.flat()) close(place.fd)
}
