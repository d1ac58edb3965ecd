/*
 * sample - the host sample in C: meminfo, vmstat and pressure/memory by pread(2) on held descriptors, parsed into the
 * same 24 numbers as src/workers/sampler/memory/host-reader.ts, by the same technique.
 * A line with a number of rounds in; "microseconds_of_cpu_time value value ..." out (absent: -1).
 */
#include "reference.h"

enum { MEMINFO = 16, VMSTAT = 6, PRESSURE = 2, ALL = MEMINFO + VMSTAT + PRESSURE, KIB = 1024 };

static struct line meminfo[MEMINFO] = {
    {"MemTotal:", KIB, 0, -1},     {"MemFree:", KIB, 0, -1},      {"MemAvailable:", KIB, 0, -1},
    {"Cached:", KIB, 0, -1},       {"AnonPages:", KIB, 0, -1},    {"Shmem:", KIB, 0, -1},
    {"SReclaimable:", KIB, 0, -1}, {"SUnreclaim:", KIB, 0, -1},   {"KernelStack:", KIB, 0, -1},
    {"PageTables:", KIB, 0, -1},   {"Percpu:", KIB, 0, -1},       {"Hugetlb:", KIB, 0, -1},
    {"SwapTotal:", KIB, 0, -1},    {"SwapFree:", KIB, 0, -1},     {"Committed_AS:", KIB, 0, -1},
    {"CommitLimit:", KIB, 0, -1}};
static struct line vmstat[VMSTAT] = {{"pswpin ", 1, 0, -1},
                                     {"pswpout ", 1, 0, -1},
                                     {"pgmajfault ", 1, 0, -1},
                                     {"workingset_refault_anon ", 1, 0, -1},
                                     {"workingset_refault_file ", 1, 0, -1},
                                     {"oom_kill ", 1, 0, -1}};

struct file {
  int descriptor;
  char text[16 * 1024];
};

static size_t read_held(struct file *file) {
  ssize_t length = pread(file->descriptor, file->text, sizeof file->text, 0);
  if (length < 0) fail("pread");
  return (size_t)length;
}

/* The numbers after "total=" of the line that begins with "some" and of the one that begins with "full". */
static void parse_pressure(const char *text, size_t length, double *out) {
  out[0] = out[1] = -1;
  for (const char *at = text, *end = text + length; at < end;) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    const char *stop = newline ? newline : end;
    const char *total = memmem(at, (size_t)(stop - at), "total=", 6);
    if (total && !memcmp(at, "some ", 5)) out[0] = (double)number_at(total + 6, end);
    if (total && !memcmp(at, "full ", 5)) out[1] = (double)number_at(total + 6, end);
    at = stop + 1;
  }
}

static struct file files[3];

static void sample(double *out) {
  size_t length = read_held(&files[0]);
  parse_lines(meminfo, MEMINFO, files[0].text, length, out);
  length = read_held(&files[1]);
  parse_lines(vmstat, VMSTAT, files[1].text, length, out + MEMINFO);
  double *pressure = out + MEMINFO + VMSTAT;
  pressure[0] = pressure[1] = -1;
  if (files[2].descriptor >= 0) {
    length = read_held(&files[2]);
    parse_pressure(files[2].text, length, pressure);
  }
}

int main(void) {
  double values[ALL];
  files[0].descriptor = open_or_fail("/proc/meminfo", O_RDONLY);
  files[1].descriptor = open_or_fail("/proc/vmstat", O_RDONLY);
  files[2].descriptor = open("/proc/pressure/memory", O_RDONLY | O_CLOEXEC);
  for (long rounds; (rounds = next_rounds()) > 0;) {
    double began = cpu_us();
    for (long i = 0; i < rounds; i++) sample(values);
    printf("%.3f", (cpu_us() - began) / (double)rounds);
    for (int i = 0; i < ALL; i++) printf(" %.0f", values[i]);
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
