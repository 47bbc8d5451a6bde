/** The settings of a running director as `GET /v1/sysctls` has them, by name, in Linux's order. */
import { FIXED_SYSCTLS, type Sysctls } from '../balance/sysctl.js'
import type { SysctlValues } from '../control/listing.js'
import type { CellName } from './memory.js'

/** What the worker moves between 1 and 2 as its memory fills and empties, and where it says so. */
const MODES = [
  ['drop_entry', 'dropEntry'],
  ['drop_packet', 'dropPacket'],
  ['secure_tcp', 'secureTcp'],
] as const

const isAutomatic = (mode: number) => mode === 1 || mode === 2

/** `told`: as operators set them; `memory`: what the worker publishes, if there is one. */
export function sysctlValues(
  told: Sysctls,
  memory: { get(name: CellName): number } | undefined,
): SysctlValues {
  const values = { ...told }
  for (const [name, cell] of MODES) {
    const mode = memory?.get(cell) ?? 0
    if (isAutomatic(mode) && isAutomatic(values[name])) values[name] = mode
  }
  const fixed = Object.entries(FIXED_SYSCTLS).map(([name, { value }]) => {
    return [name, Number.isNaN(Number(value)) ? value : Number(value)] as const
  })
  return Object.fromEntries(
    [...Object.entries(values), ...fixed].sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}
