#!/bin/sh
# A capture through the director: what becomes of each frame, and who got how much.
cd "$(dirname "$0")" || exit
uipvs replay --rules rules.ipvs clients.pcap
