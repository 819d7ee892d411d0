/* The order of an epoch, and rows for a batch. */
#include "dataset.h"

#include <math.h>

enum {
  AHEAD = 8,           /* rows that are on their way from memory: one is converted in less time than one takes */
  AHEAD_MOST = 8 << 10 /* bytes of each: once it is read, the processor sees what comes next */
};

/* Uniform in 0 … n − 1 from 64 random bits: the upper part of their product with n. */
static size_t below(uint32_t low, uint32_t high, uint64_t n) {
  return (size_t)((high * n + (low * n >> 32)) >> 32);
}

void nn_dataset_order(const nn_dataset *dataset, uint64_t epoch, uint32_t *order) {
  enum { HALF = 256, BOTH = 512 /* places drawn at once: two of the four words of a counter each */ };
  const size_t count = dataset->views[NN_SET_TRAIN].count;
  for (size_t i = 0; i < count; i++) order[i] = (uint32_t)i;
  if (!dataset->shuffle) return;
  const uint64_t bits = nn_random_bits(dataset->seed, NN_RANDOM_ORDER, epoch, 0);
  const uint32_t key[2] = {(uint32_t)bits, (uint32_t)(bits >> 32)};
  uint32_t words[4][HALF];
  /* Fisher and Yates, Durstenfeld's form, from the front: i is swapped with one of i … count − 1 */
  for (size_t i = 0; i + 1 < count; i++) {
    const size_t draw = i % BOTH, half = draw / HALF, at = draw % HALF;
    if (draw == 0) nn_vector_philox(key, (const uint32_t[4]){(uint32_t)(i / 2)}, HALF, words[0]);
    const size_t j = i + below(words[2 * half][at], words[2 * half + 1][at], count - i);
    const uint32_t other = order[j];
    order[j] = order[i];
    order[i] = other;
  }
}

static void gather_targets(const nn_dataset *d, const nn__table *t, size_t row, size_t i, int32_t *labels,
                           float *values) {
  if (labels != NULL) labels[i] = nn__table_labels(d, t)[row];
  if (values == NULL) return;
  const size_t width = d->target.width;
  const float *from = nn__table_values(d, t) + row * width;
  float *to = values + i * width;
  const nn_normalizer *n = &d->normalizer;
  for (size_t j = 0; j < width; j++)
    to[j] = n->target_mean == NULL ? from[j] : (float)(((double)from[j] - n->target_mean[j]) / n->target_deviation[j]);
}

/* Rows are all over memory: fetched ahead. */
static void fetch(const unsigned char *row, size_t bytes) {
  for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at);
}

size_t nn_dataset_fetch(const nn_dataset *dataset, nn_set set, uint32_t id) {
  const nn__view *view = &dataset->views[set];
  const nn__table *t = view->table;
  const size_t row = view->rows == NULL ? id : view->rows[id], stride = nn__table_row_bytes(dataset, t);
  const size_t bytes = stride < AHEAD_MOST ? stride : AHEAD_MOST;
  fetch(nn__table_x(dataset, t) + row * stride, bytes);
  if (t->has_y && dataset->target.classes)
    __builtin_prefetch(nn__table_labels(dataset, t) + row);
  else if (t->has_y)
    __builtin_prefetch(nn__table_values(dataset, t) + row * dataset->target.width);
  return bytes;
}

void nn_dataset_gather(const nn_dataset *dataset, nn_set set, const nn_team *team, const uint32_t *ids, size_t rows,
                       float *x, int32_t *labels, float *values) {
  const nn__view *view = &dataset->views[set];
  const nn__table *t = view->table;
  const size_t stride = nn__table_row_bytes(dataset, t);
  const nn_element type = nn__element_of(t->x.type);
  const nn_normalizer *n = &dataset->normalizer;
  size_t first = 0, last = 0;
  NN_ASSERT(dataset->finished && t != NULL);
  nn_team_share(team, rows, 1, &first, &last);
  for (size_t i = first; i < last && i < first + AHEAD; i++) nn_dataset_fetch(dataset, set, ids[i]);
  for (size_t i = first; i < last; i++) {
    NN_ASSERT(ids[i] < view->count);
    const size_t row = view->rows == NULL ? ids[i] : view->rows[ids[i]];
    if (i + AHEAD < last) nn_dataset_fetch(dataset, set, ids[i + AHEAD]);
    nn_row_convert(type, dataset->width, nn__table_x(dataset, t) + row * stride, n->scale, n->mean,
                   n->inverse_deviation, x + i * dataset->width);
    if (t->has_y) gather_targets(dataset, t, row, i, labels, values);
  }
  nn_team_barrier(team);
}

int32_t nn_dataset_label(const nn_dataset *dataset, nn_set set, uint32_t id) {
  const nn__view *view = &dataset->views[set];
  NN_ASSERT(id < view->count && dataset->target.classes && view->table->has_y);
  return nn__table_labels(dataset, view->table)[view->rows == NULL ? id : view->rows[id]];
}

float nn_dataset_bound(const nn_dataset *dataset) {
  const nn_normalizer *n = &dataset->normalizer;
  const double most = nn__element_max(nn__element_of(dataset->views[NN_SET_TRAIN].table->x.type)) / fabs(n->scale);
  double bound = most;
  for (size_t j = 0; n->mean != NULL && j < dataset->width; j++) {
    const double here = (most + fabs((double)n->mean[j])) * fabs((double)n->inverse_deviation[j]);
    if (!(here <= bound)) bound = here;
  }
  /* roundings; and a bound that is no help is none */
  return bound < 1e12 ? (float)(bound * 1.001) : INFINITY;
}
