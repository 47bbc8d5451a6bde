/** The services of a running director, with what can be turned about them. */
import { useEffect, useState } from 'preact/hooks'
import { SCHEDULERS } from '../../balance/schedulers/index.js'
import { serviceText } from '../../cli/ipvsadm/endpoint-text.js'
import type { DestinationListing, ServiceListing } from '../../control/listing.js'
import { shortNumber } from './chart.jsx'
import { type Change, changeService, changeWeight } from './commands.js'
import { Scroll } from './scroll.jsx'
import type { Texts } from './texts/index.js'

const WEIGHT_MAX = 65_535

export interface LiveServicesProps {
  readonly texts: Texts
  readonly services: readonly ServiceListing[]
  change(change: Change): void
}

export function LiveServices({ texts, services, change }: LiveServicesProps) {
  if (services.length === 0) return <p class="hint">{texts.live.noServices}</p>
  return (
    <>
      {services.map((listed) => {
        const name = serviceText(listed.service, null)
        return (
          <Scroll key={name} label={name}>
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
                  <th scope="col">MAC</th>
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
      </th>
      <td class="mac">{mac ?? '?'}</td>
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
