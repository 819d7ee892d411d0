/* The folder of a run: what an earlier process left there, and what this one writes. Rank 0 alone touches files. */
#include "train_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static nn_status path_in(const nn__trainer *t, const char *name, char **out) {
  return nn_string_format(out, "%s/%s", t->result->run_folder, name);
}

/* --restart: the old folder stays, under the first free name. */
static nn_status set_aside(nn__trainer *t) {
  const char *folder = t->result->run_folder;
  struct stat about;
  char *aside = t->set_aside;
  for (int i = 1; i < 10000; i++) {
    snprintf(aside, sizeof t->set_aside, "%s.old-%d", folder, i);
    if (stat(aside, &about) == 0) continue;
    if (rename(folder, aside) != 0)
      return NN_FAIL(NN_ERR_IO, "%s: the old run cannot be set aside as %s: %s", folder, aside, strerror(errno));
    nn_log_info(t->log, "the old run is kept in %s", aside);
    return NN_OK;
  }
  return NN_FAIL(NN_ERR_IO, "%s: too many old runs are kept beside it; remove some of %s.old-*", folder, folder);
}

/* This job's folder, and nobody else's. */
static nn_status enter(nn__trainer *t) {
  char folder[1024 + 32];
  struct stat about;
  t->new_folder = stat(t->result->run_folder, &about) != 0;
  snprintf(folder, sizeof folder, "%s/checkpoints", t->result->run_folder);
  NN_TRY(nn_directory_create(folder));
  if (access(folder, W_OK) != 0)
    return NN_FAIL(NN_ERR_IO, "%s: the run folder cannot be written: %s; give another with --set run.folder=PATH",
                   folder, strerror(errno));
  NN_TRY(nn__run_lock(t));
  nn_file_sweep(folder);
  nn_file_sweep(t->result->run_folder);
  snprintf(folder, sizeof folder, "%s/log.txt", t->result->run_folder);
  return nn_log_to_file(t->log, folder);
}

nn_status nn__run_open(nn__trainer *t) {
  const nn_run_config *run = &t->config->run;
  const char *folder = t->result->run_folder;
  if (snprintf(t->result->run_folder, 1000, "%s/%s", run->folder, run->name) >= 1000)
    return NN_FAIL(NN_ERR_CONFIG, "run.folder and run.name are too long together");
  if (nn_comm_rank(t->comm) != 0) return NN_OK;
  struct stat about;
  t->replaces = t->options->restart && stat(folder, &about) == 0;
  if (!t->replaces) return enter(t);
  /* the old run stays where it is until the new one is known to begin; no job may be at work in it */
  return S_ISDIR(about.st_mode) && access(folder, W_OK) == 0 ? nn__run_lock(t) : NN_OK;
}

void nn__run_forget(nn__trainer *t) {
  static const char *const files[] = {"log.txt", "config.yaml", "metrics.csv", "lock"};
  char path[1100];
  if (!t->new_folder) return;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    snprintf(path, sizeof path, "%s/%s", t->result->run_folder, files[i]);
    (void)unlink(path);
  }
  snprintf(path, sizeof path, "%s/checkpoints", t->result->run_folder);
  (void)rmdir(path);
  if (rmdir(t->result->run_folder) != 0 || t->set_aside[0] == '\0') return;
  if (rename(t->set_aside, t->result->run_folder) == 0)
    nn_log_info(t->log, "the old run is back in %s", t->result->run_folder);
}

/* ---- finding what to continue ----------------------------------------------------------------------- */

static nn_status compare(nn__trainer *t) {
  const char *text = nn_checkpoint_config_text(t->found);
  nn_config *old = NULL;
  nn_text differences = {0};
  size_t count = 0;
  nn_status status = nn_config_parse(text, strlen(text), "the checkpoint's configuration", NULL, 0, t->registry, &old);
  if (status != NN_OK) goto done;
  NN_TRY_DONE(nn_config_compare(old, t->config, &differences, &count));
  if (nn_checkpoint_data_digest(t->found) != nn_dataset_digest(t->dataset)) {
    nn_text_add(&differences, "  the data set's content (digest %016" PRIx64 " -> %016" PRIx64 ")\n",
                nn_checkpoint_data_digest(t->found), nn_dataset_digest(t->dataset));
    count++;
  }
  NN_TRY_DONE(nn_text_status(&differences));
  if (count > 0)
    status = NN_FAIL(NN_ERR_CHECKPOINT,
                     "%s holds a run of another configuration:\n%sgive the new run another name (--set run.name=NAME), "
                     "or start over with "
                     "--restart (the old run is kept aside)",
                     t->result->run_folder, differences.at);
done:
  nn_text_clear(&differences);
  nn_config_destroy(&old);
  return status;
}

/* A warning for each line of what was found out about the checkpoints; or why there is nothing to continue. */
static void tell(nn__trainer *t, nn_text *report) {
  char *history = NULL;
  for (char *line = report->at, *end = NULL; line != NULL; line = end == NULL ? NULL : end + 1) {
    end = strchr(line, '\n');
    if (end != NULL) *end = '\0';
    nn_log_warn(t->log, "%s", line);
  }
  if (report->length > 0 || t->found != NULL || path_in(t, "history.h5", &history) != NN_OK) return;
  if (access(history, F_OK) == 0)
    nn_log_info(t->log, "%s has a history, but no checkpoint: the run begins anew", t->result->run_folder);
  nn_free(history);
}

nn_status nn__run_find(nn__trainer *t, int64_t asked) {
  nn_text report = {0};
  nn_status status = NN_OK;
  int64_t virtual_ranks = t->config->parallel.virtual_ranks;
  if (nn_comm_rank(t->comm) == 0 && !t->options->restart) {
    status = nn_checkpoint_newest(t->result->run_folder, &report, &t->found);
    if (status == NN_OK || report.length > 0) tell(t, &report);
    if (status == NN_OK && t->found != NULL) {
      if (asked == NN_AUTO) t->config->parallel.virtual_ranks = virtual_ranks = nn_checkpoint_virtual_ranks(t->found);
      status = compare(t);
    }
  }
  nn_text_clear(&report);
  NN_TRY(nn_comm_agree(t->comm, status));
  NN_TRY(nn_comm_broadcast(t->comm, &virtual_ranks, sizeof virtual_ranks));
  t->config->parallel.virtual_ranks = virtual_ranks;
  return NN_OK;
}

/* ---- restoring and writing ---------------------------------------------------------------------------- */

static nn_status restore(nn__trainer *t) {
  char *path = NULL;
  bool found = false;
  NN_TRY(nn_checkpoint_restore(t->found, t->model, t->params, t->optim));
  t->progress = *nn_checkpoint_progress(t->found);
  t->saved_step = t->progress.step;
  NN_TRY(nn_checkpoint_path(t->result->run_folder, t->progress.step, &path));
  snprintf(t->result->checkpoint, sizeof t->result->checkpoint, "%s", path);
  nn_free(path);
  NN_TRY(path_in(t, "history.h5", &path));
  /* the checkpoint's rows first: history.h5 may be older or newer, and adds the steps */
  nn_status status = nn_checkpoint_read_epochs(t->found, t->history);
  if (status == NN_OK) status = nn_history_restore(t->history, path, t->progress.step, &found);
  nn_free(path);
  return status;
}

/* config.yaml says how the run is computed from now on; metrics.csv is cut back to where it stands. */
static nn_status write_start(nn__trainer *t) {
  char *config = NULL, *csv = NULL;
  nn_text_clear(&t->resolved);
  NN_TRY(nn_config_write(t->config, &t->resolved));
  NN_TRY(nn_text_status(&t->resolved));
  nn_status status = path_in(t, "config.yaml", &config);
  if (status == NN_OK) status = path_in(t, "metrics.csv", &csv);
  const nn_bytes bytes = {t->resolved.at, t->resolved.length};
  if (status == NN_OK) status = nn_file_replace(config, &bytes, 1);
  if (status == NN_OK) status = nn_history_csv_rewrite(t->history, csv);
  nn_free(config);
  nn_free(csv);
  return status;
}

nn_status nn__run_begin(nn__trainer *t) {
  if (nn_comm_rank(t->comm) != 0) return NN_OK;
  if (t->replaces) {
    NN_TRY(set_aside(t));
    NN_TRY(enter(t));
  }
  return write_start(t);
}

nn_status nn__run_resume(nn__trainer *t) {
  nn_status status = NN_OK;
  if (nn_comm_rank(t->comm) == 0) {
    t->resumed = t->found != NULL;
    if (t->resumed) status = restore(t);
  }
  NN_TRY(nn_comm_agree(t->comm, status));
  NN_TRY(nn_comm_broadcast(t->comm, &t->resumed, sizeof t->resumed));
  nn_checkpoint_close(&t->found);
  if (!t->resumed) return NN_OK;
  NN_TRY(nn_comm_broadcast(t->comm, &t->progress, sizeof t->progress));
  NN_TRY(nn_comm_broadcast(t->comm, t->params, t->param_count * sizeof(float)));
  for (int s = 0; s < nn_optim_slot_count(t->optim); s++)
    NN_TRY(nn_comm_broadcast(t->comm, nn_optim_slot(t->optim, s), t->param_count * sizeof(float)));
  if (!t->progress.stopped_early && t->progress.epoch < (uint64_t)t->config->train.epochs)
    nn_log_info(t->log, "continued at epoch %" PRIu64 ", step %" PRIu64, t->progress.epoch + 1, t->progress.step);
  return NN_OK;
}

/* ---- summary.json --------------------------------------------------------------------------------------- */

static void add_number(nn_text *out, const char *name, double value, bool comma) {
  char text[32];
  if (!isfinite(value)) return; /* JSON has no such numbers */
  nn_text_add(out, "%s\"%s\": %s", comma ? ", " : "", name, nn_format_real(value, text));
}

static void add_metrics(nn_text *out, const char *name, const nn_metrics *m) {
  if (isnan(m->loss)) return;
  nn_text_add(out, "  \"%s\": {", name);
  add_number(out, "loss", m->loss, false);
  add_number(out, "accuracy", m->accuracy, true);
  add_number(out, "top_k", m->top_k, true);
  add_number(out, "mae", m->mae, true);
  add_number(out, "rmse", m->rmse, true);
  add_number(out, "r2", m->r2, true);
  nn_text_add(out, "},\n");
}

static void add_string(nn_text *out, const char *name, const char *value) {
  nn_text_add(out, "  \"%s\": \"", name);
  nn_text_add_escaped(out, value);
  nn_text_add(out, "\",\n");
}

void nn__run_summary(nn__trainer *t, const char *status, nn_status code) {
  nn_text out = {0};
  char *path = NULL;
  nn_text_add(&out, "{\n");
  add_string(&out, "name", t->config->run.name);
  add_string(&out, "status", status);
  if (code != NN_OK) add_string(&out, "message", nn_error_last()->message);
  nn_text_add(&out, "  \"epochs\": %" PRIu64 ",\n  \"steps\": %" PRIu64 ",\n", t->progress.epoch, t->progress.step);
  if (!isnan(t->progress.best_value)) {
    nn_text_add(&out, "  \"best\": {\"epoch\": %" PRIu64 ", \"step\": %" PRIu64, t->progress.best_epoch,
                t->progress.best_step);
    add_number(&out, t->config->train.early_stop.metric == NN_WATCH_ACCURACY ? "valid_accuracy" : "valid_loss",
               t->progress.best_value, true);
    nn_text_add(&out, "},\n");
  }
  add_metrics(&out, "train", &t->result->train);
  add_metrics(&out, "valid", &t->result->valid);
  add_metrics(&out, "test", &t->result->test);
  nn_text_add(&out, "  \"ranks\": %d,\n  \"threads\": %d,\n  \"virtual_ranks\": %d,\n", nn_comm_size(t->comm),
              t->threads, t->virtual_ranks);
  nn_text_add(&out, "  \"saves\": {\"count\": %" PRIu64, t->saving.count);
  add_number(&out, "wait_seconds", t->saving.wait_seconds, true);
  add_number(&out, "pause_seconds", t->saving.pause_seconds, true);
  add_number(&out, "seconds", t->saving.seconds, true);
  nn_text_add(&out, "},\n");
  add_string(&out, "checkpoint", t->result->checkpoint);
  nn_text_add(&out, "  \"exit_code\": %d\n}\n", (int)code);
  nn_status written = nn_text_status(&out);
  if (written == NN_OK) written = path_in(t, "summary.json", &path);
  const nn_bytes bytes = {out.at, out.length};
  const nn_error before = *nn_error_last(); /* the message of the run's end must survive this */
  if (written == NN_OK) written = nn_file_replace(path, &bytes, 1);
  if (written != NN_OK) {
    nn_log_warn(t->log, "%s", nn_error_last()->message);
    (void)NN_FAIL(before.status, "%s", before.message);
    nn_error_set_rank(before.rank, before.host);
  }
  nn_free(path);
  nn_text_clear(&out);
}
