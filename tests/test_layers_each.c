/* What single layers promise beyond their gradients: dense, step, softmax, dropout. */
#include "layers_testing.h"

#include <math.h>

static nn_shape vector(size_t size) {
  return (nn_shape){.rank = 1, .dims = {size}};
}

static void expect_refused(nn_choice choice, nn_shape in, size_t outputs, const char *part) {
  const nn_layer_ops *ops = nn_layer_find(choice.schema->name);
  nn_layer *layer = NULL;
  assert_int_equal(ops->create(choice.options, &in, outputs, &layer), NN_ERR_CONFIG);
  assert_null(layer);
  if (strstr(nn_error_last()->message, part) == NULL)
    fail_msg("\"%s\" does not say \"%s\"", nn_error_last()->message, part);
  nn_choice_clear(&choice);
}

/* ---- dense ------------------------------------------------------------------------------------ */

static void dense_takes_the_networks_outputs_for_auto(void **state) {
  (void)state;
  numbers n = {0};
  bench b;
  assert_true(bench_open(&b, layer_choice("dense"), (nn_shape){.rank = 2, .dims = {4, 6}}, 5, 2, &n));
  assert_int_equal(b.layer->out.rank, 1);
  assert_int_equal(b.layer->out.dims[0], 5);
  assert_int_equal(b.layer->param_count, 2);
  assert_int_equal(b.layer->params[0].dims[0], 5);
  assert_int_equal(b.layer->params[0].dims[1], 24);
  assert_int_equal(b.layer->params[1].dims[0], 5);
  bench_close(&b);
}

static void dense_says_what_it_cannot_be(void **state) {
  (void)state;
  const double two[] = {1, 2};
  expect_refused(layer_choice("dense"), vector(3), 0, "only for the last layer with parameters");
  for (int bits = 31; bits <= 40; bits += 9) { /* 2^63 bytes, 2^72 */
    nn_choice huge = layer_choice("dense");
    set_int(&huge, "units", 1 << 30);
    expect_refused(huge, vector((size_t)1 << bits), 0, "more than can be addressed");
  }
  nn_choice without = layer_choice("dense"), values = init_choice("values");
  set_tensor(&values, "weight", 2, 0, two);
  set_tensor(&values, "bias", 2, 0, two);
  set_bool(&without, "bias", false);
  set_choice(&without, "init", values);
  expect_refused(without, vector(1), 2, "`bias: false`");
}

static void dense_without_bias_is_the_product_alone(void **state) {
  (void)state;
  numbers n = {.stream = 1};
  bench b;
  nn_choice choice = layer_choice("dense");
  set_bool(&choice, "bias", false);
  set_int(&choice, "units", 3);
  assert_true(bench_open(&b, choice, vector(2), 9, 4, &n));
  assert_int_equal(b.layer->param_count, 1);
  bench_forward(&b, 1);
  bench_backward(&b, 1);
  for (size_t r = 0; r < 4; r++)
    for (size_t j = 0; j < 3; j++) {
      const double sum =
          (double)b.x[2 * r] * (double)b.param[2 * j] + (double)b.x[2 * r + 1] * (double)b.param[2 * j + 1];
      assert_true(fabs((double)b.y[3 * r + j] - sum) < 1e-6);
    }
  bench_close(&b);
}

/* ---- step and softmax ------------------------------------------------------------------------- */

static void step_has_no_gradient(void **state) {
  (void)state;
  numbers n = {.stream = 2};
  bench b;
  assert_true(bench_open(&b, layer_choice("step"), vector(40), 0, 3, &n));
  b.x[0] = 0;
  for (size_t i = 0; i < b.rows * b.in; i++) b.dx[i] = NAN;
  bench_forward(&b, 2);
  bench_backward(&b, 2);
  for (size_t i = 0; i < b.rows * b.in; i++) {
    assert_true(b.y[i] == (b.x[i] >= 0 ? 1.0f : 0.0f));
    assert_true(b.dx[i] == 0);
  }
  bench_close(&b);
}

static void softmax_is_over_the_last_axis_and_stays_finite(void **state) {
  (void)state;
  numbers n = {.stream = 3};
  bench b;
  assert_true(bench_open(&b, layer_choice("softmax"), (nn_shape){.rank = 2, .dims = {4, 5}}, 0, 3, &n));
  b.x[0] = 1e4f;
  b.x[7] = -1e4f;
  bench_forward(&b, 2);
  for (size_t row = 0; row < 12; row++) {
    double sum = 0;
    for (size_t j = 0; j < 5; j++) sum += (double)b.y[5 * row + j];
    assert_true(fabs(sum - 1) < 1e-6);
  }
  assert_true(b.y[0] == 1 && b.y[7] == 0);
  bench_close(&b);
}

/* ---- dropout ---------------------------------------------------------------------------------- */

enum { ROWS = 64, WIDTH = 501 };

static void open_dropout(bench *b, double rate) {
  numbers n = {.stream = 4};
  nn_choice choice = layer_choice("dropout");
  set_real(&choice, "rate", rate);
  assert_true(bench_open(b, choice, vector(WIDTH), 0, ROWS, &n));
}

static void dropout_drops_the_share_it_should_and_scales_the_rest(void **state) {
  (void)state;
  static const double rates[] = {0, 0.2, 0.5, 0.9, 1};
  for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
    bench b;
    open_dropout(&b, rates[k]);
    bench_forward(&b, 2);
    bench_backward(&b, 2);
    size_t dropped = 0;
    const float scale = (float)(1 / (1 - rates[k]));
    for (size_t i = 0; i < ROWS * WIDTH; i++) {
      const bool zero = b.y[i] == 0;
      dropped += zero;
      assert_true(zero || b.y[i] == b.x[i] * scale);
      assert_true(b.dx[i] == (zero ? 0 : b.dy[i] * scale)); /* no x is 0 */
    }
    const double deviation = sqrt(rates[k] * (1 - rates[k]) * ROWS * WIDTH);
    assert_true(fabs((double)dropped - rates[k] * ROWS * WIDTH) <= 4 * deviation);
    bench_close(&b);
  }
}

static void dropout_passes_everything_on_outside_training(void **state) {
  (void)state;
  bench b;
  open_dropout(&b, 0.5);
  b.pass.training = false;
  b.pass.samples = NULL;
  bench_forward(&b, 2);
  bench_backward(&b, 2);
  assert_memory_equal(b.y, b.x, ROWS * WIDTH * sizeof(float));
  assert_memory_equal(b.dx, b.dy, ROWS * WIDTH * sizeof(float));
  bench_close(&b);
}

static void dropout_depends_on_the_sample_and_not_on_how_the_batch_is_cut(void **state) {
  (void)state;
  bench b;
  open_dropout(&b, 0.5);
  bench_forward(&b, 1);
  float *whole = copy_floats(b.y, ROWS * WIDTH);
  const bench all = b;
  enum { CUT = 23 };
  for (size_t first = 0; first < ROWS; first += CUT) {
    b.pass.rows = ROWS - first < CUT ? ROWS - first : CUT;
    b.pass.samples = all.samples + first;
    b.x = all.x + first * WIDTH;
    bench_forward(&b, 3);
    assert_memory_equal(b.y, whole + first * WIDTH, b.pass.rows * WIDTH * sizeof(float));
  }
  b = all;
  free(whole);
  bench_close(&b);
}

/* How many of the units are dropped in both patterns: a quarter where they are independent. */
static void expect_independent(bench *b, const float *first) {
  bench_forward(b, 1);
  size_t both = 0;
  for (size_t i = 0; i < ROWS * WIDTH; i++) both += b->y[i] == 0 && first[i] == 0 ? 1 : 0;
  assert_true(fabs((double)both / (ROWS * WIDTH) - 0.25) < 0.02);
}

static void dropout_differs_by_seed_step_layer_and_sample(void **state) {
  (void)state;
  bench b;
  open_dropout(&b, 0.5);
  bench_forward(&b, 1);
  float *first = copy_floats(b.y, ROWS * WIDTH);
  const nn_pass pass = b.pass;
  b.pass.seed++;
  expect_independent(&b, first);
  b.pass = pass;
  b.pass.step++;
  expect_independent(&b, first);
  b.pass = pass;
  b.layer->index++;
  expect_independent(&b, first);
  b.layer->index--;
  for (size_t r = 0; r < ROWS; r++) b.samples[r]++;
  expect_independent(&b, first);
  free(first);
  bench_close(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(dense_takes_the_networks_outputs_for_auto),
      cmocka_unit_test(dense_says_what_it_cannot_be),
      cmocka_unit_test(dense_without_bias_is_the_product_alone),
      cmocka_unit_test(step_has_no_gradient),
      cmocka_unit_test(softmax_is_over_the_last_axis_and_stays_finite),
      cmocka_unit_test(dropout_drops_the_share_it_should_and_scales_the_rest),
      cmocka_unit_test(dropout_passes_everything_on_outside_training),
      cmocka_unit_test(dropout_depends_on_the_sample_and_not_on_how_the_batch_is_cut),
      cmocka_unit_test(dropout_differs_by_seed_step_layer_and_sample),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
