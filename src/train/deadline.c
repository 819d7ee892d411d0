/* Stopping before others end the job: from the measured length of a step, of what follows an epoch, and of a save.
 * Rank 0 decides, the reduction of the step tells everybody. */
#include "train_internal.h"

#include <math.h>

/* What others may need after us: MPI's end, a launcher (mpirun of Open MPI 4 ends one second after the first rank that
 * did not exit with 0, here or on other nodes), a batch system that looks once in a while. */
enum { MARGIN_MIN = 3, MARGIN_MAX = 30 };

void nn__deadline_set(nn__trainer *t) {
  const double begin = t->options->asked > 0 ? t->options->asked : nn_seconds();
  const double minutes = t->config->run.max_minutes, own = minutes > 0 ? begin + 60 * minutes : INFINITY;
  const double given = t->options->seconds_left > 0 ? begin + t->options->seconds_left : INFINITY;
  t->deadline.at = own < given ? own : given;
  if (!isfinite(t->deadline.at)) return;
  const double left = t->deadline.at - nn_seconds(), share = 0.05 * left;
  t->deadline.margin = share < MARGIN_MIN ? MARGIN_MIN : share > MARGIN_MAX ? MARGIN_MAX : share;
  nn_log_info(t->log, "time limit: %.0f s are left (%s)", left, own < given ? "run.max_minutes" : "SLURM");
}

/* The longest so far, but forgetting: one hiccup does not count for ever. */
void nn__deadline_note(double *longest, double seconds) {
  *longest = fmax(seconds, 0.98 * *longest);
}

/* Of one save. Before the first is measured: what it costs to build the file, and a poor file system. */
static double save_seconds(const nn__trainer *t) {
  const double bytes = (double)t->param_count * sizeof(float) * (1 + nn_optim_slot_count(t->optim));
  return t->saving.count > 0 ? 1.5 * t->saving.longest : bytes / 50e6;
}

static bool time_for(const nn__trainer *t, int steps, int saves, double more) {
  if (!isfinite(t->deadline.at)) return true;
  const double needed = 1.5 * steps * t->deadline.step + (saves + nn__save_runs(t)) * save_seconds(t) + more;
  return nn_seconds() + needed + t->deadline.margin <= t->deadline.at;
}

/* What follows an epoch, or all of them. */
static double evaluation_seconds(const nn__trainer *t) {
  const double a_sample = t->deadline.step / (double)t->batch;
  const double valid = (double)nn_dataset_count(t->dataset, NN_SET_VALID) * a_sample;
  const bool last = t->progress.epoch + 1 >= (uint64_t)t->config->train.epochs;
  const double test = last ? (double)nn_dataset_count(t->dataset, NN_SET_TEST) * a_sample : 0;
  return fmax(t->deadline.epoch_end, valid) + test;
}

bool nn__deadline_near(const nn__trainer *t) {
  const size_t samples = nn_dataset_count(t->dataset, NN_SET_TRAIN);
  const bool ends_epoch = t->progress.position + t->step.samples >= samples;
  /* an epoch's end brings an evaluation, and perhaps a best one that is to be saved */
  return !time_for(t, 1, 1 + ends_epoch, ends_epoch ? 1.5 * evaluation_seconds(t) : 0);
}

bool nn__deadline_allows_save(const nn__trainer *t) {
  return time_for(t, 1, 2 + nn__save_runs(t), 0); /* this one, while another may have to end first, and the last */
}
