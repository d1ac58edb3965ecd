/*
 * swap WAY COUNT LISTED OUTSIDE - swaps what lies at LISTED for OUTSIDE and back, COUNT times, as fast as it can: by a symlink, a
 * bind mount or a rename; `all` is each in turn. LISTED.away is free for its use.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static char away[4096];

static void must(int result, const char *what) {
  if (result == 0) return;
  perror(what);
  exit(1);
}

static void by_symlink(const char *listed, const char *outside) {
  must(rename(listed, away), "rename away");
  must(symlink(outside, listed), "symlink");
  must(unlink(listed), "unlink");
  must(rename(away, listed), "rename back");
}

static void by_mount(const char *listed, const char *outside) {
  must(mount(outside, listed, NULL, MS_BIND, NULL), "mount");
  must(umount2(listed, MNT_DETACH), "umount");
}

static void by_rename(const char *listed, const char *outside) {
  must(rename(listed, away), "rename away");
  must(rename(outside, listed), "rename in");
  must(rename(listed, outside), "rename out");
  must(rename(away, listed), "rename back");
}

int main(int count, char **argument) {
  if (count != 5) return 2;
  const char *way = argument[1], *listed = argument[3], *outside = argument[4];
  snprintf(away, sizeof away, "%s.away", listed);
  long rounds = atol(argument[2]);
  int all = !strcmp(way, "all");
  for (long i = 0; i < rounds; i++) {
    if ((all && i % 3 == 0) || !strcmp(way, "symlink")) by_symlink(listed, outside);
    if ((all && i % 3 == 1) || !strcmp(way, "mount")) by_mount(listed, outside);
    if ((all && i % 3 == 2) || !strcmp(way, "rename")) by_rename(listed, outside);
  }
  return 0;
}
