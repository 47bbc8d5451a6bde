/** Services for a table that is longer than a screen: 3 services, 31 realservers. */
export const RESTORE_LINES: readonly string[] = [
  '-A -t 192.168.1.110:80 -s rr',
  ...Array.from({ length: 29 }, (_, i) => {
    return `-a -t 192.168.1.110:80 -r 192.168.1.${i + 2}:80 -g -w ${i + 2}`
  }),
  '-a -t 192.168.1.110:80 -r 192.168.1.99:80 -m -w 3',
  '-A -u [2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa]:53 -s wlc',
  '-a -u [2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa]:53 -r [2001:db8::ab]:53 -g',
  '-A -f 171 -s lc',
]
