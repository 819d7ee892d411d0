/* What can be known only when all rows are there: classes, splits, statistics, the digest. */
#include "dataset.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t row_of(const nn__view *view, size_t id) {
  return view->rows == NULL ? id : view->rows[id];
}

/* ---- classes -------------------------------------------------------------------------------------------- */

void nn__count_classes(nn_dataset *d) {
  if (!d->target.classes || d->target.width != 0) return;
  int32_t highest = 0;
  for (int set = 0; set < NN_SET_COUNT; set++) {
    const nn__table *t = &d->tables[set];
    if (!t->present || !t->has_y) continue;
    const int32_t *labels = nn__table_labels(d, t);
    for (size_t i = 0; i < t->rows; i++)
      if (labels[i] > highest) highest = labels[i];
  }
  d->target.width = (size_t)highest + 1;
}

/* Classes that do not occur in the training set weigh 1; the mean over its samples is 1. */
static nn_status balance(const nn_dataset *d, float *weights) {
  const nn__view *train = &d->views[NN_SET_TRAIN];
  const int32_t *labels = nn__table_labels(d, train->table);
  void *memory = NULL;
  NN_TRY(nn_alloc(d->target.width, sizeof(size_t), "class weights", &memory));
  size_t *counts = memory, present = 0;
  for (size_t i = 0; i < train->count; i++) counts[labels[row_of(train, i)]]++;
  for (size_t c = 0; c < d->target.width; c++) present += counts[c] > 0;
  for (size_t c = 0; c < d->target.width; c++)
    weights[c] = counts[c] == 0 ? 1 : (float)((double)train->count / ((double)present * (double)counts[c]));
  nn_free(memory);
  return NN_OK;
}

static nn_status given_weights(const nn_dataset *d, float *weights) {
  const nn_tensor *given = d->weight_values;
  if (given->rank != 1 || given->dims[0] != d->target.width)
    return NN_FAIL(NN_ERR_CONFIG, "data.class_weight_values has %zu weights; %s has %zu classes",
                   given->rank == 1 ? given->dims[0] : 0, d->source, d->target.width);
  bool some = false;
  for (size_t c = 0; c < d->target.width; c++) {
    if (!(given->at[c] >= 0 && given->at[c] <= (double)FLT_MAX))
      return NN_FAIL(NN_ERR_CONFIG, "data.class_weight_values: the weight of class %zu must be 0 or more", c);
    weights[c] = (float)given->at[c];
    some = some || weights[c] > 0;
  }
  if (!some) return NN_FAIL(NN_ERR_CONFIG, "data.class_weight_values: all weights are 0");
  return NN_OK;
}

static nn_status weigh_classes(nn_dataset *d) {
  if (!d->target.classes || d->weight_mode == NN_CLASS_WEIGHT_NONE) return NN_OK;
  void *memory = NULL;
  NN_TRY(nn_alloc(d->target.width, sizeof(float), "class weights", &memory));
  float *weights = memory;
  const nn_status status = d->weight_mode == NN_CLASS_WEIGHT_GIVEN ? given_weights(d, weights) : balance(d, weights);
  bool all_one = true;
  for (size_t c = 0; status == NN_OK && c < d->target.width; c++) all_one = all_one && !(fabsf(weights[c] - 1) > 0);
  if (status == NN_OK && !all_one)
    d->class_weights = weights;
  else
    nn_free(memory);
  return status;
}

/* ---- the split ------------------------------------------------------------------------------------------- */

static nn_status split_train(nn_dataset *d) {
  if (d->split_count == 0) return NN_OK;
  nn__view *train = &d->views[NN_SET_TRAIN], *valid = &d->views[NN_SET_VALID];
  void *taken = NULL, *rest = NULL;
  nn_status status = NN_OK;
  NN_TRY_DONE(nn_alloc(valid->count, sizeof(uint32_t), "the split of the data set", &taken));
  NN_TRY_DONE(nn_alloc(train->count, sizeof(uint32_t), "the split of the data set", &rest));
  NN_TRY_DONE(nn__split(d->seed, NN__SPLIT_VALID, d->target.classes ? nn__table_labels(d, train->table) : NULL,
                        d->target.width, train->table->rows, d->split_count, taken, rest));
  valid->rows = taken;
  train->rows = rest;
  taken = rest = NULL;
done:
  nn_free(taken);
  nn_free(rest);
  return status;
}

/* ---- statistics ------------------------------------------------------------------------------------------- */

/* A column that never changes (or by less than a float can tell) is only centred. */
static float inverse_of(double deviation) {
  const double inverse = 1 / deviation;
  return deviation > 0 && inverse <= (double)FLT_MAX ? (float)inverse : 1;
}

static nn_status normalize_inputs(nn_dataset *d) {
  if (!d->normalize) return NN_OK;
  const nn__view *train = &d->views[NN_SET_TRAIN];
  nn_normalizer *n = &d->normalizer;
  nn_status status = NN_OK;
  void *mean = NULL, *inverse = NULL, *sums = NULL;
  NN_TRY_DONE(nn_alloc(d->width, sizeof(float), "the normalisation of the data set", &mean));
  NN_TRY_DONE(nn_alloc(d->width, sizeof(float), "the normalisation of the data set", &inverse));
  NN_TRY_DONE(nn_alloc(d->width, 2 * sizeof(double), "the normalisation of the data set", &sums));
  double *means = sums, *deviations = means + d->width;
  NN_TRY_DONE(nn__column_statistics(nn__element_of(train->table->x.type), d->width, nn__table_x(d, train->table),
                                    train->rows, train->count, means, deviations));
  n->mean = mean;
  n->inverse_deviation = inverse;
  mean = inverse = NULL;
  for (size_t j = 0; j < d->width; j++) {
    n->mean[j] = (float)(means[j] / n->scale);
    n->inverse_deviation[j] = inverse_of(deviations[j] / n->scale);
  }
done:
  nn_free(mean);
  nn_free(inverse);
  nn_free(sums);
  return status;
}

static nn_status normalize_targets(nn_dataset *d) {
  if (!d->normalize_targets) return NN_OK;
  const nn__view *train = &d->views[NN_SET_TRAIN];
  nn_normalizer *n = &d->normalizer;
  nn_status status = NN_OK;
  void *mean = NULL, *deviation = NULL;
  NN_TRY_DONE(nn_alloc(d->target.width, sizeof(double), "the normalisation of the targets", &mean));
  NN_TRY_DONE(nn_alloc(d->target.width, sizeof(double), "the normalisation of the targets", &deviation));
  NN_TRY_DONE(nn__column_statistics(NN_ELEMENT_F32, d->target.width, nn__table_values(d, train->table), train->rows,
                                    train->count, mean, deviation));
  n->target_mean = mean;
  n->target_deviation = deviation;
  mean = deviation = NULL;
  for (size_t j = 0; j < d->target.width; j++)
    if (!(n->target_deviation[j] > 0)) n->target_deviation[j] = 1;
done:
  nn_free(mean);
  nn_free(deviation);
  return status;
}

/* The square of a deviation times the number of samples, summed over the columns. */
static nn_status vary(nn_dataset *d, nn_set set) {
  const nn__view *view = &d->views[set];
  if (view->count == 0 || d->target.classes || !view->table->has_y) return NN_OK;
  const size_t width = d->target.width;
  void *memory = NULL;
  NN_TRY(nn_alloc(width, 2 * sizeof(double), "the statistics of the data set", &memory));
  double *mean = memory, *deviation = mean + width;
  const nn_status status = nn__column_statistics(NN_ELEMENT_F32, width, nn__table_values(d, view->table), view->rows,
                                                 view->count, mean, deviation);
  double sum = 0;
  for (size_t j = 0; status == NN_OK && j < width; j++) {
    const double unit = d->normalizer.target_deviation == NULL ? 1 : d->normalizer.target_deviation[j];
    const double relative = deviation[j] / unit;
    sum += (double)view->count * relative * relative;
  }
  if (status == NN_OK) d->variation[set] = sum;
  nn_free(memory);
  return status;
}

/* ---- the digest -------------------------------------------------------------------------------------------- */

static uint64_t digest_table(const nn_dataset *d, const nn__table *t, uint64_t digest) {
  uint64_t head[4 + NN_H5_RANK_MAX] = {t->present ? t->x.type + 1 : 0, t->has_y ? t->y.type + 1 : 0, d->target.classes,
                                       d->target.classes ? 0 : d->target.width};
  if (t->present) memcpy(head + 4, t->x.dims, (size_t)t->x.rank * sizeof(uint64_t));
  digest = nn_digest(digest, head, sizeof head);
  if (!t->present) return digest;
  return nn_digest(digest, nn__table_digests(d, t), nn__table_blocks(t) * 2 * sizeof(uint64_t));
}

nn_status nn_dataset_peek(nn_dataset *dataset) {
  if (!dataset->target.classes || dataset->target.width != 0) return NN_OK;
  /* not nn_alloc(): room as for everything, but only the pages of labels are ever touched */
  dataset->shared = calloc(dataset->shared_bytes, 1);
  nn_status status = NN_OK;
  if (dataset->shared == NULL) status = NN_FAIL(NN_ERR_MEMORY, "%s: out of memory for its labels", dataset->source);
  for (int set = 0; set < NN_SET_COUNT && status == NN_OK; set++) {
    const nn__table *t = &dataset->tables[set];
    if (t->present && t->has_y) status = nn__table_load_y(dataset, t, 0, t->rows);
  }
  if (status == NN_OK) nn__count_classes(dataset);
  free(dataset->shared);
  dataset->shared = NULL;
  return status;
}

nn_status nn_dataset_finish(nn_dataset *dataset) {
  NN_ASSERT(dataset->shared != NULL && !dataset->finished);
  nn_dataset *d = dataset;
  nn__count_classes(d);
  NN_TRY(split_train(d));
  if (d->drawn) {
    d->views[NN_SET_TEST] = d->views[NN_SET_VALID];
    d->views[NN_SET_VALID] = (nn__view){0};
  }
  if (!d->given_normalizer) {
    d->normalizer.width = d->width;
    d->normalizer.target_width = d->target.classes ? 0 : d->target.width;
    NN_TRY(normalize_inputs(d));
    NN_TRY(normalize_targets(d));
    NN_TRY(weigh_classes(d));
  }
  for (int set = 0; set < NN_SET_COUNT; set++) NN_TRY(vary(d, (nn_set)set));
  d->digest = NN_DIGEST_START;
  for (int set = 0; set < NN_SET_COUNT; set++) d->digest = digest_table(d, &d->tables[set], d->digest);
  nn_h5_close(&d->file);
  d->finished = true;
  return NN_OK;
}
