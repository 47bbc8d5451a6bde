/**
 * How a shell's script asks the running director for its services and realservers: it reads what
 * `uipvsadm -S -n` prints, which is silent (2>/dev/null) and at its end at once if none runs.
 */

/** Prints the services that are saved under the option `wanted`. */
export const SERVICES_AWK = '$1 == "-A" && $2 == wanted { print $3 }'

/**
 * Prints the realservers of the service that is saved as `wanted` and `service`, or those of all
 * services if `wanted` is empty.
 */
export const REALSERVERS_AWK =
  '$1 == "-a" && (wanted == "" || ($2 == wanted && $3 == service)) ' +
  '{ for (i = 4; i < NF; i++) if ($i == "-r" && !seen[$(i + 1)]++) print $(i + 1) }'

/** The option of one letter, alone or behind a command's. */
function withCommand(letter: string): string[] {
  return [`-${letter}`, ...[...'AEDaedLlZ'].map((command) => `-${command}${letter}`)]
}

/** The options that name a service, by the one under which it is saved. */
export const SERVICE_OPTIONS: readonly [saved: string, names: readonly string[]][] = [
  ['-t', [...withCommand('t'), '--tcp-service']],
  ['-u', [...withCommand('u'), '--udp-service']],
  ['--sctp-service', ['--sctp-service']],
  ['-f', [...withCommand('f'), '--fwmark-service']],
]
