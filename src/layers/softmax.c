/* Softmax over the last axis: y_i = exp(beta x_i) / sum_j exp(beta x_j), with its true Jacobian
 * dy_i / dx_j = beta y_i ([i = j] − y_j), so that dx_i = beta y_i (dy_i − sum_j dy_j y_j). */
#include "layers/internal.h"

typedef struct softmax_options {
  nn_layer_options base;
  double beta;
} softmax_options;

typedef struct softmax {
  nn_layer base;
  float beta;
} softmax;

static nn_status softmax_create(const void *options, const nn_shape *in, size_t outputs, nn_layer **out) {
  const softmax_options *o = options;
  (void)outputs;
  nn_layer *layer = NULL;
  NN_TRY(nn__layer_create(sizeof(softmax), &nn__softmax_ops, in, &layer));
  ((softmax *)layer)->beta = (float)o->beta;
  *out = layer;
  return NN_OK;
}

static size_t row_width(const nn_layer *layer) {
  return layer->in.dims[layer->in.rank - 1];
}

static void softmax_forward(const nn_layer *layer, const nn_pass *pass, const float *x, float *y) {
  const size_t width = row_width(layer);
  const size_t rows = pass->rows * nn_shape_size(&layer->in) / width;
  nn_softmax_rows(pass->team, rows, width, ((const softmax *)layer)->beta, x, y);
}

static void row_backward(size_t width, float beta, const float *y, const float *dy, float *dx) {
  double dot = 0;
  for (size_t j = 0; j < width; j++) dot += (double)dy[j] * (double)y[j];
  for (size_t j = 0; j < width; j++) dx[j] = beta * y[j] * (float)((double)dy[j] - dot);
}

static void softmax_backward(const nn_layer *layer, const nn_pass *pass, const float *x, const float *y,
                             const float *dy, float *dx) {
  (void)x;
  if (dx == NULL) return;
  const float beta = ((const softmax *)layer)->beta;
  const size_t width = row_width(layer);
  size_t first, last;
  nn_team_share(pass->team, pass->rows * nn_shape_size(&layer->in) / width, 1, &first, &last);
  for (size_t row = first; row < last; row++)
    row_backward(width, beta, y + row * width, dy + row * width, dx + row * width);
  nn_team_barrier(pass->team);
}

static const nn_key softmax_keys[] = {
    NN__LAYER_NAME_KEY,
    {.name = "beta",
     .type = NN_KEY_REAL,
     .offset = offsetof(softmax_options, beta),
     .fallback = "1",
     .max = 1e6,
     .help = "inverse temperature: softmax(beta x)"},
    {.name = NULL},
};

const nn_layer_ops nn__softmax_ops = {
    .schema = {.name = "softmax",
               .help = "probabilities over the last axis (not before cross_entropy, which has it built in)",
               .size = sizeof(softmax_options),
               .keys = softmax_keys},
    .create = softmax_create,
    .forward = softmax_forward,
    .backward = softmax_backward,
};
