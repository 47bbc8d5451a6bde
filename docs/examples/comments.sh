#!/bin/sh
# Verdicts as packet comments: for Wireshark, or any other reader of pcapng.
cd "$(dirname "$0")" || exit
out=$(mktemp)
trap 'rm -f "$out"' EXIT
uipvs replay --rules rules.ipvs --summary clients.pcap -w "$out" > /dev/null
grep -aoE '(forwarded|no-service|not-an-opening|bad-ip-checksum): [ -~]+' "$out" | sort | uniq -c
