/*
 * burner PERMILLE - uses so many thousandths of a processor for ever: computes for its share of each 20 ms, and sleeps.
 * 1000: computes without end. Ends with its parent.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD_US = 20000 };

static double now_us(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  double work_us = atof(argv[1]) / 1000 * PERIOD_US;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (write(1, "{\"event\":\"ready\"}\n", 18) != 18) return 1;
  for (;;) {
    double began_us = now_us(CLOCK_MONOTONIC);
    double until_us = now_us(CLOCK_THREAD_CPUTIME_ID) + work_us;
    while (now_us(CLOCK_THREAD_CPUTIME_ID) < until_us) continue;
    double left_us = PERIOD_US - (now_us(CLOCK_MONOTONIC) - began_us);
    if (left_us > 0 && work_us < PERIOD_US) usleep((useconds_t)left_us);
  }
}
