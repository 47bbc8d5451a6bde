/** What became of a frame: the verdict, and below it one view of four. */
import { useState } from 'preact/hooks'
import type { Action } from '../../engine/verdict.js'
import type { Explanation } from '../../offline/explanation.js'
import { FrameView, type ViewProps } from './frame-view.jsx'
import { JourneyView } from './journey-view.jsx'
import { SourceView } from './source-view.jsx'
import { TablesView } from './tables-view.jsx'
import type { Texts } from './texts/index.js'

const VIEWS = ['journey', 'frame', 'source', 'tables'] as const
type View = (typeof VIEWS)[number]

const SIGNS: Readonly<Record<Action, string>> = {
  forward: '→',
  answer: '↩',
  pass: '⇣',
  hold: '⏳',
  drop: '✕',
}

export interface VerdictProps {
  readonly texts: Texts
  readonly explanation: Explanation
  /** Which frame it is. */
  readonly subject: string
}

export function Verdict({ texts, explanation, subject }: VerdictProps) {
  const { verdict, frame, realserver, connection, choice } = explanation
  const to = connection?.after?.realserver ?? choice?.chosen ?? realserver?.address ?? '?'
  return (
    <div class={`verdict ${verdict.action}`} aria-live="polite">
      <span class="sign" aria-hidden="true">
        {SIGNS[verdict.action]}
      </span>
      <div>
        <p class="subject">
          {subject !== frame && `${subject}: `}
          <code>{frame}</code>
        </p>
        <h2 id="verdict-name">
          {texts.actions[verdict.action]}{' '}
          <code>{verdict.action === 'forward' ? `→ ${to}` : verdict.name}</code>
        </h2>
        <p class="sentence">{texts.verdicts[verdict.name]}</p>
      </div>
    </div>
  )
}

export function Views({ texts, moment }: ViewProps) {
  const [view, setView] = useState<View>('journey')
  const titles: Readonly<Record<View, string>> = {
    journey: texts.tabJourney,
    frame: texts.tabFrame,
    source: texts.tabSource,
    tables: texts.tabTables,
  }
  const turn = (by: number) => {
    const next = VIEWS[(VIEWS.indexOf(view) + by + VIEWS.length) % VIEWS.length]
    setView(next)
    document.getElementById(`tab-${next}`)?.focus()
  }
  return (
    <>
      <div class="tabs" role="tablist" aria-labelledby="verdict-name">
        {VIEWS.map((each) => (
          <button
            key={each}
            type="button"
            role="tab"
            id={`tab-${each}`}
            aria-controls="view"
            aria-selected={each === view}
            tabIndex={each === view ? 0 : -1}
            onClick={() => setView(each)}
            onKeyDown={(event) => {
              if (event.key === 'ArrowRight') turn(1)
              if (event.key === 'ArrowLeft') turn(-1)
            }}
          >
            {titles[each]}
          </button>
        ))}
      </div>
      <div
        class="view"
        id="view"
        role="tabpanel"
        aria-labelledby={`tab-${view}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls needs the keyboard
        tabIndex={0}
        data-own-keys
      >
        {view === 'journey' && <JourneyView {...{ texts, moment }} />}
        {view === 'frame' && <FrameView {...{ texts, moment }} />}
        {view === 'source' && <SourceView {...{ texts, call: moment.call }} />}
        {view === 'tables' && <TablesView {...{ texts, moment }} />}
      </div>
    </>
  )
}
