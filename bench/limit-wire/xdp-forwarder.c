/*
 * The least that an AF_XDP forwarder can do, in C: every frame of one interface leaves by another
 * with two new MAC addresses, and nothing is decided, looked up or counted. What uipvs is measured
 * against (bench/README.md); no part of the product.
 *
 *     xdp-forwarder IN OUT DESTINATION-MAC SOURCE-MAC
 *
 * The same rings, the same umem and the same calls as src/port/af-xdp.ts: one socket for each
 * interface, frames sent from where they were received. Prints "ready"; ends at SIGTERM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 4096
#define CHUNK 2048
#define CHUNKS (2 * 3 * ENTRIES)
#define BATCH 256
#define SPINS 40
#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9
#endif

struct ring {
  uint32_t *producer, *consumer, *flags;
  void *entries;
  uint32_t next;
};
struct xsk {
  int fd;
  struct ring rx, tx, fill, completion;
};

static unsigned char *umem;
static uint64_t free_chunks[CHUNKS];
static unsigned free_count;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static long bpf(int command, union bpf_attr *attr) {
  return syscall(SYS_bpf, command, attr, sizeof *attr);
}

static void map_ring(struct ring *ring, int fd, struct xdp_ring_offset *at, size_t entry, off_t page) {
  char *memory = mmap(NULL, at->desc + ENTRIES * entry, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_POPULATE, fd, page);
  if (memory == MAP_FAILED) die("mmap");
  ring->producer = (uint32_t *)(memory + at->producer);
  ring->consumer = (uint32_t *)(memory + at->consumer);
  ring->flags = (uint32_t *)(memory + at->flags);
  ring->entries = memory + at->desc;
}

static uint32_t acquire(uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static void release(uint32_t *word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

static void refill(struct xsk *xsk) {
  struct ring *fill = &xsk->fill;
  uint32_t room = ENTRIES - (fill->next - acquire(fill->consumer));
  for (; room > 0 && free_count > 0; room--)
    ((uint64_t *)fill->entries)[fill->next++ & (ENTRIES - 1)] = free_chunks[--free_count];
  release(fill->producer, fill->next);
}

static void reap(struct xsk *xsk) {
  struct ring *done = &xsk->completion;
  uint32_t end = acquire(done->producer);
  while (done->next != end)
    free_chunks[free_count++] = ((uint64_t *)done->entries)[done->next++ & (ENTRIES - 1)];
  release(done->consumer, done->next);
}

static void open_xsk(struct xsk *xsk, unsigned ifindex, int first) {
  xsk->fd = socket(AF_XDP, SOCK_RAW, 0);
  if (xsk->fd < 0) die("socket");
  int entries = ENTRIES, budget = BATCH;
  if (first < 0) {
    struct xdp_umem_reg reg = {.addr = (uintptr_t)umem, .len = (uint64_t)CHUNKS * CHUNK, .chunk_size = CHUNK};
    if (setsockopt(xsk->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof reg)) die("XDP_UMEM_REG");
  }
  for (int option = XDP_RX_RING; option <= XDP_UMEM_COMPLETION_RING; option++) {
    if (option == XDP_UMEM_REG) continue;
    if (setsockopt(xsk->fd, SOL_XDP, option, &entries, sizeof entries)) die("ring");
  }
  setsockopt(xsk->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof budget);
  struct xdp_mmap_offsets at;
  socklen_t length = sizeof at;
  if (getsockopt(xsk->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &length)) die("XDP_MMAP_OFFSETS");
  map_ring(&xsk->rx, xsk->fd, &at.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
  map_ring(&xsk->tx, xsk->fd, &at.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
  map_ring(&xsk->fill, xsk->fd, &at.fr, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING);
  map_ring(&xsk->completion, xsk->fd, &at.cr, sizeof(uint64_t), XDP_UMEM_PGOFF_COMPLETION_RING);
  refill(xsk);
  struct sockaddr_xdp address = {.sxdp_family = AF_XDP, .sxdp_ifindex = ifindex};
  address.sxdp_flags = first < 0 ? XDP_USE_NEED_WAKEUP : XDP_SHARED_UMEM;
  if (first >= 0) address.sxdp_shared_umem_fd = first;
  if (bind(xsk->fd, (struct sockaddr *)&address, sizeof address)) die("bind");
}

/* Everything that comes in on `ifindex` goes to the socket. */
static void attach(struct xsk *xsk, unsigned ifindex) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.map_type = BPF_MAP_TYPE_XSKMAP, attr.key_size = 4, attr.value_size = 4, attr.max_entries = 1;
  int map = bpf(BPF_MAP_CREATE, &attr);
  if (map < 0) die("BPF_MAP_CREATE");
  int key = 0;
  memset(&attr, 0, sizeof attr);
  attr.map_fd = map, attr.key = (uintptr_t)&key, attr.value = (uintptr_t)&xsk->fd;
  if (bpf(BPF_MAP_UPDATE_ELEM, &attr)) die("BPF_MAP_UPDATE_ELEM");
  struct bpf_insn program[] = {
      {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = 16},
      {.code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map},
      {0},
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS},
      {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
      {.code = BPF_JMP | BPF_EXIT},
  };
  memset(&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_XDP, attr.insns = (uintptr_t)program;
  attr.insn_cnt = sizeof program / sizeof *program, attr.license = (uintptr_t) "MIT";
  attr.expected_attach_type = BPF_XDP;
  int fd = bpf(BPF_PROG_LOAD, &attr);
  if (fd < 0) die("BPF_PROG_LOAD");
  memset(&attr, 0, sizeof attr);
  attr.link_create.prog_fd = fd, attr.link_create.target_ifindex = ifindex;
  attr.link_create.attach_type = BPF_XDP, attr.link_create.flags = XDP_FLAGS_DRV_MODE;
  if (bpf(BPF_LINK_CREATE, &attr) < 0) die("BPF_LINK_CREATE");
}

static void parse_mac(const char *text, unsigned char *mac) {
  if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
    exit(2);
}

static unsigned forward(struct xsk *in, struct xsk *out, const unsigned char *macs) {
  struct ring *rx = &in->rx, *tx = &out->tx;
  uint32_t count = acquire(rx->producer) - rx->next;
  if (count > BATCH) count = BATCH;
  uint32_t room = ENTRIES - (tx->next - acquire(tx->consumer));
  for (uint32_t i = 0; i < count; i++) {
    struct xdp_desc frame = ((struct xdp_desc *)rx->entries)[rx->next++ & (ENTRIES - 1)];
    if (room == 0) {
      free_chunks[free_count++] = frame.addr;
      continue;
    }
    memcpy(umem + frame.addr, macs, 12);
    ((struct xdp_desc *)tx->entries)[tx->next++ & (ENTRIES - 1)] = frame;
    room--;
  }
  release(rx->consumer, rx->next);
  release(tx->producer, tx->next);
  uint32_t left = tx->next - acquire(tx->consumer);
  for (int fruitless = 0; left > 0 && fruitless < 2 && (acquire(tx->flags) & XDP_RING_NEED_WAKEUP);) {
    sendto(out->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
    uint32_t before = left;
    left = tx->next - acquire(tx->consumer);
    if (left > 0) reap(out);
    fruitless = left == before ? fruitless + 1 : 0;
  }
  reap(out);
  refill(in);
  return count;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  unsigned char macs[12];
  parse_mac(argv[3], macs);
  parse_mac(argv[4], macs + 6);
  umem = mmap(NULL, (size_t)CHUNKS * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (umem == MAP_FAILED) die("mmap");
  madvise(umem, (size_t)CHUNKS * CHUNK, MADV_HUGEPAGE);
  while (free_count < CHUNKS) free_chunks[free_count] = (uint64_t)free_count * CHUNK, free_count++;
  struct xsk in = {0}, out = {0};
  open_xsk(&in, if_nametoindex(argv[1]), -1);
  open_xsk(&out, if_nametoindex(argv[2]), in.fd);
  attach(&in, if_nametoindex(argv[1]));
  puts("ready");
  fflush(stdout);
  struct pollfd sleeper = {.fd = in.fd, .events = POLLIN};
  for (unsigned empty = 0;;) {
    empty = forward(&in, &out, macs) > 0 ? 0 : empty + 1;
    if (empty > SPINS) poll(&sleeper, 1, 10);
  }
}
