/*
 * app PID... - a sample of the memory of these processes in C: the list of all processes, to see who has come and gone;
 * /proc/meminfo; /proc/PID/statm of each, held open; a row each into a ring of columns.
 * A line with a number of rounds in; "microseconds_of_cpu_time processes rows resident_bytes allocated_bytes
 * commit_limit_bytes" out, the bytes summed over the rows of the last round.
 */
#include "reference.h"
#include <sys/syscall.h>

enum { LIMIT = 32768, MEMBERS = 1024, RING_ROWS = 2048, COLUMNS = 9, FIELDS = 5 };
enum { TIME, PROCESS, RESIDENT, ALLOCATED, COMMITTED };

static int lists[2][LIMIT], counts[2], current;
static char text[64 * 1024];
static uint64_t columns[COLUMNS][RING_ROWS];
static uint8_t validity[COLUMNS][RING_ROWS / 8];
static long written;
static int members[MEMBERS];
static struct line lines[FIELDS] = {{"Committed_AS:", 1024, 0, -1},
                                    {"CommitLimit:", 1024, 0, -1},
                                    {"MemTotal:", 1024, 0, -1},
                                    {"MemAvailable:", 1024, 0, -1},
                                    {"MemFree:", 1024, 0, -1}};

/* getdents64(2): inode, offset, length, type, name. */
static int list(int directory, int *pids) {
  int count = 0;
  if (lseek(directory, 0, SEEK_SET) < 0) fail("lseek");
  for (;;) {
    long length = syscall(SYS_getdents64, directory, text, sizeof text);
    if (length < 0) fail("getdents64");
    if (length == 0) return count;
    for (long at = 0; at < length;) {
      const char *name = text + at + 19;
      int pid = 0;
      while (*name >= '0' && *name <= '9') pid = pid * 10 + (*name++ - '0');
      if (*name == 0 && pid > 0 && count < LIMIT) pids[count++] = pid;
      uint16_t size;
      memcpy(&size, text + at + 16, sizeof size);
      at += size;
    }
  }
}

/* How many have come or gone: what would be looked at. */
static int changes(const int *before, int before_count, const int *now, int now_count) {
  int changed = 0, i = 0, j = 0;
  while (i < before_count || j < now_count) {
    if (j == now_count || (i < before_count && before[i] < now[j])) i++, changed++;
    else if (i == before_count || now[j] < before[i]) j++, changed++;
    else i++, j++;
  }
  return changed;
}

static void put(long row, int column, double value) {
  columns[column][row] = value < 0 ? 0 : (uint64_t)value;
  uint8_t bit = (uint8_t)(1 << (row & 7));
  if (value < 0) validity[column][row >> 3] &= (uint8_t)~bit;
  else validity[column][row >> 3] |= bit;
}

static uint64_t next_number(const char **at, const char *end) {
  uint64_t value = 0;
  while (*at < end && **at >= '0' && **at <= '9') value = value * 10 + (uint64_t)(*(*at)++ - '0');
  if (*at < end) ++*at;
  return value;
}

static int sample(int directory, int meminfo, int count, double page, double *sums) {
  double host[FIELDS], time = now_us();
  int *now = lists[!current];
  counts[!current] = list(directory, now);
  volatile int changed = changes(lists[current], counts[current], now, counts[!current]);
  (void)changed;
  current = !current;
  ssize_t length = pread(meminfo, text, sizeof text, 0);
  if (length <= 0) fail("meminfo");
  parse_lines(lines, FIELDS, text, (size_t)length, host);
  int rows = 0;
  sums[0] = sums[1] = 0;
  sums[2] = host[1];
  for (int i = 0; i < count; i++) {
    length = pread(members[i], text, 256, 0);
    if (length <= 0) continue;
    const char *at = text, *end = text + length;
    uint64_t fields[6];
    for (int field = 0; field < 6; field++) fields[field] = next_number(&at, end);
    long row = written++ % RING_ROWS;
    double resident = (double)fields[1] * page, allocated = (double)fields[5] * page;
    put(row, TIME, time);
    put(row, PROCESS, i + 1);
    put(row, RESIDENT, resident);
    put(row, ALLOCATED, allocated);
    for (int field = 0; field < FIELDS; field++) put(row, COMMITTED + field, host[field]);
    sums[0] += resident;
    sums[1] += allocated;
    rows++;
  }
  return rows;
}

int main(int argc, char **argv) {
  int count = 0;
  char path[64];
  for (int i = 1; i < argc && count < MEMBERS; i++) {
    snprintf(path, sizeof path, "/proc/%.20s/statm", argv[i]);
    members[count++] = open_or_fail(path, O_RDONLY);
  }
  int directory = open_or_fail("/proc", O_RDONLY | O_DIRECTORY), meminfo = open_or_fail("/proc/meminfo", O_RDONLY);
  double page = (double)sysconf(_SC_PAGESIZE), sums[3] = {0};
  for (long rounds; (rounds = next_rounds()) > 0;) {
    int rows = 0;
    double began = cpu_us();
    for (long i = 0; i < rounds; i++) rows = sample(directory, meminfo, count, page, sums);
    printf("%.3f", (cpu_us() - began) / (double)rounds);
    printf(" %d %d %.0f %.0f %.0f\n", counts[current], rows, sums[0], sums[1], sums[2]);
    fflush(stdout);
  }
  return 0;
}
