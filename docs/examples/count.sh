#!/bin/sh
# One JSON object a line: for jq, or for grep.
cd "$(dirname "$0")" || exit
for port in 22 80; do
  frames=$(uipvs replay --rules rules.ipvs --json clients.pcap |
    grep -c "\"verdict\":\"forwarded\".*\"realserver\":\"192.168.1.[234]:$port\"")
  echo "port $port: $frames frames forwarded"
done
