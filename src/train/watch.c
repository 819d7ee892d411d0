/* A rank that hangs: the others would wait for it for ever. On every rank a thread looks whether the training moves on;
 * it makes no MPI call. When nothing has moved for run.stall_seconds, every rank that can leaves a sign of life in the
 * run folder; ranks without one are missing. Time is counted by the thread itself, so that a job which the batch system
 * suspends as a whole has not stalled.
 *
 * A rank that dies: launchers wake the others (SIGCONT) before they tell them to end, and may take long about it. So
 * all that are woken leave a sign, too, and if nothing moves any more and one is missing, the job ends at once. */
#include "train_internal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  ORPHAN_WAITS = 2 /* s for ranks that may be gone, too */,
  NAMED_MAX = 8 /* ranks of a kind in the message */,
  FILES_MAY_TAKE = 30 /* s: then this process ends by SIGALRM */,
  /* s after ranks were woken: when each leaves a sign, when they are counted, when nobody looks for them any more */
  SIGN_AFTER = 1,
  COUNTED_AFTER = 4,
  SIGN_UNTIL = 10
};

typedef struct place {
  char host[64];
  long process;
} place;

/* What somebody said before it fell silent, one character in its file. */
static const char sign_missing = '\0', sign_waiting = 'w', sign_busy = 'b';

struct nn__watch {
  nn__trainer *t;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t ended;
  bool end, runs, orphan, sign; /* sign: ours lies in the run folder */
  pid_t parent;
  double limit, tick;
  double since_woken; /* s; infinite: not lately */
  sig_atomic_t woken;
  const char *lost_file; /* where a lost rank is told, too; NULL: nowhere */
  int rank, size;
  atomic_ulong beats;
  atomic_bool waits;
  _Atomic uint64_t step;
  char folder[1100];
  place *places; /* [size] */
  char *signs;   /* [size] */
};

void nn__watch_beat(const nn__trainer *t, bool waits) {
  nn__watch *w = t->watch;
  if (w == NULL) return;
  atomic_store_explicit(&w->waits, waits, memory_order_relaxed);
  atomic_store_explicit(&w->step, t->progress.step + 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&w->beats, 1, memory_order_release);
}

/* ---- signs of life ----------------------------------------------------------------------------------------- */

static void path_of(const nn__watch *w, char path[1200]) {
  snprintf(path, 1200, "%s/rank-%d", w->folder, w->rank);
}

static void leave_sign(nn__watch *w) {
  char path[1200];
  w->sign = true;
  path_of(w, path);
  const bool waits = atomic_load_explicit(&w->waits, memory_order_relaxed);
  const nn_bytes bytes = {waits ? &sign_waiting : &sign_busy, 1};
  (void)alarm(FILES_MAY_TAKE);
  if (nn_directory_create(w->folder) == NN_OK) (void)nn_file_replace(path, &bytes, 1);
  (void)alarm(0);
}

static void take_sign_back(nn__watch *w) {
  char path[1200];
  if (!w->sign) return;
  w->sign = false;
  path_of(w, path);
  (void)unlink(path);
  (void)rmdir(w->folder); /* by whoever is the last */
}

/* Of a job that ended so. */
static void remove_signs(const char *folder) {
  DIR *directory = opendir(folder);
  if (directory == NULL) return;
  for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
    if (strncmp(entry->d_name, "rank-", 5) == 0) (void)unlinkat(dirfd(directory), entry->d_name, 0);
  closedir(directory);
  (void)rmdir(folder);
}

/* Who left which sign. Our own counts even where the file could not be written. */
static void collect_signs(nn__watch *w) {
  char path[1200];
  memset(w->signs, sign_missing, (size_t)w->size);
  for (int r = 0; r < w->size; r++) {
    snprintf(path, sizeof path, "%s/rank-%d", w->folder, r);
    char *text = NULL;
    size_t count = 0;
    if (nn_file_read(path, 1, &text, &count) == NN_OK && count == 1) w->signs[r] = text[0];
    nn_free(text);
  }
  if (w->signs[w->rank] == sign_missing)
    w->signs[w->rank] = atomic_load_explicit(&w->waits, memory_order_relaxed) ? sign_waiting : sign_busy;
}

/* ---- the end ------------------------------------------------------------------------------------------------- */

/* "rank 1 (process 4711 on host a), rank 5 (…)" of those with this sign; how many they are. */
static int name_ranks(const nn__watch *w, char sign, nn_text *out) {
  int count = 0;
  for (int r = 0; r < w->size; r++) {
    if (w->signs[r] != sign) continue;
    if (count++ < NAMED_MAX)
      nn_text_add(out, "%srank %d (process %ld on host %s)", count > 1 ? ", " : "", r, w->places[r].process,
                  w->places[r].host);
  }
  if (count > NAMED_MAX) nn_text_add(out, " and %d more", count - NAMED_MAX);
  return count;
}

static void describe(const nn__watch *w, double still, nn_text *out) {
  nn_text missing = {0}, busy = {0};
  const int gone = name_ranks(w, sign_missing, &missing), working = name_ranks(w, sign_busy, &busy);
  nn_text_add(out, "no progress for %g s, in step %" PRIu64 ": ", fmin(still, w->limit),
              atomic_load_explicit(&w->step, memory_order_relaxed));
  if (gone > 0) nn_text_add(out, "no sign of life from %s; ", missing.at);
  if (working > 0) nn_text_add(out, "busy or hanging: %s; ", busy.at);
  if (gone + working == 0) nn_text_add(out, "all ranks wait for each other: MPI or the network hangs; ");
  nn_text_add(out, "run the same command again to continue from the newest checkpoint%s",
              still < w->limit ? "" : " (if steps, evaluations or saves take so long, raise run.stall_seconds)");
  nn_text_clear(&missing);
  nn_text_clear(&busy);
}

/* For a job script: its launcher may be long in ending. */
static void tell_of_loss(const nn__watch *w, const char *message) {
  FILE *file = w->lost_file != NULL ? fopen(w->lost_file, "a") : NULL;
  if (file == NULL) return;
  fprintf(file, "%s\n", message);
  (void)fclose(file);
}

/* One speaks: the lowest rank that is alive. One process that ends so makes the launcher end the others. */
static void end_job(nn__watch *w, double still) {
  nn_text text = {0};
  int speaker = 0;
  (void)alarm(FILES_MAY_TAKE);
  while (w->signs[speaker] == sign_missing) speaker++;
  describe(w, still, &text);
  const char *message = nn_text_status(&text) == NN_OK ? text.at : "no progress for run.stall_seconds";
  if (speaker == w->rank) {
    (void)NN_FAIL(NN_ERR_COMM, "%s", message);
    if (w->rank == 0 && w->t->log != NULL)
      nn_log_write(w->t->log, NN_LOG_ERROR, "%s", message);
    else
      fprintf(stderr, "nnmpi: error: %s\n", message);
    fflush(stderr);
    tell_of_loss(w, message);
    if (w->rank == 0) nn__run_summary(w->t, "failed", NN_ERR_COMM);
  } else {
    tell_of_loss(w, message);
    (void)nanosleep(&(struct timespec){.tv_sec = 3}, NULL); /* the message first */
  }
  _exit(NN_ERR_COMM);
}

/* Ranks were woken: perhaps since one has died. Who moves on leaves a sign, too, for those who wait for it. */
static void call_the_roll(nn__watch *w, double still) {
  const sig_atomic_t woken = w->t->options->woken != NULL ? *w->t->options->woken : w->woken;
  w->since_woken = woken != w->woken ? 0 : w->since_woken + w->tick;
  w->woken = woken;
  if (w->since_woken < SIGN_AFTER || w->since_woken >= SIGN_UNTIL) return;
  if (!w->sign) leave_sign(w);
  if (w->since_woken < COUNTED_AFTER || w->since_woken >= COUNTED_AFTER + w->tick || still < COUNTED_AFTER - 1 ||
      !atomic_load_explicit(&w->waits, memory_order_relaxed))
    return;
  collect_signs(w);
  if (memchr(w->signs, sign_missing, (size_t)w->size) != NULL) end_job(w, still);
}

/* The launcher, or its daemon on this node, was killed, and not every MPI ends its ranks then. A job that is whole
 * saves and stops; where others are gone already, no step will be complete any more. */
static void end_without_launcher(nn__watch *w, double still) {
  if (!w->orphan) {
    w->orphan = true;
    if (w->rank == 0) nn_log_warn(w->t->log, "the launcher of this job has gone: saving and stopping");
    (void)kill(getpid(), SIGTERM);
  }
  if (still >= ORPHAN_WAITS && atomic_load_explicit(&w->waits, memory_order_relaxed)) _exit(NN_ERR_COMM);
}

/* ---- the thread -------------------------------------------------------------------------------------------- */

/* False where the training has ended meanwhile. */
static bool sleep_tick(nn__watch *w) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  const double at = (double)until.tv_nsec * 1e-9 + w->tick;
  until.tv_sec += (time_t)at;
  until.tv_nsec = (long)((at - floor(at)) * 1e9);
  pthread_mutex_lock(&w->mutex);
  int over = 0;
  while (!w->end && over == 0) over = pthread_cond_timedwait(&w->ended, &w->mutex, &until);
  const bool goes_on = !w->end;
  pthread_mutex_unlock(&w->mutex);
  return goes_on;
}

static void *watch(void *context) {
  nn__watch *w = context;
  /* the others notice at other times: by as much as a tick, and what a sign needs to be seen on other nodes */
  const double grace = fmin(10, fmax(2, 0.2 * w->limit));
  unsigned long seen = 0;
  double still = 0;
  while (sleep_tick(w)) {
    const unsigned long now = atomic_load_explicit(&w->beats, memory_order_acquire);
    still = now == seen ? still + w->tick : 0;
    seen = now;
    if (w->size > 1 && getppid() != w->parent) end_without_launcher(w, still);
    if (w->size > 1) call_the_roll(w, still);
    if (still < w->limit && w->since_woken >= SIGN_UNTIL) take_sign_back(w);
    if (!w->sign && still >= w->limit) leave_sign(w);
    if (still < w->limit + grace) continue;
    collect_signs(w);
    end_job(w, still);
  }
  take_sign_back(w);
  return NULL;
}

static bool start_thread(nn__watch *w) {
  pthread_condattr_t monotonic;
  sigset_t all, before;
  pthread_mutex_init(&w->mutex, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&w->ended, &monotonic);
  pthread_condattr_destroy(&monotonic);
  sigfillset(&all);
  sigdelset(&all, SIGALRM);
  if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return false;
  const bool started = pthread_create(&w->thread, NULL, watch, w) == 0;
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

static nn_status create(nn__trainer *t) {
  void *memory = NULL;
  const int size = nn_comm_size(t->comm);
  NN_TRY(nn_alloc(1, sizeof(nn__watch), "the watch", &memory));
  nn__watch *w = t->watch = memory;
  w->t = t;
  w->rank = nn_comm_rank(t->comm);
  w->size = size;
  w->parent = getppid();
  w->limit = t->config->run.stall_seconds;
  w->tick = fmin(1, w->limit / 8);
  w->since_woken = INFINITY;
  w->woken = t->options->woken != NULL ? *t->options->woken : 0;
  w->lost_file = getenv("NNMPI_LOST_FILE");
  snprintf(w->folder, sizeof w->folder, "%s/stalled", t->result->run_folder);
  NN_TRY(nn_alloc((size_t)size, sizeof *w->places, "the places of the ranks", &memory));
  w->places = memory;
  NN_TRY(nn_alloc((size_t)size, 1, "signs of life", &memory));
  w->signs = memory;
  return NN_OK;
}

nn_status nn__watch_start(nn__trainer *t) {
  if (!(t->config->run.stall_seconds > 0)) return NN_OK;
  NN_TRY(nn_comm_agree(t->comm, create(t)));
  nn__watch *w = t->watch;
  place mine = {.process = (long)getpid()};
  snprintf(mine.host, sizeof mine.host, "%s", nn_comm_host(t->comm));
  if (w->rank == 0) remove_signs(w->folder);
  NN_TRY(nn_comm_gather_all(t->comm, &mine, sizeof mine, w->places));
  w->runs = start_thread(w);
  if (!w->runs) nn_log_info(t->log, "no thread could be had to watch for ranks that hang");
  return NN_OK;
}

void nn__watch_stop(nn__trainer *t) {
  nn__watch *w = t->watch;
  if (w == NULL) return;
  if (w->runs) {
    pthread_mutex_lock(&w->mutex);
    w->end = true;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->mutex);
    (void)pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->mutex);
  }
  nn_free(w->places);
  nn_free(w->signs);
  nn_free(w);
  t->watch = NULL;
}
