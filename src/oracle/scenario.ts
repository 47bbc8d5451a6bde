/** A scenario: a recording before anything was recorded. The seed or the file fixes all of it. */
import type { Arguments, Listing, Recording, Send } from '../conform/recording.js'

export type ScenarioStep =
  | { readonly send: Send }
  | { readonly run: Arguments }
  | { readonly snapshot: Listing }
  | { readonly sleep_ms: number }
  | { readonly sysctl: Readonly<Record<string, string>> }

export type Scenario = Omit<Recording, 'setup_out' | 'steps'> & {
  readonly steps: readonly ScenarioStep[]
}

/** A recording's scenario; what was recorded is left out. */
export function scenarioOf({ setup_out: _, steps, ...rest }: Recording): Scenario {
  return {
    ...rest,
    steps: steps.map((step): ScenarioStep => {
      if ('send' in step) return { send: step.send }
      if ('run' in step) return { run: step.run }
      if ('snapshot' in step) return { snapshot: step.snapshot }
      return 'sysctl' in step ? { sysctl: step.sysctl } : { sleep_ms: step.sleep_ms }
    }),
  }
}

/** JSON with a step a line, as the recordings are. */
export function recordingText(recording: Recording): string {
  const fields = Object.entries(recording).map(([key, value]) => {
    const isList = ['setup', 'setup_out', 'steps'].includes(key) && value.length > 0
    if (!isList) return `  ${flat(key)}: ${flat(value)}`
    const items = (value as readonly unknown[]).map((item) => `    ${flat(item)}`)
    return `  ${flat(key)}: [\n${items.join(',\n')}\n  ]`
  })
  return `{\n${fields.join(',\n')}\n}\n`
}

function flat(value: unknown): string {
  return JSON.stringify(value)
}
