/**
 * What is wrong with a rule by itself, before any table is looked at: values, addresses, names. And
 * the text by which services and destinations are known in maps and messages.
 */
import {
  isLinkLocal6,
  isMulticast,
  isUnspecified,
  type ParsedAddress,
  parseAddress,
} from './address.js'
import {
  type DestinationKey,
  type DestinationSettings,
  PROTOCOL_NUMBER,
  RuleError,
  type ServiceKey,
  type ServiceSettings,
  type SyncDaemon,
} from './rule.js'
import type { SchedulerFactory } from './scheduler.js'

export const TIMEOUT_MAX_S = 2_678_400
const INT_MAX = 2_147_483_647

/** What a rule may ask of the world around the tables. */
export interface Surroundings {
  /** Would the kernel call this IPv4 address a broadcast address (a subnet's last)? */
  isBroadcast(address: string): boolean
  /** Is it one of the director's own addresses? */
  isLocal(address: string): boolean
  hasInterface(name: string): boolean
}

/**
 * Nothing is known of the surroundings: in tests and in workers, whose rules were judged already.
 */
export const UNKNOWN_SURROUNDINGS: Surroundings = {
  isBroadcast: (address) => address === '255.255.255.255',
  isLocal: () => false,
  hasInterface: () => true,
}

/** The factory of the scheduler that the settings name; null for `none`. */
export function judgeService(
  settings: ServiceSettings,
  family: 4 | 6,
  factories: ReadonlyMap<string, SchedulerFactory>,
): SchedulerFactory | null {
  const known = settings.scheduler === 'none' ? null : factories.get(settings.scheduler)
  if (known === undefined || (settings.pe !== '' && settings.pe !== 'sip')) {
    throw new RuleError(
      'ENOENT',
      'scheduler',
      known === undefined
        ? `there is no scheduler ${settings.scheduler}`
        : `there is no persistence engine ${settings.pe}`,
    )
  }
  if (!isWhole(settings.persistent, 0, TIMEOUT_MAX_S)) {
    throw new RuleError(
      'EINVAL',
      'service',
      `a persistence of ${settings.persistent} s is not within 0 to ${TIMEOUT_MAX_S}`,
    )
  }
  netmask(settings.netmask, family)
  return known
}

export function judgeThresholds(settings: DestinationSettings): void {
  const { weight, upperThreshold, lowerThreshold } = settings
  if (!isWhole(weight, 0, INT_MAX)) {
    throw new RuleError(
      'ERANGE',
      'destination',
      `a weight of ${weight} is not within 0 to ${INT_MAX}`,
    )
  }
  if (
    !isWhole(upperThreshold, 0, INT_MAX) ||
    !isWhole(lowerThreshold, 0, INT_MAX) ||
    lowerThreshold > upperThreshold
  ) {
    throw new RuleError(
      'ERANGE',
      'destination',
      `a lower threshold of ${lowerThreshold} does not go with an upper one of ${upperThreshold}`,
    )
  }
}

export function judgeAddress(
  key: DestinationKey,
  family: number,
  settings: DestinationSettings,
  surroundings: Surroundings,
): ParsedAddress {
  const parsed = parseAddress(key.address)
  if (parsed === null || !isWhole(key.port, 0, 65535)) {
    throw new RuleError('EINVAL', 'destination', `${destinationText(key)} is no address and port`)
  }
  if (parsed.family !== family && settings.method !== 'tunnel') {
    throw new RuleError(
      'EAFNOSUPPORT',
      'destination',
      `${key.address} is not of the service's address family`,
    )
  }
  const isUnicast =
    !isMulticast(parsed) &&
    !isUnspecified(parsed) &&
    !isLinkLocal6(parsed) &&
    !surroundings.isBroadcast(key.address)
  if (!isUnicast && !surroundings.isLocal(key.address)) {
    throw new RuleError('EINVAL', 'destination', `${key.address} is not a unicast address`)
  }
  return parsed
}

export function judgeDaemon(daemon: SyncDaemon, surroundings: Surroundings): void {
  if (surroundings.hasInterface(daemon.interface)) return
  throw new RuleError('ENODEV', 'daemon', `there is no interface ${daemon.interface}`)
}

// What the tables object to, in the words of both who carry rules out and who rehearse them.

export function serviceExists(text: string): RuleError {
  return new RuleError('EEXIST', 'service', `the service ${text} exists already`)
}

export function noService(text: string, subject: string): RuleError {
  return new RuleError('ESRCH', subject, `there is no service ${text}`)
}

export function destinationExists(text: string): RuleError {
  return new RuleError('EEXIST', 'destination', `${text} is in the service already`)
}

export function noDestination(text: string): RuleError {
  return new RuleError('ENOENT', 'destination', `the service has no destination ${text}`)
}

export function noRoom(subject: 'service' | 'destination', capacity: number): RuleError {
  return new RuleError('ENOSPC', subject, `no room for more than ${capacity} ${subject}s`)
}

export function daemonRuns(role: string): RuleError {
  return new RuleError('EALREADY', 'daemon', `a ${role} daemon runs already`)
}

export function noSuchDaemon(role: string): RuleError {
  return new RuleError('ESRCH', 'daemon', `no ${role} daemon runs`)
}

/** A service's key as one text, for maps and messages: `tcp 192.168.1.110:22`, `fwm 6 inet`. */
export function serviceText(key: ServiceKey): string {
  if ('fwmark' in key) return `fwm ${key.fwmark} ${key.family}`
  const host = key.address.includes(':') ? `[${key.address}]` : key.address
  return `${key.protocol} ${host}:${key.port}`
}

export function destinationText(key: DestinationKey): string {
  return key.address.includes(':') ? `[${key.address}]:${key.port}` : `${key.address}:${key.port}`
}

/** The words of a service's key. Throws a RuleError if it is none. */
export function parseServiceKey(key: ServiceKey) {
  if ('fwmark' in key) {
    if (!isWhole(key.fwmark, 1, 0xffffffff)) {
      throw new RuleError('EINVAL', 'service', `${key.fwmark} is no firewall mark`)
    }
    const family: 4 | 6 = key.family === 'inet' ? 4 : 6
    return { family, protocol: 0, words: new Int32Array(4), port: 0, fwmark: key.fwmark | 0 }
  }
  const parsed = parseAddress(key.address)
  if (parsed === null || !isWhole(key.port, 0, 65535)) {
    throw new RuleError('EINVAL', 'service', `${serviceText(key)} is no address and port`)
  }
  return { ...parsed, protocol: PROTOCOL_NUMBER[key.protocol], port: key.port, fwmark: 0 }
}

/** The netmask of persistence: an IPv4 mask as int32, an IPv6 prefix length as a number. */
export function netmask(text: string, family: 4 | 6): number {
  if (family === 4) {
    const parsed = parseAddress(text)
    if (parsed?.family === 4) return parsed.words[0]
  } else if (/^\d{1,3}$/.test(text) && isWhole(Number(text), 1, 128)) {
    return Number(text)
  }
  throw new RuleError('EINVAL', 'service', `${text} is no netmask`)
}

export function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max
}
