/* Dropout: in training a unit is zero with probability `rate`, else multiplied by 1 / (1 − rate); otherwise y = x.
 *
 * Whether a unit is dropped is a function of (seed, layer, step, id of the sample, unit) alone, so it is the same for
 * every number of threads and however a batch is cut. 64 bits of (seed, layer, step) are the key of a Philox whose
 * counter is (n, sample), and whose four words decide units n, n + q, n + 2 q and n + 3 q, q = a quarter of all units
 * (rounded up). */
#include "layers/internal.h"

typedef struct dropout_options {
  nn_layer_options base;
  double rate;
} dropout_options;

typedef struct dropout {
  nn_layer base;
  uint32_t threshold; /* a unit is kept where its word is not below */
  float scale;
} dropout;

static nn_status dropout_create(const void *options, const nn_shape *in, size_t outputs, nn_layer **out) {
  const dropout_options *o = options;
  (void)outputs;
  nn_layer *layer = NULL;
  NN_TRY(nn__layer_create(sizeof(dropout), &nn__dropout_ops, in, &layer));
  dropout *d = (dropout *)layer;
  const double threshold = o->rate * 0x1p32 + 0.5;
  d->threshold = threshold < 0x1p32 ? (uint32_t)threshold : UINT32_MAX;
  d->scale = o->rate < 1 ? (float)(1 / (1 - o->rate)) : 0; /* rate 1 drops all */
  layer->work_per_row = nn_shape_size(in);                 /* the factor of each unit */
  *out = layer;
  return NN_OK;
}

enum { CHUNK = 64 /* counters worked on at a time: their words are on the stack */ };

/* Factors and outputs of the units that `count` counters from `first` on decide in one row. */
static void drop(const dropout *d, const nn_pass *pass, const uint32_t key[2], size_t row, size_t first, size_t count,
                 const float *x, float *y) {
  const size_t width = nn_shape_size(&d->base.in), quarter = (width + 3) / 4;
  uint32_t words[4 * CHUNK];
  nn_vector_philox(key, (const uint32_t[4]){(uint32_t)first, pass->samples[row]}, count, words);
  for (size_t k = 0; k < 4; k++) {
    const size_t unit = k * quarter + first, at = row * width + unit;
    if (unit >= width) break;
    const size_t here = width - unit < count ? width - unit : count;
    for (size_t j = 0; j < here; j++) {
      pass->work[at + j] = words[k * count + j] < d->threshold ? 0 : d->scale;
      y[at + j] = x[at + j] * pass->work[at + j];
    }
  }
}

static void dropout_forward(const nn_layer *layer, const nn_pass *pass, const float *x, float *y) {
  const size_t width = nn_shape_size(&layer->in);
  if (!pass->training) {
    nn_copy(pass->team, pass->rows * width, x, y);
    return;
  }
  const uint64_t bits = nn_random_bits(pass->seed, NN_RANDOM_DROPOUT, layer->index, pass->step);
  const uint32_t key[2] = {(uint32_t)bits, (uint32_t)(bits >> 32)};
  const size_t quarter = (width + 3) / 4, chunks = (quarter + CHUNK - 1) / CHUNK;
  size_t first, last;
  nn_team_share(pass->team, pass->rows * chunks, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    const size_t start = i % chunks * CHUNK, left = quarter - start;
    drop((const dropout *)layer, pass, key, i / chunks, start, left < CHUNK ? left : CHUNK, x, y);
  }
  nn_team_barrier(pass->team);
}

static void dropout_backward(const nn_layer *layer, const nn_pass *pass, const float *x, const float *y,
                             const float *dy, float *dx) {
  (void)x, (void)y;
  if (dx == NULL) return;
  const size_t count = pass->rows * nn_shape_size(&layer->in);
  if (!pass->training) {
    nn_copy(pass->team, count, dy, dx);
    return;
  }
  size_t first, last;
  nn_team_share(pass->team, count, NN_ALIGNMENT / sizeof(float), &first, &last);
  for (size_t i = first; i < last; i++) dx[i] = dy[i] * pass->work[i];
  nn_team_barrier(pass->team);
}

static const nn_key dropout_keys[] = {
    NN__LAYER_NAME_KEY,
    {.name = "rate",
     .type = NN_KEY_REAL,
     .offset = offsetof(dropout_options, rate),
     .fallback = "0.5",
     .max = 1,
     .help = "share of units set to zero in training; the others are divided by 1 - rate"},
    {.name = NULL},
};

const nn_layer_ops nn__dropout_ops = {
    .schema = {.name = "dropout",
               .help = "drops units at random in training; passes everything on otherwise",
               .size = sizeof(dropout_options),
               .keys = dropout_keys},
    .create = dropout_create,
    .forward = dropout_forward,
    .backward = dropout_backward,
    .elementwise = true,
};
