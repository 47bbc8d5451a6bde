#!/bin/sh
# One SYN, step by step: who could have had it, who has it, and which bytes that changed.
cd "$(dirname "$0")" || exit
uipvs explain --rules rules.ipvs --mac 192.168.1.3=02:00:00:00:00:03 \
  tcp 192.168.1.254:40000 192.168.1.110:80
