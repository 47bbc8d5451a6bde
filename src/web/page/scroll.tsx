/** A region that scrolls sideways where it must, and can be reached by keyboard for that. */
import type { ComponentChildren } from 'preact'

export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls needs the keyboard
    <div class="scroll" role="group" tabIndex={0} aria-label={label}>
      {children}
    </div>
  )
}
