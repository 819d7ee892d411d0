/* Every layer of the registry against finite differences, and what all of them promise: the same bits on any number of
 * threads, nothing written that was not asked for. A new layer is tested by being in the registry. */
#include "layers_testing.h"

#include <math.h>

enum { TRIALS = 8 };

/* A bench for trial number `trial`: vectors and sequences of random sizes. */
static bool open_trial(bench *b, const nn_layer_ops *ops, int trial, size_t rows, size_t scale, numbers *n) {
  nn_shape in = {.rank = 1, .dims = {1 + number_below(n, 8 * scale)}};
  if (trial % 2 == 1) in = (nn_shape){.rank = 2, .dims = {1 + number_below(n, 4), 1 + number_below(n, 5 * scale)}};
  const size_t outputs = 1 + number_below(n, 6 * scale);
  return bench_open(b, choice_of(&ops->schema), in, outputs, rows, n);
}

/* dJ/dvalue by a central difference, with the step that float arithmetic really took. */
static double difference(bench *b, float *value) {
  const float kept = *value;
  const float up = kept + 0x1p-6f, down = kept - 0x1p-6f;
  *value = up;
  const double above = bench_functional(b);
  *value = down;
  const double below = bench_functional(b);
  *value = kept;
  return (above - below) / ((double)up - (double)down);
}

static void compare(bench *b, const char *what, size_t count, float *values, const float *gradient) {
  for (size_t i = 0; i < count; i++) {
    const double expected = difference(b, &values[i]), actual = (double)gradient[i];
    if (!(fabs(actual - expected) <= 1e-3 * (1 + fabs(expected))))
      fail_msg("%s: gradient of %s[%zu] is %.7g, differences give %.7g", b->layer->ops->schema.name, what, i, actual,
               expected);
  }
}

static void every_layers_gradients_are_those_of_finite_differences(void **state) {
  (void)state;
  for (const nn_layer_ops *const *ops = nn__layer_registry; *ops != NULL; ops++) {
    numbers n = {.stream = 1};
    int tried = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
      bench b;
      if (!open_trial(&b, *ops, trial, 1 + number_below(&n, 6), 1, &n)) continue;
      tried++;
      bench_forward(&b, 1);
      bench_backward(&b, 1);
      compare(&b, "the input", b.rows * b.in, b.x, b.dx);
      for (int p = 0; p < b.layer->param_count; p++) {
        const nn_param *param = &b.layer->params[p];
        compare(&b, param->name, nn_param_size(param), b.param + param->offset, b.grad + param->offset);
      }
      bench_close(&b);
    }
    assert_true(tried > 0);
  }
}

static void every_layer_says_truly_whether_it_has_parameters(void **state) {
  (void)state;
  for (const nn_layer_ops *const *ops = nn__layer_registry; *ops != NULL; ops++) {
    numbers n = {.stream = 2};
    bench b;
    if (!open_trial(&b, *ops, 0, 1, 1, &n) && !open_trial(&b, *ops, 1, 1, 1, &n)) fail_msg("%s", (*ops)->schema.name);
    assert_int_equal((*ops)->has_params, b.layer->param_count > 0);
    assert_ptr_equal(b.layer->ops, *ops);
    bench_close(&b);
  }
}

static void no_layer_writes_what_was_not_asked_for(void **state) {
  (void)state;
  for (const nn_layer_ops *const *ops = nn__layer_registry; *ops != NULL; ops++)
    for (int trial = 0; trial < TRIALS; trial++) {
      numbers n = {.stream = 3 + (uint64_t)trial};
      bench b;
      if (!open_trial(&b, *ops, trial, 1 + number_below(&n, 6), 1, &n)) continue;
      for (size_t i = 0; i < b.params; i++) b.grad[i] = NAN; /* what was there does not matter */
      bench_forward(&b, 2);
      bench_backward(&b, 2);
      size_t written = 0;
      for (size_t i = 0; i < b.params; i++) written += isnan(b.grad[i]) ? 0 : 1;
      size_t expected = 0;
      for (int p = 0; p < b.layer->param_count; p++) expected += nn_param_size(&b.layer->params[p]);
      assert_int_equal(written, expected);

      /* without dx: the same gradients */
      float *dx = b.dx, *grad = copy_floats(b.grad, b.params);
      b.dx = NULL;
      bench_backward(&b, 2);
      assert_memory_equal(b.grad, grad, b.params * sizeof *grad);
      b.dx = dx;
      free(grad);
      bench_close(&b);
    }
}

static void every_layer_gives_the_same_bits_on_any_number_of_threads(void **state) {
  (void)state;
  for (const nn_layer_ops *const *ops = nn__layer_registry; *ops != NULL; ops++)
    for (int trial = 0; trial < TRIALS; trial++) {
      numbers n = {.stream = 20 + (uint64_t)trial};
      bench b;
      if (!open_trial(&b, *ops, trial, 1 + number_below(&n, 70), 24, &n)) continue;
      const size_t out = b.rows * b.out, in = b.rows * b.in;
      bench_forward(&b, 1);
      bench_backward(&b, 1);
      float *y = copy_floats(b.y, out), *dx = copy_floats(b.dx, in), *grad = copy_floats(b.grad, b.params);
      for (int threads = 2; threads <= 3; threads++) {
        memset(b.y, 0, out * sizeof *y);
        memset(b.dx, 0, in * sizeof *dx);
        memset(b.grad, 0, b.params * sizeof *grad);
        bench_forward(&b, threads);
        bench_backward(&b, threads);
        assert_memory_equal(b.y, y, out * sizeof *y);
        assert_memory_equal(b.dx, dx, in * sizeof *dx);
        assert_memory_equal(b.grad, grad, b.params * sizeof *grad);
      }
      free(y);
      free(dx);
      free(grad);
      bench_close(&b);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_layers_gradients_are_those_of_finite_differences),
      cmocka_unit_test(every_layer_says_truly_whether_it_has_parameters),
      cmocka_unit_test(no_layer_writes_what_was_not_asked_for),
      cmocka_unit_test(every_layer_gives_the_same_bits_on_any_number_of_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
