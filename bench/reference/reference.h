/* What the reference programs share: the clock, and the conversation with the bench. */
#ifndef REFERENCE_H
#define REFERENCE_H
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline double clock_us(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static inline double now_us(void) { return clock_us(CLOCK_MONOTONIC); }

/* What this process has worked: waiting for a processor that others have is not in it. */
static inline double cpu_us(void) { return clock_us(CLOCK_PROCESS_CPUTIME_ID); }

static inline void fail(const char *what) {
  perror(what);
  exit(1);
}

static inline int open_or_fail(const char *path, int flags) {
  int descriptor = open(path, flags | O_CLOEXEC);
  if (descriptor < 0) fail(path);
  return descriptor;
}

/* The bench writes how many rounds it wants, one number a line; 0 when there is nothing more to do. */
static inline long next_rounds(void) {
  char line[32];
  return fgets(line, sizeof line, stdin) ? atol(line) : 0;
}

/* The unsigned number at `from`, after any blanks; `end` is where the text ends. */
static inline uint64_t number_at(const char *from, const char *end) {
  while (from < end && (*from == ' ' || *from == '\t')) from++;
  uint64_t value = 0;
  while (from < end && *from >= '0' && *from <= '9') value = value * 10 + (uint64_t)(*from++ - '0');
  return value;
}

/*
 * Chosen lines of a `key number` file. It remembers where each line began and compares the key there; when one has
 * moved, all are searched for again.
 */
struct line {
  const char *key;
  uint64_t scale;
  size_t key_length;
  long start; /* -1: not there */
};

static inline void locate(struct line *lines, int count, const char *text, size_t length) {
  for (int i = 0; i < count; i++) {
    lines[i].key_length = strlen(lines[i].key);
    lines[i].start = -1;
  }
  for (const char *at = text, *end = text + length; at < end;) {
    for (int i = 0; i < count; i++) {
      if (lines[i].start >= 0 || (size_t)(end - at) < lines[i].key_length) continue;
      if (memcmp(at, lines[i].key, lines[i].key_length)) continue;
      lines[i].start = at - text;
      break;
    }
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    at = newline ? newline + 1 : end;
  }
}

static inline int still_there(const struct line *lines, int count, const char *text, size_t length) {
  int found = 0;
  for (int i = 0; i < count; i++) {
    long start = lines[i].start;
    if (lines[i].key_length == 0) return 0;
    if (start < 0) continue;
    if ((size_t)start + lines[i].key_length > length) return 0;
    if (start > 0 && text[start - 1] != '\n') return 0;
    if (memcmp(text + start, lines[i].key, lines[i].key_length)) return 0;
    found = 1;
  }
  return found;
}

/* Absent is -1, as the bench expects it. */
static inline void parse_lines(struct line *lines, int count, const char *text, size_t length, double *out) {
  if (!still_there(lines, count, text, length)) locate(lines, count, text, length);
  for (int i = 0; i < count; i++) {
    if (lines[i].start < 0) {
      out[i] = -1;
      continue;
    }
    out[i] = (double)(number_at(text + lines[i].start + lines[i].key_length, text + length) * lines[i].scale);
  }
}
#endif
