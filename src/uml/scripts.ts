/**
 * The two shell scripts between which Linux runs: one prepares what the kernel is started in, the
 * other is the first process inside it. What is special to one use is put into their middle.
 */

export const READY = '@@READY'
/** Behind the output of a command, with its exit status. */
export const END = '@@END'

export interface Wire {
  /** The interface of the network namespace outside; inside it is `vec0`, `vec1`, … in order. */
  readonly interface: string
  readonly mac: string
  /**
   * Whether frames longer than the MTU come in (GSO: what a sender on this machine leaves to be
   * cut). Every frame then takes a buffer of 64 KiB, which costs time.
   */
  readonly takesLong?: boolean
}

export interface Launch {
  /** Shell lines before the kernel is started. */
  readonly before: string
  readonly wires: readonly Wire[]
}

/**
 * The kernel as this very process. Its memory, its sockets and its init lie on a /tmp that nobody
 * else sees. Its interfaces are packet sockets with virtio's header, so that a checksum that the
 * sender left to its hardware is known to be unfinished, and leaves as it came.
 */
export function launchScript({ before, wires }: Launch): string {
  const devices = wires.map(
    ({ interface: name, mac, takesLong }, i) =>
      `vec${i}:transport=raw,ifname=${name},depth=128,mac=${mac}${takesLong ? ',gro=1' : ''}`,
  )
  return `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /tmp
printf '%s' "$1" > /tmp/init
chmod +x /tmp/init
${before}
export HOME=/tmp TMPDIR=/tmp
exec linux.uml mem=256M root=/dev/root rootfstype=hostfs rootflags=/ ro init=/tmp/init \\
  con0=fd:0,fd:1 con=null quiet umid=director ${devices.join(' ')}
`
}

/**
 * The first process: what every Linux needs, then `body`, then commands from the console, each
 * answered by its output and its exit status. The end of input halts the machine.
 */
export function initScript(body: string): string {
  return `#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmp /tmp; mount -t tmpfs run /run
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/
stty -echo -onlcr
echo 1 > /proc/sys/kernel/printk
# Debian keeps this kernel's modules in a place of their own, and / cannot be written to.
mkdir -p /tmp/root/lib /tmp/root/usr/lib
ln -s /usr/lib/uml/modules /tmp/root/lib/modules
ln -s /usr/lib/uml/modules /tmp/root/usr/lib/modules
export MODPROBE_OPTIONS='-d /tmp/root'
modprobe ipv6
${body}
echo ${READY}
while IFS= read -r line; do
  eval "$line" 2>&1
  echo "${END} $?"
done
halt -f
`
}
