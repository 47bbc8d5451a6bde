#!/bin/sh
# Linux decrements the TTL in Direct Routing too; textbooks leave that out. Here it ends at 1.
cd "$(dirname "$0")" || exit
for mode in textbook kernel; do
  echo "$mode mode:"
  uipvs explain --rules rules.ipvs --mode $mode --ttl 1 \
    tcp 192.168.1.254:40000 192.168.1.110:22 | grep -A 1 '= verdict'
done
