/* Initialisation: distributions, independence, numbers given in the configuration or in a file, and what is said when
 * they do not fit. */
#include "layers_testing.h"
#include "nnmpi/h5io.h"

#include <math.h>
#include <unistd.h>

enum { OUT = 120, IN = 250, SIZE = OUT * IN };

static const nn_param weight = {.name = "weight", .rank = 2, .dims = {OUT, IN}, .fan_in = IN, .fan_out = OUT};
static const nn_param bias = {.name = "bias", .rank = 1, .dims = {OUT}, .fan_in = IN, .fan_out = OUT, .is_bias = true};
static const nn_param small = {.name = "weight", .rank = 2, .dims = {2, 3}, .fan_in = 3, .fan_out = 2};
static const nn_param small_bias = {.name = "bias", .rank = 1, .dims = {2}, .fan_in = 3, .fan_out = 2, .is_bias = true};

static nn_status fill(const nn_choice *choice, const nn_param *param, uint64_t seed, uint64_t tensor, float *value) {
  return nn_init_find(choice->schema->name)->fill(choice->options, param, "fc1.weight", seed, tensor, value);
}

static void expect_message(nn_status status, nn_status expected, const char *part) {
  assert_int_equal(status, expected);
  if (strstr(nn_error_last()->message, part) == NULL)
    fail_msg("\"%s\" does not say \"%s\"", nn_error_last()->message, part);
}

/* ---- distributions ---------------------------------------------------------------------------- */

/* Mean and deviation as they should be, and within the bounds (0: none); a normal distribution has its share beyond
 * two deviations, a uniform one has none. The choice is given away. */
static void check_distribution(nn_choice choice, double mean, double std, double bound) {
  float *value = zeros(SIZE);
  assert_int_equal(fill(&choice, &weight, 4, 0, value), NN_OK);
  double sum = 0, squares = 0;
  size_t beyond = 0;
  for (size_t i = 0; i < SIZE; i++) {
    const double d = (double)value[i] - mean;
    sum += d;
    squares += d * d;
    beyond += fabs(d) > 2 * std ? 1 : 0;
    if (bound > 0 && fabs(d) > bound) fail_msg("%s: %g is beyond %g", choice.schema->name, d, bound);
  }
  /* four standard errors of the mean; of the deviation, generously */
  assert_true(fabs(sum / SIZE) <= 4 * std / sqrt(SIZE));
  assert_true(fabs(sqrt(squares / SIZE) / std - 1) <= 4 / sqrt(SIZE));
  const double share = (double)beyond / SIZE;
  assert_true(bound > 0 ? beyond == 0 : fabs(share - 0.0455) < 0.005);
  free(value);
  nn_choice_clear(&choice);
}

static void weights_are_distributed_as_each_initialisation_says(void **state) {
  (void)state;
  enum { UNIFORM, NORMAL };
  check_distribution(init_choice("normal"), 0, 1 / sqrt(IN), 0);
  nn_choice normal = init_choice("normal");
  set_real(&normal, "mean", 2);
  set_real(&normal, "std", 0.5);
  check_distribution(normal, 2, 0.5, 0);
  nn_choice uniform = init_choice("uniform");
  set_real(&uniform, "low", -1);
  set_real(&uniform, "high", 3);
  check_distribution(uniform, 1, 4 / sqrt(12), 2);
  check_distribution(init_choice("pytorch"), 0, 1 / sqrt(3.0 * IN), 1 / sqrt(IN) * (1 + 1e-6));

  const double xavier = sqrt(2.0 / (IN + OUT)), he = sqrt(2.0 / IN);
  for (int distribution = UNIFORM; distribution <= NORMAL; distribution++) {
    const double reach = distribution == UNIFORM ? sqrt(3) * (1 + 1e-6) : 0;
    nn_choice choice = init_choice("xavier");
    set_word(&choice, "distribution", distribution);
    set_real(&choice, "gain", 1.5);
    check_distribution(choice, 0, 1.5 * xavier, 1.5 * xavier * reach);
    choice = init_choice("he");
    set_word(&choice, "distribution", distribution);
    check_distribution(choice, 0, he, he * reach);
  }
}

static void biases_are_what_each_initialisation_says(void **state) {
  (void)state;
  static const char *const constant[] = {"zeros", "constant", "normal", "uniform", "xavier", "he"};
  float value[OUT];
  for (size_t i = 0; i < sizeof constant / sizeof *constant; i++)
    for (int given = 0; given <= (i > 0 ? 1 : 0); given++) {
      nn_choice choice = init_choice(constant[i]);
      if (given) set_real(&choice, "bias", -0.5);
      assert_int_equal(fill(&choice, &bias, 4, 1, value), NN_OK);
      for (size_t j = 0; j < OUT; j++) assert_true(value[j] == (given ? -0.5f : 0.0f));
      nn_choice_clear(&choice);
    }
  nn_choice pytorch = init_choice("pytorch");
  assert_int_equal(fill(&pytorch, &bias, 4, 1, value), NN_OK);
  double largest = 0;
  for (size_t j = 0; j < OUT; j++) largest = fmax(largest, fabs((double)value[j]));
  assert_true(largest < 1 / sqrt(IN) * (1 + 1e-6) && largest > 0.8 / sqrt(IN));
  nn_choice_clear(&pytorch);
}

static void zeros_and_constant_are_what_they_say(void **state) {
  (void)state;
  float value[6] = {1, 2, 3, 4, 5, 6};
  nn_choice choice = init_choice("zeros");
  assert_int_equal(fill(&choice, &small, 1, 0, value), NN_OK);
  for (size_t i = 0; i < 6; i++) assert_true(value[i] == 0);
  nn_choice_clear(&choice);
  choice = init_choice("constant");
  set_real(&choice, "value", 0.25);
  assert_int_equal(fill(&choice, &small, 1, 0, value), NN_OK);
  for (size_t i = 0; i < 6; i++) assert_true(value[i] == 0.25f);
  nn_choice_clear(&choice);
}

static void random_values_depend_on_seed_tensor_and_element_alone(void **state) {
  (void)state;
  static const char *const random[] = {"normal", "pytorch"};
  float *large = zeros(SIZE), *other = zeros(SIZE);
  for (size_t k = 0; k < 2; k++) {
    nn_choice choice = init_choice(random[k]);
    nn_param wide = weight;
    wide.dims[0] = 7; /* fewer rows, the same fan_in */
    assert_int_equal(fill(&choice, &weight, 4, 2, large), NN_OK);
    assert_int_equal(fill(&choice, &wide, 4, 2, other), NN_OK);
    assert_memory_equal(large, other, 7 * IN * sizeof(float));
    assert_int_equal(fill(&choice, &weight, 4, 3, other), NN_OK);
    assert_memory_not_equal(large, other, 8 * sizeof(float));
    assert_int_equal(fill(&choice, &weight, 5, 2, other), NN_OK);
    assert_memory_not_equal(large, other, 8 * sizeof(float));
    nn_choice_clear(&choice);
  }
  free(large);
  free(other);
}

static void uniform_refuses_bounds_the_wrong_way_round(void **state) {
  (void)state;
  float value[6];
  nn_choice choice = init_choice("uniform");
  set_real(&choice, "low", 1);
  set_real(&choice, "high", 0.5);
  expect_message(fill(&choice, &small, 1, 0, value), NN_ERR_CONFIG, "low <= high, not 1 and 0.5");
  nn_choice_clear(&choice);
}

/* ---- numbers in the configuration ------------------------------------------------------------- */

static const double six[] = {1, 2, 3, 4, 5, 6};

static void values_are_taken_as_written(void **state) {
  (void)state;
  float value[6];
  nn_choice choice = init_choice("values");
  set_tensor(&choice, "weight", 2, 3, six);
  assert_int_equal(fill(&choice, &small, 1, 0, value), NN_OK);
  for (size_t i = 0; i < 6; i++) assert_true(value[i] == (float)six[i]);
  assert_int_equal(fill(&choice, &small_bias, 1, 0, value), NN_OK); /* not written: 0 */
  assert_true(value[0] == 0 && value[1] == 0);
  set_tensor(&choice, "bias", 2, 0, six + 4);
  assert_int_equal(fill(&choice, &small_bias, 1, 0, value), NN_OK);
  assert_true(value[0] == 5 && value[1] == 6);
  nn_choice_clear(&choice);
}

static void values_that_do_not_fit_are_refused_with_both_shapes(void **state) {
  (void)state;
  float value[SIZE / 100];
  nn_choice choice = init_choice("values");
  expect_message(fill(&choice, &small, 1, 0, value), NN_ERR_CONFIG, "gives no numbers for `weight`");
  set_tensor(&choice, "weight", 3, 2, six);
  expect_message(fill(&choice, &small, 1, 0, value), NN_ERR_CONFIG, "fc1.weight: expected shape [2, 3], given [3, 2]");
  set_tensor(&choice, "weight", 6, 0, six);
  expect_message(fill(&choice, &small, 1, 0, value), NN_ERR_CONFIG, "expected shape [2, 3], given [6]");
  set_tensor(&choice, "bias", 3, 0, six);
  expect_message(fill(&choice, &small_bias, 1, 0, value), NN_ERR_CONFIG, "expected shape [2], given [3]");
  const double huge[] = {1, 1e300, 1, 1, 1, 1};
  set_tensor(&choice, "weight", 2, 3, huge);
  expect_message(fill(&choice, &small, 1, 0, value), NN_ERR_CONFIG, "too large for a float");
  nn_choice_clear(&choice);
}

/* ---- numbers from a file ---------------------------------------------------------------------- */

static char path[] = "/tmp/nnmpi-init-XXXXXX";

static int write_file(void **state) {
  (void)state;
  const int descriptor = mkstemp(path);
  if (descriptor < 0) return -1;
  close(descriptor);
  const float floats[6] = {1, 2, 3, 4, 5, 6}, bad[6] = {1, NAN, 3, 4, 5, 6};
  const uint64_t dims[] = {2, 3}, turned[] = {3, 2};
  nn_h5_image *image = NULL;
  if (nn_h5_image_create(&image) != NN_OK) return -1;
  const nn_status written[] = {
      nn_h5_image_write(image, "fc1.weight", NN_H5_F32, 2, dims, 0, floats),
      nn_h5_image_write(image, "parameters/net.fc1.weight", NN_H5_F64, 2, dims, 0, six),
      nn_h5_image_write(image, "turned/fc1.weight", NN_H5_F32, 2, turned, 0, floats),
      nn_h5_image_write(image, "bad/fc1.weight", NN_H5_F32, 2, dims, 0, bad),
      nn_h5_image_save(image, path),
  };
  nn_h5_image_destroy(&image);
  for (size_t i = 0; i < sizeof written / sizeof *written; i++)
    if (written[i] != NN_OK) return -1;
  return 0;
}

static int remove_file(void **state) {
  (void)state;
  return unlink(path);
}

static nn_choice from_file(const char *prefix) {
  const nn_choice choice = init_choice("file");
  set_text(&choice, "path", path);
  if (prefix != NULL) set_text(&choice, "prefix", prefix);
  return choice;
}

static void parameters_come_from_a_file_by_name(void **state) {
  (void)state;
  static const char *const prefixes[] = {NULL, "", "net."};
  for (size_t k = 0; k < 3; k++) {
    float value[6] = {0};
    nn_choice choice = from_file(prefixes[k]);
    if (fill(&choice, &small, 1, 0, value) != NN_OK) fail_msg("%s", nn_error_last()->message);
    for (size_t i = 0; i < 6; i++) assert_true(value[i] == (float)six[i]);
    nn_choice_clear(&choice);
  }
}

static void a_file_that_does_not_fit_is_refused_by_name(void **state) {
  (void)state;
  float value[6];
  nn_choice choice = from_file("turned/");
  expect_message(fill(&choice, &small, 1, 0, value), NN_ERR_CONFIG,
                 "turned/fc1.weight: expected shape [2, 3], given [3, 2]");
  assert_memory_equal(nn_error_last()->message, path, strlen(path));
  nn_choice_clear(&choice);
  choice = from_file("bad/");
  expect_message(fill(&choice, &small, 1, 0, value), NN_ERR_DATA, "bad/fc1.weight has values that are not finite");
  nn_choice_clear(&choice);
  choice = from_file("model/");
  expect_message(fill(&choice, &small, 1, 0, value), NN_ERR_DATA,
                 "there is no dataset model/fc1.weight, nor parameters/model/fc1.weight");
  set_text(&choice, "path", "/nowhere/weights.h5");
  expect_message(fill(&choice, &small, 1, 0, value), NN_ERR_DATA, "/nowhere/weights.h5");
  nn_choice_clear(&choice);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(weights_are_distributed_as_each_initialisation_says),
      cmocka_unit_test(biases_are_what_each_initialisation_says),
      cmocka_unit_test(zeros_and_constant_are_what_they_say),
      cmocka_unit_test(random_values_depend_on_seed_tensor_and_element_alone),
      cmocka_unit_test(uniform_refuses_bounds_the_wrong_way_round),
      cmocka_unit_test(values_are_taken_as_written),
      cmocka_unit_test(values_that_do_not_fit_are_refused_with_both_shapes),
      cmocka_unit_test(parameters_come_from_a_file_by_name),
      cmocka_unit_test(a_file_that_does_not_fit_is_refused_by_name),
  };
  return cmocka_run_group_tests(tests, write_file, remove_file);
}
