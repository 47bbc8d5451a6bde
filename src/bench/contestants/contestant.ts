/**
 * What is measured: something that takes frames from the director's interface `in` and sends them
 * out of `out`. One file for each kind; `index.ts` has the list.
 */
import type { Field } from '../wire/field.js'
import type { WireRules } from '../wire/rules.js'

/** What a director counted, since its start. */
export interface EngineCounts {
  readonly forwarded: number
  readonly frames: number
  readonly ringDrops: number
  readonly sendErrors: number
  /** ARP of its own. */
  readonly ownFrames: number
}

/** A contestant that takes frames. */
export interface Running {
  /** Processes that belong to it, none for the kernel. */
  readonly pids: readonly number[]
  /** null where nobody counts. */
  counts(): Promise<EngineCounts | null>
  /** Its rules, as it prints them itself (`ipvsadm-save -n`); null if it has none. */
  rules(): Promise<string> | null
  /** Rejects if it ends by itself, saying why. */
  readonly failure: Promise<never>
  /** Afterwards the field is as it was before. */
  stop(): Promise<void>
}

export interface StartOptions {
  readonly field: Field
  readonly rules: WireRules
  /** Where files of its own may lie: gone with the benchmark. */
  readonly directory: string
  /** Words before a command that keep it off the generator's processor. */
  readonly pinning: readonly string[]
  /** Flags for the Node of a director of ours, to profile it. */
  readonly nodeFlags: readonly string[]
  /** `--workers` of a director of ours. */
  readonly workers: number
}

export interface Contestant {
  /** What `--opponent` or `--engine` calls it, and the reports' JSON. */
  readonly name: string
  /** What the reports call it. */
  readonly title: string
  /** `uipvs`: one of ours, chosen with `--engine`. `opponent`: chosen with `--opponent`. */
  readonly side: 'uipvs' | 'opponent' | 'generator'
  /** null where it can run here; else why not, and perhaps what would help, in one sentence. */
  whyNot(options: StartOptions): string | null
  /** Ready to take frames when the promise is kept. */
  start(options: StartOptions): Promise<Running>
}

/** Something that the kernel does, without a process of its own. */
export function kernelOnly(stop: () => void, rules: Running['rules'] = () => null): Running {
  const failure = new Promise<never>(() => {})
  return { pids: [], counts: async () => null, rules, failure, stop: async () => stop() }
}
