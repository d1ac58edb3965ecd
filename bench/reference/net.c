/*
 * net - the sample of interfaces in C: /proc/self/net/dev by pread(2) on a held descriptor, eight counters of each, put
 * into columns with the time and the interface's number, as src/workers/sampler/host/interface-sampler.ts does: numbers
 * are asked for when another name stands at a place or bytes have become fewer, and one in so many looks.
 * A line with a number of rounds in; "microseconds_of_cpu_time interfaces sum_of_received_bytes" out.
 */
#include "reference.h"
#include <net/if.h>

enum { COLUMNS = 16, WANTED = 8, ROOM = 1024, RING_COLUMNS = 10, RING_ROWS = 512, CHECK_EVERY = 100 };
enum { TIME, INTERFACE, RECEIVED_BYTES };
static const int wanted[WANTED] = {0, 1, 2, 3, 8, 9, 10, 11};
static char text[256 * 1024];
static uint64_t values[ROOM][WANTED];
static char names[ROOM][16];
static unsigned numbers[ROOM];
static uint64_t received[ROOM];
static int changed, known;
static uint64_t columns[RING_COLUMNS][RING_ROWS];
static uint8_t validity[RING_COLUMNS][RING_ROWS / 8];
static long written, looks, checked;

static int parse(int descriptor) {
  ssize_t length = pread(descriptor, text, sizeof text, 0);
  if (length < 0) fail("pread");
  const char *end = text + length;
  int count = 0;
  for (const char *line = text; line < end && count < ROOM;) {
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    const char *stop = newline ? newline : end;
    const char *name = line;
    while (name < stop && *name == ' ') name++;
    const char *at = name;
    while (at < stop && *at != ':' && *at != ' ' && at - name < 15) at++;
    if (at < stop && at > name && *at == ':') {
      size_t size = (size_t)(at - name);
      if (memcmp(names[count], name, size) || names[count][size]) {
        memset(names[count], 0, sizeof names[count]);
        memcpy(names[count], name, size);
        changed = 1;
      }
      at++;
      for (int column = 0, next = 0; column < COLUMNS && next < WANTED; column++) {
        while (at < stop && *at == ' ') at++;
        uint64_t value = 0;
        while (at < stop && *at >= '0' && *at <= '9') value = value * 10 + (uint64_t)(*at++ - '0');
        if (column == wanted[next]) values[count][next++] = value;
      }
      count++;
    }
    line = stop + 1;
  }
  return count;
}

static int begun_anew(int count) {
  if (count == 0) return 0;
  for (int i = 0; i < count; i++)
    if (values[i][0] < received[i]) return 1;
  if (++looks % CHECK_EVERY != 0) return 0;
  checked = (checked + 1) % count;
  return if_nametoindex(names[checked]) != numbers[checked];
}

static void put(long row, int column, uint64_t value) {
  columns[column][row] = value;
  validity[column][row >> 3] |= (uint8_t)(1 << (row & 7));
}

static int sample(int descriptor) {
  int count = parse(descriptor);
  if (changed || count != known || begun_anew(count)) {
    for (int i = 0; i < count; i++) numbers[i] = if_nametoindex(names[i]);
    memset(received, 0, sizeof received);
    changed = 0;
    known = count;
  }
  uint64_t time = (uint64_t)now_us();
  for (int i = 0; i < count; i++) {
    if (numbers[i] == 0) continue;
    long row = written++ % RING_ROWS;
    put(row, TIME, time);
    put(row, INTERFACE, numbers[i]);
    for (int column = 0; column < WANTED; column++) put(row, RECEIVED_BYTES + column, values[i][column]);
    received[i] = values[i][0];
  }
  return count;
}

int main(void) {
  int descriptor = open_or_fail("/proc/self/net/dev", O_RDONLY);
  for (long rounds; (rounds = next_rounds()) > 0;) {
    int count = 0;
    double began = cpu_us();
    for (long i = 0; i < rounds; i++) count = sample(descriptor);
    double took = (cpu_us() - began) / (double)rounds;
    uint64_t received = 0;
    for (int i = 0; i < count; i++) received += values[i][0];
    printf("%.3f %d %llu\n", took, count, (unsigned long long)received);
    fflush(stdout);
  }
  return 0;
}
