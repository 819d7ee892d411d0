/* The LSTM against PyTorch and finite differences, stacked, with all outputs or the last, from given states; a scalar
 * one worked out by hand; what it is initialised with; what it refuses. (The registry's test of all layers takes a
 * plain one.) */
#include "golden.h"
#include "layers_testing.h"

enum { SEQUENCE = 1 };

static nn_shape sequence_of(size_t time, size_t features) {
  return (nn_shape){.rank = 2, .dims = {time, features}};
}

static nn_choice lstm_choice(int64_t units, int64_t layers, int output) {
  const nn_choice choice = layer_choice("lstm");
  set_int(&choice, "units", units);
  set_int(&choice, "layers", layers);
  set_word(&choice, "output", output);
  return choice;
}

static const nn_param *param_of(const bench *b, const char *name) {
  for (int p = 0; p < b->layer->param_count; p++)
    if (strcmp(b->layer->params[p].name, name) == 0) return &b->layer->params[p];
  fail_msg("there is no %s", name);
  return NULL;
}

/* ---- PyTorch ---------------------------------------------------------------------------------- */

enum { ROWS = 5, TIME = 6, FEATURES = 4, UNITS = 3 };

static golden pytorch;

static const float *golden_of(const char *name, const char *what, size_t count) {
  char full[96];
  snprintf(full, sizeof full, "%s/%s", name, what);
  return golden_get(&pytorch, full, count);
}

static void check(const char *name, const char *what, size_t count, const float *actual) {
  char full[96];
  snprintf(full, sizeof full, "%s/%s", name, what);
  golden_check(&pytorch, full, count, actual, 2e-6);
}

static void set_start(const nn_choice *choice, const char *name, const char *key, size_t layers) {
  enum { LAYERS_MAX = 2 };
  double values[LAYERS_MAX * UNITS];
  const float *stored = golden_of(name, key, layers * UNITS);
  for (size_t i = 0; i < layers * UNITS; i++) values[i] = (double)stored[i];
  set_tensor(choice, key, layers == 1 ? UNITS : layers, layers == 1 ? 0 : UNITS, values);
}

static void check_case(int layers, int output, bool start, int threads) {
  char name[32];
  numbers n = {0};
  bench b;
  snprintf(name, sizeof name, "%d_%s%s", layers, output == SEQUENCE ? "sequence" : "last", start ? "_start" : "");
  const nn_choice choice = lstm_choice(UNITS, layers, output);
  if (start) {
    set_start(&choice, name, "h0", (size_t)layers);
    set_start(&choice, name, "c0", (size_t)layers);
  }
  assert_true(bench_open(&b, choice, sequence_of(TIME, FEATURES), 0, ROWS, &n));
  const size_t out = ROWS * (output == SEQUENCE ? TIME * UNITS : UNITS);
  assert_int_equal(ROWS * b.out, out);
  memcpy(b.x, golden_get(&pytorch, "x", ROWS * TIME * FEATURES), ROWS * TIME * FEATURES * sizeof *b.x);
  memcpy(b.dy, golden_of(name, "c", out), out * sizeof *b.dy);
  assert_int_equal(b.layer->param_count, 4 * layers);
  for (int p = 0; p < b.layer->param_count; p++) {
    const nn_param *param = &b.layer->params[p];
    const size_t size = nn_param_size(param);
    memcpy(b.param + param->offset, golden_of(name, param->name, size), size * sizeof *b.param);
  }
  bench_forward(&b, threads);
  bench_backward(&b, threads);
  check(name, "y", out, b.y);
  check(name, "dx", ROWS * TIME * FEATURES, b.dx);
  for (int p = 0; p < b.layer->param_count; p++) {
    char gradient[64];
    snprintf(gradient, sizeof gradient, "d%s", b.layer->params[p].name);
    check(name, gradient, nn_param_size(&b.layer->params[p]), b.grad + b.layer->params[p].offset);
  }
  bench_close(&b);
}

static void an_lstm_computes_what_pytorchs_computes(void **state) {
  (void)state;
  for (int layers = 1; layers <= 2; layers++)
    for (int output = 0; output <= SEQUENCE; output++)
      for (int start = 0; start <= 1; start++) check_case(layers, output, start == 1, 1 + start);
}

/* ---- finite differences ------------------------------------------------------------------------ */

/* Some of the `count` values; `step` is so small only where many values are summed up. */
static void compare(bench *b, const char *what, size_t count, float *values, const float *gradient, numbers *n) {
  enum { TRIED = 12 };
  for (size_t k = 0; k < TRIED; k++) {
    const size_t i = number_below(n, count);
    const float kept = values[i], up = kept + 0x1p-7f, down = kept - 0x1p-7f;
    values[i] = up;
    const double above = bench_functional(b);
    values[i] = down;
    const double below = bench_functional(b);
    values[i] = kept;
    const double expected = (above - below) / ((double)up - (double)down);
    if (!(fabs((double)gradient[i] - expected) <= 2e-3 * (1 + fabs(expected))))
      fail_msg("gradient of %s[%zu] is %.7g, differences give %.7g", what, i, (double)gradient[i], expected);
  }
}

static void check_differences(nn_choice choice, nn_shape in, size_t rows, double scale) {
  numbers n = {.stream = 40};
  bench b;
  assert_true(bench_open(&b, choice, in, 0, rows, &n));
  for (size_t i = 0; i < b.params; i++) b.param[i] *= (float)scale;
  bench_forward(&b, 1);
  bench_backward(&b, 1);
  compare(&b, "the input", b.rows * b.in, b.x, b.dx, &n);
  for (int p = 0; p < b.layer->param_count; p++) {
    const nn_param *param = &b.layer->params[p];
    compare(&b, param->name, nn_param_size(param), b.param + param->offset, b.grad + param->offset, &n);
  }
  bench_close(&b);
}

/* With 257 units the state's weights are too large for rows to go in blocks: all go together. */
static void gradients_are_those_of_differences_however_rows_go_through_time(void **state) {
  (void)state;
  check_differences(lstm_choice(3, 3, 0), sequence_of(5, 2), 4, 1);
  check_differences(lstm_choice(4, 2, SEQUENCE), sequence_of(7, 3), 3, 1);
  check_differences(lstm_choice(2, 1, SEQUENCE), sequence_of(1, 3), 40, 1);
  check_differences(lstm_choice(257, 1, 0), sequence_of(3, 5), 2, 0.05);
  check_differences(lstm_choice(257, 2, SEQUENCE), sequence_of(2, 3), 2, 0.05);
}

static void threads_change_no_bit_however_rows_go_through_time(void **state) {
  (void)state;
  static const size_t rows[] = {1, 3, 16, 17, 64, 83}, units[] = {5, 128, 257};
  for (size_t u = 0; u < 3; u++)
    for (size_t k = 0; k < 6; k++) {
      numbers n = {.stream = 60};
      bench b;
      assert_true(bench_open(&b, lstm_choice((int64_t)units[u], 2, SEQUENCE), sequence_of(3, 6), 0, rows[k], &n));
      const size_t out = b.rows * b.out, in = b.rows * b.in;
      bench_forward(&b, 1);
      bench_backward(&b, 1);
      float *y = copy_floats(b.y, out), *dx = copy_floats(b.dx, in), *grad = copy_floats(b.grad, b.params);
      bench_forward(&b, 3);
      bench_backward(&b, 3);
      assert_memory_equal(b.y, y, out * sizeof *y);
      assert_memory_equal(b.dx, dx, in * sizeof *dx);
      assert_memory_equal(b.grad, grad, b.params * sizeof *grad);
      free(y), free(dx), free(grad);
      bench_close(&b);
    }
}

static void a_layer_that_reads_only_one_step_has_no_gradient_for_the_states_weights(void **state) {
  (void)state;
  numbers n = {.stream = 70};
  bench b;
  assert_true(bench_open(&b, lstm_choice(3, 1, 0), sequence_of(1, 4), 0, 6, &n));
  const nn_param *param = param_of(&b, "weight_hh_l0");
  for (size_t i = 0; i < nn_param_size(param); i++) b.grad[param->offset + i] = 7;
  bench_forward(&b, 2);
  bench_backward(&b, 2);
  for (size_t i = 0; i < nn_param_size(param); i++) assert_true(b.grad[param->offset + i] == 0);
  bench_close(&b);
}

/* ---- making one -------------------------------------------------------------------------------- */

static void parameters_have_pytorchs_names_and_shapes(void **state) {
  (void)state;
  static const struct {
    const char *name;
    int rank;
    size_t dims[2];
  } expected[] = {{"weight_ih_l0", 2, {20, 3}}, {"weight_hh_l0", 2, {20, 5}}, {"bias_ih_l0", 1, {20}},
                  {"bias_hh_l0", 1, {20}},      {"weight_ih_l1", 2, {20, 5}}, {"weight_hh_l1", 2, {20, 5}},
                  {"bias_ih_l1", 1, {20}},      {"bias_hh_l1", 1, {20}}};
  numbers n = {0};
  bench b;
  assert_true(bench_open(&b, lstm_choice(5, 2, 0), sequence_of(4, 3), 0, 1, &n));
  assert_int_equal(b.layer->param_count, 8);
  for (int p = 0; p < 8; p++) {
    const nn_param *param = &b.layer->params[p];
    assert_string_equal(param->name, expected[p].name);
    assert_int_equal(param->rank, expected[p].rank);
    for (int d = 0; d < param->rank; d++) assert_int_equal(param->dims[d], expected[p].dims[d]);
    assert_int_equal(param->is_bias, param->rank == 1);
  }
  bench_close(&b);
}

static void units_auto_is_what_the_network_puts_out(void **state) {
  (void)state;
  numbers n = {0};
  bench b;
  assert_true(bench_open(&b, layer_choice("lstm"), sequence_of(4, 3), 6, 1, &n));
  assert_int_equal(b.layer->out.rank, 1);
  assert_int_equal(b.layer->out.dims[0], 6);
  bench_close(&b);
}

/* PyTorch draws all of an LSTM's parameters from ±1 / sqrt(units). */
static void pytorchs_initialisation_goes_by_the_units(void **state) {
  (void)state;
  enum { WIDE = 40, MANY = 100 };
  numbers n = {0};
  bench b;
  assert_true(bench_open(&b, lstm_choice(MANY, 2, 0), sequence_of(2, WIDE), 0, 1, &n));
  nn_choice init = init_choice("pytorch");
  for (int p = 0; p < 8; p++) {
    const nn_param *param = &b.layer->params[p];
    float *value = b.param + param->offset;
    double largest = 0;
    assert_int_equal(nn_init_find("pytorch")->fill(init.options, param, param->name, 1, (uint64_t)p, value), NN_OK);
    for (size_t i = 0; i < nn_param_size(param); i++) largest = fmax(largest, fabs((double)value[i]));
    assert_true(largest <= 0.1 * (1 + 1e-6) && largest > 0.095);
  }
  assert_int_equal(param_of(&b, "weight_ih_l0")->fan_in, WIDE); /* he and xavier go by what comes in */
  assert_int_equal(param_of(&b, "weight_hh_l0")->fan_in, MANY);
  nn_choice_clear(&init);
  bench_close(&b);
}

/* ---- bad input --------------------------------------------------------------------------------- */

static void expect_refused(nn_choice choice, nn_shape in, size_t outputs, const char *part) {
  nn_layer *layer = NULL;
  assert_int_equal(nn_layer_find("lstm")->create(choice.options, &in, outputs, &layer), NN_ERR_CONFIG);
  assert_null(layer);
  if (strstr(nn_error_last()->message, part) == NULL)
    fail_msg("\"%s\" does not say \"%s\"", nn_error_last()->message, part);
  nn_choice_clear(&choice);
}

static void data_without_a_time_axis_is_refused(void **state) {
  (void)state;
  expect_refused(lstm_choice(3, 1, 0), (nn_shape){.rank = 1, .dims = {784}}, 10,
                 "expected samples of [time, features], a row for each time step, but they come as [784]");
  expect_refused(lstm_choice(3, 1, 0), (nn_shape){.rank = 3, .dims = {3, 28, 28}}, 10,
                 "but they come as [3 x 28 x 28]");
}

static void sizes_and_states_that_cannot_be_are_refused(void **state) {
  (void)state;
  static const double six[] = {1, 2, 3, 4, 5, 6}, huge[] = {1, 1e300, 3};
  expect_refused(layer_choice("lstm"), sequence_of(4, 3), 0, "it needs `units` here");
  expect_refused(lstm_choice(1 << 20, 1, 0), sequence_of(4, (size_t)1 << 41), 0, "more than can be addressed");
  expect_refused(lstm_choice(8, 1, 0), sequence_of((size_t)1 << 62, 1), 0, "more than can be addressed");
  nn_choice choice = lstm_choice(3, 2, 0);
  set_tensor(&choice, "h0", 3, 0, six);
  expect_refused(choice, sequence_of(4, 3), 0, "h0 must have 2 x 3 numbers");
  choice = lstm_choice(3, 2, 0);
  set_tensor(&choice, "c0", 3, 2, six);
  expect_refused(choice, sequence_of(4, 3), 0, "c0 must have 2 x 3 numbers");
  choice = lstm_choice(3, 1, 0);
  set_tensor(&choice, "c0", 3, 0, huge);
  expect_refused(choice, sequence_of(4, 3), 0, "c0: a number is too large for a float");
  choice = lstm_choice(3, 1, 0);
  set_real(&choice, "forget_bias", 1);
  set_choice(&choice, "init", init_choice("values"));
  expect_refused(choice, sequence_of(4, 3), 0, "forget_bias is added to biases that are drawn");
}

static int open_file(void **state) {
  (void)state;
  golden_open(&pytorch, NN_TEST_DATA "/lstm.golden");
  return 0;
}

static int close_file(void **state) {
  (void)state;
  golden_close(&pytorch);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_lstm_computes_what_pytorchs_computes),
      cmocka_unit_test(gradients_are_those_of_differences_however_rows_go_through_time),
      cmocka_unit_test(threads_change_no_bit_however_rows_go_through_time),
      cmocka_unit_test(a_layer_that_reads_only_one_step_has_no_gradient_for_the_states_weights),
      cmocka_unit_test(parameters_have_pytorchs_names_and_shapes),
      cmocka_unit_test(units_auto_is_what_the_network_puts_out),
      cmocka_unit_test(pytorchs_initialisation_goes_by_the_units),
      cmocka_unit_test(data_without_a_time_axis_is_refused),
      cmocka_unit_test(sizes_and_states_that_cannot_be_are_refused),
  };
  return cmocka_run_group_tests(tests, open_file, close_file);
}
