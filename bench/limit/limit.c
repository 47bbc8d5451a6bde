/*
 * What a decision costs in C: the path of an existing TCP connection as src/engine/forward.ts has
 * it, with the same table, hash, timer word and counters, over the same kind of ring. Compiled and
 * run by bench/micro/limit.ts; no part of the product.
 *
 *   limit FLOWS FRAMES ROUNDS RECORDS HUGE < ring     ring: FRAMES of 64 bytes each, 60 used
 *
 * Prints CPU nanoseconds for a frame, one round a line. Fails if a frame is not forwarded.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { SLOT = 64, BATCH = 64, WORDS = 16, STATES = 11, FRAME = 60, WARM_MIN = 8192 };
enum { PORTS = 8, META, CHAIN, DESTINATION, DUE, NEXT, PREV, CONTROL };
enum { INACTIVE = 1 << 12, ONE_PACKET = 1 << 14 };
enum { ES = 1, SR = 3, SYN = 2, RST = 4 };

struct row { double stat[5]; int32_t words[22]; };

static int32_t *words, *heads;
static uint32_t mask, seed = 0x5eed;
static struct row services[16], destinations[64];
static uint8_t row_of[64], next_state[8 * STATES];
static int32_t timeouts[STATES];
static int32_t hops[64], mac_low[64], own_low[4];
static uint16_t mac_high[64], own_high[4];
static uint8_t usable[64], arm_of[64];
static int32_t tick = 100;
/* Read on each frame, as the director reads its settings. */
static volatile int reuse_mode = 1, expire_nodest;

static int32_t be32(const uint8_t *p) { int32_t v; memcpy(&v, p, 4); return __builtin_bswap32(v); }
static uint16_t be16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return __builtin_bswap16(v); }
static void put32(uint8_t *p, int32_t v) { v = __builtin_bswap32(v); memcpy(p, &v, 4); }
static void put16(uint8_t *p, uint16_t v) { v = __builtin_bswap16(v); memcpy(p, &v, 2); }

static uint32_t bucket(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  uint32_t h = (a ^ seed) * 0x85ebca6bu;
  h = (h ^ (h >> 15) ^ c) * 0xc2b2ae35u;
  h = (h ^ (h >> 13) ^ b ^ (d << 24)) * 0x27d4eb2fu;
  return (h ^ (h >> 16)) & mask;
}

static int32_t find(int protocol, int32_t client, int32_t vip, int32_t ports) {
  if ((uint32_t)ports >> 16 == 0) return -1;
  int32_t next = heads[bucket(client, vip, ports, protocol)];
  while (next != 0) {
    const int32_t *w = words + (size_t)(next - 1) * WORDS;
    if (w[0] == client && w[PORTS] == ports && w[1] == vip && (w[META] & 0xff) == protocol)
      return next - 1;
    next = w[CHAIN];
  }
  return -1;
}

static int checksum_good(const uint8_t *ip) {
  uint32_t sum = 0;
  for (int i = 0; i < 20; i += 2) sum += be16(ip + i);
  sum = (sum >> 16) + (sum & 0xffff);
  return ((sum >> 16) + (sum & 0xffff)) == 0xffff;
}

/* A timer that comes nearer moves; frames of a living connection never do that. */
static void nearer(void) { fputs("a timer moved\n", stderr); exit(1); }

static int forward(uint8_t *frame, int length, uint8_t *egress) {
  uint8_t *end = frame + length, *ip = frame + 14;
  if (ip > end || be16(frame + 12) != 0x0800) return 1;
  if (be32(frame + 2) != own_low[0] || be16(frame) != own_high[0]) return 2;
  if (end - ip < 20 || ip[0] < 0x45 || ip[0] > 0x4f) return 3;
  int header = (ip[0] & 15) << 2, total = be16(ip + 2);
  if (total < header || total > end - ip) return 3;
  if (header != 20 || !checksum_good(ip)) return 4;
  if (be16(ip + 6) & 0x3fff) return 5;
  uint8_t *segment = ip + header;
  int protocol = ip[9];
  if (protocol != 6) return 6;
  if (ip + total - segment < 4) return 7;
  int32_t ports = be32(segment);
  int event = ip + total - segment < 20 ? -1 : segment[13];
  int32_t slot = find(protocol, be32(ip + 12), be32(ip + 16), ports);
  if (slot < 0) return 8;
  int32_t *w = words + (size_t)slot * WORDS;
  int d = w[DESTINATION];
  if (d < 0 || !(destinations[d].words[4] & 1)) return 9;
  if (event >= 0 && (event & SYN) && (reuse_mode || expire_nodest)) return 10;
  destinations[d].stat[1]++;
  destinations[d].stat[2] += total;
  int service = destinations[d].words[5];
  services[service].stat[1]++;
  services[service].stat[2] += total;
  int state = (w[META] >> 8) & 15;
  if (event >= 0) {
    int next = next_state[row_of[event & 63] + state];
    if (next != state) {
      w[META] = (w[META] & ~0xf00) | next << 8;
      if (next == ES && (w[META] & INACTIVE)) {
        w[META] &= ~INACTIVE;
        destinations[d].words[0]++;
        destinations[d].words[1]--;
      }
      state = next;
    }
  }
  if ((w[META] & 0xff00000) != 0xff00000) w[META] += 1 << 20;
  int32_t due = tick + timeouts[state];
  if (due - w[DUE] < 0) nearer();
  w[DUE] = due;
  if (w[META] & ONE_PACKET) return 11;
  if (destinations[d].words[15] != 0) return 12;
  int hop = hops[d];
  if (hop < 0 || !usable[hop]) return 13;
  int arm = arm_of[hop];
  put16(frame, mac_high[hop]);
  put32(frame + 2, mac_low[hop]);
  put16(frame + 6, own_high[arm]);
  put32(frame + 8, own_low[arm]);
  *egress = arm;
  return 0;
}

static void insert(int32_t slot, const uint8_t *frame) {
  int32_t *w = words + (size_t)slot * WORDS;
  w[0] = be32(frame + 26);
  w[1] = be32(frame + 30);
  w[PORTS] = be32(frame + 34);
  w[META] = 6 | SR << 8 | INACTIVE | 1 << 28;
  w[DESTINATION] = slot % 3;
  uint32_t b = bucket(w[0], w[1], w[PORTS], 6);
  w[CHAIN] = heads[b];
  heads[b] = slot + 1;
}

static void *memory(size_t bytes, int huge) {
  void *at = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) { perror("mmap"); exit(1); }
  if (huge) madvise(at, bytes, MADV_HUGEPAGE);
  return at;
}

static void set_flow(uint8_t *frame, uint32_t flow) {
  put32(frame + 26, 10 << 24 | flow >> 8);
  put16(frame + 34, 1024 + (flow & 0xff));
}

static double cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int count, char **arguments) {
  if (count != 6) return 2;
  uint32_t flows = atol(arguments[1]), records = atol(arguments[4]);
  long frames = atol(arguments[2]), rounds = atol(arguments[3]);
  int huge = atoi(arguments[5]), slots = flows < 65536 ? flows : 65536;
  uint32_t buckets = 256;
  while (buckets < records) buckets *= 2;
  mask = buckets - 1;
  size_t table = (size_t)records * WORDS * 4;
  heads = memory((size_t)buckets * 4 + table, huge);
  words = heads + buckets;
  uint8_t *ring = aligned_alloc(SLOT, (size_t)slots * SLOT);
  if (fread(ring, SLOT, slots, stdin) != (size_t)slots) return 2;
  own_high[0] = be16(ring);
  own_low[0] = be32(ring + 2);
  for (int d = 0; d < 3; d++) {
    destinations[d].words[4] = 1;
    hops[d] = d;
    usable[d] = 1;
    mac_high[d] = own_high[0];
    mac_low[d] = own_low[0];
  }
  for (int i = 0; i < STATES; i++) timeouts[i] = 90000;
  for (int i = 0; i < 8 * STATES; i++) next_state[i] = ES;
  uint8_t frame[SLOT];
  memcpy(frame, ring, SLOT);
  for (uint32_t flow = 0; flow < flows; flow++) {
    set_flow(frame, flow);
    insert(flow, frame);
  }
  static int32_t offset[BATCH], length[BATCH];
  static uint8_t verdict[BATCH], egress[BATCH];
  static uint32_t wanted[BATCH];
  double counts[16] = {0};
  int at = 0;
  for (long round = 0; round <= rounds; round++) {
    double begin = cpu_ns();
    long left = frames;
    for (; left > 0; left -= BATCH) {
      for (int i = 0; i < BATCH; i++) {
        offset[i] = at * SLOT;
        length[i] = FRAME;
        at = at + 1 == slots ? 0 : at + 1;
      }
      if (flows >= WARM_MIN) {
        for (int i = 0; i < BATCH; i++) {
          const uint8_t *ip = ring + offset[i] + 14;
          wanted[i] = bucket(be32(ip + 12), be32(ip + 16), be32(ip + 20), ip[9]);
          __builtin_prefetch(&heads[wanted[i]]);
        }
        for (int i = 0; i < BATCH; i++) {
          int32_t first = heads[wanted[i]];
          if (first != 0) __builtin_prefetch(&words[(size_t)(first - 1) * WORDS], 1);
        }
      }
      for (int i = 0; i < BATCH; i++) {
        verdict[i] = forward(ring + offset[i], length[i], &egress[i]);
        counts[verdict[i]]++;
      }
    }
    if (round > 0) printf("%.2f\n", (cpu_ns() - begin) / (frames - left));
  }
  for (int v = 1; v < 16; v++) {
    if (counts[v] == 0) continue;
    fprintf(stderr, "%.0f frames ended as %d\n", counts[v], v);
    return 1;
  }
  return 0;
}
