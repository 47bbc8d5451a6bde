// The director as a library: rules, frames, and what becomes of them. No privileges, no network.
import { build, Explainer } from 'uipvs'

const service = { protocol: 'tcp', address: '192.168.1.110', port: 80 }
const settings = {
  scheduler: 'wrr',
  persistent: 0,
  netmask: '255.255.255.255',
  ops: false,
  pe: '',
  schedulerFlags: 0,
}
const rules = [{ op: 'add-service', service, settings }]
for (const [address, weight] of [['192.168.1.2', 3], ['192.168.1.3', 1]]) {
  const given = { method: 'route', weight, upperThreshold: 0, lowerThreshold: 0 }
  rules.push({
    op: 'add-destination',
    service,
    destination: { address, port: 80 },
    settings: given,
  })
}

const director = new Explainer({ rules, mode: 'textbook', directorMac: { high: 0x0200, low: 1 } })
for (let client = 1; client <= 8; client++) {
  const frame = build({
    ethernet: { destination: '02:00:00:00:00:01' },
    ipv4: { source: `10.0.0.${client}`, destination: '192.168.1.110' },
    tcp: { sport: 40000, dport: 80 },
  })
  const { verdict, realserver } = director.explain(frame, client)
  console.log(`10.0.0.${client}: ${verdict.name} to ${realserver.address} at ${realserver.mac}`)
}
