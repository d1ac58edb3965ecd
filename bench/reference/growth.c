/*
 * growth CGROUP LINE LIMIT RATE - enters the v1 memory cgroup at CGROUP, waits for a line on stdin, then touches memory
 * at RATE MiB/s up to LIMIT bytes. After every step it reads the cgroup's usage, and so sees when usage came to LINE
 * bytes; a thread that waits for SIGTERM sees when it is there. Both on CLOCK_MONOTONIC, neither with anybody's help.
 * Both threads run before ordinary ones where that is allowed (SCHED_FIFO): the rate is then even, and neither moment
 * is late because the processors are busy.
 * At its end it writes two doubles, microseconds: when it crossed, when it was signalled; 0 for what did not happen.
 */
#include "reference.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

enum { PAGE = 4096, STEP_PAGES = 16 };

static volatile double crossed_us;

static void tell_and_end(double signalled_us) {
  double both[2] = {crossed_us, signalled_us};
  ssize_t written = write(STDOUT_FILENO, both, sizeof both);
  _exit(written == sizeof both ? 0 : 1);
}

/* Not permitted is no failure: the figures are only less exact then. */
static void run_first(int priority) {
  struct sched_param wish = {.sched_priority = priority};
  pthread_setschedparam(pthread_self(), SCHED_FIFO, &wish);
}

static void *wait_for_term(void *signals) {
  int number;
  run_first(2);
  sigwait(signals, &number);
  tell_and_end(now_us());
  return NULL;
}

static double usage(int descriptor) {
  char text[32];
  ssize_t length = pread(descriptor, text, sizeof text, 0);
  return length > 0 ? (double)number_at(text, text + length) : 0;
}

static void wait_until(double at_us) {
  double left = at_us - now_us();
  if (left <= 0) return;
  struct timespec t = {(time_t)(left / 1e6), (long)((left - (double)(long)(left / 1e6) * 1e6) * 1e3)};
  nanosleep(&t, NULL);
}

static void enter(const char *cgroup) {
  char path[512], pid[32];
  snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
  int procs = open_or_fail(path, O_WRONLY);
  int length = snprintf(pid, sizeof pid, "%d", getpid());
  if (write(procs, pid, (size_t)length) != length) fail(path);
  close(procs);
}

/* The moment of the crossing lies between the step that did not and the step that did: in proportion. */
static void note_crossing(double line, double before, double before_us, double after) {
  double share = after > before ? (line - before) / (after - before) : 1;
  crossed_us = before_us + share * (now_us() - before_us);
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  double line = atof(argv[2]), rate = atof(argv[4]) * 1048576 / 1e6;
  size_t limit = (size_t)atof(argv[3]);
  char path[512];
  snprintf(path, sizeof path, "%s/memory.usage_in_bytes", argv[1]);
  int usage_file = open_or_fail(path, O_RDONLY);
  enter(argv[1]);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  pthread_t waiter;
  if (pthread_create(&waiter, NULL, wait_for_term, &signals)) fail("pthread_create");
  run_first(1);
  char *memory = mmap(NULL, limit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || madvise(memory, limit, MADV_NOHUGEPAGE)) fail("memory");
  if (next_rounds() <= 0) return 1;
  double began = now_us(), before = usage(usage_file), before_us = began;
  for (size_t at = 0; at + STEP_PAGES * PAGE <= limit; at += STEP_PAGES * PAGE) {
    wait_until(began + (double)at / rate);
    for (int page = 0; page < STEP_PAGES; page++) memory[at + (size_t)page * PAGE] = 1;
    double after = usage(usage_file);
    if (crossed_us == 0 && after >= line) note_crossing(line, before, before_us, after);
    before = after;
    before_us = now_us();
  }
  for (int i = 0; i < 300; i++) usleep(10000);
  tell_and_end(0);
}
