/*
 * hog - a program with a known behaviour in memory, to guard against. Its name (comm, proc(5)) is that of argv[0].
 * What it tells goes to stdout as JSON lines: {"event":...,"name":...,"pid":...,"ms":...}, ms on CLOCK_MONOTONIC.
 * "ready" is said once it has what it starts with. Sizes are MiB, rates MiB/s, times ms.
 *
 *   hog grow   --from M --to M --rate R [--after T] [--leave M] [--hold T] [--free T]
 *              [--jump M] [--brink M]
 *              touch `from` at full speed (to where only `jump` is available on the host), wait, then grow at the rate to
 *              `to`, stopping earlier when only `leave` is available; with --free give all back after T and idle, with
 *              --brink keep M available, swap included, from then on: take what is more, give back what is less; hold for T (for ever)
 *   hog fork   --children N --each M [--pace N/s] [--rate R] [--hold T]   begin N children that grow to M each, hold it for T
 *              and end; as make(1) does, begin no more once one has failed
 *   hog bomb   --children N --each M [--pace N/s]               every process forks on until there are N in all
 *   hog share  --to M --children N                              one memfd, mapped and touched by N children and itself
 *   hog fill   --path FILE --to M --rate R [--leave M]          write a file (on a tmpfs), then end
 *   hog touch  --to M --rate R [--after T] [--order random|scan] touch a working set again and again, R MiB/s (0: unpaced)
 *   hog beat   --every T                                        a small busy program; tells its worst gap as it grows
 *   hog nest   --to M -- CMD [ARG...]                           hold M and be the parent of CMD
 *   everywhere: --ignore-term  --term-delay T  --setsid (each child in a session of its own)
 *   --huge (in huge pages, where only these are fast enough: an emulated CPU)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024L * 1024)
#define PAGE 4096L
/* Growth goes in steps of a millisecond or of 64 pages, whichever is longer: smooth beside any guard's sampling. */
#define STEP_BYTES (64 * PAGE)

struct options {
  const char *mode, *path, *order;
  char **command;
  double from, to, rate, leave, each, pace, jump, brink;
  long after_ms, hold_ms, free_ms, every_ms, term_delay_ms, children;
  int ignore_term, own_session;
};

static const char *own_name;
static long term_delay_ms;
static int huge_pages, count_swap;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void sleep_ms(double ms) {
  if (ms <= 0) return;
  struct timespec t = {(time_t)(ms / 1e3), (long)((ms - (long)(ms / 1e3) * 1e3) * 1e6)};
  nanosleep(&t, NULL);
}

/* One write(2) a line: several processes share the pipe. */
static void tell(const char *event, const char *format, ...) {
  char extra[128] = "", line[320];
  va_list rest;
  va_start(rest, format);
  vsnprintf(extra, sizeof extra, format, rest);
  va_end(rest);
  int length = snprintf(line, sizeof line, "{\"event\":\"%s\",\"name\":\"%s\",\"pid\":%d,\"ms\":%.1f%s}\n", event, own_name,
                        getpid(), now_ms(), extra);
  if (write(1, line, length) != length) { /* nobody listens: the work goes on */
  }
}

static void fail(const char *what) {
  fprintf(stderr, "hog: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void on_term(int signal_number) {
  (void)signal_number;
  if (term_delay_ms < 0) return;
  if (term_delay_ms == 0) _exit(143);
  sleep_ms(term_delay_ms); /* the cleaning up of a real program, in which it grows no more */
  _exit(143);
}

/* What the host has available, MemAvailable of proc_meminfo(5), in MiB; at the brink its free swap counts as well. */
static double available_mib(void) {
  static int fd = -1;
  char text[2048];
  if (fd < 0) fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
  ssize_t length = pread(fd, text, sizeof text - 1, 0);
  if (length <= 0) return 0;
  text[length] = 0;
  char *at = strstr(text, "MemAvailable:");
  char *swap = count_swap ? strstr(text, "SwapFree:") : NULL;
  return ((at ? atof(at + 13) : 0) + (swap ? atof(swap + 9) : 0)) / 1024;
}

static char *map_bytes(size_t bytes) {
  char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) fail("mmap");
  /* By default every page is taken on its own, as small objects would. */
  madvise(at, bytes, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return at;
}

/* Different in every page: neither zero pages nor compressible ones. */
static void touch(char *at, size_t from, size_t to) {
  for (size_t i = from; i < to; i += PAGE) *(uint64_t *)(at + i) = i * 0x9e3779b97f4a7c15u;
}

/* Calls `grow(done, next)` until `total` bytes are reached, at `rate` MiB/s by the clock, or only `leave` is available. */
static size_t paced(size_t done, size_t total, double rate, double leave, void (*grow)(void *, size_t, size_t), void *what) {
  double start = now_ms();
  size_t first = done;
  while (done < total) {
    size_t due = rate > 0 ? first + (size_t)((now_ms() - start) * rate * MIB / 1e3) : total;
    if (leave > 0 && available_mib() <= leave) break;
    size_t next = due > done + 4 * STEP_BYTES ? done + 4 * STEP_BYTES : due; /* asks for `leave` often enough */
    if (next > total) next = total;
    next -= next % PAGE;
    if (next > done) {
      grow(what, done, next);
      done = next;
    }
    if (due < done + STEP_BYTES) sleep_ms(1);
  }
  return done;
}

static void touch_step(void *at, size_t from, size_t to) { touch(at, from, to); }

static void idle(void) {
  for (;;) pause();
}

static void run_grow(const struct options *o) {
  size_t total = (size_t)(o->to * MIB), first = (size_t)(o->from * MIB);
  if (total < first) total = first;
  count_swap = o->brink > 0;
  if (o->brink > 0 && mlockall(MCL_CURRENT) < 0) fail("mlockall"); /* its own code must not be evicted first */
  char *at = map_bytes(total + PAGE);
  touch(at, 0, first);
  if (o->jump > 0) first = paced(first, total, 0, o->jump, touch_step, at);
  tell("ready", ",\"mib\":%zu", first / MIB);
  sleep_ms(o->after_ms);
  tell("growing", "");
  size_t done = paced(first, total, o->rate, o->brink > 0 ? o->brink : o->leave, touch_step, at);
  tell("grown", ",\"mib\":%zu", done / MIB);
  while (o->brink > 0) {
    done = paced(done, total, o->rate, o->brink, touch_step, at);
    /* Others want memory as well: without giving back a little, the kernel would end what is to press. */
    for (double left; done > 8 * MIB && (left = available_mib()) < o->brink * 0.9;) {
      size_t back = (size_t)((o->brink - left) * MIB) / PAGE * PAGE;
      done -= back;
      madvise(at + done, back, MADV_DONTNEED);
    }
    sleep_ms(1);
  }
  if (o->free_ms >= 0) {
    sleep_ms(o->free_ms);
    munmap(at, total + PAGE);
    tell("freed", "");
  }
  if (o->hold_ms >= 0) {
    sleep_ms(o->hold_ms);
    exit(0);
  }
  idle();
}

static void child_of(const struct options *o) {
  if (o->own_session) setsid();
  size_t bytes = (size_t)(o->each * MIB);
  char *at = map_bytes(bytes + PAGE);
  paced(0, bytes, o->rate, 0, touch_step, at);
  if (o->hold_ms < 0) idle();
  sleep_ms(o->hold_ms);
  _exit(0);
}

static void run_fork(const struct options *o) {
  tell("ready", "");
  sleep_ms(o->after_ms);
  int status = 0, failed = 0;
  for (long i = 0; i < o->children && !failed; i++) {
    pid_t child = fork();
    if (child == 0) child_of(o);
    if (child < 0) tell("refused", ",\"errno\":%d", errno);
    if (o->pace > 0) sleep_ms(1e3 / o->pace);
    while (waitpid(-1, &status, WNOHANG) > 0) failed |= status != 0;
  }
  tell(failed ? "child-failed" : "forked", "");
  for (pid_t child; (child = waitpid(-1, &status, 0)) > 0 || errno == EINTR;) failed |= child > 0 && status != 0;
  exit(failed ? 2 : 0);
}

/* The count is of all ever begun, in shared memory: bounded, even when some are ended meanwhile. */
static void run_bomb(const struct options *o) {
  long *begun = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (begun == MAP_FAILED) fail("mmap");
  signal(SIGCHLD, SIG_IGN);
  tell("ready", "");
  sleep_ms(o->after_ms);
  *begun = 1;
  for (;;) {
    if (__atomic_fetch_add(begun, 1, __ATOMIC_SEQ_CST) >= o->children) break;
    if (fork() == 0) {
      if (o->own_session) setsid();
      size_t bytes = (size_t)(o->each * MIB);
      touch(map_bytes(bytes + PAGE), 0, bytes);
    }
    if (o->pace > 0) sleep_ms(1e3 / o->pace);
  }
  idle();
}

static void run_share(const struct options *o) {
  size_t bytes = (size_t)(o->to * MIB);
  int fd = memfd_create(own_name, MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, bytes) < 0) fail("memfd_create");
  char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) fail("mmap");
  touch(at, 0, bytes);
  for (long i = 0; i < o->children; i++) {
    if (fork() == 0) {
      touch(at, 0, bytes);
      idle();
    }
  }
  sleep_ms(500); /* the children map what is there already: soon done */
  tell("ready", ",\"mib\":%.0f", o->to);
  idle();
}

static void fill_step(void *fd, size_t from, size_t to) {
  static char block[STEP_BYTES];
  for (size_t i = from; i < to; i += STEP_BYTES) {
    size_t length = to - i < (size_t)STEP_BYTES ? to - i : (size_t)STEP_BYTES;
    memset(block, (int)(i >> 12) | 1, length);
    if (write(*(int *)fd, block, length) < 0) fail("write");
  }
}

static void run_fill(const struct options *o) {
  if (!o->path) fail("fill wants --path");
  int fd = open(o->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) fail(o->path);
  tell("ready", "");
  sleep_ms(o->after_ms);
  size_t done = paced(0, (size_t)(o->to * MIB), o->rate, o->leave, fill_step, &fd);
  tell("filled", ",\"mib\":%zu", done / MIB);
}

/* xorshift64: the same order of pages in every run. */
static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

static void run_touch(const struct options *o) {
  size_t pages = (size_t)(o->to * MIB / PAGE), at_page = 0;
  int scan = o->order && strcmp(o->order, "scan") == 0;
  char *at = map_bytes(pages * PAGE);
  uint64_t state = 88172645463325252u, count = 0;
  if (o->after_ms == 0) touch(at, 0, pages * PAGE);
  tell("ready", ",\"mib\":%.0f", o->to);
  sleep_ms(o->after_ms);
  double start = now_ms();
  for (;;) {
    at_page = scan ? (at_page + 1) % pages : next_random(&state) % pages;
    *(volatile uint64_t *)(at + at_page * PAGE) += 1;
    if (++count % 16 == 0 && o->rate > 0) sleep_ms(start + count * PAGE * 1e3 / (o->rate * MIB) - now_ms());
  }
}

static void run_beat(const struct options *o) {
  double worst = 0, before = now_ms();
  tell("ready", "");
  for (;;) {
    sleep_ms(o->every_ms);
    for (volatile long i = 0; i < 20000; i++) continue;
    double now = now_ms(), gap = now - before;
    before = now;
    if (gap > worst * 1.2) {
      worst = gap;
      tell("gap", ",\"worstMs\":%.1f", worst);
    }
  }
}

static void run_nest(const struct options *o) {
  if (!o->command) fail("nest wants -- CMD");
  size_t bytes = (size_t)(o->to * MIB);
  touch(map_bytes(bytes + PAGE), 0, bytes);
  pid_t child = fork();
  if (child == 0) {
    execvp(o->command[0], o->command);
    fail(o->command[0]);
  }
  tell("ready", ",\"child\":%d", child);
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
  idle();
}

static void parse(struct options *o, int argc, char **argv) {
  *o = (struct options){.hold_ms = -1, .free_ms = -1, .every_ms = 20, .children = 1, .mode = argc > 1 ? argv[1] : ""};
  for (int i = 2; i < argc; i++) {
    const char *key = argv[i];
    if (!strcmp(key, "--ignore-term")) { o->ignore_term = 1; continue; }
    if (!strcmp(key, "--huge")) {
      huge_pages = 1;
      continue;
    }
    if (!strcmp(key, "--setsid")) { o->own_session = 1; continue; }
    if (!strcmp(key, "--")) { o->command = argv + i + 1; return; }
    if (++i >= argc) { fprintf(stderr, "hog: %s wants a value\n", key); exit(2); }
    const char *value = argv[i];
    if (!strcmp(key, "--from")) o->from = atof(value);
    else if (!strcmp(key, "--to")) o->to = atof(value);
    else if (!strcmp(key, "--rate")) o->rate = atof(value);
    else if (!strcmp(key, "--leave")) o->leave = atof(value);
    else if (!strcmp(key, "--jump")) o->jump = atof(value);
    else if (!strcmp(key, "--brink")) o->brink = atof(value);
    else if (!strcmp(key, "--each")) o->each = atof(value);
    else if (!strcmp(key, "--pace")) o->pace = atof(value);
    else if (!strcmp(key, "--after")) o->after_ms = atol(value);
    else if (!strcmp(key, "--hold")) o->hold_ms = atol(value);
    else if (!strcmp(key, "--free")) o->free_ms = atol(value);
    else if (!strcmp(key, "--every")) o->every_ms = atol(value);
    else if (!strcmp(key, "--term-delay")) o->term_delay_ms = atol(value);
    else if (!strcmp(key, "--children")) o->children = atol(value);
    else if (!strcmp(key, "--path")) o->path = value;
    else if (!strcmp(key, "--order")) o->order = value;
    else { fprintf(stderr, "hog: unknown option %s\n", key); exit(2); }
  }
}

int main(int argc, char **argv) {
  static const struct { const char *name; void (*run)(const struct options *); } modes[] = {
      {"grow", run_grow}, {"fork", run_fork}, {"bomb", run_bomb}, {"share", run_share}, {"fill", run_fill},
      {"touch", run_touch}, {"beat", run_beat}, {"nest", run_nest}};
  struct options o;
  parse(&o, argc, argv);
  const char *slash = strrchr(argv[0], '/');
  own_name = slash ? slash + 1 : argv[0];
  prctl(PR_SET_NAME, own_name);
  term_delay_ms = o.ignore_term ? -1 : o.term_delay_ms;
  struct sigaction action = {.sa_handler = on_term, .sa_flags = SA_RESTART};
  sigaction(SIGTERM, &action, NULL);
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    if (!strcmp(o.mode, modes[i].name)) {
      modes[i].run(&o);
      return 0;
    }
  }
  fprintf(stderr, "hog: the first argument is grow, fork, bomb, share, fill, touch, beat or nest, not '%s'\n", o.mode);
  return 2;
}
