/*
 * arp - puts frames onto an interface, as they are, and sees what comes of them.
 *
 *   arp send DEVICE COUNT PER_SECOND FRAME   the frame, in hexadecimal, so often
 *   arp flood DEVICE COUNT PER_SECOND FRAME  the same, each from another address (of ARP: claiming another one)
 *   arp race DEVICE FRAME                    for each line on stdin, once the link is up: sends the frame and waits until
 *                                            the other end of the pair is down; says after how many microseconds
 */
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int open_on(const char *device) {
  int descriptor = socket(AF_PACKET, SOCK_RAW, 0);
  if (descriptor < 0) fail("socket");
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(device)};
  if (address.sll_ifindex == 0) fail(device);
  if (bind(descriptor, (struct sockaddr *)&address, sizeof address)) fail("bind");
  return descriptor;
}

static size_t read_hex(const char *text, uint8_t *frame, size_t room) {
  size_t length = 0;
  unsigned byte;
  while (length < room && sscanf(text + 2 * length, "%2x", &byte) == 1) frame[length++] = (uint8_t)byte;
  return length;
}

/* The kernel's word on the carrier: of a pair, whether the other end is up. IFF_RUNNING follows up to a second later. */
static int has_carrier(int descriptor) {
  char value = '0';
  if (pread(descriptor, &value, 1, 0) < 0) fail("carrier");
  return value == '1';
}

static void race(const char *device, const char *hex) {
  uint8_t frame[1514];
  size_t length = read_hex(hex, frame, sizeof frame);
  int descriptor = open_on(device);
  char line[32], path[64];
  snprintf(path, sizeof path, "/sys/class/net/%s/carrier", device);
  int carrier = open(path, O_RDONLY);
  if (carrier < 0) fail(path);
  while (fgets(line, sizeof line, stdin)) {
    while (!has_carrier(carrier)) usleep(200);
    /* Not at once after the link has come up: the other side has just heard of that too. */
    usleep(30000);
    double began = now_us();
    if (send(descriptor, frame, length, 0) < 0) fail("send");
    while (has_carrier(carrier) && now_us() - began < 2e6) {
    }
    printf("%.1f\n", now_us() - began);
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  if (argc == 4 && !strcmp(argv[1], "race")) return race(argv[2], argv[3]), 0;
  if (argc != 6) return 2;
  int flood = !strcmp(argv[1], "flood");
  int descriptor = open_on(argv[2]);
  long count = atol(argv[3]);
  double gap_us = 1e6 / atof(argv[4]);
  uint8_t frame[1514];
  size_t length = read_hex(argv[5], frame, sizeof frame);
  double began = now_us();
  for (long i = 0; i < count; i++) {
    if (flood) {
      uint64_t mixed = ((uint64_t)i + 1) * 0x9e3779b97f4a7c15ull;
      frame[6] = 0x06;
      memcpy(frame + 7, &mixed, 5);
      memcpy(frame + 22, frame + 6, 6);
      memcpy(frame + 28, (uint8_t *)&mixed + 3, 4);
    }
    /* A queue that is full is full: that one is lost. */
    if (send(descriptor, frame, length, 0) < 0 && i == 0) fail("send");
    double ahead = began + (double)(i + 1) * gap_us - now_us();
    if (ahead > 1000) usleep((useconds_t)ahead);
  }
  return 0;
}
