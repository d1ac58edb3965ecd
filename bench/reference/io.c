/*
 * io - the sample of block devices in C: diskstats and pressure/io by pread(2) on held descriptors, parsed into the same
 * numbers as src/workers/sampler/host/io-sampler.ts, by the same technique: a line that begins with the bytes that it
 * began with before is the same device's, and only lines that are wanted are parsed on.
 * Numbers of the devices that are not wanted as arguments; a line with a number of rounds in;
 * "microseconds_of_cpu_time devices checksum some_stall full_stall" out.
 */
#include "reference.h"

enum { NUMBERS = 11, DEVICES_MAX = 4096, HEAD_MAX = 64, PAGE_NEARLY_FULL = 4096 - 512 };

struct device {
  char head[HEAD_MAX];
  size_t head_length;
  int wanted;
};

static struct device devices[DEVICES_MAX];
static int device_count;
static char text[1 << 20];
static char **unwanted;
static int unwanted_count;

/* A row, as the ring would be given it. */
static double row[13];

static size_t read_whole(int descriptor) {
  size_t length = 0;
  for (;;) {
    ssize_t got = pread(descriptor, text + length, sizeof text - length, (off_t)length);
    if (got < 0) fail("pread");
    length += (size_t)got;
    if (got < PAGE_NEARLY_FULL) return length;
  }
}

static struct device *device_at(int index, const char *line, const char *end) {
  if (index < device_count) {
    struct device *known = &devices[index];
    if ((size_t)(end - line) >= known->head_length && !memcmp(line, known->head, known->head_length)) return known;
  }
  if (index >= DEVICES_MAX) fail("devices");
  struct device *device = &devices[index];
  char name[33];
  unsigned major, minor;
  int length = 0;
  if (sscanf(line, "%u %u %32s%n", &major, &minor, name, &length) != 3 || length + 1 > HEAD_MAX) fail("line");
  device->head_length = (size_t)length + 1;
  memcpy(device->head, line, device->head_length);
  device->wanted = 1;
  char number[32];
  snprintf(number, sizeof number, "%u:%u", major, minor);
  for (int i = 0; i < unwanted_count; i++) device->wanted &= strcmp(unwanted[i], number) != 0;
  device_count = index + 1;
  return device;
}

static void parse_pressure(const char *from, size_t length, double *out) {
  out[0] = out[1] = -1;
  for (const char *at = from, *end = from + length; at < end;) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    const char *stop = newline ? newline : end;
    const char *total = memmem(at, (size_t)(stop - at), "total=", 6);
    if (total && !memcmp(at, "some ", 5)) out[0] = (double)number_at(total + 6, end);
    if (total && !memcmp(at, "full ", 5)) out[1] = (double)number_at(total + 6, end);
    at = stop + 1;
  }
}

static const double scales[NUMBERS] = {1, 0, 512, 1000, 1, 0, 512, 1000, 1, 1000, 1000};

static int sample(int diskstats, int pressure, double *checksum) {
  char stall[512];
  ssize_t stall_length = pread(pressure, stall, sizeof stall, 0);
  if (stall_length < 0) fail("pressure");
  parse_pressure(stall, (size_t)stall_length, row + 11);
  size_t length = read_whole(diskstats);
  const char *end = text + length;
  int index = 0, rows = 0;
  *checksum = 0;
  for (const char *line = text; line < end;) {
    struct device *device = device_at(index++, line, end);
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    const char *stop = newline ? newline : end;
    if (device->wanted) {
      const char *at = line + device->head_length;
      for (int i = 0; i < NUMBERS; i++) {
        while (at < end && *at == ' ') at++;
        uint64_t value = 0;
        while (at < end && *at >= '0' && *at <= '9') value = value * 10 + (uint64_t)(*at++ - '0');
        row[i] = (double)value * scales[i];
      }
      if (row[0] + row[4] > 0) {
        rows++;
        *checksum += row[0] + row[4];
      }
    }
    line = stop + 1;
  }
  return rows;
}

int main(int argc, char **argv) {
  unwanted = argv + 1;
  unwanted_count = argc - 1;
  int diskstats = open_or_fail("/proc/diskstats", O_RDONLY);
  int pressure = open_or_fail("/proc/pressure/io", O_RDONLY);
  for (long rounds; (rounds = next_rounds()) > 0;) {
    double checksum = 0, began = cpu_us();
    int rows = 0;
    for (long i = 0; i < rounds; i++) rows = sample(diskstats, pressure, &checksum);
    double took = cpu_us() - began;
    printf("%.3f %d %.0f %.0f %.0f\n", took / (double)rounds, rows, checksum, row[11], row[12]);
    fflush(stdout);
  }
  return 0;
}
