/* Saving beside the training: the state is copied, and a thread of its own builds, writes and checks the files while
 * the next steps are computed. It makes no MPI call. Rank 0 alone. */
#include "train_internal.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { HISTORY, BEST, STEP, PRUNE, RESULTS };

/* What became of a part of a save. */
typedef struct outcome {
  nn_status status;
  char message[NN_ERROR_MAX];
} outcome;

struct nn__saver {
  const nn__trainer *t; /* the thread reads of it only what stays as it is */
  unsigned what;        /* NN__SAVE_… of the save that is under way, or was the last */
  pthread_t thread;
  bool under_way, has_thread; /* without a thread, where none could be had, it is over at once */
  atomic_bool over, hurry;    /* hurry: somebody waits */
  nn_history *history;        /* a copy, as the state and the progress */
  float *state;               /* [1 + slots of the optimizer, parameters] */
  nn_progress_state progress;
  char *paths[PRUNE];
  outcome outcomes[RESULTS];
  double seconds, rested; /* of the whole save, measured by whoever does it, and those of them in which it rested */
};

/* ---- the thread ------------------------------------------------------------------------------------------ */

static void note(nn__saver *s, int part, nn_status status) {
  s->outcomes[part].status = status;
  if (status != NN_OK)
    snprintf(s->outcomes[part].message, sizeof s->outcomes[part].message, "%s", nn_error_last()->message);
}

static nn_status build(const nn__saver *s, nn_h5_image **out) {
  const nn__trainer *t = s->t;
  const nn_checkpoint_parts parts = {.config = t->resolved.at,
                                     .model = t->model,
                                     .params = s->state,
                                     .optim = t->optim,
                                     .slots = s->state + t->param_count,
                                     .history = s->history,
                                     .normalizer = nn_dataset_normalizer(t->dataset),
                                     .shape = nn_dataset_shape(t->dataset),
                                     .target = nn_dataset_target(t->dataset),
                                     .data_digest = nn_dataset_digest(t->dataset),
                                     .virtual_ranks = t->virtual_ranks,
                                     .progress = &s->progress};
  if (!nn_all_finite(t->param_count, s->state))
    return NN_FAIL(NN_ERR_DIVERGED, "the parameters of step %llu are not finite: they are not saved",
                   (unsigned long long)s->progress.step);
  return nn_checkpoint_build(&parts, out);
}

/* One file in memory for both: the same state gives the same bytes. best.h5 goes first: whoever continues from the
 * checkpoint relies on it. */
static void save_state(nn__saver *s) {
  nn_h5_image *image = NULL;
  const nn_status built = build(s, &image);
  if (nn_fault("slow-save", s->progress.step)) nanosleep(&(struct timespec){.tv_sec = 5}, NULL);
  for (int part = BEST; part <= STEP; part++) {
    if (s->paths[part] == NULL) continue;
    note(s, part, built == NN_OK ? nn_checkpoint_put(image, s->progress.step, s->paths[part]) : built);
  }
  nn_h5_image_destroy(&image);
  if (s->paths[STEP] != NULL && s->outcomes[STEP].status == NN_OK)
    note(s, PRUNE, nn_checkpoint_prune(s->t->result->run_folder, (size_t)s->t->config->checkpoint.keep));
}

/* As long as it has worked: steps that wait for memory wait half as much for that of a save. Where it is the disk that
 * takes long, there is nothing to be gained. */
static void rest(void *context, double seconds) {
  nn__saver *s = context;
  const double start = nn_seconds(), most = 3e-3;
  if (atomic_load_explicit(&s->hurry, memory_order_relaxed)) return;
  nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * (seconds < most ? seconds : most))}, NULL);
  s->rested += nn_seconds() - start;
}

static void *save_all(void *context) {
  nn__saver *s = context;
  const double start = nn_seconds();
  if (s->has_thread) {
    nn_cpu_spread();
    nn_file_rest_by(rest, s);
  }
  /* first: a run that is continued from the checkpoint has all rows before it */
  if (s->paths[HISTORY] != NULL) note(s, HISTORY, nn_history_save(s->history, s->paths[HISTORY]));
  if (s->what & (NN__SAVE_BEST | NN__SAVE_STEP)) save_state(s);
  s->seconds = nn_seconds() - start;
  atomic_store_explicit(&s->over, true, memory_order_release);
  return NULL;
}

/* ---- around it -------------------------------------------------------------------------------------------- */

nn_status nn__saver_create(nn__trainer *t) {
  void *memory = NULL;
  const size_t arrays = 1 + (size_t)nn_optim_slot_count(t->optim);
  NN_TRY(nn_alloc(1, sizeof(nn__saver), "the saver", &memory));
  t->saver = memory;
  t->saver->t = t;
  (void)nn_h5_library(); /* starts HDF5 on this thread: one built for MPI calls it then */
  NN_TRY(nn_alloc(arrays * t->param_count, sizeof(float), "the copy of the state that is saved", &memory));
  t->saver->state = memory;
  return NN_OK;
}

static void clear(nn__saver *s) {
  nn_history_destroy(&s->history);
  for (int part = HISTORY; part < PRUNE; part++) {
    nn_free(s->paths[part]);
    s->paths[part] = NULL;
  }
}

void nn__saver_destroy(nn__trainer *t) {
  if (t->saver == NULL) return;
  nn__save_wait(t);
  clear(t->saver);
  nn_free(t->saver->state);
  nn_free(t->saver);
  t->saver = NULL;
}

/* The threads of a step copy, too: while they do, nothing is computed. */
static void copy_state(const nn_team *team, void *context) {
  nn__saver *s = context;
  const nn__trainer *t = s->t;
  size_t first, last;
  nn_team_share(team, t->param_count, 16, &first, &last);
  if (first == last) return;
  for (int a = 0; a <= nn_optim_slot_count(t->optim); a++) {
    const float *from = a == 0 ? t->params : nn_optim_slot(t->optim, a - 1);
    memcpy(s->state + (size_t)a * t->param_count + first, from + first, (last - first) * sizeof(float));
  }
}

static nn_status prepare(nn__trainer *t, unsigned what) {
  nn__saver *s = t->saver;
  const char *folder = t->result->run_folder;
  s->what = what;
  s->progress = t->progress;
  memset(s->outcomes, 0, sizeof s->outcomes);
  atomic_init(&s->over, false);
  atomic_init(&s->hurry, false);
  s->rested = 0;
  NN_TRY(nn_history_snapshot(t->history, &s->history));
  if (what & NN__SAVE_HISTORY) NN_TRY(nn_string_format(&s->paths[HISTORY], "%s/history.h5", folder));
  if (what & NN__SAVE_BEST) NN_TRY(nn_string_format(&s->paths[BEST], "%s/checkpoints/best.h5", folder));
  if (what & NN__SAVE_STEP) NN_TRY(nn_checkpoint_path(folder, t->progress.step, &s->paths[STEP]));
  return NN_OK;
}

/* Signals are the main thread's business. */
static bool start_thread(nn__saver *s) {
  sigset_t all, before;
  sigfillset(&all);
  if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return false;
  const bool started = pthread_create(&s->thread, NULL, save_all, s) == 0;
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

void nn__save(nn__trainer *t, unsigned what) {
  nn__saver *s = t->saver;
  const double before = nn_seconds();
  nn__save_wait(t);
  const double start = nn_seconds();
  t->saving.wait_seconds += start - before;
  /* a wish to stop that came meanwhile is met after the next step, with a checkpoint of that */
  if (what == NN__SAVE_STEP && t->options->stop != NULL && *t->options->stop) return;
  if (what & NN__SAVE_STEP) {
    t->last_saved = nn_seconds();
    what |= NN__SAVE_HISTORY;
    if (t->saved_step == t->progress.step) what &= ~(unsigned)NN__SAVE_STEP;
  }
  if (what & NN__SAVE_HISTORY) t->last_history = nn_seconds();
  if (t->history_step == t->progress.step) what &= ~(unsigned)NN__SAVE_HISTORY;
  if (what == 0) return;
  const nn_status status = prepare(t, what);
  s->under_way = true;
  if (status != NN_OK) {
    for (int part = HISTORY; part <= STEP; part++)
      if (what & 1u << part) note(s, part, status);
    nn__save_wait(t);
    return;
  }
  if (what & (NN__SAVE_BEST | NN__SAVE_STEP)) nn_team_run(t->threads, copy_state, s);
  s->has_thread = true;
  if (!start_thread(s)) {
    s->has_thread = false;
    (void)save_all(s);
  }
  t->saving.pause_seconds += nn_seconds() - start;
}

bool nn__save_runs(const nn__trainer *t) {
  return t->saver->under_way;
}

void nn__save_look(nn__trainer *t) {
  if (t->saver->under_way && atomic_load_explicit(&t->saver->over, memory_order_acquire)) nn__save_wait(t);
}

/* ---- its end --------------------------------------------------------------------------------------------- */

static void take_checkpoint(nn__trainer *t, const nn__saver *s) {
  t->step_failed = s->outcomes[STEP].status != NN_OK;
  if (t->step_failed) return;
  t->saved_step = s->progress.step;
  snprintf(t->result->checkpoint, sizeof t->result->checkpoint, "%s", s->paths[STEP]);
}

void nn__save_wait(nn__trainer *t) {
  nn__saver *s = t->saver;
  if (s == NULL || !s->under_way) return;
  atomic_store_explicit(&s->hurry, true, memory_order_relaxed);
  if (s->has_thread) (void)pthread_join(s->thread, NULL);
  s->under_way = s->has_thread = false;
  for (int part = HISTORY; part < RESULTS; part++) {
    const outcome *o = &s->outcomes[part];
    if (o->status == NN_OK ||
        (part == STEP && s->paths[BEST] != NULL && strcmp(o->message, s->outcomes[BEST].message) == 0))
      continue; /* both for one reason: said once */
    nn_log_warn(t->log, "%s; training goes on%s", o->message,
                part == BEST || part == STEP ? ", earlier checkpoints are untouched" : "");
  }
  if (s->what & (NN__SAVE_BEST | NN__SAVE_STEP)) {
    t->saving.count++;
    t->saving.seconds += s->seconds;
    if (s->seconds - s->rested > t->saving.longest) t->saving.longest = s->seconds - s->rested;
  }
  if (s->what & NN__SAVE_BEST) t->best_failed = s->outcomes[BEST].status != NN_OK;
  if (s->what & NN__SAVE_STEP) take_checkpoint(t, s);
  if ((s->what & NN__SAVE_HISTORY) && s->outcomes[HISTORY].status == NN_OK) {
    t->history_step = s->progress.step;
    snprintf(t->result->history, sizeof t->result->history, "%s", s->paths[HISTORY]);
  }
  clear(s);
}
