/* Cross-entropy of softmax(y) and a class label, both in one: with t the label's one-hot vector, smoothed to
 * (1 − s) t + s / K over K classes,
 *
 *     loss = − sum_j t_j log softmax(y)_j = log sum_j exp(y_j − m) − sum_j t_j (y_j − m),   m = max y
 *     d loss / d y_j = softmax(y)_j − t_j
 *
 * as torch.nn.CrossEntropyLoss. With both class weights and smoothing PyTorch weights each class of the smoothed part
 * by its own weight; here the sample's weight multiplies all of its loss. */
#include "layers/internal.h"

#include <string.h>

typedef struct cross_entropy_options {
  nn_loss_options base;
  double smoothing;
} cross_entropy_options;

/* The largest output's exponential is 1; the `rest` is summed without it, so that sure and right outputs keep the
 * digits of their small losses and gradients: log(1 + rest), −rest / (1 + rest). */
static double row_compute(double smoothing, size_t width, const float *y, size_t label, float weight, float *dy) {
  size_t top = 0;
  for (size_t j = 1; j < width; j++)
    if (y[j] > y[top]) top = j;

  double rest = 0, shifted_sum = 0;
  float shifted[NN__LOSS_CHUNK], exponentials[NN__LOSS_CHUNK];
  for (size_t first = 0; first < width; first += NN__LOSS_CHUNK) {
    const size_t count = width - first < NN__LOSS_CHUNK ? width - first : NN__LOSS_CHUNK;
    for (size_t j = 0; j < count; j++) shifted[j] = y[first + j] - y[top];
    nn_vector_exp(count, shifted, exponentials);
    if (dy != NULL) memcpy(dy + first, exponentials, count * sizeof *dy);
    if (top >= first && top - first < count) exponentials[top - first] -= 1; /* to 0; NaN stays NaN */
    for (size_t j = 0; j < count; j++) rest += (double)exponentials[j];
    for (size_t j = 0; j < count; j++) shifted_sum += (double)shifted[j];
  }

  const double sum = 1 + rest, uniform = smoothing / (double)width;
  if (dy != NULL) {
    const double of_label = label == top ? -rest / sum : (double)dy[label] / sum - 1;
    for (size_t j = 0; j < width; j++) dy[j] = (float)((double)weight * ((double)dy[j] / sum - uniform));
    dy[label] = (float)((double)weight * (of_label + (smoothing - uniform)));
  }
  const double smoothed = smoothing > 0 ? uniform * shifted_sum : 0; /* 0 × infinity would be NaN */
  return nn__loss_log1p(rest) - (1 - smoothing) * ((double)y[label] - (double)y[top]) - smoothed;
}

static void cross_entropy_compute(const void *options, const nn_team *team, size_t rows, size_t width, const float *y,
                                  const int32_t *labels, const float *values, const float *row_weight, double *row_loss,
                                  float *dy) {
  const cross_entropy_options *o = options;
  (void)values;
  size_t first, last;
  nn_team_share(team, rows, 1, &first, &last);
  for (size_t r = first; r < last; r++)
    row_loss[r] = row_compute(o->smoothing, width, y + r * width, (size_t)labels[r], dy != NULL ? row_weight[r] : 0,
                              dy != NULL ? dy + r * width : NULL);
  nn_team_barrier(team);
}

static nn_status cross_entropy_check(const void *options, const nn_target_info *target, size_t width) {
  (void)options;
  if (width == 1)
    return NN_FAIL(NN_ERR_CONFIG, "cross_entropy needs an output per class, the network puts out 1 value: with two "
                                  "classes and one output use bce_with_logits");
  return nn__loss_check_width("cross_entropy", target, width, false);
}

static const nn_key cross_entropy_keys[] = {
    NN__LOSS_REDUCTION_KEY,
    {.name = "label_smoothing",
     .type = NN_KEY_REAL,
     .offset = offsetof(cross_entropy_options, smoothing),
     .fallback = "0",
     .max = 1,
     .help = "share of every target that is spread evenly over all classes"},
    {.name = NULL},
};

const nn_loss_ops nn__loss_cross_entropy_ops = {
    .schema = {.name = "cross_entropy",
               .help = "softmax and cross-entropy in one, for class labels",
               .size = sizeof(cross_entropy_options),
               .keys = cross_entropy_keys},
    .takes_labels = true,
    .includes = "softmax",
    .check = cross_entropy_check,
    .compute = cross_entropy_compute,
};
