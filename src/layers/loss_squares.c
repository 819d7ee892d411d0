/* Squared errors. Class labels are taken as one-hot targets; with a single output the label (0 or 1) itself is the
 * target. With d_j = y_j − t_j over the K values of a sample:
 *
 *     mse       loss = sum d_j² / K,  gradient 2 d_j / K    (reduction: sum: without the / K; as torch.nn.MSELoss)
 *     half_sse  loss = sum d_j² / 2,  gradient d_j */
#include "layers/internal.h"

/* loss = factor × sum of squares, gradient 2 × factor × d. */
static void squares_compute(double factor, const nn_team *team, size_t rows, size_t width, const float *y,
                            const int32_t *labels, const float *values, const float *row_weight, double *row_loss,
                            float *dy) {
  size_t first, last;
  nn_team_share(team, rows, 1, &first, &last);
  for (size_t r = first; r < last; r++) {
    double sum = 0;
    for (size_t j = 0; j < width; j++) {
      const double d = (double)y[r * width + j] - nn__loss_target(labels, values, width, r, j);
      sum += d * d;
      if (dy != NULL) dy[r * width + j] = (float)((double)row_weight[r] * 2 * factor * d);
    }
    row_loss[r] = factor * sum;
  }
  nn_team_barrier(team);
}

static void mse_compute(const void *options, const nn_team *team, size_t rows, size_t width, const float *y,
                        const int32_t *labels, const float *values, const float *row_weight, double *row_loss,
                        float *dy) {
  const nn_loss_options *o = options;
  const double factor = o->reduction == NN_LOSS_MEAN ? 1 / (double)width : 1;
  squares_compute(factor, team, rows, width, y, labels, values, row_weight, row_loss, dy);
}

static void half_sse_compute(const void *options, const nn_team *team, size_t rows, size_t width, const float *y,
                             const int32_t *labels, const float *values, const float *row_weight, double *row_loss,
                             float *dy) {
  (void)options;
  squares_compute(0.5, team, rows, width, y, labels, values, row_weight, row_loss, dy);
}

static const nn_key squares_keys[] = {NN__LOSS_REDUCTION_KEY, {.name = NULL}};

const nn_loss_ops nn__loss_mse_ops = {
    .schema = {.name = "mse",
               .help = "mean squared error, averaged over a sample's values too (sum: added); labels are one-hot",
               .size = sizeof(nn_loss_options),
               .keys = squares_keys},
    .takes_labels = true,
    .takes_values = true,
    .compute = mse_compute,
};

const nn_loss_ops nn__loss_half_sse_ops = {
    .schema = {.name = "half_sse",
               .help = "half the sum of a sample's squared errors; labels are one-hot",
               .size = sizeof(nn_loss_options),
               .keys = squares_keys},
    .takes_labels = true,
    .takes_values = true,
    .compute = half_sse_compute,
};
