/*
 * sweep VERSION DIRECTORY COUNT [alone] - a sweep over COUNT cgroups (v1 or v2) in DIRECTORY, named c0, c1, ...: usage of each by
 * pread(2) on held descriptors, parsed into rows (time, number, usage); with memory.stat, the same fields as
 * src/workers/sampler/cgroups/files.ts into rows too, remembering for each cgroup where its lines were.
 * Unless it is to be "alone" there is a second thread, as the rows' reader would be, which sleeps: in a program of several
 * threads the kernel counts references to open files at each read.
 * A line "usage ROUNDS" or "stat ROUNDS" in; "microseconds_of_cpu_time_a_sweep usage_sum field_sum ..." out.
 */
#include "reference.h"
#include <pthread.h>

enum { FIELDS_MAX = 12, TEXT = 16 * 1024, SEGMENT = 2048, COLUMNS = 26, LIMIT = 100000 };

static const char *const USAGE[2] = {"memory.usage_in_bytes", "memory.current"};
static const char *const KEYS[2][FIELDS_MAX] = {
    {"total_rss ", "total_shmem ", "total_inactive_file ", "total_active_file ", "total_pgmajfault ",
     "total_workingset_refault_anon ", "total_workingset_refault_file ", "total_swap "},
    {"anon ", "shmem ", "inactive_file ", "active_file ", "slab_reclaimable ", "slab_unreclaimable ", "kernel_stack ",
     "pagetables ", "sock ", "pgmajfault ", "workingset_refault_anon ", "workingset_refault_file "}};

struct cgroup {
  int usage, stat;
  struct line lines[FIELDS_MAX];
};

static struct cgroup *cgroups;
static long count;
static int fields;
static char text[TEXT];

/* Rows as columns, as the ring has them; a row that is full begins anew. */
static uint64_t usage_rows[3][SEGMENT], stat_rows[COLUMNS][SEGMENT];
static long rows, details;

static size_t read_held(int descriptor, size_t limit) {
  ssize_t length = pread(descriptor, text, limit, 0);
  if (length < 0) fail("pread");
  return (size_t)length;
}

static void sweep_usage(uint64_t time) {
  for (long i = 0; i < count; i++) {
    size_t length = read_held(cgroups[i].usage, 64);
    long row = rows++ % SEGMENT;
    usage_rows[0][row] = time;
    usage_rows[1][row] = (uint64_t)i;
    usage_rows[2][row] = number_at(text, text + length);
  }
}

static void sweep_stat(uint64_t time) {
  for (long i = 0; i < count; i++) {
    double values[FIELDS_MAX];
    size_t length = read_held(cgroups[i].stat, TEXT);
    parse_lines(cgroups[i].lines, fields, text, length, values);
    long row = details++ % SEGMENT;
    for (int column = 0; column < COLUMNS; column++) stat_rows[column][row] = 0;
    stat_rows[0][row] = time;
    stat_rows[1][row] = (uint64_t)i;
    for (int field = 0; field < fields; field++) stat_rows[2 + field][row] = (uint64_t)values[field];
  }
}

static void open_all(int version, const char *directory) {
  char path[512];
  cgroups = calloc((size_t)count, sizeof *cgroups);
  if (!cgroups) fail("calloc");
  for (long i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/c%ld/%s", directory, i, USAGE[version - 1]);
    cgroups[i].usage = open_or_fail(path, O_RDONLY);
    snprintf(path, sizeof path, "%s/c%ld/memory.stat", directory, i);
    cgroups[i].stat = open_or_fail(path, O_RDONLY);
    for (int field = 0; field < fields; field++)
      cgroups[i].lines[field] = (struct line){KEYS[version - 1][field], 1, 0, -1};
  }
}

static void *sleep_on(void *unused) {
  for (;;) pause();
  return unused;
}

/* The sums over one more sweep: what the bench checks its own against. */
static void print_sums(void) {
  uint64_t usage = 0, sums[FIELDS_MAX] = {0};
  for (long i = 0; i < count; i++) {
    double values[FIELDS_MAX];
    size_t length = read_held(cgroups[i].usage, 64);
    usage += number_at(text, text + length);
    length = read_held(cgroups[i].stat, TEXT);
    parse_lines(cgroups[i].lines, fields, text, length, values);
    for (int field = 0; field < fields; field++) sums[field] += (uint64_t)values[field];
  }
  printf(" %llu", (unsigned long long)usage);
  for (int field = 0; field < fields; field++) printf(" %llu", (unsigned long long)sums[field]);
}

int main(int argc, char **argv) {
  char line[64], what[16];
  long rounds;
  int version = argc > 3 ? atoi(argv[1]) : 0;
  count = argc > 3 ? atol(argv[3]) : 0;
  if (version < 1 || version > 2 || count < 1 || count > LIMIT) return 2;
  while (fields < FIELDS_MAX && KEYS[version - 1][fields]) fields++;
  open_all(version, argv[2]);
  pthread_t reader;
  if (argc < 5 && pthread_create(&reader, NULL, sleep_on, NULL) != 0) fail("pthread_create");
  while (fgets(line, sizeof line, stdin) && sscanf(line, "%15s %ld", what, &rounds) == 2 && rounds > 0) {
    /* One that is not counted: whoever comes after the other side would find other things in the caches. */
    double began = 0;
    for (long i = -1; i < rounds; i++) {
      if (i == 0) began = cpu_us();
      uint64_t time = (uint64_t)now_us();
      sweep_usage(time);
      if (what[0] == 's') sweep_stat(time);
    }
    printf("%.3f", (cpu_us() - began) / (double)rounds);
    print_sums();
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
