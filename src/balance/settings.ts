/** The director's numbers: timeouts (`ipvsadm --set`) and what Linux has under `net.ipv4.vs`. */
import type { Balancer } from './balancer.js'
import { isWhole, TIMEOUT_MAX_S } from './judge.js'
import { RuleError } from './rule.js'
import { fixedSysctl, isSysctlName, SYSCTL_RANGES } from './sysctl.js'
import { TICKS_PER_S } from './timer-wheel.js'

/** Timeouts in seconds; 0 leaves one as it is. */
export function setTimeouts(balancer: Balancer, tcp: number, tcpfin: number, udp: number): void {
  judgeTimeouts(tcp, tcpfin, udp)
  if (tcp > 0) balancer.tcpTimeouts[1] = tcp * TICKS_PER_S
  if (tcpfin > 0) balancer.tcpTimeouts[4] = tcpfin * TICKS_PER_S
  if (udp > 0) balancer.udpTimeout = udp * TICKS_PER_S
}

export function judgeTimeouts(tcp: number, tcpfin: number, udp: number): void {
  for (const seconds of [tcp, tcpfin, udp]) {
    if (!isWhole(seconds, 0, TIMEOUT_MAX_S)) {
      throw new RuleError(
        'EINVAL',
        'timeout',
        `a timeout of ${seconds} s is not within 0 to ${TIMEOUT_MAX_S}`,
      )
    }
  }
}

export function setSysctl(balancer: Balancer, name: string, value: string): void {
  const number = judgeSysctl(name, value)
  if (!isSysctlName(name)) return
  balancer.sysctls[name] = number
  if (name === 'drop_entry' || name === 'drop_packet' || name === 'secure_tcp') {
    balancer.defence.update()
  }
}

/** The number that a setting shall have; of those that can't be changed it means nothing. */
export function judgeSysctl(name: string, value: string): number {
  if (!isSysctlName(name)) {
    checkFixed(name, value)
    return 0
  }
  const [min, max] = SYSCTL_RANGES[name]
  const number = /^\s*-?\d+\s*$/.test(value) ? Number(value) : Number.NaN
  if (!isWhole(number, min, max)) {
    throw new RuleError(
      'EINVAL',
      'sysctl',
      `${name} takes a whole number from ${min} to ${max}, not ${value}`,
    )
  }
  return number
}

/** A setting that can only be what it is. */
function checkFixed(name: string, value: string): void {
  const fixed = fixedSysctl(name)
  if (fixed === undefined) {
    throw new RuleError('ENOENT', 'sysctl', `there is no setting called ${name}`)
  }
  if (value.trim().split(/\s+/).join(' ') !== fixed.value) {
    const only = `${name} can only be ${fixed.value} here`
    throw new RuleError('EINVAL', 'sysctl', `${only}: ${fixed.reason}`)
  }
}
