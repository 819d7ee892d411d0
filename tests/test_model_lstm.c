/* LSTMs from the text of a configuration: a scalar one whose outputs are known from working them out by hand, numbers
 * given by parameters' names, the forget gate's bias, pictures read row by row, and what is said when something does
 * not fit. */
#include "model_testing.h"

#include <math.h>

typedef struct made {
  nn_registry registry;
  nn_config *config;
  nn_model *model;
} made;

static void parse(made *m, const char *model) {
  *m = (made){0};
  parse_model(model, &m->registry, &m->config);
}

static nn_status build(made *m, nn_shape in, size_t outputs) {
  return nn_model_create(&m->config->model, &m->registry, &in, outputs, &m->model);
}

static nn_shape sequence_of(size_t time, size_t features) {
  return (nn_shape){.rank = 2, .dims = {time, features}};
}

static void make(made *m, const char *model, nn_shape in, size_t outputs) {
  parse(m, model);
  if (build(m, in, outputs) != NN_OK) fail_msg("%s", nn_error_last()->message);
}

static void unmake(made *m) {
  nn_model_destroy(&m->model);
  nn_config_destroy(&m->config);
}

/* ---- the scalar case ---------------------------------------------------------------------------- */

/* f = sigmoid(−100), i = sigmoid(100 x + 100), o = sigmoid(100 x), g = tanh(50 x − 100 h). */
#define SCALAR(output)                                                                                                 \
  "  layers:\n"                                                                                                        \
  "    - lstm:\n"                                                                                                      \
  "        units: 1\n"                                                                                                 \
  "        output: " output "\n"                                                                                       \
  "        init: {name: values, weight_ih_l0: [[100], [0], [50], [100]], weight_hh_l0: [[0], [0], [-100], [0]],\n"     \
  "               bias_ih_l0: [100, -100, 0, 0]}\n"

static void expect_states(size_t count, const float *x, const double *h) {
  for (int last = 0; last <= 1; last++) {
    made m;
    trial t;
    make(&m, last ? SCALAR("last") : SCALAR("sequence"), sequence_of(count, 1), last ? 1 : count);
    trial_open(&t, m.model, "mse", 1, &(numbers){0});
    memcpy(nn_workspace_input(t.workspace, t.rows, 0), x, count * sizeof *x);
    t.gradient = false;
    (void)trial_run(&t, 1);
    const float *y = nn_workspace_output(t.workspace);
    for (size_t i = 0; i < (last ? 1 : count); i++) {
      const double wanted = h[last ? count - 1 : i], tolerance = 2e-6;
      if (!(fabs((double)y[i] - wanted) <= tolerance))
        fail_msg("step %zu: %.10g instead of %.10g", i, (double)y[i], wanted);
    }
    trial_close(&t);
    unmake(&m);
  }
}

static void a_scalar_lstm_gives_the_known_states(void **state) {
  (void)state;
  static const float first[] = {0, 0, 1, 1, 1, 0}, second[] = {1, 1, 0, 1, 1};
  static const double first_h[] = {0, 0, 0.761594156, -0.761594156, 0.761594156, -0.380797078};
  static const double second_h[] = {0.761594156, -0.761594156, 0.380797078, 0.761594156, -0.761594156};
  expect_states(6, first, first_h);
  expect_states(5, second, second_h);
}

/* ---- numbers given, and not ----------------------------------------------------------------------- */

static float *initial(const made *m) {
  float *params = zeros(nn_model_param_count(m->model));
  if (nn_model_init(m->model, 5, params) != NN_OK) fail_msg("%s", nn_error_last()->message);
  return params;
}

static const float *values_of(const made *m, const float *params, const char *name) {
  for (size_t t = 0; t < nn_model_tensor_count(m->model); t++)
    if (strcmp(nn_model_tensor_at(m->model, t)->name, name) == 0)
      return params + nn_model_tensor_at(m->model, t)->param->offset;
  fail_msg("there is no tensor %s", name);
  return NULL;
}

static void given_numbers_survive_the_way_through_the_resolved_configuration(void **state) {
  (void)state;
  made m;
  make(&m, SCALAR("last"), sequence_of(2, 1), 1);
  nn_text text = {0};
  nn_config *again = NULL;
  assert_int_equal(nn_config_write(m.config, &text), NN_OK);
  if (nn_config_parse(text.at, text.length, "again.yaml", NULL, 0, &m.registry, &again) != NN_OK)
    fail_msg("%s\n%s", nn_error_last()->message, text.at);
  nn_model_destroy(&m.model);
  nn_config_destroy(&m.config);
  m.config = again;
  assert_int_equal(build(&m, sequence_of(2, 1), 1), NN_OK);
  float *params = initial(&m);
  static const float weight[] = {100, 0, 50, 100}, bias[] = {100, -100, 0, 0}, none[4] = {0};
  assert_memory_equal(values_of(&m, params, "layers.0.weight_ih_l0"), weight, sizeof weight);
  assert_memory_equal(values_of(&m, params, "layers.0.bias_ih_l0"), bias, sizeof bias);
  assert_memory_equal(values_of(&m, params, "layers.0.bias_hh_l0"), none, sizeof none); /* not given */
  free(params);
  nn_text_clear(&text);
  unmake(&m);
}

static void the_forget_gates_bias_is_raised_where_biases_are_drawn(void **state) {
  (void)state;
  enum { UNITS = 3 };
  made plain, raised;
  make(&plain, "  layers: [{lstm: {units: 3, layers: 2, name: r}}, dense]\n", sequence_of(4, 2), 2);
  make(&raised, "  layers: [{lstm: {units: 3, layers: 2, name: r, forget_bias: 1.5}}, dense]\n", sequence_of(4, 2), 2);
  float *a = initial(&plain), *b = initial(&raised);
  for (size_t t = 0; t < nn_model_tensor_count(plain.model); t++) {
    const nn_model_tensor *tensor = nn_model_tensor_at(plain.model, t);
    const bool biased = strncmp(tensor->param->name, "bias_ih_l", 9) == 0;
    for (size_t i = 0; i < nn_param_size(tensor->param); i++) {
      const float *value = a + tensor->param->offset + i, *other = b + tensor->param->offset + i;
      assert_true(*other == *value + (biased && i >= UNITS && i < 2 * UNITS ? 1.5f : 0));
    }
  }
  free(a), free(b);
  unmake(&plain);
  unmake(&raised);
  make(&raised,
       "  layers: [{lstm: {units: 2, forget_bias: 1}}]\n  init: {name: values, weight_ih_l0: [[1], [1], [1], "
       "[1], [1], [1], [1], [1]], weight_hh_l0: [[1, 1], [1, 1], [1, 1], [1, 1], [1, 1], [1, 1], [1, 1], [1, 1]]}\n",
       sequence_of(4, 1), 2);
  b = initial(&raised);
  for (size_t i = 0; i < 8; i++) assert_true(values_of(&raised, b, "layers.0.bias_ih_l0")[i] == 0);
  free(b);
  unmake(&raised);
}

static void pictures_are_read_row_by_row(void **state) {
  (void)state;
  made m;
  trial t;
  make(&m, "  layers: [{lstm: {units: 16, layers: 2, output: sequence}}, dense]\n", sequence_of(28, 28), 10);
  assert_int_equal(nn_shape_size(&nn_model_layer(m.model, 1)->in), 28 * 16); /* dense takes all states at once */
  trial_open(&t, m.model, "cross_entropy", 20, &(numbers){.stream = 3});
  double first = 0, loss = 0;
  for (int step = 0; step < 120; step++) {
    loss = trial_run(&t, 2);
    if (step == 0) first = loss;
    for (size_t i = 0; i < nn_model_param_count(m.model); i++) t.params[i] -= 0.2f * t.grads[i];
  }
  assert_true(loss < first / 4);
  trial_close(&t);
  unmake(&m);
}

/* ---- bad input --------------------------------------------------------------------------------- */

static void expect_refused(const char *model, nn_shape in, const char *message) {
  made m;
  parse(&m, model);
  nn_status status = build(&m, in, 2);
  if (status == NN_OK) {
    float *params = zeros(nn_model_param_count(m.model));
    status = nn_model_init(m.model, 5, params);
    free(params);
  }
  assert_int_equal(status, NN_ERR_CONFIG);
  if (strstr(nn_error_last()->message, message) == NULL)
    fail_msg("\"%s\" does not say \"%s\"", nn_error_last()->message, message);
  unmake(&m);
}

static void what_does_not_fit_is_said_with_layer_and_line(void **state) {
  (void)state;
  expect_refused("  layers:\n    - lstm: {units: 4, name: reader}\n    - dense\n", vector_of(784),
                 "model: line 6: layer reader (lstm): expected samples of [time, features]");
  expect_refused("  layers:\n    - lstm: {units: 4}\n    - lstm: {units: 4}\n    - dense\n", sequence_of(3, 2),
                 "model: line 7: layer layers.1 (lstm): expected samples of [time, features]");
  expect_refused("  layers:\n    - lstm: {units: 2, init: {name: values, weight_ih_l: [[1]]}}\n", sequence_of(3, 2),
                 "layer layers.0 (lstm): init `values` gives `weight_ih_l`, which it does not have: did you mean "
                 "`weight_ih_l0`?");
  expect_refused("  layers:\n    - lstm: {units: 2, init: {name: values, kernel: [[1]]}}\n", sequence_of(3, 2),
                 "gives `kernel`, which it does not have: it has weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0");
  expect_refused("  layers:\n    - dense: {init: {name: values, wieght: [[1]]}}\n", vector_of(2),
                 "model: line 6: layer layers.0 (dense): init `values` gives `wieght`, which it does not have: did you "
                 "mean `weight`?");
  expect_refused("  layers:\n    - lstm: {units: 2, init: {name: values, weight_ih_l0: [[1]]}}\n", sequence_of(3, 2),
                 "layers.0.weight_ih_l0: expected shape [8, 2], given [1, 1]");
  expect_refused("  layers:\n    - lstm: {units: 1, init: {name: values, weight_ih_l0: [[1], [1], [1], [1]]}}\n",
                 sequence_of(3, 1), "init `values` gives no numbers for `weight_hh_l0`");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_scalar_lstm_gives_the_known_states),
      cmocka_unit_test(given_numbers_survive_the_way_through_the_resolved_configuration),
      cmocka_unit_test(the_forget_gates_bias_is_raised_where_biases_are_drawn),
      cmocka_unit_test(pictures_are_read_row_by_row),
      cmocka_unit_test(what_does_not_fit_is_said_with_layer_and_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
