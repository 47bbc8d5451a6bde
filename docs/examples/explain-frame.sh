#!/bin/sh
# Why was the last frame of the capture refused? Its connection had been idle for too long.
cd "$(dirname "$0")" || exit
uipvs explain --rules rules.ipvs --pcap clients.pcap --frame 29
