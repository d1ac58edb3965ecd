#define _GNU_SOURCE
#include "watch.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct watched seen;
static long line_kib;
static volatile int watching;
static pthread_t clock_thread, memory_thread;

double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static long number_of(const char *path, const char *key) {
  static __thread char text[16384];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return -1;
  text[length] = 0;
  char *at = strstr(text, key);
  return at ? atol(at + strlen(key)) : -1;
}

long meminfo_kib(const char *key) { return number_of("/proc/meminfo", key); }
long vmstat_number(const char *key) { return number_of("/proc/vmstat", key); }

/* To the next whole period, so that lateness does not add up. */
static void wait_period(struct timespec *next, long period_ns) {
  next->tv_nsec += period_ns;
  if (next->tv_nsec >= 1000000000) {
    next->tv_nsec -= 1000000000;
    next->tv_sec++;
  }
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

static void *keep_clock(void *unused) {
  (void)unused;
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  double before = now_ms();
  while (watching) {
    wait_period(&next, 20000000);
    double now = now_ms();
    if (now - before > seen.worst_gap_ms) {
      seen.worst_gap_ms = now - before;
      seen.worst_gap_at_ms = now;
    }
    seen.ticks++;
    before = now;
  }
  return NULL;
}

static void *look_at_memory(void *unused) {
  (void)unused;
  struct sched_param high = {.sched_priority = 10};
  if (line_kib > 0) pthread_setschedparam(pthread_self(), SCHED_FIFO, &high);
  int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
  int above = 1;
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  while (watching && fd >= 0) {
    char text[2048];
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    double now = now_ms();
    if (length > 0) {
      text[length] = 0;
      char *available = strstr(text, "MemAvailable:"), *swap = strstr(text, "SwapFree:");
      long available_kib = available ? atol(available + 13) : 0, swap_kib = swap ? atol(swap + 9) : 0;
      if (available_kib < seen.available_low_kib) seen.available_low_kib = available_kib;
      if (swap_kib < seen.swap_free_low_kib) seen.swap_free_low_kib = swap_kib;
      if (available_kib > line_kib + line_kib / 2) above = 1;
      if (above && available_kib < line_kib && seen.crossings < crossings_max) {
        seen.crossed_ms[seen.crossings++] = now;
        above = 0;
      }
    }
    wait_period(&next, line_kib > 0 ? 1000000 : 20000000);
  }
  if (fd >= 0) close(fd);
  return NULL;
}

void watch_begin(long line) {
  line_kib = line;
  long available = meminfo_kib("MemAvailable:");
  seen = (struct watched){.total_kib = meminfo_kib("MemTotal:"),
                          .available_first_kib = available,
                          .available_low_kib = available,
                          .swap_free_low_kib = meminfo_kib("SwapFree:")};
  watching = 1;
  pthread_create(&clock_thread, NULL, keep_clock, NULL);
  pthread_create(&memory_thread, NULL, look_at_memory, NULL);
}

struct watched watch_end(void) {
  watching = 0;
  pthread_join(clock_thread, NULL);
  pthread_join(memory_thread, NULL);
  return seen;
}
