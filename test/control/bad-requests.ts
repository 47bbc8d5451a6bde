/** Requests to the control socket that make no sense. */
const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 }
const settings = { netmask: '255.255.255.255' }
const destination = { address: '10.0.0.2', port: 80 }
const one = (rule: unknown) => ({ rules: [rule] })
const add = { op: 'add-service', service, settings }
const addDestination = { op: 'add-destination', service, destination, settings: {} }

/** What it is, the request, and where the sentence of the answer has to point. */
export const BAD_REQUESTS: readonly [sentence: string, body: unknown, where: RegExp][] = [
  ['nothing', null, /^the request: /],
  ['a list', [], /^the request: /],
  ['a text', 'flush', /^the request: /],
  ['no rules', {}, /^rules: /],
  ['rules that are no list', { rules: {} }, /^rules: /],
  ['an unknown field', { rules: [], force: true }, /^the request: .*force/],
  ['atomic as text', { rules: [], atomic: 'yes' }, /^atomic: /],
  ['a rule that is none', one(7), /^rules\.0: /],
  ['a rule without op', one({}), /^rules\.0\.op: /],
  ['an unknown op', one({ op: 'reboot' }), /^rules\.0\.op: /],
  ["the director's own op", one({ op: 'reap', slots: [0] }), /^rules\.0\.op: /],
  ['the second of two', { rules: [{ op: 'flush' }, { op: 'zap' }] }, /^rules\.1\.op: /],
  ['an unknown field of a rule', one({ op: 'flush', now: 1 }), /^rules\.0: .*now/],
  ['a service without settings', one({ op: 'add-service', service }), /^rules\.0\.settings/],
  ['settings without netmask', one({ ...add, settings: {} }), /^rules\.0\.settings\.netmask/],
  [
    'an unknown protocol',
    one({ ...add, service: { ...service, protocol: 'icmp' } }),
    /^rules\.0\.service/,
  ],
  ['a port as text', one({ ...add, service: { ...service, port: '80' } }), /^rules\.0\.service/],
  [
    'a port beyond 65535',
    one({ ...add, service: { ...service, port: 65_536 } }),
    /^rules\.0\.service/,
  ],
  ['a negative port', one({ ...add, service: { ...service, port: -1 } }), /^rules\.0\.service/],
  ['a key and a mark', one({ ...add, service: { ...service, fwmark: 1 } }), /^rules\.0\.service/],
  ['a mark of 0', one({ ...add, service: { fwmark: 0, family: 'inet' } }), /^rules\.0\.service/],
  [
    'an address without end',
    one({ ...add, service: { ...service, address: '1'.repeat(10_000) } }),
    /^rules\.0\.service/,
  ],
  ['half a weight', one({ ...addDestination, settings: { weight: 0.5 } }), /settings\.weight/],
  [
    'a weight beyond 31 bits',
    one({ ...addDestination, settings: { weight: 2 ** 31 } }),
    /settings\.weight/,
  ],
  [
    'a negative threshold',
    one({ ...addDestination, settings: { upperThreshold: -1 } }),
    /settings\.upperThreshold/,
  ],
  [
    'an unknown method',
    one({ ...addDestination, settings: { method: 'nat' } }),
    /settings\.method/,
  ],
  [
    'an unknown tunnel',
    one({ ...addDestination, settings: { tunnel: { type: 'vxlan' } } }),
    /settings\.tunnel/,
  ],
  [
    'a timeout without end',
    one({ op: 'set-timeouts', tcp: 1e9, tcpfin: 0, udp: 0 }),
    /^rules\.0\.tcp/,
  ],
  ['a timeout that is missing', one({ op: 'set-timeouts', tcp: 1, tcpfin: 0 }), /^rules\.0\.udp/],
  ['a mark beyond 32 bits', one({ op: 'add-mark', rule: { mark: 2 ** 32 } }), /rule\.mark/],
  ['one port of two', one({ op: 'add-mark', rule: { mark: 1, ports: [80] } }), /rule\.ports/],
  [
    'a mark for a protocol that nobody marks',
    one({ op: 'add-mark', rule: { mark: 1, protocol: 'gre' } }),
    /rule\.protocol/,
  ],
  ["the recordings' own op", one({ op: 'add-local-mark', mark: 1 }), /^rules\.0\.op: /],
  ['a daemon without role', one({ op: 'start-daemon', daemon: {} }), /^rules\.0\.daemon/],
  ['a prototype', one(JSON.parse('{"op": "flush", "__proto__": {"a": 1}}')), /^rules\.0/],
]
