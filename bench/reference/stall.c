/*
 * stall CGROUP FROM TO RATE - enters the memory cgroup at CGROUP, touches FROM MiB, says "ready", waits for a line on
 * stdin, then touches memory at RATE MiB/s up to TO MiB and looks at the clock around every page. A page during which
 * it gave up the processor by itself (getrusage(2), ru_nvcsw) is one for which it had to wait: a stall. It says on one
 * line how many there were, and then each of them in microseconds. Who never hears that line knows that it was killed.
 */
#include "reference.h"
#include <sys/mman.h>
#include <sys/resource.h>

enum { PAGE = 4096, MIB = 1 << 20, STALLS_MAX = 1 << 16 };
/* Shorter is no wait; asking about every page would cost more than the page. */
static const double STALL_US = 50;
static double stalls[STALLS_MAX];

static void enter(const char *cgroup) {
  char path[512], pid[32];
  snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
  int procs = open_or_fail(path, O_WRONLY);
  int length = snprintf(pid, sizeof pid, "%d", getpid());
  if (write(procs, pid, (size_t)length) != length) fail(path);
  close(procs);
}

static void wait_until(double at_us) {
  double left = at_us - now_us();
  if (left < 60) return;
  struct timespec t = {(time_t)(left / 1e6), (long)((left - (double)(long)(left / 1e6) * 1e6) * 1e3)};
  nanosleep(&t, NULL);
}

static long waits(void) {
  struct rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  size_t from = (size_t)atol(argv[2]) * MIB, to = (size_t)atol(argv[3]) * MIB;
  double rate = atof(argv[4]) * MIB / 1e6;
  int count = 0;
  enter(argv[1]);
  char *memory = mmap(NULL, to, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || madvise(memory, to, MADV_NOHUGEPAGE)) fail("memory");
  for (size_t at = 0; at < from; at += PAGE) memory[at] = 1;
  printf("ready\n");
  fflush(stdout);
  if (next_rounds() <= 0) return 1;
  double began = now_us();
  long waited = waits();
  for (size_t at = from; at < to; at += PAGE) {
    if ((at & (16 * PAGE - 1)) == 0) {
      wait_until(began + (double)(at - from) / rate);
      waited = waits();
    }
    double before = now_us();
    memory[at] = 1;
    double took = now_us() - before;
    if (took < STALL_US || waits() == waited) continue;
    waited = waits();
    if (count < STALLS_MAX) stalls[count++] = took;
  }
  printf("%d", count);
  for (int i = 0; i < count; i++) printf(" %.1f", stalls[i]);
  printf("\n");
  fflush(stdout);
  /* What the watcher gives back belongs to this program until it ends. */
  next_rounds();
  return 0;
}
