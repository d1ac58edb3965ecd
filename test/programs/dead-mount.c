/*
 * dead-mount DIRECTORY COMMAND... - runs a command where DIRECTORY is a FUSE mount whose server never answers: whoever asks it for
 * anything waits until he is killed. In a mount namespace of its own, so that nobody else hangs. Ends as the command does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int right, const char *what) {
  if (right) return;
  perror(what);
  exit(125);
}

static pid_t child;

static void pass_on(int signal) { kill(child, signal); }

int main(int count, char **argument) {
  if (count < 3) return 2;
  int server = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  must(server >= 0, "/dev/fuse");
  must(unshare(CLONE_NEWNS) == 0, "unshare");
  must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "make private");
  char options[128];
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", server);
  must(mount("dead", argument[1], "fuse", 0, options) == 0, "mount fuse");
  child = fork();
  must(child >= 0, "fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argument[2], argument + 2);
    perror(argument[2]);
    _exit(127);
  }
  signal(SIGTERM, pass_on);
  signal(SIGINT, pass_on);
  signal(SIGHUP, pass_on);
  int status;
  while (waitpid(child, &status, 0) < 0) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
