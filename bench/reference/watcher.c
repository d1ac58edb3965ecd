/*
 * watcher CGROUP LINE PID - what the sentinel does, in C: asks the kernel for notice when the v1 cgroup's usage crosses
 * LINE bytes (cgroup.event_control), and on the notice sends SIGTERM to PID through a pidfd opened beforehand.
 * Says "ready", then "microseconds" from waking to the return of pidfd_send_signal(2).
 */
#include "reference.h"
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

static double usage(int descriptor) {
  char text[32];
  ssize_t length = pread(descriptor, text, sizeof text, 0);
  return length > 0 ? (double)number_at(text, text + length) : 0;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  char path[512], registration[128];
  double line = atof(argv[2]);
  snprintf(path, sizeof path, "%s/memory.usage_in_bytes", argv[1]);
  int usage_file = open_or_fail(path, O_RDONLY);
  snprintf(path, sizeof path, "%s/cgroup.event_control", argv[1]);
  int control = open_or_fail(path, O_WRONLY);
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int length = snprintf(registration, sizeof registration, "%d %d %.0f", event, usage_file, line);
  if (write(control, registration, (size_t)length) != length) fail("cgroup.event_control");
  long pidfd = syscall(SYS_pidfd_open, atoi(argv[3]), 0);
  if (pidfd < 0) fail("pidfd_open");
  printf("ready\n");
  fflush(stdout);
  struct pollfd waiting = {.fd = event, .events = POLLIN};
  for (;;) {
    if (poll(&waiting, 1, 10000) <= 0) return 1;
    double woken = now_us();
    uint64_t count;
    if (read(event, &count, sizeof count) < 0) continue;
    if (usage(usage_file) < line) continue;
    if (syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0) fail("pidfd_send_signal");
    printf("%.3f\n", now_us() - woken);
    return 0;
  }
}
