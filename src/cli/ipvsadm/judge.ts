/** What goes together: commands with options, options with each other. */
import type { Draft } from './draft.js'
import { badUsage } from './messages.js'
import {
  ALL_TUNNEL_TRAITS,
  type CommandName,
  TERMS,
  TRAITS,
  type Trait,
  TUNNEL_TERMS,
  TUNNEL_TRAITS,
} from './options.js'

type Ruled = Exclude<CommandName, 'help' | 'version'>

/** One pass over all options in their order; the first objection ends it. */
export function judgeOptions(draft: Draft, command: Ruled): void {
  judge(TRAITS, TERMS[command], draft, `for the '${command}' command`, {
    with: `with the '${command}' command`,
    in: `in the '${command}' command`,
  })
}

function judge(
  traits: readonly Trait[],
  terms: (typeof TERMS)[Ruled],
  draft: Draft,
  needed: string,
  place: { readonly with: string; readonly in: string },
): void {
  let chosen: Trait | null = null
  for (const trait of traits) {
    if (!draft.has(trait)) {
      if (!terms.must.includes(trait)) continue
      throw badUsage(`You need to supply the '${trait}' option ${needed}`)
    }
    if (terms.oneOf.includes(trait)) {
      if (chosen !== null) {
        throw badUsage(`The option '${trait}' conflicts with the '${chosen}' option ${place.in}`)
      }
      chosen = trait
    } else if (!terms.must.includes(trait) && !terms.may.includes(trait)) {
      throw badUsage(`Illegal '${trait}' option ${place.with}`)
    }
  }
}

/** `-A`, `-E`. */
export function judgeService(draft: Draft): void {
  if (draft.fwmark !== 0) return
  if (draft.port === 0 && !draft.has('persistent')) {
    throw badUsage('Zero port specified for non-persistent service')
  }
  if (draft.has('ops') && draft.protocol !== 'udp') {
    throw badUsage('One-Packet Scheduling is only for UDP virtual services')
  }
}

/** `-a`, `-e`. */
export function judgeServer(draft: Draft): void {
  if (draft.family !== draft.serverFamily && draft.method !== 'tunnel') {
    throw badUsage('Different address family is allowed only for tunneling servers')
  }
  if (draft.method !== 'tunnel') {
    if (!ALL_TUNNEL_TRAITS.some((trait) => draft.has(trait))) return
    throw badUsage('Tunnel options conflict with forward method')
  }
  const type = `the '${draft.tunnelType}' tunnel type`
  judge(TUNNEL_TRAITS, TUNNEL_TERMS[draft.tunnelType], draft, `for ${type}`, {
    with: `with ${type}`,
    in: `in ${type}`,
  })
}

/** `-L`: views that have no meaning together. */
export function judgeList(draft: Draft): void {
  const any = (...traits: Trait[]) => traits.some((trait) => draft.has(trait))
  const conflict =
    (any('connection', 'timeout', 'daemon') && any('stats', 'rate', 'thresholds')) ||
    (any('timeout', 'daemon') && any('persistent-conn'))
  if (conflict) throw badUsage('options conflicts in the list command')
}
