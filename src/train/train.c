/* The training loop: epochs of steps, evaluation, what is told and kept, the end. */
#include "train_internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { TOLD_EVERY_MS = 100, HISTORY_EVERY_S = 10 };

static bool root(const nn__trainer *t) {
  return nn_comm_rank(t->comm) == 0;
}

static nn_status evaluate(nn__trainer *t, nn_set set, nn_metrics *out) {
  *out = nn_metrics_none;
  nn__watch_beat(t, false);
  if (nn_dataset_count(t->dataset, set) == 0) return NN_OK;
  nn_workspace_time(t->workspace, NULL); /* the profile's layers are those of steps */
  const nn__evaluation evaluation = {.comm = t->comm,
                                     .threads = t->threads,
                                     .room = t->room,
                                     .dataset = t->dataset,
                                     .model = t->model,
                                     .params = t->params,
                                     .workspace = t->workspace,
                                     .task = &t->task,
                                     .rows = &t->rows};
  return nn__evaluate(&evaluation, set, out);
}

static double rate(const nn__trainer *t) {
  const double samples = (double)(t->progress.position - t->epoch_first);
  return t->epoch_seconds > 0 ? samples / t->epoch_seconds : 0;
}

/* ---- after a step ------------------------------------------------------------------------------------ */

static void record_step(nn__trainer *t, double seconds) {
  const float *tail = t->step.tail;
  const nn_step_row row = {.step = t->progress.step,
                           .loss = tail[NN__SUM_LOSS] / tail[NN__SUM_WEIGHT],
                           .lr = (float)t->step.lr,
                           .gradient_norm = (float)t->step.gradient_norm,
                           .seconds_compute = (float)(seconds - t->step.reduce_seconds - t->step.load_seconds),
                           .seconds_reduce = (float)t->step.reduce_seconds,
                           .seconds_load = (float)t->step.load_seconds};
  nn_history_step(t->history, &row);
}

static void tell_step(nn__trainer *t, double now) {
  const nn_observer *observer = &t->options->observer;
  if (observer->step == NULL || now - t->last_told < 1e-3 * TOLD_EVERY_MS) return;
  t->last_told = now;
  observer->step(observer->context, t->progress.epoch + 1, (uint64_t)t->config->train.epochs, t->progress.step,
                 t->total_steps, t->progress.epoch_sums[NN__SUM_LOSS] / t->progress.epoch_sums[NN__SUM_WEIGHT],
                 rate(t));
}

static bool save_is_due(const nn__trainer *t, double now) {
  const nn_checkpoint_config *when = &t->config->checkpoint;
  const bool by_steps = when->every_steps > 0 && t->progress.step % (uint64_t)when->every_steps == 0;
  const bool by_minutes = when->every_minutes > 0 && now - t->last_saved >= 60 * when->every_minutes;
  return (by_steps || by_minutes) && nn__deadline_allows_save(t);
}

/* ---- an epoch ------------------------------------------------------------------------------------------ */

/* Steps until the epoch is complete, or all ranks have agreed to stop. */
static nn_status run_steps(nn__trainer *t) {
  const size_t samples = nn_dataset_count(t->dataset, NN_SET_TRAIN);
  const uint64_t epoch = t->progress.epoch;
  const double begin = nn_seconds();
  double before = begin, paused = 0;
  nn_dataset_order(t->dataset, epoch, t->order);
  t->epoch_first = t->progress.position;
  /* a run that stopped behind the last step of an epoch has only its end to do */
  if (t->progress.step > 0)
    t->step.lr = nn_optim_lr(t->optim, t->progress.step - 1, t->total_steps, t->steps_per_epoch);
  while (t->progress.position < samples) {
    NN_TRY(nn__train_step(t, epoch));
    const double now = nn_seconds();
    t->epoch_seconds = now - begin;
    if (root(t)) {
      nn__deadline_note(&t->deadline.step, now - before);
      if (t->step.recorded) record_step(t, now - before - paused);
      tell_step(t, now);
      /* after the last step of an epoch its evaluation comes first */
      const bool saves = t->progress.position < samples && save_is_due(t, now);
      if (saves) nn__save(t, NN__SAVE_STEP);
      nn__save_look(t);
      paused = saves ? nn_seconds() - now : 0; /* which is no time of the next step */
    }
    before = now;
    if (t->step.tail[NN__FLAG_TIME] != 0)
      return NN_FAIL(NN_STOPPED,
                     "stopped before the time limit after step %" PRIu64 " of %" PRIu64
                     "; run the same command again to continue",
                     t->progress.step, t->total_steps);
    if (t->step.tail[NN__FLAG_STOP] != 0)
      return NN_FAIL(NN_STOPPED,
                     "stopped on request after step %" PRIu64 " of %" PRIu64 "; run the same command again to continue",
                     t->progress.step, t->total_steps);
  }
  return NN_OK;
}

/* Is this evaluation the best so far? The same answer on every rank: all have the same figures. */
static bool note_best(nn__trainer *t, const nn_metrics *valid) {
  const nn_early_stop_config *stop = &t->config->train.early_stop;
  const bool accuracy = stop->metric == NN_WATCH_ACCURACY;
  const double value = accuracy ? valid->accuracy : valid->loss;
  if (isnan(value)) return false;
  const double gain = accuracy ? value - t->progress.best_value : t->progress.best_value - value;
  if (!isnan(t->progress.best_value) && !(gain > stop->min_delta)) {
    t->progress.stale++;
    if (stop->patience > 0 && t->progress.stale >= (uint64_t)stop->patience) t->progress.stopped_early = true;
    return false;
  }
  t->progress.best_value = value;
  t->progress.best_epoch = t->progress.epoch;
  t->progress.best_step = t->progress.step;
  t->progress.stale = 0;
  return true;
}

/* Rank 0: rows, files, a line for the user. */
static nn_status record_epoch(nn__trainer *t, const nn_epoch_row *row, bool best) {
  char csv[1100];
  snprintf(csv, sizeof csv, "%s/metrics.csv", t->result->run_folder);
  NN_TRY(nn_history_epoch(t->history, row, t->params));
  if (nn_history_csv_append(t->history, csv) != NN_OK)
    nn_log_warn(t->log, "%s; training goes on", nn_error_last()->message);
  const nn_observer *observer = &t->options->observer;
  if (observer->epoch != NULL) observer->epoch(observer->context, row, (uint64_t)t->config->train.epochs);
  const int64_t every = t->config->checkpoint.every_epochs;
  const double now = nn_seconds();
  unsigned what = 0;
  if (best && t->config->checkpoint.best) what |= NN__SAVE_BEST;
  const bool by_epochs = every > 0 && row->epoch % (uint64_t)every == 0 && nn__deadline_allows_save(t);
  if (by_epochs || save_is_due(t, now)) what |= NN__SAVE_STEP;
  if (now - t->last_history > HISTORY_EVERY_S && !nn__save_runs(t)) what |= NN__SAVE_HISTORY;
  if (what != 0) nn__save(t, what);
  return NN_OK;
}

static nn_status finish_epoch(nn__trainer *t) {
  nn_epoch_row row = {.lr = t->step.lr, .seconds = t->epoch_seconds, .samples_per_second = rate(t)};
  row.train = nn__task_metrics(&t->task, t->progress.epoch_sums, nn_dataset_target_variation(t->dataset, NN_SET_TRAIN));
  nn__mark(t, NULL, NN__PHASE_REST);
  NN_TRY(evaluate(t, NN_SET_VALID, &row.valid));
  nn__mark(t, NULL, NN__PHASE_EVALUATE);
  t->progress.epoch++;
  t->progress.position = 0;
  memset(t->progress.epoch_sums, 0, sizeof t->progress.epoch_sums);
  row.epoch = t->progress.epoch;
  row.step = t->progress.step;
  t->result->train = row.train;
  t->result->valid = row.valid;
  const bool best = note_best(t, &row.valid);
  const nn_status status = root(t) ? record_epoch(t, &row, best) : NN_OK;
  nn__watch_beat(t, true);
  return nn_comm_agree(t->comm, status);
}

/* ---- the whole run --------------------------------------------------------------------------------------- */

static nn_status loop(nn__trainer *t) {
  const uint64_t epochs = (uint64_t)t->config->train.epochs;
  const bool first = root(t) && t->progress.step == 0;
  NN_TRY(nn_comm_agree(t->comm, first ? nn_history_weights(t->history, 0, t->params) : NN_OK));
  t->last_saved = t->last_history = nn_seconds();
  if (root(t)) nn__deadline_set(t);
  nn__profile_begin(t);
  while (t->progress.epoch < epochs && !t->progress.stopped_early) {
    NN_TRY(run_steps(t));
    const double start = nn_seconds();
    NN_TRY(finish_epoch(t));
    nn__deadline_note(&t->deadline.epoch_end, nn_seconds() - start);
  }
  nn__mark(t, NULL, NN__PHASE_REST);
  return NN_OK;
}

/* A run that had ended before: its figures once more, from what it kept. */
static void take_last_row(nn__trainer *t) {
  if (t->history == NULL) return;
  const size_t rows = nn_history_epoch_count(t->history);
  if (rows == 0) return;
  const nn_epoch_row *last = nn_history_epoch_at(t->history, rows - 1);
  t->result->train = last->train;
  t->result->valid = last->valid;
}

/* What is left to somebody whose training diverged. */
static void name_last_good(const nn__trainer *t, nn_error *error) {
  const size_t used = strlen(error->message);
  char *end = error->message + used;
  if (t->result->checkpoint[0] != '\0')
    snprintf(end, sizeof error->message - used, "; the last good checkpoint is %s", t->result->checkpoint);
  else
    snprintf(end, sizeof error->message - used, "; there is no checkpoint yet");
}

static void close_run(nn__trainer *t, nn_status status) {
  nn_train_result *result = t->result;
  result->epochs = t->progress.epoch;
  result->steps = t->progress.step;
  result->best_epoch = t->progress.best_epoch;
  result->stopped_early = t->progress.stopped_early;
  nn__watch_beat(t, !root(t));
  if (!root(t)) return;
  nn_error error = *nn_error_last();
  unsigned what = 0;
  if (status == NN_OK || status == NN_STOPPED) what |= NN__SAVE_STEP;
  if (t->progress.step > 0 || status == NN_OK) what |= NN__SAVE_HISTORY;
  nn__save(t, what);
  nn__save_wait(t);
  if (status == NN_ERR_DIVERGED) name_last_good(t, &error);
  (void)NN_FAIL(error.status, "%s", error.message); /* what follows may have put other words into the slot */
  nn_error_set_rank(error.rank, error.host);
}

/* What a run that went well, or was stopped, comes to where its last files could not be written. Collective. */
static nn_status judge_saves(nn__trainer *t, nn_status status) {
  if (status != NN_OK && status != NN_STOPPED) return status;
  nn_status saved = NN_OK;
  if (t->step_failed && !nn_all_finite(t->param_count, t->params))
    saved = NN_FAIL(NN_ERR_DIVERGED, "training diverged in its last step: the parameters are not finite; try a smaller "
                                     "learning rate, train.clip_norm, or a warm-up");
  else if (t->step_failed || (t->best_failed && status == NN_OK))
    saved = NN_FAIL(NN_ERR_IO, "the run is %s, but its %s checkpoint could not be written (see the warnings above)",
                    status == NN_OK ? "complete" : "stopped", t->step_failed ? "last" : "best");
  nn__watch_beat(t, true);
  saved = nn_comm_agree(t->comm, saved);
  return saved == NN_OK ? status : saved;
}

/* A run that was stopped may be killed any moment: its profile comes when all else is safe. Collective. */
static void profile_stopped(nn__trainer *t) {
  const nn_error stopped = *nn_error_last();
  if (t->profile == NULL) return;
  if (nn__profile_end(t) == NN_OK && root(t)) {
    nn__save(t, NN__SAVE_HISTORY);
    nn__save_wait(t);
  }
  (void)NN_FAIL(stopped.status, "%s", stopped.message);
  nn_error_set_rank(stopped.rank, stopped.host);
}

nn_status nn_train(nn_comm *comm, nn_config *config, const nn_registry *registry, const nn_train_options *options,
                   nn_log *log, nn_train_result *result) {
  nn__trainer t = {
      .comm = comm, .config = config, .registry = registry, .options = options, .log = log, .result = result};
  *result = (nn_train_result){.train = nn_metrics_none, .valid = nn_metrics_none, .test = nn_metrics_none};
  nn_status status = nn__trainer_open(&t);
  if (status != NN_OK) {
    if (root(&t)) nn__run_forget(&t);
    goto done;
  }
  result->was_finished = t.resumed && (t.progress.stopped_early || t.progress.epoch >= (uint64_t)config->train.epochs);
  if (result->was_finished) take_last_row(&t);
  if (root(&t)) nn__run_summary(&t, "running", NN_OK);
  status = nn__watch_start(&t);
  if (status == NN_OK) status = loop(&t);
  if (status == NN_OK && root(&t)) nn__save(&t, NN__SAVE_STEP); /* before the test set, which may take long */
  if (status == NN_OK) status = evaluate(&t, NN_SET_TEST, &result->test);
  if (status == NN_OK) status = nn__profile_end(&t);
  close_run(&t, status);
  status = judge_saves(&t, status);
  if (root(&t)) nn__run_summary(&t, status == NN_OK ? "finished" : status == NN_STOPPED ? "stopped" : "failed", status);
  if (status == NN_STOPPED) profile_stopped(&t);
done:
  nn__trainer_close(&t);
  return status;
}
