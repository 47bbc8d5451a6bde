/**
 * What the XDP programs of all arms ask: which addresses and ports are served, where fragments
 * went, and how coarsely clients are divided among workers. `serve()` changes the map entry by
 * entry while the programs run; a frame in between is judged by the old rules or by the new ones.
 */
import { isIPv6 } from 'node:net'
import type { Share, SharedVip } from '../engine/port.js'
import {
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LRU_HASH,
  BpfMap,
} from '../native/bpf.js'
import { words } from './bpf-filter.js'
import { maskOf } from './share.js'
import { fragmentKey, grainValue, SHARED, servedKey, WHOLE } from './xdp-keys.js'

/** More than a director has services; each VIP and each port of a shared VIP is an entry. */
const ENTRIES_MAX = 262_144
/** Datagrams whose first fragment went by. */
const FRAGMENTS = 4096
const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const

export class XdpMaps {
  readonly served: BpfMap
  readonly fragments: BpfMap
  readonly grain: BpfMap
  /** What `served` holds: keys as text, and values. */
  #entries = new Map<string, number>()
  /** The keys of VIPs that were asked for before: making one costs more than looking it up. */
  #vipKeys = new Map<string, string>()

  constructor() {
    const { size } = servedKey
    const flags = BPF_F_NO_PREALLOC
    this.served = new BpfMap('uipvs_served', BPF_MAP_TYPE_HASH, size, 4, ENTRIES_MAX, flags)
    const opened = [this.served]
    try {
      const bytes = fragmentKey.size
      this.fragments = new BpfMap('uipvs_fragments', BPF_MAP_TYPE_LRU_HASH, bytes, 8, FRAGMENTS)
      opened.push(this.fragments)
      this.grain = new BpfMap('uipvs_grain', BPF_MAP_TYPE_ARRAY, 4, grainValue.size, 1)
      opened.push(this.grain)
      this.#setGrain({ mask4: -1, prefix6: 128 })
    } catch (error) {
      for (const map of opened) map.close()
      throw error
    }
  }

  #setGrain({ mask4, prefix6 }: Pick<Share, 'mask4' | 'prefix6'>): void {
    const words = [0, 1, 2, 3].map((i) => maskOf(prefix6, i))
    this.grain.set(Uint32Array.of(0), Int32Array.of(mask4, ...words))
  }

  /** Makes the maps say what is wanted. `shared`: the VIPs that the kernel holds, too. */
  serve(vips: readonly string[], shared: readonly SharedVip[], share?: Share): void {
    if (share !== undefined) this.#setGrain(share)
    const wanted = this.#entriesOf(vips, shared)
    const changed = [...wanted].filter(([key, value]) => this.#entries.get(key) !== value)
    const old =
      wanted.size - changed.length === this.#entries.size
        ? []
        : [...this.#entries.keys()].filter((key) => !wanted.has(key))
    // Ports come before the VIP that they belong to, and go after it: no frame finds a VIP without.
    for (const [key, value] of changed.sort(([a], [b]) => order(a) - order(b))) {
      this.served.set(Buffer.from(key, 'hex'), Uint32Array.of(value))
      this.#entries.set(key, value)
    }
    for (const key of old.sort((a, b) => order(b) - order(a))) {
      this.served.delete(Buffer.from(key, 'hex'))
      this.#entries.delete(key)
    }
  }

  /** The entries of `served` as `xdp-keys.ts` lists them. */
  #entriesOf(vips: readonly string[], shared: readonly SharedVip[]): Map<string, number> {
    const entries = new Map<string, number>()
    const keys = new Map<string, string>()
    for (const vip of vips) {
      const key = this.#vipKeys.get(vip) ?? keyOf(vip, 0, 0)
      keys.set(vip, key)
      entries.set(key, WHOLE)
    }
    this.#vipKeys = keys
    for (const { address, ports } of shared) {
      const own = keys.get(address)
      if (own === undefined) continue
      entries.set(own, SHARED)
      for (const { protocol, port } of ports) {
        const any = keyOf(address, PROTOCOLS[protocol], 0)
        if (port === 0) entries.set(any, WHOLE)
        else {
          entries.set(keyOf(address, PROTOCOLS[protocol], port), WHOLE)
          if (!entries.has(any)) entries.set(any, SHARED)
        }
      }
    }
    return entries
  }

  close(): void {
    this.served.close()
    this.fragments.close()
    this.grain.close()
  }
}

/** VIPs, whose protocol is 0, behind their ports. */
function order(key: string): number {
  return key.slice(servedKey.protocol * 2, servedKey.protocol * 2 + 2) === '00' ? 1 : 0
}

function keyOf(address: string, protocol: number, port: number): string {
  const key = new DataView(new ArrayBuffer(servedKey.size))
  for (const [i, word] of words(address).entries()) key.setUint32(servedKey.address + i * 4, word)
  key.setUint16(servedKey.port, port)
  key.setUint8(servedKey.protocol, protocol)
  key.setUint8(servedKey.family, isIPv6(address) ? 6 : 4)
  return Buffer.from(key.buffer).toString('hex')
}
