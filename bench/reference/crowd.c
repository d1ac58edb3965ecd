/*
 * crowd N - N small processes that sleep, each with a little memory of its own, some with more, until stdin ends.
 * Says "ready" when all are there.
 */
#include "reference.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { PAGE = 4096, SIZES = 32, LARGE_EVERY = 100, LARGE_PAGES = 4096 };

static void member(long number, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  size_t length = (size_t)(number % LARGE_EVERY == 0 ? LARGE_PAGES : 1 + number % SIZES) * PAGE;
  char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) memset(memory, 1, length);
  for (;;) pause();
}

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 0;
  pid_t parent = getpid(), *children = calloc((size_t)count + 1, sizeof *children);
  if (!children) fail("calloc");
  for (long i = 0; i < count; i++) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) member(i, parent);
    children[i] = child;
  }
  printf("ready\n");
  fflush(stdout);
  while (next_rounds() > 0) continue;
  /* Gone means gone: whoever counts processes next does not count these. */
  for (long i = 0; i < count; i++) kill(children[i], SIGKILL);
  while (wait(NULL) > 0) continue;
  return 0;
}
