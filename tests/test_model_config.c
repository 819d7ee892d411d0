/* From the text of a configuration to a network: networks whose every number is known from working them out by hand. */
#include "model_testing.h"

#include <math.h>

/* A network made of YAML, and one sample going through it. */
typedef struct known {
  nn_registry registry;
  nn_config *config;
  net net; /* only its model is used */
  trial trial;
} known;

static void parse(known *k, const char *model) {
  *k = (known){0};
  parse_model(model, &k->registry, &k->config);
}

static nn_status build(known *k, size_t in, size_t outputs) {
  const nn_shape shape = vector_of(in);
  return nn_model_create(&k->config->model, &k->registry, &shape, outputs, &k->net.model);
}

static void open_known(known *k, const char *model, size_t in, size_t outputs) {
  parse(k, model);
  if (build(k, in, outputs) != NN_OK) fail_msg("%s", nn_error_last()->message);
  trial_open_for(&k->trial, k->net.model, "mse", 1, &(numbers){0}, NN_WORKSPACE_WATCHED, 1);
}

static void close_known(known *k) {
  if (k->net.model != NULL) trial_close(&k->trial);
  nn_model_destroy(&k->net.model);
  nn_config_destroy(&k->config);
}

/* Forward of (x0, x1), and backward for the label (0 or 1): returns the loss. */
static double run(known *k, float x0, float x1, int32_t label) {
  float *x = nn_workspace_input(k->trial.workspace, 1, 0);
  x[0] = x0;
  x[1] = x1;
  k->trial.labels[0] = label;
  return trial_run(&k->trial, 1);
}

static void expect(double actual, double wanted) {
  const double tolerance = fabs(wanted) < 1e-3 ? 1e-5 * fabs(wanted) : 2e-6 * fmax(1, fabs(wanted));
  if (!(fabs(actual - wanted) <= tolerance)) fail_msg("%.10g instead of %.10g", actual, wanted);
}

static void expect_gradient(const known *k, const char *tensor, const double *wanted, size_t count) {
  const nn_param *param = net_tensor(&k->net, tensor)->param;
  assert_int_equal(nn_param_size(param), count);
  for (size_t i = 0; i < count; i++) expect((double)k->trial.grads[param->offset + i], wanted[i]);
}

/* ---- exclusive or ----------------------------------------------------------------------------- */

static void exclusive_or_is_computed_by_a_hidden_layer_of_two(void **state) {
  (void)state;
  known k;
  open_known(&k,
             "  layers:\n"
             "    - dense: {units: 2, init: {name: values, weight: [[1, -1], [-1, 1]], bias: [-0.5, -0.5]}}\n"
             "    - relu\n"
             "    - dense: {units: 1, init: {name: values, weight: [[1, 1]], bias: [-0.1]}}\n",
             2, 2);
  static const double hidden[4][2] = {{0, 0}, {0, 0.5}, {0.5, 0}, {0, 0}}, outputs[4] = {-0.1, 0.4, 0.4, -0.1};
  for (int i = 0; i < 4; i++) {
    const int label = (i == 1 || i == 2) ? 1 : 0;
    const double error = outputs[i] - label;
    expect(run(&k, (float)(i / 2), (float)(i % 2), label), error * error);
    for (size_t j = 0; j < 2; j++) expect((double)nn_workspace_activation(k.trial.workspace, 1)[j], hidden[i][j]);
    expect((double)nn_workspace_output(k.trial.workspace)[0], outputs[i]);
  }
  close_known(&k);
}

/* ---- two inputs, three sigmoids, one output --------------------------------------------------- */

#define THREE_SIGMOIDS                                                                                                 \
  "  layers:\n"                                                                                                        \
  "    - dense: {units: 3, name: hidden, init: {name: values,\n"                                                       \
  "        weight: [[0.02, 0.03], [0.01, 0.02], [0.03, 0.01]], bias: [0.01, 0.03, 0.02]}}\n"                           \
  "    - sigmoid: {}\n"                                                                                                \
  "    - dense: {name: last, init: {name: values, weight: [[0.02, 0.03, 0.04]], bias: [0.01]}}\n"

static void a_sigmoid_layer_and_a_linear_output_give_the_known_figures(void **state) {
  (void)state;
  known k;
  open_known(&k, THREE_SIGMOIDS, 2, 1);
  (void)run(&k, 1, 3, 0);
  expect((double)nn_workspace_output(k.trial.workspace)[0], 0.0571482303);
  (void)run(&k, 2, 2, 0);
  expect((double)nn_workspace_output(k.trial.workspace)[0], 0.0572231583);
  /* against y = 8 the gradient is −15.8865018 of that of the output */
  (void)run(&k, 1, 2, 8);
  expect((double)nn_workspace_output(k.trial.workspace)[0], 0.0567490910);
  expect_gradient(&k, "last.bias", (const double[]){-15.8865018}, 1);
  expect_gradient(&k, "last.weight", (const double[]){-8.3004561, -8.2608116, -8.2211512}, 3);
  expect_gradient(&k, "hidden.bias", (const double[]){-0.0792719, -0.1189583, -0.1586706}, 3);
  expect_gradient(&k, "hidden.weight",
                  (const double[]){-0.0792719, -0.1585438, -0.1189583, -0.2379167, -0.1586706, -0.3173411}, 6);
  close_known(&k);
}

static void a_sigmoid_output_and_half_the_squares_give_the_known_figures(void **state) {
  (void)state;
  known k;
  open_known(&k, THREE_SIGMOIDS "    - sigmoid\n", 2, 1);
  nn_choice_clear(&k.trial.loss);
  k.trial.loss = loss_choice("half_sse");
  expect(run(&k, 1, 2, 1), 0.1180088521);
  expect((double)nn_workspace_output(k.trial.workspace)[0], 0.5141834665);
  expect_gradient(&k, "last.bias", (const double[]){-0.1213564013}, 1);
  expect_gradient(&k, "last.weight", (const double[]){-0.0634068781, -0.0631040350, -0.0628010709}, 3);
  expect_gradient(&k, "hidden.bias", (const double[]){-0.0006055549, -0.0009087183, -0.0012120786}, 3);
  expect_gradient(
      &k, "hidden.weight",
      (const double[]){-0.0006055549, -0.0012111099, -0.0009087183, -0.0018174366, -0.0012120786, -0.0024241572}, 6);
  close_known(&k);
}

/* ---- the shorthand and its limits ------------------------------------------------------------- */

static void hidden_may_be_empty(void **state) {
  (void)state;
  known k;
  open_known(&k, "  hidden: []\n", 2, 3);
  assert_int_equal(nn_model_layer_count(k.net.model), 1);
  close_known(&k);
}

static void a_layer_that_cannot_be_is_named_with_its_line(void **state) {
  (void)state;
  known k;
  parse(&k, "  layers:\n"
            "    - dense:\n"
            "        name: first\n"
            "    - tanh\n"
            "    - dense\n");
  assert_int_equal(build(&k, 2, 1), NN_ERR_CONFIG);
  static const char start[] = "model: line 6: layer first (dense): dense needs `units` here";
  assert_memory_equal(nn_error_last()->message, start, sizeof start - 1);
  close_known(&k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exclusive_or_is_computed_by_a_hidden_layer_of_two),
      cmocka_unit_test(a_sigmoid_layer_and_a_linear_output_give_the_known_figures),
      cmocka_unit_test(a_sigmoid_output_and_half_the_squares_give_the_known_figures),
      cmocka_unit_test(hidden_may_be_empty),
      cmocka_unit_test(a_layer_that_cannot_be_is_named_with_its_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
