/*
 * rescuer CGROUP ADD_MIN ADD_MAX REACTION_US JOURNAL [pause] - what the rescue thread does on cgroup v1, in C: an
 * eventfd on memory.oom_control, with `pause` oom_kill_disable too; on each notice it reads usage and limit, reckons
 * the amount from the growth that the last raise taught,
 * writes the change into the journal, and raises the limit; then it looks every millisecond for a while. Without `pause` thresholds below the limit (a margin of
 * 32 MiB, registered ahead) tell it before the limit is met. Says "ready"; ends when stdin does; then says how often it raised.
 */
#include "reference.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

enum { PAGE = 4096, MARGIN = 32 << 20, THRESHOLDS = 64, MET = 3 << 19, LOOKS_FOR_US = 300000, AHEAD_US = 4000 };

static int control, usage_file, limit_file, oom_file;

static double read_number(int descriptor) {
  char text[32];
  ssize_t length = pread(descriptor, text, sizeof text, 0);
  return length > 0 ? (double)number_at(text, text + length) : -1;
}

static int open_in(const char *cgroup, const char *name, int flags) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", cgroup, name);
  return open_or_fail(path, flags);
}

static void say_to(int descriptor, const char *text) {
  if (write(descriptor, text, strlen(text)) < 0) fail(text);
}

static void register_for(int event, int watched, double threshold) {
  char text[96];
  if (threshold < 0) snprintf(text, sizeof text, "%d %d", event, watched);
  else snprintf(text, sizeof text, "%d %d %.0f", event, watched, threshold);
  say_to(control, text);
}

/* As src/core/rescue/amount.ts does, from what the last raise taught. */
static double amount(double since_us, double last, double least, double most, double reaction_us) {
  double wanted = least, fold = reaction_us / since_us;
  if (fold > 16) fold = 16;
  double taught = last * (fold > 1 && fold < 2 ? 2 : fold);
  if (taught > wanted) wanted = taught;
  if (wanted > most) wanted = most;
  return (double)(((uint64_t)wanted + PAGE - 1) / PAGE * PAGE);
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  const char *cgroup = argv[1];
  double least = atof(argv[2]), most = atof(argv[3]), reaction_us = atof(argv[4]);
  int pauses = argc > 6 && !strcmp(argv[6], "pause");
  usage_file = open_in(cgroup, "memory.usage_in_bytes", O_RDONLY);
  limit_file = open_in(cgroup, "memory.limit_in_bytes", O_RDWR);
  oom_file = open_in(cgroup, "memory.oom_control", O_RDWR);
  control = open_in(cgroup, "cgroup.event_control", O_WRONLY);
  int journal = open(argv[5], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  struct stat facts;
  if (journal < 0 || stat(cgroup, &facts)) fail(argv[5]);
  struct pollfd waiting[3] = {{.fd = 0, .events = POLLIN},
                              {.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .events = POLLIN},
                              {.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .events = POLLIN}};
  register_for(waiting[1].fd, oom_file, -1);
  double first = read_number(limit_file);
  if (pauses) say_to(oom_file, "1");
  for (int i = 0; !pauses && i < THRESHOLDS; i++)
    register_for(waiting[2].fd, usage_file, first - MARGIN + i * (MARGIN / 2.0));
  double raised_us = -1e18, last = 0, seen_us = 0, seen = 0, speed = 0;
  long raises = 0;
  printf("ready\n");
  fflush(stdout);
  /* For a while after a raise it looks every millisecond, as src/workers/rescue/lookout.ts does. */
  while (poll(waiting, 3, now_us() - raised_us < LOOKS_FOR_US ? 1 : -1) >= 0 && !waiting[0].revents) {
    uint64_t count;
    double woken = now_us(), usage = read_number(usage_file), limit = read_number(limit_file);
    speed *= 0.9;
    if (seen_us > 0 && (usage - seen) / (woken - seen_us) > speed) speed = (usage - seen) / (woken - seen_us);
    seen_us = woken;
    seen = usage;
    double near = waiting[1].revents ? MET : waiting[2].revents ? 1.5 * MARGIN : speed * AHEAD_US + MET;
    if (limit - usage <= near) {
      char line[768], text[32];
      double add = amount(woken - raised_us, last, least, most, reaction_us);
      double to = limit + (add > usage + near - limit ? add : usage + near - limit);
      int length = snprintf(line, sizeof line, "set %lu %.0f %.0f %s/memory.limit_in_bytes\n", facts.st_ino, limit, to, cgroup);
      if (write(journal, line, (size_t)length) != length) fail(argv[5]);
      length = snprintf(text, sizeof text, "%.0f", to);
      if (pwrite(limit_file, text, (size_t)length, 0) != length) fail("memory.limit_in_bytes");
      last = to - limit;
      raised_us = woken;
      raises++;
    }
    for (int i = 1; i < 3; i++)
      if (waiting[i].revents && read(waiting[i].fd, &count, sizeof count) < 0) continue;
  }
  printf("%ld\n", raises);
  return 0;
}
