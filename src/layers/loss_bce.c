/* Binary cross-entropy of sigmoid(y) and targets t in [0, 1], for each of the K values of a sample, both in one:
 *
 *     loss = max(y, 0) − y t + log(1 + exp(−|y|)),   d loss / d y = sigmoid(y) − t
 *
 * averaged over the K values (reduction: sum: added), as torch.nn.BCEWithLogitsLoss. Class labels are one-hot; with a
 * single output the label (0 or 1) itself is the target. */
#include "layers/internal.h"

#include <math.h>

typedef struct bce_row {
  size_t width, row;
  const float *y; /* of the row */
  const int32_t *labels;
  const float *values;
  double weight; /* of the gradient */
  float *dy;     /* of the row, or NULL */
} bce_row;

static double row_compute(const bce_row *r) {
  double loss = 0;
  float minus[NN__LOSS_CHUNK], exponentials[NN__LOSS_CHUNK];
  for (size_t first = 0; first < r->width; first += NN__LOSS_CHUNK) {
    const size_t count = r->width - first < NN__LOSS_CHUNK ? r->width - first : NN__LOSS_CHUNK;
    for (size_t j = 0; j < count; j++) minus[j] = -fabsf(r->y[first + j]);
    nn_vector_exp(count, minus, exponentials);
    for (size_t j = 0; j < count; j++) {
      const double y = (double)r->y[first + j], e = (double)exponentials[j];
      const double t = nn__loss_target(r->labels, r->values, r->width, r->row, first + j);
      loss += (y < 0 ? 0 : y) - y * t + nn__loss_log1p(e); /* NaN stays NaN */
      if (r->dy != NULL) r->dy[first + j] = (float)(r->weight * ((y < 0 ? e : 1) / (1 + e) - t));
    }
  }
  return loss;
}

static void bce_compute(const void *options, const nn_team *team, size_t rows, size_t width, const float *y,
                        const int32_t *labels, const float *values, const float *row_weight, double *row_loss,
                        float *dy) {
  const nn_loss_options *o = options;
  const double factor = o->reduction == NN_LOSS_MEAN ? 1 / (double)width : 1;
  size_t first, last;
  nn_team_share(team, rows, 1, &first, &last);
  for (size_t r = first; r < last; r++) {
    bce_row row = {.width = width, .row = r, .y = y + r * width, .labels = labels, .values = values};
    if (dy != NULL) {
      row.weight = factor * (double)row_weight[r];
      row.dy = dy + r * width;
    }
    row_loss[r] = factor * row_compute(&row);
  }
  nn_team_barrier(team);
}

static const nn_key bce_keys[] = {NN__LOSS_REDUCTION_KEY, {.name = NULL}};

const nn_loss_ops nn__loss_bce_with_logits_ops = {
    .schema = {.name = "bce_with_logits",
               .help = "sigmoid and binary cross-entropy in one, for values in 0 ... 1 or labels",
               .size = sizeof(nn_loss_options),
               .keys = bce_keys},
    .takes_labels = true,
    .takes_values = true,
    .one_for_two = true,
    .includes = "sigmoid",
    .compute = bce_compute,
};
