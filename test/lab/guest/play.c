/*
 * play - plays one scenario inside the VM: starts a guard and programs, watches, and writes down what happened.
 * It judges nothing: the facts go to RESULT.json, the signals that were sent to RESULT.trace (the kernel's own
 * signal_generate events, Documentation/trace/events.rst), the outputs to RESULT.guard.log and RESULT.programs.log.
 * All times are ms on CLOCK_MONOTONIC. Nothing is written anywhere before the scenario is over.
 *
 *   play PLAN      PLAN's lines are fields parted by tabs:
 *     result PREFIX            program PATH (of hog)       tmpfs PATH            cgroup PATH FILE VALUE
 *     guard ARGV...            ready TEXT (in the guard's output)                settle MS (from ready to time zero)
 *     parent NAME ARGS...      the guard becomes the child of this program
 *     start AT ADJ CGROUP NAME ARGS...    AT: ms after time zero, or "before" (the guard); CGROUP: a path or "-"
 *     until NAME any|all       over when one process of NAME has ended, or none is left, and `grace` has passed
 *     last MS    grace MS    line PERCENT (of memory: its crossings are timed)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watch.h"

enum { programs_max = 64, fields_max = 48, output_max = 512 * 1024 };

struct program {
  char *name, *cgroup, **args;
  int before_guard, adj, pid, status;
  long at_ms;
  double started_ms, ended_ms;
};
struct output {
  int fd;
  size_t length;
  char text[output_max];
};

static struct program programs[programs_max];
static struct output guard_output, programs_output;
static int program_count, until_all, guard_pid, guard_status = -1, nested;
static char *result, *hog, *tmpfs, *ready_text, *until_name, *cgroup_file, *parent_name, **guard, **parent;
static long settle_ms = 1000, last_ms = 20000, grace_ms = 2000, line_kib;
static double ready_ms, zero_ms, until_ms, guard_ended_ms;

static void fail(const char *what) {
  fprintf(stderr, "play: %s: %s\n", what, strerror(errno));
  exit(125);
}

/* Files of /proc, /sys and cgroups. A failure is told but does not stop the play: its result will show it. */
static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) fprintf(stderr, "play: write %s to %s: %s\n", text, path, strerror(errno));
  if (fd >= 0) close(fd);
}

static char **split(char *line) {
  char **fields = calloc(fields_max, sizeof *fields);
  for (int i = 0; line && i < fields_max - 1; i++) fields[i] = strsep(&line, "\t");
  return fields;
}

static void read_start(char **f) {
  if (program_count == programs_max) fail("too many programs");
  struct program *p = &programs[program_count++];
  p->before_guard = !strcmp(f[1], "before");
  p->at_ms = atol(f[1]);
  p->adj = atoi(f[2]);
  p->cgroup = strcmp(f[3], "-") ? f[3] : NULL;
  p->name = f[4];
  p->args = f + 4;
}

static void read_cgroup(char **f) {
  char path[512];
  mkdir(f[1], 0755);
  snprintf(path, sizeof path, "%s/%s", f[1], f[2]);
  put(path, f[3]);
  cgroup_file = f[1];
}

static void read_plan(const char *path) {
  FILE *file = fopen(path, "re");
  if (!file) fail(path);
  char *line = NULL;
  size_t size = 0;
  for (ssize_t length; (length = getline(&line, &size, file)) > 0;) {
    line[length - 1] = 0;
    char **f = split(strdup(line));
    if (!strcmp(f[0], "result")) result = f[1];
    else if (!strcmp(f[0], "program")) hog = f[1];
    else if (!strcmp(f[0], "tmpfs")) tmpfs = f[1];
    else if (!strcmp(f[0], "cgroup")) read_cgroup(f);
    else if (!strcmp(f[0], "guard")) guard = f + 1;
    else if (!strcmp(f[0], "ready")) ready_text = f[1];
    else if (!strcmp(f[0], "settle")) settle_ms = atol(f[1]);
    else if (!strcmp(f[0], "parent")) parent = f + 1, parent_name = f[1];
    else if (!strcmp(f[0], "start")) read_start(f);
    else if (!strcmp(f[0], "until")) until_name = f[1], until_all = !strcmp(f[2], "all");
    else if (!strcmp(f[0], "last")) last_ms = atol(f[1]);
    else if (!strcmp(f[0], "grace")) grace_ms = atol(f[1]);
    else if (!strcmp(f[0], "line")) line_kib = atol(f[1]) * meminfo_kib("MemTotal:") / 100;
    else fprintf(stderr, "play: unknown line '%s'\n", f[0]);
  }
  fclose(file);
}

static void drain(struct output *o) {
  static char spill[4096];
  for (;;) {
    size_t room = output_max - 1 - o->length;
    ssize_t length = read(o->fd, room ? o->text + o->length : spill, room ? room : sizeof spill);
    if (length <= 0) return;
    if (room) o->length += length;
  }
}

/* Our end of a pipe to which everything started here writes; theirs is returned. */
static int open_output(struct output *o) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) fail("pipe");
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  o->fd = ends[0];
  return ends[1];
}

static int begin(const char *file, char **argv, int output, int adj, const char *cgroup) {
  int pid = fork();
  if (pid < 0) fail("fork");
  if (pid > 0) return pid;
  char text[32], path[512];
  setsid();
  snprintf(text, sizeof text, "%d", adj);
  put("/proc/self/oom_score_adj", text);
  if (cgroup) {
    snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
    put(path, "0");
  }
  dup2(output, 1);
  dup2(output, 2);
  execvp(file, argv);
  dprintf(2, "play: cannot start %s: %s\n", file, strerror(errno));
  _exit(127);
}

static void begin_program(struct program *p, int output) {
  p->started_ms = now_ms();
  p->pid = begin(hog, p->args, output, p->adj, p->cgroup);
}

/* The only child of the program that the guard was put under (proc_tid_children(5)). */
static int child_of(int pid) {
  char path[64], text[32] = "";
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
  close(fd);
  return atoi(text);
}

static void begin_guard(int output) {
  if (!parent) {
    guard_pid = begin(guard[0], guard, output, 0, NULL);
    return;
  }
  char *argv[2 * fields_max] = {0};
  int n = 0;
  for (char **a = parent; *a; a++) argv[n++] = *a;
  argv[n++] = "--";
  for (char **a = guard; *a; a++) argv[n++] = *a;
  struct program *p = &programs[program_count++];
  *p = (struct program){.name = parent_name, .started_ms = now_ms()};
  p->pid = begin(hog, argv, output, 0, NULL);
  nested = 1;
}

/* How many processes of this name live (and, with a signal, sends it to them). Zombies have ended. */
static int count_named(const char *name, int signal_number) {
  DIR *proc = opendir("/proc");
  int count = 0;
  for (struct dirent *e; proc && (e = readdir(proc));) {
    char path[300], text[512];
    if (e->d_name[0] < '0' || e->d_name[0] > '9') continue;
    snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (length <= 0) continue;
    text[length] = 0;
    char *open_at = strchr(text, '('), *close_at = strrchr(text, ')');
    if (!open_at || !close_at || close_at[2] == 'Z' || close_at[2] == 'X') continue;
    *close_at = 0;
    if (strcmp(open_at + 1, name)) continue;
    count++;
    if (signal_number) kill(atoi(e->d_name), signal_number);
  }
  if (proc) closedir(proc);
  return count;
}

static int alive(int pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  return pid > 0 && access(path, F_OK) == 0;
}

static void collect_deaths(void) {
  int status;
  for (int pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == guard_pid) guard_status = status, guard_ended_ms = now_ms();
    for (int i = 0; i < program_count; i++) {
      if (programs[i].pid == pid) programs[i].ended_ms = now_ms(), programs[i].status = status;
    }
  }
  if (nested && guard_pid && guard_ended_ms == 0 && !alive(guard_pid)) guard_ended_ms = now_ms();
}

static void turn(int wait_ms) {
  struct pollfd fds[2] = {{guard_output.fd, POLLIN, 0}, {programs_output.fd, POLLIN, 0}};
  poll(fds, 2, wait_ms);
  drain(&guard_output);
  drain(&programs_output);
  collect_deaths();
  if (wait_ms > 2) usleep(2000); /* a chatty pipe must not make us a busy loop beside what is measured */
}

static int is_ready(const struct program *p) {
  char text[128];
  snprintf(text, sizeof text, "\"event\":\"ready\",\"name\":\"%s\",\"pid\":%d", p->name, p->pid);
  return memmem(programs_output.text, programs_output.length, text, strlen(text)) != NULL;
}

static void begin_all(int guard_out, int programs_out) {
  for (int i = 0; i < program_count; i++) {
    if (!programs[i].before_guard) continue;
    begin_program(&programs[i], programs_out);
    for (double end = now_ms() + 30000; !is_ready(&programs[i]) && now_ms() < end;) turn(10);
  }
  if (!guard) {
    ready_ms = now_ms();
  } else {
    begin_guard(guard_out);
    for (double end = now_ms() + 90000; ready_ms == 0 && guard_ended_ms == 0 && now_ms() < end;) {
      turn(10);
      if (memmem(guard_output.text, guard_output.length, ready_text, strlen(ready_text))) ready_ms = now_ms();
    }
    if (nested) guard_pid = child_of(programs[program_count - 1].pid);
  }
  for (double end = now_ms() + settle_ms; now_ms() < end;) turn(10);
}

/* One of the name ended, or all: only what was started here is waited for, so the rest is counted. */
static int until_reached(void) {
  int ended = 0, begun = 0;
  for (int i = 0; i < program_count; i++) {
    if (strcmp(programs[i].name, until_name) || programs[i].pid == 0) continue;
    begun = 1;
    ended |= programs[i].ended_ms > 0;
  }
  return begun && ended && (!until_all || count_named(until_name, 0) == 0);
}

static void play_on(int programs_out) {
  double looked_ms = 0;
  zero_ms = now_ms();
  for (;;) {
    double now = now_ms();
    for (int i = 0; i < program_count; i++) {
      if (programs[i].pid == 0 && now >= zero_ms + programs[i].at_ms) begin_program(&programs[i], programs_out);
    }
    if (until_name && until_ms == 0 && now > looked_ms + 100) {
      looked_ms = now;
      if (until_reached()) until_ms = now;
    }
    if (now > zero_ms + last_ms || (until_ms > 0 && now > until_ms + grace_ms)) return;
    turn(10);
  }
}

static void copy_file(const char *from, const char *suffix) {
  char path[512], text[8192];
  snprintf(path, sizeof path, "%s.%s", result, suffix);
  int in = open(from, O_RDONLY), out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  for (ssize_t length; in >= 0 && out >= 0 && (length = read(in, text, sizeof text)) > 0;) {
    if (write(out, text, length) != length) fail(path);
  }
  close(in);
  close(out);
}

static void save_output(struct output *o, const char *suffix) {
  char path[512];
  drain(o);
  snprintf(path, sizeof path, "%s.%s", result, suffix);
  FILE *file = fopen(path, "we");
  if (!file || fwrite(o->text, 1, o->length, file) != o->length || fclose(file)) fail(path);
}

/* How long the guard took to stop after SIGTERM, ms; -1: it did not, and was killed. */
static double stop_guard(void) {
  if (!guard || guard_pid == 0 || guard_ended_ms > 0) return -1;
  double start = now_ms();
  kill(guard_pid, SIGTERM);
  while (guard_ended_ms == 0 && now_ms() < start + 15000) turn(10);
  if (guard_ended_ms > 0) return guard_ended_ms - start;
  kill(guard_pid, SIGKILL);
  return -1;
}

static void write_programs(FILE *out) {
  fprintf(out, "\"programs\":[");
  for (int i = 0; i < program_count; i++) {
    struct program *p = &programs[i];
    fprintf(out, "%s{\"name\":\"%s\",\"pid\":%d,\"startedMs\":%.1f,\"endedMs\":%.1f,\"exit\":%d,\"signal\":%d,\"left\":%d}",
            i ? "," : "", p->name, p->pid, p->started_ms, p->ended_ms, WIFEXITED(p->status) ? WEXITSTATUS(p->status) : -1,
            WIFSIGNALED(p->status) ? WTERMSIG(p->status) : 0, count_named(p->name, 0));
  }
  fprintf(out, "]");
}

/* "name" of a plan has no quote and no backslash: the writer of plans sees to that. */
static void write_result(const struct watched *seen, long oom_kills, int guard_lives, int guard_pid_seen) {
  char path[512];
  snprintf(path, sizeof path, "%s.json", result);
  FILE *out = fopen(path, "we");
  if (!out) fail(path);
  fprintf(out, "{\"readyMs\":%.1f,\"zeroMs\":%.1f,\"overMs\":%.1f,\"guardPid\":%d,\"guardLives\":%s,\"guardStatus\":%d,", ready_ms,
          zero_ms, now_ms(), guard_pid_seen, guard_lives ? "true" : "false", guard_status);
  fprintf(out, "\"oomKills\":%ld,\"totalKib\":%ld,\"availableFirstKib\":%ld,\"availableLowKib\":%ld,\"swapFreeLowKib\":%ld,",
          oom_kills, seen->total_kib, seen->available_first_kib, seen->available_low_kib, seen->swap_free_low_kib);
  fprintf(out, "\"clockWorstGapMs\":%.2f,\"clockWorstGapAtMs\":%.1f,\"clockTicks\":%ld,", seen->worst_gap_ms,
          seen->worst_gap_at_ms, seen->ticks);
  fprintf(out, "\"crossedMs\":[");
  for (int i = 0; i < seen->crossings; i++) fprintf(out, "%s%.3f", i ? "," : "", seen->crossed_ms[i]);
  fprintf(out, "],");
  write_programs(out);
  fprintf(out, ",\"guardStopMs\":%.1f}\n", stop_guard());
  fclose(out);
}

static void trace_signals(void) {
  put("/sys/kernel/tracing/trace_clock", "mono");
  put("/sys/kernel/tracing/buffer_size_kb", "512");
  put("/sys/kernel/tracing/events/signal/signal_generate/filter", "sig == 9 || sig == 15");
  put("/sys/kernel/tracing/events/signal/signal_generate/enable", "1");
  put("/sys/kernel/tracing/trace", "");
}

/* The next scenario of this VM is to find it as this one did. */
static void clear_stage(void) {
  for (int i = 0; i < program_count; i++) {
    for (int tries = 0; count_named(programs[i].name, SIGKILL) && tries < 200; tries++) turn(20);
  }
  if (tmpfs) umount2(tmpfs, MNT_DETACH);
  if (cgroup_file) rmdir(cgroup_file);
  put("/proc/sys/vm/drop_caches", "2");
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: play PLAN (see the head of play.c)\n");
    return 2;
  }
  put("/proc/self/oom_score_adj", "-1000");
  signal(SIGPIPE, SIG_IGN);
  read_plan(argv[1]);
  if (!result || !hog) fail("the plan lacks 'result' or 'program'");
  if (tmpfs) {
    mkdir(tmpfs, 0755);
    if (mount("tmpfs", tmpfs, "tmpfs", 0, "size=100%") < 0) fail(tmpfs);
  }
  int guard_out = open_output(&guard_output), programs_out = open_output(&programs_output);
  trace_signals();
  if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0) fail("mlockall");
  long oom_before = vmstat_number("\noom_kill ");
  begin_all(guard_out, programs_out);
  watch_begin(line_kib);
  play_on(programs_out);
  struct watched seen = watch_end();
  long oom_kills = vmstat_number("\noom_kill ") - oom_before;
  copy_file("/sys/kernel/tracing/trace", "trace");
  write_result(&seen, oom_kills, guard && guard_pid > 0 && guard_ended_ms == 0 && alive(guard_pid), guard_pid);
  save_output(&guard_output, "guard.log");
  save_output(&programs_output, "programs.log");
  clear_stage();
  return 0;
}
