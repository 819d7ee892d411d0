/* Losses: gradients against finite differences, extreme outputs, the same bits on any number of threads, and which
 * targets and widths each takes. A loss in the registry is tested without being named here. */
#include "layers/internal.h"
#include "losses_testing.h"

#include <math.h>

enum { KINDS = 2, LABELS = 0, VALUES = 1 };

/* Targets of `rows` samples: labels below `width` (0 or 1 for one output), or shares in [0, 1), good for every loss. */
typedef struct targets {
  int32_t *labels;
  float *values;
} targets;

static targets random_targets(int kind, size_t rows, size_t width, numbers *n) {
  targets t = {0};
  if (kind == VALUES) {
    t.values = zeros(rows * width);
    for (size_t i = 0; i < rows * width; i++) t.values[i] = (float)number(n);
    return t;
  }
  t.labels = malloc(rows * sizeof *t.labels);
  assert_non_null(t.labels);
  for (size_t r = 0; r < rows; r++) t.labels[r] = (int32_t)number_below(n, width == 1 ? 2 : width);
  return t;
}

static bool takes(const nn_loss_ops *ops, int kind) {
  return kind == LABELS ? ops->takes_labels : ops->takes_values;
}

static float *random_weights(size_t rows, numbers *n) {
  float *weights = zeros(rows);
  for (size_t r = 0; r < rows; r++) weights[r] = (float)(0.1 + number(n));
  return weights;
}

/* ---- gradients -------------------------------------------------------------------------------- */

static void check_gradient(nn_choice *choice, int kind, size_t rows, size_t width, numbers *n) {
  targets t = random_targets(kind, rows, width, n);
  float *y = random_floats(n, rows * width, 2), *weights = random_weights(rows, n), *dy = zeros(rows * width);
  double *row_loss = calloc(rows, sizeof *row_loss);
  loss_bench b = {choice, rows, width, y, t.labels, t.values, weights, row_loss, dy};
  (void)loss_run(&b, 1);
  b.dy = NULL;
  for (size_t i = 0; i < rows * width; i++) {
    const float kept = y[i], up = kept + 0x1p-7f, down = kept - 0x1p-7f;
    y[i] = up;
    const double above = loss_run(&b, 1);
    y[i] = down;
    const double below = loss_run(&b, 1);
    y[i] = kept;
    const double expected = (above - below) / ((double)up - (double)down), actual = (double)dy[i];
    if (!(fabs(actual - expected) <= 1e-4 * (1 + fabs(expected))))
      fail_msg("%s: gradient %zu is %.7g, differences give %.7g", choice->schema->name, i, actual, expected);
  }
  free(t.labels), free(t.values), free(y), free(weights), free(dy), free(row_loss);
}

static void every_losss_gradient_is_that_of_finite_differences(void **state) {
  (void)state;
  for (const nn_loss_ops *const *ops = nn__loss_registry; *ops != NULL; ops++) {
    numbers n = {.stream = 50};
    for (int trial = 0; trial < 12; trial++) {
      if (!takes(*ops, trial % KINDS)) continue;
      nn_choice choice = choice_of(&(*ops)->schema);
      set_word(&choice, "reduction", trial % 4 < 2 ? NN_LOSS_MEAN : NN_LOSS_SUM);
      check_gradient(&choice, trial % KINDS, 1 + number_below(&n, 5), 2 + number_below(&n, 6), &n);
      nn_choice_clear(&choice);
    }
  }
  numbers n = {.stream = 51};
  nn_choice smoothed = loss_choice("cross_entropy");
  set_real(&smoothed, "label_smoothing", 0.3);
  check_gradient(&smoothed, LABELS, 4, 5, &n);
  check_gradient(&smoothed, LABELS, 2, 600, &n); /* wider than what is worked on at a time */
  nn_choice_clear(&smoothed);
  nn_choice binary = loss_choice("bce_with_logits");
  check_gradient(&binary, VALUES, 2, 600, &n);
  check_gradient(&binary, LABELS, 3, 1, &n);
  nn_choice_clear(&binary);
}

/* ---- threads ---------------------------------------------------------------------------------- */

static void every_loss_gives_the_same_bits_on_any_number_of_threads(void **state) {
  (void)state;
  enum { ROWS = 37, WIDTH = 300 };
  for (const nn_loss_ops *const *ops = nn__loss_registry; *ops != NULL; ops++)
    for (int kind = 0; kind < KINDS; kind++) {
      if (!takes(*ops, kind)) continue;
      numbers n = {.stream = 60};
      nn_choice choice = choice_of(&(*ops)->schema);
      targets t = random_targets(kind, ROWS, WIDTH, &n);
      float *y = random_floats(&n, ROWS * WIDTH, 9), *weights = random_weights(ROWS, &n);
      float *dy[3] = {zeros(ROWS * WIDTH), zeros(ROWS * WIDTH), zeros(ROWS * WIDTH)};
      double row_loss[3][ROWS];
      for (int i = 0; i < 3; i++) {
        loss_bench b = {&choice, ROWS, WIDTH, y, t.labels, t.values, weights, row_loss[i], dy[i]};
        (void)loss_run(&b, i + 1);
        assert_memory_equal(row_loss[i], row_loss[0], sizeof row_loss[0]);
        assert_memory_equal(dy[i], dy[0], ROWS * WIDTH * sizeof(float));
      }
      /* the loss is the same whether or not the gradient is wanted */
      loss_bench b = {&choice, ROWS, WIDTH, y, t.labels, t.values, NULL, row_loss[1], NULL};
      (void)loss_run(&b, 2);
      assert_memory_equal(row_loss[1], row_loss[0], sizeof row_loss[0]);
      for (int i = 0; i < 3; i++) free(dy[i]);
      free(t.labels), free(t.values), free(y), free(weights);
      nn_choice_clear(&choice);
    }
}

/* ---- extremes --------------------------------------------------------------------------------- */

static double one_row(nn_choice *choice, size_t width, const float *y, int32_t label, float *dy) {
  const float weight = 1;
  double loss = 0;
  loss_bench b = {choice, 1, width, y, &label, NULL, &weight, &loss, dy};
  (void)loss_run(&b, 1);
  return loss;
}

static void a_sure_and_right_cross_entropy_keeps_its_digits(void **state) {
  (void)state;
  nn_choice choice = loss_choice("cross_entropy");
  float dy[2];
  const float y[2] = {30, 0};
  /* log(1 + exp(−30)) would be 0 if the sum were kept in float */
  const double loss = one_row(&choice, 2, y, 0, dy), expected = log1p(exp(-30));
  assert_true(fabs(loss - expected) < 1e-5 * expected);
  assert_true(fabs((double)dy[0] + exp(-30)) < 1e-5 * exp(-30));
  assert_true(fabs((double)dy[1] - exp(-30)) < 1e-5 * exp(-30));
  nn_choice_clear(&choice);
}

static void outputs_that_are_not_finite_never_give_a_finite_loss(void **state) {
  (void)state;
  const float bad[] = {NAN, INFINITY};
  for (const nn_loss_ops *const *ops = nn__loss_registry; *ops != NULL; ops++)
    for (size_t i = 0; i < 2; i++)
      for (size_t at = 0; at < 3; at++) {
        nn_choice choice = choice_of(&(*ops)->schema);
        float y[3] = {0.5f, -1, 2}, dy[3];
        y[at] = bad[i];
        assert_false(isfinite(one_row(&choice, 3, y, 1, dy)) && isfinite(dy[0] + dy[1] + dy[2]));
        nn_choice_clear(&choice);
      }
}

static void the_logarithm_is_that_of_the_c_library(void **state) {
  (void)state;
  numbers n = {.stream = 70};
  for (int i = 0; i < 20000; i++) {
    const double x = i % 2 == 0 ? ldexp(number(&n), -i % 50) : exp(700 * number(&n));
    const double expected = log1p(x);
    assert_true(fabs(nn__loss_log1p(x) - expected) <= 1e-15 * fabs(expected));
  }
  assert_true(nn__loss_log1p(0) == 0);
  assert_true(isnan(nn__loss_log1p(NAN)));
  assert_true(nn__loss_log1p(INFINITY) == INFINITY);
}

/* ---- what fits what --------------------------------------------------------------------------- */

static void expect(const char *loss, bool classes, size_t target_width, size_t width, const char *complaint) {
  nn_choice choice = loss_choice(loss);
  const nn_target_info target = {.classes = classes, .width = target_width};
  const nn_status status = nn_loss_check(&choice, &target, width);
  nn_choice_clear(&choice);
  if (complaint == NULL) {
    if (status != NN_OK) fail_msg("%s", nn_error_last()->message);
    return;
  }
  assert_int_equal(status, NN_ERR_CONFIG);
  if (strstr(nn_error_last()->message, complaint) == NULL)
    fail_msg("\"%s\" does not say \"%s\"", nn_error_last()->message, complaint);
}

static void a_loss_says_which_targets_and_how_many_outputs_it_takes(void **state) {
  (void)state;
  static const char *const squares[] = {"mse", "half_sse", "bce_with_logits"};
  expect("cross_entropy", true, 10, 10, NULL);
  expect("cross_entropy", true, 12, 10, "the network puts out 10 values, the data has 12 classes");
  expect("cross_entropy", true, 2, 1, "use bce_with_logits");
  expect("cross_entropy", false, 3, 3, "use one of mse, half_sse, bce_with_logits");
  for (size_t i = 0; i < 3; i++) {
    expect(squares[i], false, 3, 3, NULL);
    expect(squares[i], true, 3, 3, NULL);
    expect(squares[i], true, 2, 1, NULL);
    expect(squares[i], true, 3, 1, "tells only two classes apart by one output");
    expect(squares[i], false, 2, 1, "the network puts out 1 value, the data has 2 target values a sample");
    expect(squares[i], false, 1, 2, "the network puts out 2 values, the data has 1 target value a sample");
  }
}

static void a_network_gets_an_output_per_class_or_value_unless_one_will_do(void **state) {
  (void)state;
  for (const nn_loss_ops *const *ops = nn__loss_registry; *ops != NULL; ops++) {
    nn_choice choice = choice_of(&(*ops)->schema);
    const bool one = strcmp((*ops)->schema.name, "bce_with_logits") == 0;
    const nn_target_info two = {.classes = true, .width = 2}, three = {.classes = true, .width = 3},
                         pair = {.width = 2};
    assert_int_equal(nn_loss_outputs(&choice, &two), one ? 1 : 2);
    assert_int_equal(nn_loss_outputs(&choice, &three), 3);
    assert_int_equal(nn_loss_outputs(&choice, &pair), 2);
    nn_choice_clear(&choice);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_losss_gradient_is_that_of_finite_differences),
      cmocka_unit_test(every_loss_gives_the_same_bits_on_any_number_of_threads),
      cmocka_unit_test(a_sure_and_right_cross_entropy_keeps_its_digits),
      cmocka_unit_test(outputs_that_are_not_finite_never_give_a_finite_loss),
      cmocka_unit_test(the_logarithm_is_that_of_the_c_library),
      cmocka_unit_test(a_network_gets_an_output_per_class_or_value_unless_one_will_do),
      cmocka_unit_test(a_loss_says_which_targets_and_how_many_outputs_it_takes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
