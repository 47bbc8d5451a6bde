/** The director's tables after the frame: services with their realservers, and connections. */
import { useState } from 'preact/hooks'
import type { ConnectionListing } from '../../control/listing.js'
import type { ViewProps } from './frame-view.jsx'
import { Scroll } from './scroll.jsx'
import { StateMachine, Timer } from './state-machine.jsx'
import type { ServiceRow, Tables } from './tables.js'
import type { Texts } from './texts/index.js'

export function TablesView({ texts, moment }: ViewProps) {
  const { tables, explanation } = moment
  return (
    <>
      <h3>{texts.services}</h3>
      {tables.services.map((service) => (
        <Service key={service.service} {...{ texts, service }} />
      ))}
      <h3>{texts.connectionsTitle}</h3>
      <Connections {...{ texts, tables, wanted: explanation.connection?.key ?? null }} />
    </>
  )
}

function Service({ texts, service }: { texts: Texts; service: ServiceRow }) {
  const { realservers } = service
  const all = realservers.reduce((sum, { connections }) => sum + connections, 0)
  return (
    <Scroll label={service.service}>
      <table>
        <caption>
          <code>{service.service}</code> {texts.scheduler} <code>{service.scheduler}</code>
          {service.persistent > 0 && `, ${texts.persistent} ${service.persistent} ${texts.seconds}`}
        </caption>
        <thead>
          <tr>
            <th scope="col">{texts.realserver}</th>
            <th scope="col">{texts.weight}</th>
            <th scope="col">{texts.active}</th>
            <th scope="col">{texts.inactive}</th>
            <th scope="col">{texts.connections}</th>
            <th scope="col">{texts.packets}</th>
            <th scope="col">{texts.bytes}</th>
            <th scope="col">{texts.score}</th>
          </tr>
        </thead>
        <tbody>
          {realservers.map((each) => (
            <tr key={each.realserver} class={each.isEligible ? '' : 'out'}>
              <th scope="row">{each.realserver}</th>
              <td>{each.weight}</td>
              <td>{each.active}</td>
              <td>{each.inactive}</td>
              <td>
                <meter
                  min={0}
                  max={Math.max(all, 1)}
                  value={each.connections}
                  aria-label={`${texts.share}: ${each.realserver}`}
                />{' '}
                {each.connections}
              </td>
              <td>{each.packets}</td>
              <td>{each.bytes}</td>
              <td>
                {!each.isEligible
                  ? texts.notEligible
                  : each.score === null
                    ? '–'
                    : Number(each.score.toPrecision(4))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}

function keyOf({ protocol, client, clientPort, vip, vport }: ConnectionListing): string {
  const end = (address: string, port: number) =>
    address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  return `${protocol} ${end(client, clientPort)} > ${end(vip, vport)}`
}

/** The one that was chosen: what it goes through, if it is of TCP, and its time. */
function Shown({ texts, shown }: { texts: Texts; shown: ConnectionListing | undefined }) {
  if (shown === undefined) return <p class="hint">{texts.chooseConnection}</p>
  const { state, expires } = shown
  if (shown.protocol === 'tcp' && !shown.template) {
    return <StateMachine {...{ texts, state, expires, of: keyOf(shown) }} />
  }
  return (
    <p>
      <code>{keyOf(shown)}</code> <b class="state">{shown.template ? texts.template : state}</b>{' '}
      <Timer {...{ texts, expires, of: expires }} />
    </p>
  )
}

interface ConnectionsProps {
  readonly texts: Texts
  readonly tables: Tables
  /** The connection of the frame that is looked at. */
  readonly wanted: string | null
}

export function Connections({ texts, tables, wanted }: ConnectionsProps) {
  const [picked, setPicked] = useState<string | null>(null)
  const { connections, connectionCount } = tables
  if (connectionCount === 0) return <p>{texts.noConnections}</p>
  const shown =
    connections.find((each) => keyOf(each) === picked) ??
    connections.find((each) => keyOf(each) === wanted)
  return (
    <>
      <Shown {...{ texts, shown }} />
      <Scroll label={texts.connectionsTitle}>
        <table>
          <thead>
            <tr>
              <th scope="col">{texts.connections}</th>
              <th scope="col">{texts.state}</th>
              <th scope="col">{texts.expires}</th>
              <th scope="col">{texts.destination}</th>
            </tr>
          </thead>
          <tbody>
            {connections.map((each) => {
              const key = keyOf(each)
              return (
                <tr key={`${key} ${each.template}`} class={each === shown ? 'chosen' : ''}>
                  <th scope="row">
                    <button type="button" class="link" onClick={() => setPicked(key)}>
                      {key}
                    </button>
                  </th>
                  <td>{each.template ? texts.template : each.state}</td>
                  <td>
                    {each.expires} {texts.seconds}
                  </td>
                  <td>
                    {each.destination}:{each.destinationPort}
                  </td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </Scroll>
      {connections.length < connectionCount && (
        <p>
          {connections.length} {texts.shownOf} {connectionCount}
        </p>
      )}
    </>
  )
}
