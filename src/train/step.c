/* One minibatch on this rank: gradients of its pieces, one reduction, the update. */
#include "train_internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void nn__piece_rows(size_t batch, int virtual_ranks, int v, size_t *first, size_t *count) {
  const size_t pieces = (size_t)virtual_ranks, piece = (size_t)v;
  *first = batch * piece / pieces;
  *count = batch * (piece + 1) / pieces - *first;
}

/* What a sample counts for in the loss. */
static double class_weight(const nn__trainer *t, uint32_t id) {
  const float *weights = nn_dataset_class_weights(t->dataset);
  return weights == NULL ? 1 : (double)weights[nn_dataset_label(t->dataset, NN_SET_TRAIN, id)];
}

/* The sum of the whole batch's weights where the loss is a mean, once a step. Every rank knows all labels, so nothing
 * has to be exchanged for it. */
static double weigh_batch(const nn__trainer *t) {
  if (t->task.average == NN_LOSS_SUM) return 1;
  if (nn_dataset_class_weights(t->dataset) == NULL) return (double)t->step.samples;
  double whole = 0;
  for (size_t i = 0; i < t->step.samples; i++) whole += class_weight(t, t->step.ids[i]);
  return whole;
}

/* What multiplies each sample's gradient. */
static void weigh_rows(nn__trainer *t, const uint32_t *ids, size_t rows) {
  for (size_t r = 0; r < rows; r++) t->rows.weight[r] = (float)(class_weight(t, ids[r]) / t->step.weight);
}

/* The gradient of one piece into its slot, metrics into the tail behind it. Team function. */
static void run_piece(nn__trainer *t, const nn_team *team, int piece, size_t first, size_t rows, float *slot) {
  const uint32_t *ids = t->step.ids + first;
  double sums[NN__SUMS];
  const double start = nn_seconds();
  nn_dataset_gather(t->dataset, NN_SET_TRAIN, team, ids, rows, nn_workspace_input(t->workspace), t->rows.labels,
                    t->rows.values);
  if (team->id == 0) {
    t->step.load_seconds += nn_seconds() - start;
    weigh_rows(t, ids, rows);
  }
  const nn_pass pass = {.team = team,
                        .rows = rows,
                        .training = true,
                        .seed = (uint64_t)t->config->run.seed,
                        .step = t->progress.step,
                        .samples = ids,
                        .params = t->params,
                        .grads = slot};
  nn_model_forward(t->model, t->workspace, &pass);
  const float *outputs = nn_workspace_output(t->workspace);
  t->task.loss->compute(t->task.loss_options, team, rows, t->task.width, outputs, t->rows.labels, t->rows.values,
                        t->rows.weight, t->rows.loss, nn_workspace_output_gradient(t->workspace));
  nn__task_sums(&t->task, team, rows, outputs, &t->rows, nn_dataset_class_weights(t->dataset), sums);
  if (team->id == 0)
    for (int k = 0; k < NN__SUMS; k++) slot[t->param_count + (size_t)k] = (float)sums[k];
  const bool traced = nn__trace_on(t);
  if (traced && team->id == 0) nn__trace_forward(t, piece, rows);
  nn_model_backward(t->model, t->workspace, &pass);
  if (!traced) return;
  if (team->id == 0) nn__trace_backward(t, slot);
  nn_team_barrier(team);
}

/* All pieces of this rank, then what only thread 0 may do: the reduction over ranks. */
static void reduce(nn__trainer *t) {
  float *flags = nn_tree_slot(t->tree, t->first_piece) + t->param_count; /* slot 0: part of every sum of this rank */
  if (t->step.status != NN_OK) flags[NN__FLAG_FAILED] = 1;
  if (t->options->stop != NULL && *t->options->stop) flags[NN__FLAG_STOP] = 1;
  if (nn_comm_rank(t->comm) == 0 && nn__deadline_near(t)) flags[NN__FLAG_TIME] = 1;
  if (nn_fault("gradient", t->progress.step)) nn_tree_slot(t->tree, t->first_piece)[0] = INFINITY;
  nn__watch_beat(t, true);
  const double start = nn_seconds();
  const nn_status status = nn_tree_sum(t->tree, &t->step.sum);
  nn__watch_beat(t, false);
  t->step.reduce_seconds = nn_seconds() - start;
  /* after an MPI error no collective can be trusted, not even one that agrees on it */
  if (status != NN_OK) {
    fprintf(stderr, "nnmpi: error: %s\n", nn_error_last()->message);
    nn_comm_abort(t->comm, status);
  }
}

/* False where all ranks stop before the update: one of them failed, or the loss is not a number. */
static bool may_update(const nn__trainer *t) {
  const float *tail = t->step.sum + t->param_count;
  return tail[NN__FLAG_FAILED] == 0 && isfinite(tail[NN__SUM_LOSS]);
}

static void run_step(const nn_team *team, void *context) {
  nn__trainer *t = context;
  const size_t gradient = t->param_count + NN__TAIL;
  for (int i = 0; i < t->pieces; i++) {
    const int v = t->first_piece + i;
    float *slot = nn_tree_slot(t->tree, v), *dst[32];
    const float *src[32];
    size_t first = 0, rows = 0;
    nn__piece_rows(t->step.samples, t->virtual_ranks, v, &first, &rows);
    if (team->id == 0) memset(slot + t->param_count, 0, NN__TAIL * sizeof *slot);
    if (rows > 0)
      run_piece(t, team, v, first, rows, slot);
    else
      nn_fill(team, gradient, 0, slot);
    const int due = nn_tree_due(t->tree, v, dst, src);
    for (int d = 0; d < due; d++) nn_add(team, gradient, src[d], dst[d]);
  }
  if (team->id == 0) reduce(t);
  nn_team_barrier(team);
  if (!may_update(t)) return;
  double norm = 0;
  nn_optim_step(t->optim, team, t->progress.step, t->step.lr, t->config->train.clip_norm, t->step.sum, t->params,
                &norm);
  if (team->id == 0) t->step.gradient_norm = norm;
}

nn_status nn__train_step(nn__trainer *t, uint64_t epoch) {
  const size_t samples = nn_dataset_count(t->dataset, NN_SET_TRAIN);
  const size_t left = samples - t->progress.position;
  const uint64_t step = t->progress.step;
  t->step.ids = t->order + t->progress.position;
  t->step.samples = left < t->batch ? left : t->batch;
  t->step.weight = weigh_batch(t);
  t->step.lr = nn_optim_lr(t->optim, step, t->total_steps, t->steps_per_epoch);
  t->step.load_seconds = t->step.gradient_norm = 0;
  t->step.status = nn_fault("step", step)
                       ? NN_FAIL(NN_ERR_INTERNAL, "step %" PRIu64 " failed on purpose (NNMPI_FAULT)", step)
                       : NN_OK;
  nn__trace_begin(t, epoch);
  nn_team_run(t->threads, run_step, t);

  const float *tail = t->step.sum + t->param_count;
  if (tail[NN__FLAG_FAILED] != 0) return nn_comm_agree(t->comm, t->step.status);
  const bool diverged = !isfinite(tail[NN__SUM_LOSS]) || !isfinite(t->step.gradient_norm);
  if (diverged) NN_TRY(nn__diverged(t));
  NN_TRY(nn__trace_end(t));
  for (int k = 0; k < NN__SUMS && !diverged; k++) t->progress.epoch_sums[k] += (double)tail[k];
  t->skipped = diverged ? t->skipped + 1 : 0;
  t->progress.step++;
  t->progress.position += t->step.samples;
  return NN_OK;
}
