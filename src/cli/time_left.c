/* How long SLURM lets this job run. Asked before MPI starts, since a process is made for it. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double nn__time_left_parse(const char *text) {
  long days = 0, hours = 0, minutes = 0, seconds = 0;
  int end = 0;
  if (sscanf(text, "%ld-%ld:%ld:%ld%n", &days, &hours, &minutes, &seconds, &end) != 4) {
    days = 0;
    if (sscanf(text, "%ld:%ld:%ld%n", &hours, &minutes, &seconds, &end) != 3) {
      hours = 0;
      if (sscanf(text, "%ld:%ld%n", &minutes, &seconds, &end) != 2) return NAN;
    }
  }
  if (text[end] != '\0' && text[end] != '\n') return NAN;
  return (double)(((days * 24 + hours) * 60 + minutes) * 60 + seconds);
}

/* squeue's own variables must not change what it prints, and it gets no descriptor but the pipe. */
static bool start(char *const words[], int out, pid_t *child) {
  posix_spawn_file_actions_t actions;
  if (posix_spawn_file_actions_init(&actions) != 0) return false;
  const bool ready = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0 &&
                     posix_spawn_file_actions_adddup2(&actions, out, 1) == 0 &&
                     posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0) == 0;
  const bool started = ready && posix_spawnp(child, words[0], &actions, NULL, words, environ) == 0;
  (void)posix_spawn_file_actions_destroy(&actions);
  return started;
}

/* What it prints within so many seconds, at most size − 1 bytes. */
static void collect(int from, double limit, char *text, size_t size) {
  const double until = nn_seconds() + limit;
  size_t used = 0;
  while (used < size - 1) {
    struct pollfd wait = {.fd = from, .events = POLLIN};
    const double left = until - nn_seconds();
    if (left <= 0) break;
    const int ready = poll(&wait, 1, (int)(1000 * left) + 1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    const ssize_t got = read(from, text + used, size - 1 - used);
    if (got <= 0) break;
    used += (size_t)got;
  }
  text[used] = '\0';
}

/* The controller may be busy or away: a job must start without it. */
static double ask_squeue(const char *job) {
  enum { SECONDS = 5 };
  char *words[] = {"squeue", "--noheader", "--jobs", (char *)(uintptr_t)job, "--format=%L", NULL};
  char text[64];
  int ends[2];
  pid_t child = 0;
  if (pipe2(ends, O_CLOEXEC) != 0) return NAN;
  const bool started = start(words, ends[1], &child);
  close(ends[1]);
  if (started) {
    collect(ends[0], SECONDS, text, sizeof text);
    (void)kill(child, SIGKILL); /* where it has said all, it is no loss */
    (void)waitpid(child, NULL, 0);
  }
  close(ends[0]);
  return started ? nn__time_left_parse(text) : NAN;
}

/* To the fraction: whole seconds would make up to one second more of what is left. */
static double wall_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double nn__time_left(void) {
  const char *end = getenv("SLURM_JOB_END_TIME"), *job = getenv("SLURM_JOB_ID");
  int64_t at = 0, number = 0;
  const double left = end != NULL && nn_parse_int(end, &at) ? (double)at - wall_clock() : 0;
  if (left > 0) return left;
  if (job == NULL || !nn_parse_int(job, &number)) return NAN;
  return ask_squeue(job);
}
