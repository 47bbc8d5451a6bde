/** Some of the connections of a running director, and the state machine of the one chosen. */
import type { Moment } from '../moment.js'
import { Connections } from './tables-view.jsx'
import type { Texts } from './texts/index.js'

export function LiveConnections({ texts, moment }: { texts: Texts; moment: Moment }) {
  const { connections, status } = moment
  const tables = {
    services: [],
    connections,
    connectionCount: status.connections + status.templates,
  }
  return (
    <section class="card" aria-labelledby="connections">
      <h2 id="connections">{texts.live.connections}</h2>
      <Connections {...{ texts, tables, wanted: null }} />
    </section>
  )
}
