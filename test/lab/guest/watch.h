/* What is seen of the host while a scenario plays: by threads of their own, which do no I/O but reading /proc. */
#ifndef WATCH_H
#define WATCH_H

enum { crossings_max = 64 };

struct watched {
  long total_kib;
  /* The lowest seen since watch_begin, and how much was available then. */
  long available_low_kib, swap_free_low_kib, available_first_kib;
  /* CLOCK_MONOTONIC, ms, of the looks that found less than the line available after more than half as much again. */
  double crossed_ms[crossings_max];
  int crossings;
  /* An ordinary program's 20 ms clock: the longest time between two of its ticks, and when that ended. */
  double worst_gap_ms, worst_gap_at_ms;
  long ticks;
};

double now_ms(void);
/* A number of /proc/meminfo (proc_meminfo(5)) in KiB, such as "MemAvailable:"; -1: not there. */
long meminfo_kib(const char *key);
/* A number of /proc/vmstat, such as "oom_kill "; -1: not there. */
long vmstat_number(const char *key);
/* Starts the threads. line_kib > 0: memory is looked at each ms by a real-time thread, else each 20 ms. */
void watch_begin(long line_kib);
struct watched watch_end(void);

#endif
