/*
 * disk-fill space|inodes DIRECTORY RATE - fills a file system until it is ended: RATE MiB a second into DIRECTORY/filling, or RATE
 * empty files a second. Where it is full it tries again.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024, MIB = 1024 * 1024 };

static char bytes[CHUNK];

static void rest(double seconds) {
  struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&t, NULL);
}

int main(int count, char **argument) {
  if (count != 4) return 2;
  double rate = atof(argument[3]);
  char path[4096];
  if (!strcmp(argument[1], "space")) {
    memset(bytes, 7, sizeof bytes);
    snprintf(path, sizeof path, "%s/filling", argument[2]);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0) return perror(path), 1;
    for (;;) {
      if (write(file, bytes, sizeof bytes) < 0) rest(0.02);
      rest(CHUNK / (rate * MIB));
    }
  }
  for (long i = 0;; i++) {
    snprintf(path, sizeof path, "%s/made-%ld", argument[2], i);
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    if (file < 0) rest(0.02);
    else close(file);
    rest(1 / rate);
  }
}
