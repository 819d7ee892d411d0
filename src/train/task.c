/* Loss and metrics of rows of outputs. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

nn_status nn__task_create(const nn_config *config, const nn_target_info *target, size_t width, const double *deviation,
                          nn__task *out) {
  const nn_loss_ops *loss = nn_loss_find(config->train.loss.schema->name);
  const void *options = config->train.loss.options;
  const char *name = loss->schema.name;
  NN_TRY(nn_loss_check(&config->train.loss, target, width));
  *out = (nn__task){.loss = loss,
                    .loss_options = options,
                    .average = (nn_loss_average)((const nn_loss_options *)options)->reduction,
                    .target = target,
                    .width = width,
                    .top_k = target->classes ? (size_t)config->train.top_k : 0,
                    .threshold = config->train.threshold,
                    .deviation = target->classes ? NULL : deviation};
  if (strcmp(name, "bce_with_logits") == 0) { /* the output is log(p / (1 - p)) */
    const double p = out->threshold;
    if (p <= 0 || p >= 1)
      return NN_FAIL(NN_ERR_CONFIG,
                     "train.threshold is %g, but with bce_with_logits it is a probability between 0 and 1", p);
    out->threshold = log(p / (1 - p));
  }
  if (out->top_k > width)
    return NN_FAIL(NN_ERR_CONFIG, "train.top_k is %zu, but the network has only %zu outputs", out->top_k, width);
  return NN_OK;
}

static size_t padded(size_t bytes) {
  return (bytes + NN_ALIGNMENT - 1) / NN_ALIGNMENT * NN_ALIGNMENT;
}

/* The parts of an nn__rows, in this order in one block. */
static void sizes(size_t capacity, const nn__task *task, size_t bytes[5]) {
  bytes[0] = padded(task->target->classes ? capacity * sizeof(int32_t) : 0);
  bytes[1] = padded(task->target->classes ? 0 : capacity * task->width * sizeof(float));
  bytes[2] = padded(capacity * sizeof(float));
  bytes[3] = padded(capacity * sizeof(double));
  bytes[4] = padded(capacity * NN__SUMS * sizeof(double));
}

size_t nn__rows_bytes(size_t capacity, const nn__task *task) {
  size_t bytes[5];
  sizes(capacity, task, bytes);
  return bytes[0] + bytes[1] + bytes[2] + bytes[3] + bytes[4];
}

nn_status nn__rows_create(size_t capacity, const nn__task *task, nn__rows *out) {
  size_t bytes[5];
  sizes(capacity, task, bytes);
  void *memory = NULL;
  NN_TRY(nn_alloc(nn__rows_bytes(capacity, task), 1, "the targets of a batch", &memory));
  char *at = memory;
  out->memory = memory;
  out->capacity = capacity;
  out->labels = task->target->classes ? (int32_t *)(void *)at : NULL;
  at += bytes[0];
  out->values = task->target->classes ? NULL : (float *)(void *)at;
  out->weight = (float *)(void *)(at += bytes[1]);
  out->loss = (double *)(void *)(at += bytes[2]);
  out->sums = (double *)(void *)(at += bytes[3]);
  return NN_OK;
}

void nn__rows_clear(nn__rows *rows) {
  nn_free(rows->memory);
  *rows = (nn__rows){0};
}

void nn__gather(const nn_dataset *dataset, nn_set set, const nn_team *team, const uint32_t *ids, size_t rows,
                nn_workspace *workspace, nn__rows *out) {
  static const nn_team alone = {.id = 0, .size = 1};
  float *x = nn_workspace_input(workspace, rows, team->id);
  if (!nn_workspace_each(workspace, rows)) {
    nn_dataset_gather(dataset, set, team, ids, rows, x, out->labels, out->values);
    return;
  }
  const bool targets = team->id == 0; /* of these there is one copy */
  nn_dataset_gather(dataset, set, &alone, ids, rows, x, targets ? out->labels : NULL, targets ? out->values : NULL);
  nn_team_barrier(team);
}

/* Rank of the label's output among the outputs: 0 if none is larger; an equal output counts against it where its index
 * is lower, as the first of equal maxima is taken for the answer. */
static size_t place_of_label(const float *y, size_t width, size_t label) {
  const float own = y[label];
  size_t place = 0; /* without a branch; what is not ≤ is larger, or NaN; behind an own NaN is nothing */
  for (size_t j = 0; j < width; j++) place += (size_t)((!(y[j] <= own)) | ((y[j] == own) & (j < label)));
  return place;
}

static void class_sums(const nn__task *task, const float *y, int32_t label, double sums[NN__SUMS]) {
  if (task->width == 1) {
    sums[NN__SUM_CORRECT] = ((double)y[0] >= task->threshold) == (label == 1);
    return;
  }
  const size_t place = place_of_label(y, task->width, (size_t)label);
  sums[NN__SUM_CORRECT] = place == 0;
  sums[NN__SUM_TOP_K] = place < task->top_k;
}

static void value_sums(const nn__task *task, const float *y, const float *t, double sums[NN__SUMS]) {
  for (size_t j = 0; j < task->width; j++) {
    const double error = (double)y[j] - (double)t[j];
    const double real = task->deviation == NULL ? error : error * task->deviation[j];
    sums[NN__SUM_ABSOLUTE] += fabs(real);
    sums[NN__SUM_SQUARE] += real * real;
    sums[NN__SUM_SQUARE_NORMALIZED] += error * error;
  }
}

void nn__task_rows(const nn__task *task, const nn_team *team, size_t rows, const float *outputs, nn__rows *at,
                   const float *class_weights) {
  size_t first = 0, last = 0;
  nn_team_share(team, rows, 1, &first, &last);
  for (size_t r = first; r < last; r++) {
    double *sums = at->sums + r * NN__SUMS;
    const double weight = class_weights == NULL ? 1 : (double)class_weights[at->labels[r]];
    memset(sums, 0, NN__SUMS * sizeof *sums);
    sums[NN__SUM_LOSS] = weight * at->loss[r];
    sums[NN__SUM_WEIGHT] = weight;
    sums[NN__SUM_SAMPLES] = 1;
    if (task->target->classes)
      class_sums(task, outputs + r * task->width, at->labels[r], sums);
    else
      value_sums(task, outputs + r * task->width, at->values + r * task->width, sums);
  }
  nn_team_barrier(team);
}

void nn__rows_total(const nn__rows *at, size_t first, size_t rows, double total[NN__SUMS]) {
  memset(total, 0, NN__SUMS * sizeof *total);
  for (size_t r = first; r < first + rows; r++)
    for (int k = 0; k < NN__SUMS; k++) total[k] += at->sums[r * NN__SUMS + (size_t)k];
}

nn_metrics nn__task_metrics(const nn__task *task, const double sums[NN__SUMS], double target_variation) {
  nn_metrics metrics = nn_metrics_none;
  const double samples = sums[NN__SUM_SAMPLES], numbers = samples * (double)task->width;
  if (samples == 0) return metrics;
  metrics.loss = sums[NN__SUM_LOSS] / sums[NN__SUM_WEIGHT];
  if (task->target->classes) {
    metrics.accuracy = sums[NN__SUM_CORRECT] / samples;
    if (task->top_k > 0) metrics.top_k = sums[NN__SUM_TOP_K] / samples;
  } else {
    metrics.mae = sums[NN__SUM_ABSOLUTE] / numbers;
    metrics.rmse = sqrt(sums[NN__SUM_SQUARE] / numbers);
    if (target_variation > 0) metrics.r2 = 1 - sums[NN__SUM_SQUARE_NORMALIZED] / target_variation;
  }
  return metrics;
}
