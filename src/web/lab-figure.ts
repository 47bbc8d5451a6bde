/**
 * What a lab looks like, found in the lab itself: which interface of which host is joined to which
 * wire, and what addresses it has. So the figure of the page is that of any scene.
 */
import { z } from 'zod'

/** The namespace in which bridges are: each is a wire, and its ports are named after hosts. */
export const WIRES = 'segment'

export interface FoundInterface {
  readonly host: string
  readonly name: string
  readonly mac: string
  /** The wire's name: a bridge's, or both ends of a cable. */
  readonly wire: string
  /** The bridge's port to it; null: a cable straight to another host. */
  readonly port: string | null
}

export interface FoundAddress {
  readonly host: string
  readonly address: string
  /** As `ip` labels it: `eth0`, `eth0:0`, `lo:0`. */
  readonly label: string
}

export interface Figure {
  readonly interfaces: readonly FoundInterface[]
  readonly addresses: readonly FoundAddress[]
}

const links = z.array(
  z.object({
    ifindex: z.int(),
    ifname: z.string(),
    link_index: z.int().optional(),
    master: z.string().optional(),
    address: z.string().optional(),
    link_type: z.string().optional(),
    addr_info: z
      .array(z.object({ local: z.string().optional(), label: z.string().optional() }))
      .default([]),
  }),
)
type Link = z.infer<typeof links>[number]

/** `run`: what a command in a namespace prints. */
export async function lookAtLab(
  hosts: readonly string[],
  run: (namespace: string, command: readonly string[]) => Promise<string>,
): Promise<Figure> {
  const linksOf = async (place: string) =>
    links.parse(JSON.parse(await run(place, ['ip', '-j', 'addr', 'show'])))
  const ports = (await linksOf(WIRES)).filter(({ master }) => master !== undefined)
  const found = await Promise.all(
    hosts.map(async (host) => ({ host, own: (await linksOf(host)) as readonly Link[] })),
  )
  const ends = found.flatMap(({ host, own }) =>
    own.filter(({ link_type }) => link_type === 'ether').map((link) => ({ host, link })),
  )
  const isJoined = (a: Link, b: Link) => a.link_index === b.ifindex && b.link_index === a.ifindex
  const interfaces = ends.flatMap(({ host, link }): FoundInterface[] => {
    const { ifname: name, address: mac } = link
    if (mac === undefined) return []
    // Numbers of interfaces are those of their namespaces: two may be alike, their names are not.
    const port = ports.find((each) => isJoined(each, link) && each.ifname.startsWith(host))
    if (port?.master !== undefined)
      return [{ host, name, mac, wire: port.master, port: port.ifname }]
    const other = ends.find((each) => each.host !== host && isJoined(each.link, link))
    if (other === undefined) return []
    return [{ host, name, mac, wire: [host, other.host].sort().join('-'), port: null }]
  })
  const addresses = found.flatMap(({ host, own }) =>
    own.flatMap(({ ifname, addr_info }) =>
      addr_info.flatMap(({ local, label = ifname }) =>
        local === undefined ? [] : [{ host, address: local, label }],
      ),
    ),
  )
  return { interfaces, addresses }
}

/** By which address a host is known in the figure: neither the VIP nor one of this machine only. */
export function ownAddress({ addresses }: Figure, host: string, vips: readonly string[]): string {
  const own = addresses.filter(
    ({ host: whose, address }) => whose === host && !vips.includes(address) && !isLocal(address),
  )
  return (own.find(({ address }) => !address.includes(':')) ?? own[0])?.address ?? ''
}

function isLocal(address: string): boolean {
  return /^(127\.|::1$|fe80:)/.test(address)
}
