/**
 * What the oracle puts into the scripts of `src/uml`: its network outside, and inside the one of
 * the recordings (`test/fixtures/decisions/README.md`).
 */
import type { Wire } from '../uml/scripts.js'

/** The interface on which the recorder sends and hears. */
export const RECORDER_INTERFACE = 'v1'

export const WIRE: Wire = { interface: 'v0', mac: '02:00:00:00:ff:01' }

const SCHEDULER_MODULES = 'rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh'
  .split(' ')
  .map((name) => `ip_vs_${name}`)
  .join(' ')

/** Modules of a scenario. All go when the next begins, the dependent ones first. */
const MARK_MODULES = 'iptable_mangle ip6table_mangle xt_mark xt_multiport'
const FILTER_MODULES = `${MARK_MODULES} ip_tables ip6_tables`

/** Links. Checksums are computed before frames cross the pair. */
export const NETWORK = `sysctl -qw net.ipv6.conf.all.disable_ipv6=1
sysctl -qw net.ipv6.conf.default.disable_ipv6=1
ip link add v0 address ${WIRE.mac} type veth peer name ${RECORDER_INTERFACE}
ip link set v0 arp off
ethtool -K v0 tx off >/dev/null
ethtool -K ${RECORDER_INTERFACE} tx off >/dev/null
ip link set v0 up
ip link set ${RECORDER_INTERFACE} up`

export const INIT = `for key in addr_gen_mode=1 accept_dad=0 dad_transmits=0 autoconf=0 \\
  accept_ra=0 router_solicitations=0; do
  sysctl -qw net.ipv6.conf.default.$key net.ipv6.conf.vec0.$key
done
# Every error is to be seen.
sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000 \\
  net.ipv4.icmp_msgs_burst=100000 net.ipv6.icmp.ratelimit=0
ip link set lo up
# Receive offload could deliver a packet after the one that follows it.
ethtool -K vec0 gro off > /dev/null 2>&1
ip link set vec0 up
ip addr add 192.168.1.1/24 dev vec0
ip addr add 2001:db8:1::1/64 dev vec0 nodad
n=2
while [ $n -le 254 ]; do
  printf 'neigh replace 192.168.1.%d lladdr 02:00:00:00:00:%02x dev vec0 nud permanent\\n' $n $n
  printf 'neigh replace 2001:db8:1::%x lladdr 02:00:00:00:00:%02x dev vec0 nud permanent\\n' $n $n
  n=$((n + 1))
done > /tmp/neighbours
ip -batch /tmp/neighbours
ip route add default via 192.168.1.254
ip route add default via 2001:db8:1::fe dev vec0

# IPVS as the machine booted: no connection, no deleted server in its trash, each setting as it was.
fresh() {
  if [ -e /proc/net/ip_vs ]; then
    ipvsadm -C
    modprobe -ra ${SCHEDULER_MODULES} ip_vs || return 1
  fi
  # The first IPv6 service switches defragmentation on, and nothing switches it off.
  [ ! -e /sys/module/iptable_mangle ] || iptables-legacy -t mangle -F
  [ ! -e /sys/module/ip6table_mangle ] || ip6tables-legacy -t mangle -F
  modprobe -ra ${FILTER_MODULES} nf_conntrack nf_defrag_ipv6 2> /dev/null
  ip -4 -o addr show dev vec0 | awk '$4 ~ "/32$" { print "addr del", $4, "dev vec0" }' > /tmp/old
  ip -6 -o addr show dev vec0 | awk '$4 ~ "/128$" { print "addr del", $4, "dev vec0" }' >> /tmp/old
  ip -batch /tmp/old || return 1
  for family in -4 -6; do
    ip $family route show | awk '/ mtu / { print "route del", $1, "dev vec0" }' > /tmp/old
    ip $family -batch /tmp/old || return 1
    while ip $family rule del lookup 100 2> /dev/null; do :; done
    ip $family route flush table 100 2> /dev/null
  done
  ip -6 route flush cache
  modprobe -a ip_vs ${SCHEDULER_MODULES}
}`
