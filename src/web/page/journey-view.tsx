/** The journey of a frame in words: one question after the other, as forward.ts asks them. */
import type { ComponentChildren } from 'preact'
import type {
  ExplainedConnection,
  ExplainedLookup,
  Explanation,
} from '../../offline/explanation.js'
import { bytesOfHex } from './bytes.js'
import { ChoiceView } from './choice-view.jsx'
import type { ViewProps } from './frame-view.jsx'
import { Hex } from './hex.jsx'
import type { Texts } from './texts/index.js'

/** The Ethernet header and what an IPv4 header says are in the first lines. */
const SHOWN_BYTES = 48

export function JourneyView({ texts, moment }: ViewProps) {
  const { explanation } = moment
  const { destination, connection, service, choice, realserver } = explanation
  const { isForDirector, directorMac, hexBefore, hexAfter, answers } = explanation
  return (
    <ol class="journey">
      <Step title={texts.stepLink}>
        {isForDirector ? texts.sentToDirector : texts.notSentToDirector} <code>{directorMac}</code>
      </Step>
      {destination !== null && (
        <Step title={texts.stepAddress}>
          <code>{destination.address}</code> {destination.isVip ? texts.isVip : texts.isNoVip}
        </Step>
      )}
      {connection !== null && (
        <Step title={texts.stepConnection}>
          <Lookup {...{ texts, lookup: connection }} />
        </Step>
      )}
      {(service !== null || (connection !== null && destination?.isVip === true)) && (
        <Step title={texts.stepService}>
          <Service {...{ texts, service }} />
        </Step>
      )}
      {choice !== null && (
        <Step title={texts.stepScheduler}>
          <ChoiceView {...{ texts, choice }} />
        </Step>
      )}
      {connection !== null && connection.outcome !== 'none' && (
        <Step title={texts.stepState}>
          <State {...{ texts, lookup: connection }} />
        </Step>
      )}
      {realserver !== null && (
        <Step title={texts.stepRealserver}>
          <code>{realserver.address}</code>{' '}
          {realserver.mac !== null && <code>{realserver.mac}</code>} (
          {realserver.origin === null ? texts.noWay : texts.origins[realserver.origin]})
        </Step>
      )}
      {hexAfter !== null && (
        <Step title={texts.written}>
          <Written {...{ texts, explanation }} />
          <div class="pair">
            <Hex
              title={texts.before}
              bytes={bytesOfHex(hexBefore)}
              other={bytesOfHex(hexAfter)}
              pointed={null}
              most={SHOWN_BYTES}
            />
            <Hex
              title={texts.after}
              bytes={bytesOfHex(hexAfter)}
              other={bytesOfHex(hexBefore)}
              pointed={null}
              most={SHOWN_BYTES}
            />
          </div>
        </Step>
      )}
      {answers.length > 0 && (
        <Step title={texts.answers}>
          {answers.map(({ summary, hex }) => (
            <p key={hex}>
              <code>{summary}</code> ({hex.length / 2} {texts.bytes})
            </p>
          ))}
        </Step>
      )}
      <Step title={texts.stepCounters}>
        <Counters {...{ explanation }} />
      </Step>
      <Step title={texts.stepVerdict}>
        <strong>{texts.actions[explanation.verdict.action]}</strong>{' '}
        <code>{explanation.verdict.name}</code>: {texts.verdicts[explanation.verdict.name]}
      </Step>
    </ol>
  )
}

function Step({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <li>
      <h3>{title}</h3>
      <div class="body">{children}</div>
    </li>
  )
}

function Lookup({ texts, lookup }: { texts: Texts; lookup: ExplainedLookup }) {
  const { key, isRelated, before, outcome } = lookup
  const related = isRelated && <> ({texts.isRelated})</>
  if (before === null) {
    return (
      <>
        {texts.noneKnown} <code>{key}</code>
        {related}
      </>
    )
  }
  return (
    <>
      {outcome === 'hit' ? texts.found : texts.foundOver}: <code>{key}</code>, {before.state} →{' '}
      <code>{before.realserver}</code>
      {related}
    </>
  )
}

function Service({ texts, service }: { texts: Texts; service: Explanation['service'] }) {
  if (service === null) return <>{texts.noService}</>
  const { key, scheduler, persistent } = service
  return (
    <>
      <code>{key}</code>, {texts.scheduler} <code>{scheduler}</code>
      {persistent > 0 && `, ${texts.persistent} ${persistent} ${texts.seconds}`}
    </>
  )
}

function State({ texts, lookup }: { texts: Texts; lookup: ExplainedLookup }) {
  const { outcome, before, after } = lookup
  if (after === null) return <>{texts.outcomes[outcome]}</>
  const now = (connection: ExplainedConnection) =>
    `${connection.isActive ? texts.active : texts.inactive} · ${texts.packets}: ${connection.packets} · ${texts.expires} ${connection.expires} ${texts.seconds}`
  const isMoved = before !== null && before.state !== after.state
  return (
    <>
      {texts.outcomes[outcome]}:{' '}
      {isMoved && outcome === 'hit' && (
        <>
          <b class="state">{before.state}</b> {texts.becomes}{' '}
        </>
      )}
      {!isMoved && outcome === 'hit' && `${texts.stays} `}
      <b class="state">{after.state}</b> · {now(after)}
    </>
  )
}

function Written({ texts, explanation }: { texts: Texts; explanation: Explanation }) {
  return (
    <>
      <ul class="changes">
        {explanation.changes.map(({ layer, field, before, after }) => (
          <li key={`${layer} ${field}`}>
            {layer} {field}: <code>{before}</code> → <mark>{after}</mark>
          </li>
        ))}
      </ul>
      {explanation.isPacketUnchanged === true && <p>{texts.unchanged}</p>}
    </>
  )
}

function Counters({ explanation }: { explanation: Explanation }) {
  const lines = new Map<string, string[]>()
  for (const { of, name, before, after } of explanation.counters) {
    const change = after - before
    const text = `${name} ${change > 0 ? '+' : ''}${change}`
    lines.set(of, [...(lines.get(of) ?? []), text])
  }
  return (
    <ul class="counters">
      {[...lines].map(([of, changes]) => (
        <li key={of}>
          <code>{of}</code>: {changes.join(', ')}
        </li>
      ))}
    </ul>
  )
}
