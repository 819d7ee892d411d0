/* Layers and losses against what PyTorch computes. */
#include "golden.h"
#include "losses_testing.h"

enum { ROWS = 5, IN = 7, OUT = 4 };

static golden pytorch;

/* ---- layers ----------------------------------------------------------------------------------- */

typedef struct activation_case {
  const char *golden, *layer, *key;
  double value;
} activation_case;

static const activation_case activations[] = {
    {"identity", "identity", NULL, 0},
    {"relu", "relu", NULL, 0},
    {"leaky_relu", "leaky_relu", NULL, 0},
    {"leaky_relu_0.25", "leaky_relu", "slope", 0.25},
    {"sigmoid", "sigmoid", NULL, 0},
    {"tanh", "tanh", NULL, 0},
    {"gelu", "gelu", NULL, 0},
    {"softplus", "softplus", NULL, 0},
    {"arctan", "arctan", NULL, 0},
    {"softmax", "softmax", NULL, 0},
    {"softmax_2.5", "softmax", "beta", 2.5},
};

static void check(const char *name, const char *what, size_t count, const float *actual) {
  char full[160];
  snprintf(full, sizeof full, "%s/%s", name, what);
  golden_check(&pytorch, full, count, actual, 2e-6);
}

static void check_activation(const activation_case *c) {
  numbers n = {0};
  bench dense, activation;
  nn_choice choice = layer_choice(c->layer);
  if (c->key != NULL) set_real(&choice, c->key, c->value);
  assert_true(bench_open(&dense, layer_choice("dense"), (nn_shape){.rank = 1, .dims = {IN}}, OUT, ROWS, &n));
  assert_true(bench_open(&activation, choice, (nn_shape){.rank = 1, .dims = {OUT}}, 0, ROWS, &n));
  memcpy(dense.x, golden_get(&pytorch, "dense/x", ROWS * IN), ROWS * IN * sizeof(float));
  memcpy(dense.param + dense.layer->params[0].offset, golden_get(&pytorch, "dense/weight", OUT * IN),
         OUT * IN * sizeof(float));
  memcpy(dense.param + dense.layer->params[1].offset, golden_get(&pytorch, "dense/bias", OUT), OUT * sizeof(float));
  memcpy(activation.dy, golden_get(&pytorch, "dense/c", ROWS * OUT), ROWS * OUT * sizeof(float));

  bench_forward(&dense, 2);
  memcpy(activation.x, dense.y, ROWS * OUT * sizeof(float));
  bench_forward(&activation, 2);
  bench_backward(&activation, 2);
  memcpy(dense.dy, activation.dx, ROWS * OUT * sizeof(float));
  bench_backward(&dense, 2);

  check(c->golden, "y", ROWS * OUT, activation.y);
  check(c->golden, "dx", ROWS * IN, dense.dx);
  check(c->golden, "dweight", OUT * IN, dense.grad + dense.layer->params[0].offset);
  check(c->golden, "dbias", OUT, dense.grad + dense.layer->params[1].offset);
  bench_close(&dense);
  bench_close(&activation);
}

static void dense_and_every_activation_compute_what_pytorch_computes(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) check_activation(&activations[i]);
}

/* ---- losses ----------------------------------------------------------------------------------- */

typedef struct loss_case {
  const char *golden, *loss, *y, *labels, *values; /* labels or values NULL */
  size_t rows, width;
  double smoothing;
  bool weighted; /* by class */
} loss_case;

static const loss_case losses[] = {
    {"cross_entropy", "cross_entropy", "y", "labels", NULL, 6, 4, 0, false},
    {"cross_entropy_smoothed", "cross_entropy", "y", "labels", NULL, 6, 4, 0.125, false},
    {"cross_entropy_weighted", "cross_entropy", "y", "labels", NULL, 6, 4, 0, true},
    {"cross_entropy_large", "cross_entropy", "large", "large_labels", NULL, 3, 4, 0, false},
    {"mse", "mse", "y", NULL, "values", 6, 4, 0, false},
    {"mse_one_hot", "mse", "y", "labels", NULL, 6, 4, 0, false},
    {"mse_label", "mse", "one", "zero_one", NULL, 6, 1, 0, false},
    {"half_sse", "half_sse", "y", NULL, "values", 6, 4, 0, false},
    {"bce", "bce_with_logits", "y", NULL, "shares", 6, 4, 0, false},
    {"bce_label", "bce_with_logits", "one", "zero_one", NULL, 6, 1, 0, false},
    {"bce_large", "bce_with_logits", "large", "large_labels", NULL, 3, 4, 0, false},
};

static const float *input(const char *name, size_t count) {
  char full[64];
  snprintf(full, sizeof full, "loss/%s", name);
  return golden_get(&pytorch, full, count);
}

static void check_loss(const loss_case *c, nn_loss_average reduction) {
  enum { ROWS_MAX = 6, WIDTH_MAX = 4 };
  int32_t labels[ROWS_MAX] = {0};
  float weights[ROWS_MAX], dy[ROWS_MAX * WIDTH_MAX];
  double row_loss[ROWS_MAX], total = 0;
  nn_choice choice = loss_choice(c->loss);
  set_word(&choice, "reduction", (int)reduction);
  if (c->smoothing > 0) set_real(&choice, "label_smoothing", c->smoothing);
  for (size_t r = 0; r < c->rows; r++) {
    if (c->labels != NULL) labels[r] = (int32_t)input(c->labels, c->rows)[r];
    weights[r] = c->weighted ? input("weights", 4)[labels[r]] : 1;
    total += (double)weights[r];
  }
  if (reduction == NN_LOSS_MEAN)
    for (size_t r = 0; r < c->rows; r++) weights[r] = (float)((double)weights[r] / total);
  loss_bench b = {.choice = &choice,
                  .rows = c->rows,
                  .width = c->width,
                  .y = input(c->y, c->rows * c->width),
                  .labels = labels,
                  .values = c->values != NULL ? input(c->values, c->rows * c->width) : NULL,
                  .weights = weights,
                  .row_loss = row_loss,
                  .dy = dy};
  const float loss = (float)loss_run(&b, 2);
  char name[64];
  snprintf(name, sizeof name, "%s/%s", c->golden, reduction == NN_LOSS_MEAN ? "mean" : "sum");
  check(name, "loss", 1, &loss);
  check(name, "dy", c->rows * c->width, dy);
  nn_choice_clear(&choice);
}

static void every_loss_computes_what_pytorch_computes(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
    check_loss(&losses[i], NN_LOSS_MEAN);
    check_loss(&losses[i], NN_LOSS_SUM);
  }
}

static int open_file(void **state) {
  (void)state;
  golden_open(&pytorch, NN_TEST_DATA "/layers.golden");
  return 0;
}

static int close_file(void **state) {
  (void)state;
  golden_close(&pytorch);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(dense_and_every_activation_compute_what_pytorch_computes),
      cmocka_unit_test(every_loss_computes_what_pytorch_computes),
  };
  return cmocka_run_group_tests(tests, open_file, close_file);
}
