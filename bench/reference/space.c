/*
 * space - what the sampler of file systems does at a look, in C: reads /proc/self/mountinfo by pread(2), compares it with the last
 * time, asks each path (from the command line) by statfs(2), and writes 7 columns of a row for each.
 * A line with a number of rounds in; "microseconds_of_cpu_time total total ..." out, bytes of each path.
 */
#include "reference.h"
#include <sys/vfs.h>

enum { COLUMNS = 7, PATHS = 64, TABLE = 1024 * 1024, ROWS = 512 };

static char table[TABLE], last[TABLE];
static uint64_t values[COLUMNS][ROWS];
static uint8_t valid[COLUMNS][ROWS / 8];
static int row;

static void put(int column, uint64_t value, int absent) {
  values[column][row] = absent ? 0 : value;
  if (absent) valid[column][row >> 3] &= (uint8_t) ~(1 << (row & 7));
  else valid[column][row >> 3] |= (uint8_t)(1 << (row & 7));
}

static void look(const char *path, int mount, uint64_t *total) {
  struct statfs space;
  /* Unmounted meanwhile. */
  if (statfs(path, &space) != 0) memset(&space, 0, sizeof space);
  uint64_t unit = (uint64_t)space.f_frsize;
  *total = space.f_blocks * unit;
  put(0, (uint64_t)now_us(), 0);
  put(1, (uint64_t)mount, 0);
  put(2, *total, 0);
  put(3, space.f_bfree * unit, 0);
  put(4, space.f_bavail * unit, 0);
  put(5, space.f_files, space.f_files == 0);
  put(6, space.f_ffree, space.f_files == 0);
  row = (row + 1) % ROWS;
}

int main(int count, char **paths) {
  int mountinfo = open_or_fail("/proc/self/mountinfo", O_RDONLY);
  uint64_t totals[PATHS];
  ssize_t before = 0;
  for (long rounds; (rounds = next_rounds()) > 0;) {
    double began = cpu_us();
    for (long i = 0; i < rounds; i++) {
      ssize_t length = pread(mountinfo, table, sizeof table, 0);
      if (length < 0) fail("pread");
      if (length != before || memcmp(table, last, (size_t)length)) memcpy(last, table, (size_t)length);
      before = length;
      for (int path = 1; path < count && path < PATHS; path++) look(paths[path], path, &totals[path]);
    }
    printf("%.3f", (cpu_us() - began) / (double)rounds);
    for (int path = 1; path < count && path < PATHS; path++) printf(" %llu", (unsigned long long)totals[path]);
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
