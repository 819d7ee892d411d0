/* SIGTERM, SIGUSR1 and Ctrl-C ask for a checkpoint and a clean end. */
#include "cli.h"

#include <string.h>
#include <time.h>

/* A handler can be handed nothing: these three are the program's only variables that change. */
static volatile sig_atomic_t stop_asked, woken;
static volatile time_t first_asked;

/* mpirun passes a TERM on and sends one of its own a second later: those are one wish. A later one is another: to stop
 * at once. Ctrl-C comes from a person, and means it the second time. */
static void ask_to_stop(int number) {
  enum { SECONDS_OF_ONE_WISH = 5 };
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (!stop_asked) {
    first_asked = now.tv_sec;
    stop_asked = 1;
  } else if (number == SIGINT || (number == SIGTERM && now.tv_sec - first_asked > SECONDS_OF_ONE_WISH)) {
    (void)signal(number, SIG_DFL);
    (void)raise(number);
  }
}

static void count_waking(int number) {
  (void)number;
  woken = (woken + 1) % 100; /* sig_atomic_t may be as small as that */
}

static void handle(int number, void (*handler)(int)) {
  struct sigaction action, old;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART; /* writing and reading of files must not end halfway */
  sigemptyset(&action.sa_mask);
  if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN) return; /* nohup and the like */
  (void)sigaction(number, &action, NULL);
}

const volatile sig_atomic_t *nn__signals_watch(void) {
  handle(SIGTERM, ask_to_stop);
  handle(SIGUSR1, ask_to_stop);
  handle(SIGINT, ask_to_stop);
  return &stop_asked;
}

const volatile sig_atomic_t *nn__signals_count_waking(void) {
  handle(SIGCONT, count_waking);
  return &woken;
}
