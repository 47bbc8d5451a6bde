/** The services of a running director, with what can be turned about them. */
import { useEffect, useState } from 'preact/hooks'
import { SCHEDULERS } from '../../balance/schedulers/index.js'
import { serviceText } from '../../cli/ipvsadm/endpoint-text.js'
import type { ExplainedChoice, NextQuestion } from '../../control/choice.js'
import type { DestinationListing, ServiceListing } from '../../control/listing.js'
import type { Moment } from '../moment.js'
import { shortNumber } from './chart.jsx'
import { type Change, changeService, changeWeight } from './commands.js'
import { NextChoice } from './next-choice.jsx'
import { Scroll } from './scroll.jsx'
import type { Texts } from './texts/index.js'

const WEIGHT_MAX = 65_535
/** An address of the documentation's, for who has none (RFC 3849). */
const NOBODY6 = '2001:db8::1'

export interface LiveServicesProps {
  readonly texts: Texts
  readonly moment: Moment
  /** Who is likely to come next. */
  readonly client: string
  change(change: Change): void
  next(question: NextQuestion): Promise<ExplainedChoice>
}

export function LiveServices({ texts, moment, client, change, next }: LiveServicesProps) {
  const { services } = moment.table
  const [open, setOpen] = useState<string | null>(null)
  /** The client that was seen last, or one of the lab. */
  const clientOf = ({ service }: ServiceListing): string => {
    const seen = moment.connections.find(
      ({ vip, vport }) => 'address' in service && vip === service.address && vport === service.port,
    )
    const isIpv6 = 'address' in service ? service.address.includes(':') : service.family === 'inet6'
    if (seen !== undefined) return seen.client
    return isIpv6 ? NOBODY6 : client
  }
  if (services.length === 0) return <p class="hint">{texts.live.noServices}</p>
  return (
    <>
      {services.map((listed) => {
        const name = serviceText(listed.service, null)
        const isOpen = open === name
        return (
          <section key={name} class="service" aria-label={name}>
            <Scroll label={name}>
              <table>
                <caption>
                  <code>{name}</code>{' '}
                  <label>
                    {texts.scheduler}{' '}
                    <select
                      value={listed.settings.scheduler}
                      onChange={(event) =>
                        change(changeService(listed, { scheduler: event.currentTarget.value }))
                      }
                    >
                      {[...SCHEDULERS.keys()].map((scheduler) => (
                        <option key={scheduler}>{scheduler}</option>
                      ))}
                    </select>
                  </label>
                </caption>
                <thead>
                  <tr>
                    <th scope="col">{texts.realserver}</th>
                    <th scope="col">{texts.weight}</th>
                    <td />
                    <th scope="col">{texts.active}</th>
                    <th scope="col">{texts.inactive}</th>
                    <th scope="col">{texts.connections}</th>
                    <th scope="col">{texts.live.packetsPerSecond}</th>
                  </tr>
                </thead>
                <tbody>
                  {listed.destinations.map((each) => (
                    <Realserver
                      key={`${each.address} ${each.port}`}
                      {...{ texts, listed, each, change }}
                    />
                  ))}
                </tbody>
              </table>
            </Scroll>
            <p class="hint">{texts.bySchedulers[listed.settings.scheduler] ?? ''}</p>
            <button
              type="button"
              aria-expanded={isOpen}
              onClick={() => setOpen(isOpen ? null : name)}
            >
              {texts.live.nextChoice}
            </button>
            {isOpen && (
              <NextChoice {...{ texts, listed, moment, client: clientOf(listed), next }} />
            )}
          </section>
        )
      })}
    </>
  )
}

interface RealserverProps {
  readonly texts: Texts
  readonly listed: ServiceListing
  readonly each: DestinationListing
  change(change: Change): void
}

function Realserver({ texts, listed, each, change }: RealserverProps) {
  const { address, port, mac, weight, active, inactive, statistics, rates } = each
  const set = (to: number) => {
    if (Number.isInteger(to) && to >= 0 && to <= WEIGHT_MAX && to !== weight) {
      change(changeWeight(listed, each, to))
    }
  }
  const isQuiet = weight === 0
  return (
    <tr class={isQuiet ? 'out' : ''}>
      <th scope="row">
        {address}:{port}
        {mac !== null && <span class="mac">{mac}</span>}
      </th>
      <td>
        <WeightInput label={`${texts.weight} ${address}`} {...{ weight, set }} />
      </td>
      <td>
        <button type="button" onClick={() => set(isQuiet ? 1 : 0)}>
          {isQuiet ? texts.live.wake : texts.live.quiesce}
          <span class="hidden"> {address}</span>
        </button>
      </td>
      <td>{active}</td>
      <td>{inactive}</td>
      <td>{statistics.connections}</td>
      <td>{shortNumber(rates.inPacketsPerSecond)}</td>
    </tr>
  )
}

interface WeightInputProps {
  readonly label: string
  readonly weight: number
  set(weight: number): void
}

/** What is being typed stands until it is done or left: news of the director come in between. */
function WeightInput({ label, weight, set }: WeightInputProps) {
  const [draft, setDraft] = useState<string | null>(null)
  useEffect(() => setDraft(null), [weight])
  return (
    <input
      type="number"
      min={0}
      max={WEIGHT_MAX}
      value={draft ?? String(weight)}
      aria-label={label}
      onInput={(event) => setDraft(event.currentTarget.value)}
      onChange={(event) => set(event.currentTarget.valueAsNumber)}
      onBlur={() => setDraft(null)}
    />
  )
}
