/** What a check found, why it matters, and the line that mends it. */
export interface Finding {
  /** Short and stable, for scripts: `arp-answers`. */
  readonly id: string
  /**
   * `problem`: Direct Routing breaks, or will. `note`: worth knowing. `skipped`: could not be seen.
   */
  readonly level: 'ok' | 'note' | 'problem' | 'skipped'
  readonly found: string
  readonly why: string
  /** A line to type, or null where there is nothing to mend. */
  readonly fix: string | null
}

export function ok(id: string, found: string, why: string): Finding {
  return { id, level: 'ok', found, why, fix: null }
}

export function note(id: string, found: string, why: string, fix: string | null = null): Finding {
  return { id, level: 'note', found, why, fix }
}

export function problem(id: string, found: string, why: string, fix: string): Finding {
  return { id, level: 'problem', found, why, fix }
}

export function skipped(
  id: string,
  found: string,
  why: string,
  fix: string | null = null,
): Finding {
  return { id, level: 'skipped', found, why, fix }
}
