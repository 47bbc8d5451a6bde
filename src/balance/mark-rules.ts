/**
 * The mark rules as operators write them: judged, kept in order, and put into the table that
 * packets are held against (`marks.ts`).
 */
import { parseAddress } from './address.js'
import { isWhole } from './judge.js'
import { ANY_PORT, LOCAL_MARKS_MAX, MARKS_MAX, type MarkEntry, MarkTable } from './marks.js'
import { type MarkProtocol, type MarkRule, type Rule, RuleError, type ServiceKey } from './rule.js'

/** IANA numbers of what a mark rule can ask for. */
const PROTOCOLS: Record<MarkProtocol, number> = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 }
const MARK_MAX = 0xffff_ffff

type MarkOp = 'add-mark' | 'delete-mark' | 'flush-marks' | 'add-local-mark' | 'delete-local-mark'

export class MarkBook {
  readonly #table: MarkTable
  #rules: readonly MarkRule[] = []
  #entries: readonly MarkEntry[] = []
  #local: readonly number[] = []

  constructor(table: MarkTable) {
    this.#table = table
  }

  /** The rules in the order in which they are looked at. */
  get rules(): readonly MarkRule[] {
    return this.#rules
  }

  /** Marks whose packets are served whatever their address. */
  get local(): readonly number[] {
    return this.#local
  }

  /** The same rules over a table of its own, for trying what would become of them. */
  copy(): MarkBook {
    const copy = new MarkBook(new MarkTable())
    copy.#set(this.#rules, this.#entries, this.#local)
    return copy
  }

  apply(rule: Extract<Rule, { op: MarkOp }>): void {
    switch (rule.op) {
      case 'add-mark':
        this.add(rule.rule)
        break
      case 'delete-mark':
        this.delete(rule.rule)
        break
      case 'flush-marks':
        this.flush()
        break
      case 'add-local-mark':
        this.addLocal(rule.mark)
        break
      case 'delete-local-mark':
        this.deleteLocal(rule.mark)
    }
  }

  add(rule: MarkRule): void {
    const entry = entryOf(rule)
    if (this.#indexOf(rule) >= 0) {
      throw new RuleError('EEXIST', 'mark', `the mark rule ${markText(rule)} exists already`)
    }
    if (this.#rules.length === MARKS_MAX) {
      throw new RuleError('ENOSPC', 'mark', `no room for more than ${MARKS_MAX} mark rules`)
    }
    this.#set([...this.#rules, rule], [...this.#entries, entry], this.#local)
  }

  delete(rule: MarkRule): void {
    const index = this.#indexOf(rule)
    if (index < 0) {
      throw new RuleError('ENOENT', 'mark', `there is no mark rule ${markText(rule)}`)
    }
    this.#set(this.#rules.toSpliced(index, 1), this.#entries.toSpliced(index, 1), this.#local)
  }

  flush(): void {
    this.#set([], [], this.#local)
  }

  addLocal(mark: number): void {
    if (!isWhole(mark, 1, MARK_MAX)) throw noMark(mark)
    if (this.#local.includes(mark)) return
    if (this.#local.length === LOCAL_MARKS_MAX) {
      throw new RuleError('ENOSPC', 'mark', `no room for more than ${LOCAL_MARKS_MAX} local marks`)
    }
    this.#set(this.#rules, this.#entries, [...this.#local, mark])
  }

  deleteLocal(mark: number): void {
    if (!this.#local.includes(mark)) {
      throw new RuleError('ENOENT', 'mark', `${mark} is no local mark`)
    }
    const rest = this.#local.filter((each) => each !== mark)
    this.#set(this.#rules, this.#entries, rest)
  }

  #set(rules: readonly MarkRule[], entries: readonly MarkEntry[], local: readonly number[]): void {
    this.#rules = rules
    this.#entries = entries
    this.#local = local
    this.#table.replace(
      entries,
      local.map((mark) => mark | 0),
    )
  }

  #indexOf(rule: MarkRule): number {
    const text = markText(rule)
    return this.#rules.findIndex((each) => markText(each) === text)
  }
}

/** A rule as `uipvs mark add` takes it: `80 --proto tcp --dst 192.168.1.110 --dport 80:89`. */
export function markText({ mark, protocol, source, destination, ports }: MarkRule): string {
  const words = [String(mark)]
  if (protocol !== undefined) words.push('--proto', protocol)
  if (source !== undefined) words.push('--src', source)
  if (destination !== undefined) words.push('--dst', destination)
  if (ports !== undefined) {
    const [low, high] = ports
    words.push('--dport', low === high ? String(low) : `${low}:${high}`)
  }
  return words.join(' ')
}

/** The one address that a rule is about, canonical; null if it is about several, or any. */
export function onlyDestination(rule: MarkRule): string | null {
  if (rule.destination === undefined) return null
  const [address = '', bits] = rule.destination.split('/')
  const isWholeAddress = bits === undefined || Number(bits) === (address.includes(':') ? 128 : 32)
  return isWholeAddress ? address : null
}

/**
 * The addresses that rules name one by one and whose mark has a service: there the director is to
 * be found, as at the addresses of other services.
 */
export function markedAddresses(
  rules: readonly MarkRule[],
  keys: readonly ServiceKey[],
): { address: string; rule: MarkRule }[] {
  return rules.flatMap((rule) => {
    const address = onlyDestination(rule)
    const family = address?.includes(':') ? 'inet6' : 'inet'
    const isServed = keys.some(
      (key) => 'fwmark' in key && key.fwmark === rule.mark && key.family === family,
    )
    return address !== null && isServed ? [{ address, rule }] : []
  })
}

function entryOf(rule: MarkRule): MarkEntry {
  const { mark, protocol, ports } = rule
  if (!isWhole(mark, 0, MARK_MAX)) throw noMark(mark)
  const source = prefixOf(rule.source)
  const destination = prefixOf(rule.destination)
  const families = new Set([source.family, destination.family].filter((family) => family !== 0))
  if (protocol === 'icmp') families.add(4)
  if (protocol === 'icmpv6') families.add(6)
  if (families.size > 1) {
    throw new RuleError('EAFNOSUPPORT', 'mark', 'the addresses of a mark rule are of one family')
  }
  const [family = 0] = families
  const [lowPort, highPort] = ports ?? [ANY_PORT, ANY_PORT]
  if (ports !== undefined) judgePorts(lowPort, highPort, protocol)
  return {
    mark: mark | 0,
    protocol: protocol === undefined ? 0 : PROTOCOLS[protocol],
    family,
    lowPort,
    highPort,
    sourceBits: source.bits,
    destinationBits: destination.bits,
    source: source.words,
    destination: destination.words,
  }
}

/** As in iptables, ports are those of a protocol that has them. */
function judgePorts(low: number, high: number, protocol: MarkProtocol | undefined): void {
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
    throw new RuleError('EINVAL', 'mark', 'ports go with the protocol tcp, udp or sctp')
  }
  if (!isWhole(low, 0, 65535) || !isWhole(high, low, 65535)) {
    throw new RuleError('EINVAL', 'mark', `${low}:${high} is no range of ports`)
  }
}

/** `192.168.1.0/24` or an address; nothing: every address of both families. */
function prefixOf(text: string | undefined) {
  if (text === undefined) return { family: 0 as const, bits: 0, words: new Int32Array(4) }
  const [address = '', length] = text.split('/')
  const parsed = parseAddress(address)
  const most = parsed?.family === 6 ? 128 : 32
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : -1
  if (parsed === null || !isWhole(bits, 0, most) || text.split('/').length > 2) {
    throw new RuleError('EINVAL', 'mark', `${text} is no address or prefix`)
  }
  return { ...parsed, bits }
}

function noMark(mark: number): RuleError {
  return new RuleError('EINVAL', 'mark', `${mark} is no firewall mark`)
}
