/*
 * walk PARENT - the walk over all processes in C, each file opened, read and closed: /proc/PID/stat of every process, then
 * /proc/PID/status and oom_score_adj of the 64 largest, ranked by what they would bring back.
 * A line with a number of rounds in; "microseconds_of_cpu_time processes detailed children resident_pages start_ticks"
 * out, the last three counted and summed over the children of PARENT: what the bench checks its own walk against.
 */
#include "reference.h"
#include <dirent.h>
#include <sys/mman.h>

enum { LIMIT = 32768, DETAILED = 64, KERNEL_THREAD = 0x00200000 };

struct process {
  long pid, ppid, group, session, flags, major_faults, user_ticks, system_ticks, threads, resident_pages;
  uint64_t start_ticks;
  double anon, shared, swap, adjustment, score;
  char state;
};

static struct process processes[LIMIT];
/* Sorted instead of the processes themselves: eight bytes move, not a hundred. */
static struct process *order[LIMIT];
static char text[16 * 1024];

static ssize_t read_once(const char *path) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  ssize_t length = read(descriptor, text, sizeof text - 1);
  close(descriptor);
  if (length > 0) text[length] = 0;
  return length;
}

/* The name may hold anything: what follows is found from the last parenthesis (proc(5)). */
static int parse_stat(struct process *p, size_t length) {
  const char *close = memrchr(text, ')', length), *end = text + length;
  if (!close || close + 2 >= end) return 0;
  p->pid = (long)number_at(text, end);
  p->state = close[2];
  int field = 0;
  for (const char *at = close + 2; at < end; at++) {
    if (*at != ' ') continue;
    int negative = at[1] == '-';
    switch (++field) {
      case 1: p->ppid = (long)number_at(at + 1, end); break;
      case 2: p->group = (long)number_at(at + 1 + negative, end); break;
      case 3: p->session = (long)number_at(at + 1 + negative, end); break;
      case 6: p->flags = (long)number_at(at + 1, end); break;
      case 9: p->major_faults = (long)number_at(at + 1, end); break;
      case 11: p->user_ticks = (long)number_at(at + 1, end); break;
      case 12: p->system_ticks = (long)number_at(at + 1, end); break;
      case 17: p->threads = (long)number_at(at + 1, end); break;
      case 19: p->start_ticks = number_at(at + 1, end); break;
      case 21: p->resident_pages = (long)number_at(at + 1, end); return 1;
      default: break;
    }
  }
  return 0;
}

static int by_resident(const void *a, const void *b) {
  const struct process *left = *(struct process *const *)a, *right = *(struct process *const *)b;
  return (left->resident_pages < right->resident_pages) - (left->resident_pages > right->resident_pages);
}

static int by_score(const void *a, const void *b) {
  const struct process *left = *(struct process *const *)a, *right = *(struct process *const *)b;
  return (left->score < right->score) - (left->score > right->score);
}

static struct line status_lines[3] = {
    {"RssAnon:", 1024, 0, -1}, {"RssShmem:", 1024, 0, -1}, {"VmSwap:", 1024, 0, -1}};

static int detail(struct process *p) {
  char path[64];
  double values[3];
  snprintf(path, sizeof path, "/proc/%ld/status", p->pid);
  ssize_t length = read_once(path);
  if (length <= 0) return 0;
  parse_lines(status_lines, 3, text, (size_t)length, values);
  p->anon = values[0];
  p->shared = values[1];
  p->swap = values[2];
  snprintf(path, sizeof path, "/proc/%ld/oom_score_adj", p->pid);
  p->adjustment = read_once(path) > 0 ? atof(text) : 0;
  return 1;
}

static int walk(double total, int *detailed) {
  int count = 0;
  char path[64];
  DIR *proc = opendir("/proc");
  if (!proc) fail("/proc");
  for (struct dirent *entry; (entry = readdir(proc)) && count < LIMIT;) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    snprintf(path, sizeof path, "/proc/%.20s/stat", entry->d_name);
    ssize_t length = read_once(path);
    if (length > 0 && parse_stat(&processes[count], (size_t)length)) count++;
  }
  closedir(proc);
  for (int i = 0; i < count; i++) order[i] = &processes[i];
  qsort(order, (size_t)count, sizeof *order, by_resident);
  *detailed = 0;
  for (int i = 0; i < count; i++) {
    struct process *p = order[i];
    p->score = -1e9;
    if (i >= DETAILED || p->resident_pages == 0 || (p->flags & KERNEL_THREAD) || !detail(p)) continue;
    p->score = (p->anon + p->swap) / total * 1000 + p->adjustment;
    ++*detailed;
  }
  qsort(order, (size_t)count, sizeof *order, by_score);
  return count;
}

int main(int argc, char **argv) {
  long parent = argc > 1 ? atol(argv[1]) : 0;
  double total = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  for (long rounds; (rounds = next_rounds()) > 0;) {
    int count = 0, detailed = 0;
    double began = cpu_us();
    for (long i = 0; i < rounds; i++) count = walk(total, &detailed);
    double each = (cpu_us() - began) / (double)rounds;
    long children = 0, resident = 0;
    uint64_t ticks = 0;
    for (int i = 0; i < count; i++) {
      if (processes[i].ppid != parent) continue;
      children++;
      resident += processes[i].resident_pages;
      ticks += processes[i].start_ticks;
    }
    printf("%.3f %d %d %ld %ld %llu\n", each, count, detailed, children, resident, (unsigned long long)ticks);
    fflush(stdout);
  }
  return 0;
}
