/**
 * The one list of ways in which a frame's journey can end, in the order in which `forward.ts` can
 * reach them. Counters, metrics labels, captions, the table in `docs/verdicts.md` and the fixtures
 * that the tests demand all come from it; nothing else names an ending.
 *
 * Each has one action:
 *
 *   forward  rewritten in place and sent to a realserver
 *   answer   consumed; the director itself sent an answer
 *   pass     left to the director's own kernel, untouched
 *   hold     kept for later (a copy waits for a neighbour or for the rest of its datagram)
 *   drop     consumed, and nothing is sent
 */
export type Action = 'forward' | 'answer' | 'pass' | 'hold' | 'drop'

interface Ending {
  readonly name: string
  readonly action: Action
  readonly sentence: string
}

function ending(action: Action, name: string, sentence: string): Ending {
  return { name, action, sentence }
}

// biome-ignore format: one ending a line
export const ENDINGS: readonly Ending[] = [
  // 1. Link layer
  ending('drop', 'truncated-ethernet', 'Shorter than an Ethernet header (with its VLAN tags).'),
  ending('pass', 'other-host', 'Its destination MAC address is not ours: somebody else on the segment, a group, or everybody.'),
  ending('pass', 'not-ip', 'Neither IPv4, IPv6 nor ARP.'),
  // ARP and neighbour discovery
  ending('drop', 'malformed-arp', 'Too short for ARP, or not ARP for IPv4 over Ethernet.'),
  ending('answer', 'arp-answered', 'Who has the VIP? The director has: answered with its own MAC address.'),
  ending('pass', 'neighbour-learned', 'An ARP or neighbour discovery answer: the MAC address of a neighbour that the director uses.'),
  ending('pass', 'arp-ignored', 'ARP that concerns neither a VIP nor a neighbour that the director uses.'),
  ending('drop', 'malformed-nd', 'Neighbour discovery that RFC 4861 section 7.1 tells a receiver to discard.'),
  ending('answer', 'nd-answered', 'Neighbour solicitation for a VIP: answered with the MAC address of the director.'),
  ending('pass', 'nd-ignored', 'Neighbour discovery that concerns neither a VIP nor a neighbour that the director uses.'),
  // 2. Network layer
  ending('drop', 'malformed-ip', 'An IP header with a wrong version, or with a length that leaves the frame.'),
  ending('drop', 'bad-ip-checksum', 'An IPv4 header whose checksum is wrong.'),
  ending('pass', 'not-vip', 'Its destination address is not a virtual IP of the director.'),
  ending('drop', 'martian-source', 'A source address that no client can have: loopback, multicast, broadcast, this network, or a VIP.'),
  ending('drop', 'malformed-extension', 'An IPv6 extension header that leaves the packet, or too many of them.'),
  ending('answer', 'extension-refused', 'An IPv6 option, routing or authentication header that a host must refuse: answered with ICMP parameter problem.'),
  ending('hold', 'fragment-held', 'A fragment: kept until the fragment (or all of them) that it needs has come.'),
  ending('drop', 'fragment-dropped', 'A fragment that overlaps, leaves the largest datagram, or found no room.'),
  // 3. Whose conversation is it?
  ending('drop', 'truncated-transport', 'Cut within the part of its transport header that is needed to serve it.'),
  ending('pass', 'left-to-kernel', 'Nothing that is served, to a VIP that the kernel of the director holds too: the kernel answers.'),
  ending('answer', 'echo-answered', 'Echo request to the VIP: answered by the director.'),
  ending('drop', 'icmp-ignored', 'ICMP to the VIP that asks for no answer and belongs to no connection.'),
  ending('answer', 'protocol-unreachable', 'A protocol that nobody serves at the VIP: answered with ICMP protocol unreachable.'),
  ending('answer', 'no-service', 'No service at this port of the VIP: answered as a host without listeners does.'),
  ending('answer', 'not-an-opening', 'No connection, and nothing that may open one: answered as a host without listeners does.'),
  ending('drop', 'unanswerable', 'No connection and nothing to open one, in a form that no host answers (a TCP reset).'),
  ending('drop', 'shed', 'A new connection, dropped to save memory (drop_packet).'),
  ending('answer', 'no-destination', 'The service has no destination to choose: answered with ICMP port unreachable.'),
  ending('drop', 'connections-full', 'A new connection, and the connection table is full.'),
  ending('drop', 'destination-gone', 'The destination of its connection has been removed from the service.'),
  // 4. On its way out
  ending('drop', 'method-unsupported', 'Its destination is reached by masquerading or tunnelling, which the director does not do.'),
  ending('answer', 'destination-unroutable', 'No route or no live neighbour leads to the realserver: answered with ICMP host unreachable.'),
  ending('pass', 'local-destination', 'Its realserver is the director itself: left to the kernel.'),
  ending('answer', 'ttl-exceeded', 'Its TTL (hop limit) ends here: answered with ICMP time exceeded (kernel mode).'),
  ending('answer', 'too-big', 'Larger than the MTU of the way to the realserver, not to be fragmented: answered with that MTU (kernel mode).'),
  ending('drop', 'too-big-dropped', 'Larger than the MTU of the way to the realserver, and no answer is allowed or possible.'),
  ending('hold', 'neighbour-held', 'The MAC address of the realserver is not known yet: a copy waits for it.'),
  ending('drop', 'neighbour-queue-full', 'The MAC address of the realserver is not known, and no more frames can wait for it.'),
  ending('drop', 'answer-limited', 'An answer was due, but the rate limit, --quiet or an RFC (no errors about errors) forbids it; or it would come from an address that is not ours.'),
  ending('hold', 'fragmented', 'Cut into fragments that leave in its place (kernel mode).'),
  ending('forward', 'forwarded', 'Sent to its realserver.'),
]

export type Verdict = number

export const VERDICT_COUNT = ENDINGS.length

/** The number of the ending called `name`. Throws if there is none: a mistake of ours. */
export function verdictOf(name: string): Verdict {
  const index = ENDINGS.findIndex((e) => e.name === name)
  if (index < 0) throw new Error(`no verdict is called ${name}`)
  return index
}

export const TRUNCATED_ETHERNET = verdictOf('truncated-ethernet')
export const OTHER_HOST = verdictOf('other-host')
export const NOT_IP = verdictOf('not-ip')
export const MALFORMED_ARP = verdictOf('malformed-arp')
export const ARP_ANSWERED = verdictOf('arp-answered')
export const NEIGHBOUR_LEARNED = verdictOf('neighbour-learned')
export const ARP_IGNORED = verdictOf('arp-ignored')
export const MALFORMED_ND = verdictOf('malformed-nd')
export const ND_ANSWERED = verdictOf('nd-answered')
export const ND_IGNORED = verdictOf('nd-ignored')
export const MALFORMED_IP = verdictOf('malformed-ip')
export const BAD_IP_CHECKSUM = verdictOf('bad-ip-checksum')
export const NOT_VIP = verdictOf('not-vip')
export const MARTIAN_SOURCE = verdictOf('martian-source')
export const MALFORMED_EXTENSION = verdictOf('malformed-extension')
export const EXTENSION_REFUSED = verdictOf('extension-refused')
export const FRAGMENT_HELD = verdictOf('fragment-held')
export const FRAGMENT_DROPPED = verdictOf('fragment-dropped')
export const TRUNCATED_TRANSPORT = verdictOf('truncated-transport')
export const LEFT_TO_KERNEL = verdictOf('left-to-kernel')
export const ECHO_ANSWERED = verdictOf('echo-answered')
export const ICMP_IGNORED = verdictOf('icmp-ignored')
export const PROTOCOL_UNREACHABLE = verdictOf('protocol-unreachable')
export const NO_SERVICE = verdictOf('no-service')
export const NOT_AN_OPENING = verdictOf('not-an-opening')
export const UNANSWERABLE = verdictOf('unanswerable')
export const SHED = verdictOf('shed')
export const NO_DESTINATION = verdictOf('no-destination')
export const CONNECTIONS_FULL = verdictOf('connections-full')
export const DESTINATION_GONE = verdictOf('destination-gone')
export const METHOD_UNSUPPORTED = verdictOf('method-unsupported')
export const DESTINATION_UNROUTABLE = verdictOf('destination-unroutable')
export const LOCAL_DESTINATION = verdictOf('local-destination')
export const TTL_EXCEEDED = verdictOf('ttl-exceeded')
export const TOO_BIG = verdictOf('too-big')
export const TOO_BIG_DROPPED = verdictOf('too-big-dropped')
export const NEIGHBOUR_HELD = verdictOf('neighbour-held')
export const NEIGHBOUR_QUEUE_FULL = verdictOf('neighbour-queue-full')
export const ANSWER_LIMITED = verdictOf('answer-limited')
export const FRAGMENTED = verdictOf('fragmented')
export const FORWARDED = verdictOf('forwarded')

export const PASS = 0
export const DROP = 1
export const ANSWER = 2
export const HOLD = 3
export const FORWARD = 4

const ACTION_CODE: Record<Action, number> = {
  pass: PASS,
  drop: DROP,
  answer: ANSWER,
  hold: HOLD,
  forward: FORWARD,
}

/** What a port does with a frame, by verdict: only FORWARD is sent by `settle()`. */
export const ACTION: Uint8Array = Uint8Array.from(ENDINGS, (e) => ACTION_CODE[e.action])
