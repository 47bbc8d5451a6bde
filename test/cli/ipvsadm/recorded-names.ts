/** The names of the recordings' machine: see test/fixtures/ipvsadm/README.md, "Surroundings". */
import { FileNames } from '../../../src/cli/ipvsadm/names.js'

export const HOSTS = `
127.0.0.1 localhost
::1 ip6-localhost
192.168.7.110 vip-seven
192.168.7.111 a-rather-long-virtual-host-name.example.test
192.168.7.112 an-extraordinarily-long-virtual-host-name.that-goes-on.and-on.example.test
192.168.7.2 rs-two
192.168.7.3 a-rather-long-real-server-name.example.test
10.20.9.9 vip-nine vip-nine-alias
10.20.9.2 rs-nine-two
10.20.9.3 another-quite-long-server-name.example.test
2001:db8:7::110 vip6-seven
`

export const SERVICES = `
amqp 5672/sctp
ssh 22/tcp # SSH Remote Login Protocol
smtp 25/tcp mail
domain 53/tcp
http 80/tcp www # WorldWideWeb HTTP
ldap 389/tcp
https 443/tcp
shell 514/tcp cmd syslog
imaps 993/tcp
mysql 3306/tcp
redis 6379/tcp
mysql-proxy 6446/tcp
http-alt 8080/tcp webcache
tproxy 8081/tcp
domain 53/udp
tftp 69/udp
ntp 123/udp
https 443/udp
syslog 514/udp
radius 1812/udp
sip 5060/udp
sip-tls 5061/udp
`

export function recordedNames(): FileNames {
  return new FileNames(
    () => SERVICES,
    () => HOSTS,
    null,
  )
}
