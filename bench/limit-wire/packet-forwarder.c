/*
 * The least that a packet socket forwarder can do, in C: every IPv4 frame of one interface leaves
 * by another with two new MAC addresses, and nothing is decided. See xdp-forwarder.c.
 *
 *     packet-forwarder IN OUT DESTINATION-MAC SOURCE-MAC
 *
 * The same ring (TPACKET_V3) and the same calls (sendmmsg from within the ring) as
 * src/port/af-packet.ts, without virtio headers. Prints "ready"; ends at SIGTERM.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define BLOCK_BYTES (128 * 1024)
#define BLOCKS 128
#define BATCH 256
#define SPINS 40
#define SEND_BUFFER (8 << 20)

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int open_socket(const char *name, int protocol) {
  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) die("socket");
  int version = TPACKET_V3, one = 1, buffer = SEND_BUFFER;
  if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version)) die("PACKET_VERSION");
  setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
  if (protocol != 0) {
    struct tpacket_req3 ring = {.tp_block_size = BLOCK_BYTES, .tp_block_nr = BLOCKS, .tp_frame_size = 2048,
                                .tp_frame_nr = BLOCK_BYTES / 2048 * BLOCKS, .tp_retire_blk_tov = 1};
    if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring)) die("PACKET_RX_RING");
  }
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol),
                                .sll_ifindex = if_nametoindex(name)};
  if (bind(fd, (struct sockaddr *)&address, sizeof address)) die("bind");
  return fd;
}

static void parse_mac(const char *text, unsigned char *mac) {
  if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
    exit(2);
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  unsigned char macs[12];
  parse_mac(argv[3], macs);
  parse_mac(argv[4], macs + 6);
  int in = open_socket(argv[1], ETH_P_IP), out = open_socket(argv[2], 0);
  char *ring = mmap(NULL, (size_t)BLOCK_BYTES * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, in, 0);
  if (ring == MAP_FAILED) die("mmap");
  static struct mmsghdr messages[BATCH];
  static struct iovec pieces[BATCH];
  for (int i = 0; i < BATCH; i++) messages[i].msg_hdr.msg_iov = &pieces[i], messages[i].msg_hdr.msg_iovlen = 1;
  puts("ready");
  fflush(stdout);
  struct pollfd sleeper = {.fd = in, .events = POLLIN};
  unsigned empty = 0;
  for (unsigned number = 0;;) {
    struct tpacket_block_desc *block = (void *)(ring + (size_t)number * BLOCK_BYTES);
    uint32_t *status = &block->hdr.bh1.block_status;
    if ((__atomic_load_n(status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) {
      if (++empty > SPINS) poll(&sleeper, 1, 10);
      continue;
    }
    empty = 0;
    struct tpacket3_hdr *frame = (void *)((char *)block + block->hdr.bh1.offset_to_first_pkt);
    for (uint32_t left = block->hdr.bh1.num_pkts; left > 0;) {
      int count = 0;
      for (; count < BATCH && left > 0; left--, count++) {
        pieces[count].iov_base = (char *)frame + frame->tp_mac;
        pieces[count].iov_len = frame->tp_snaplen;
        memcpy(pieces[count].iov_base, macs, 12);
        frame = (void *)((char *)frame + frame->tp_next_offset);
      }
      for (int sent = 0; sent < count;) {
        int now = sendmmsg(out, messages + sent, count - sent, MSG_DONTWAIT);
        sent += now > 0 ? now : 1;
      }
    }
    __atomic_store_n(status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    number = number + 1 == BLOCKS ? 0 : number + 1;
  }
}
