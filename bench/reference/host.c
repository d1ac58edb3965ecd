/*
 * host cpu - the samplers of the host in C. cpu: /proc/stat and /proc/pressure/cpu by pread(2) on held descriptors, parsed
 * into one row a processor and one of all, put into columns, as src/workers/sampler/host/cpu-reader.ts does.
 * A line with a number of rounds in; "microseconds_of_cpu_time rows busy_us of all, and of the first, running blocked stall_us" out.
 */
#include "reference.h"

enum { CORES = 1024, TIMES = 8, COLUMNS = 13, RING_ROWS = 512 };
enum { TIME, CORE, BUSY, USER, NICE, SYSTEM, INTERRUPT, STEAL, IDLE, IO_WAIT, RUNNING, BLOCKED, STALL };

static char text[64 * 1024];
static uint64_t times[CORES][TIMES];
static long cores[CORES];
static uint64_t columns[COLUMNS][RING_ROWS];
static uint8_t validity[COLUMNS][RING_ROWS / 8];
static long written;
static int stat_descriptor, pressure_descriptor;
static uint64_t us_per_tick;

static size_t read_held(int descriptor) {
  ssize_t length = pread(descriptor, text, sizeof text, 0);
  if (length < 0) fail("pread");
  return (size_t)length;
}

/* The number at *at, after blanks; *at is then behind it. */
static uint64_t next_number(const char **at, const char *end) {
  const char *from = *at;
  while (from < end && *from == ' ') from++;
  uint64_t value = 0;
  while (from < end && *from >= '0' && *from <= '9') value = value * 10 + (uint64_t)(*from++ - '0');
  *at = from;
  return value;
}

static int parse_rows(const char **behind, const char *end) {
  int rows = 0;
  const char *at = text;
  while (end - at > 3 && !memcmp(at, "cpu", 3) && rows < CORES) {
    at += 3;
    cores[rows] = *at == ' ' ? -1 : (long)next_number(&at, end);
    for (int field = 0; field < TIMES; field++) times[rows][field] = next_number(&at, end) * us_per_tick;
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    if (!newline) break;
    at = newline + 1;
    rows++;
  }
  *behind = at;
  return rows;
}

/* From the end backwards, as thousands of interrupts' counts stand before what is wanted. -1: not there. */
static void parse_tail(const char *begin, const char *end, double *running, double *blocked) {
  *running = *blocked = -1;
  while (end > begin && (*running < 0 || *blocked < 0)) {
    const char *newline = end - 1 > begin ? memrchr(begin, '\n', (size_t)(end - 1 - begin)) : NULL;
    const char *line = newline ? newline + 1 : begin;
    if (!memcmp(line, "procs_running ", 14)) *running = (double)number_at(line + 14, end);
    else if (!memcmp(line, "procs_blocked ", 14)) *blocked = (double)number_at(line + 14, end);
    end = line;
  }
}

static double parse_stall(size_t length) {
  const char *end = text + length;
  if (length < 5 || memcmp(text, "some ", 5)) return -1;
  const char *newline = memchr(text, '\n', length);
  const char *total = memmem(text, newline ? (size_t)(newline - text) : length, "total=", 6);
  return total ? (double)number_at(total + 6, end) : -1;
}

static void put(long row, int column, double value) {
  columns[column][row] = value < 0 ? 0 : (uint64_t)value;
  uint8_t bit = (uint8_t)(1 << (row & 7));
  if (value < 0) validity[column][row >> 3] &= (uint8_t)~bit;
  else validity[column][row >> 3] |= bit;
}

static double busy_us(const uint64_t *t) { return (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]); }

static void put_row(int row, double time, double running, double blocked, double stall) {
  const uint64_t *t = times[row];
  const double values[COLUMNS] = {[TIME] = time,
                                  [CORE] = (double)cores[row],
                                  [BUSY] = busy_us(t),
                                  [USER] = (double)t[0],
                                  [NICE] = (double)t[1],
                                  [SYSTEM] = (double)t[2],
                                  [INTERRUPT] = (double)(t[5] + t[6]),
                                  [STEAL] = (double)t[7],
                                  [IDLE] = (double)t[3],
                                  [IO_WAIT] = (double)t[4],
                                  [RUNNING] = running,
                                  [BLOCKED] = blocked,
                                  [STALL] = stall};
  long at = written++ % RING_ROWS;
  for (int column = 0; column < COLUMNS; column++) put(at, column, values[column]);
}

static int sample(double *running, double *blocked, double *stall) {
  size_t length = read_held(stat_descriptor);
  const char *behind;
  int rows = parse_rows(&behind, text + length);
  parse_tail(behind, text + length, running, blocked);
  *stall = -1;
  if (pressure_descriptor >= 0) *stall = parse_stall(read_held(pressure_descriptor));
  double time = now_us();
  for (int row = 1; row < rows; row++) put_row(row, time, -1, -1, -1);
  put_row(0, time, *running, *blocked, *stall);
  return rows;
}

int main(int argc, char **argv) {
  if (argc != 2 || strcmp(argv[1], "cpu")) {
    fprintf(stderr, "usage: host cpu\n");
    return 2;
  }
  us_per_tick = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
  stat_descriptor = open_or_fail("/proc/stat", O_RDONLY);
  pressure_descriptor = open("/proc/pressure/cpu", O_RDONLY | O_CLOEXEC);
  for (long rounds; (rounds = next_rounds()) > 0;) {
    double running, blocked, stall;
    int rows = 0;
    double began = cpu_us();
    for (long i = 0; i < rounds; i++) rows = sample(&running, &blocked, &stall);
    printf("%.3f", (cpu_us() - began) / (double)rounds);
    printf(" %d %.0f %.0f %.0f %.0f %.0f\n", rows, busy_us(times[0]), busy_us(times[1]), running, blocked, stall);
    fflush(stdout);
  }
  return 0;
}
