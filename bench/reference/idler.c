/*
 * idler MAPPINGS ... - a process that only is there, with a number of mappings as a real program has; the other arguments
 * are for whoever looks for it by them. It says "ready", and ends with its input.
 */
#include "reference.h"
#include <sys/mman.h>

int main(int argc, char **argv) {
  long mappings = argc > 1 ? atol(argv[1]) : 0;
  for (long i = 0; i < mappings; i++) {
    /* Neighbours of different rights: the kernel cannot make one of them. */
    int rights = i % 2 ? PROT_READ : PROT_READ | PROT_WRITE;
    if (mmap(NULL, 16384, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) fail("mmap");
  }
  puts("ready");
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) continue;
  return 0;
}
