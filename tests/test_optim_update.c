/* Updates against PyTorch's (tests/make_golden_optim.py says how tests/data/optim.golden came about). */
#include "optim_testing.h"

#include <math.h>
#include <stdlib.h>

enum { STEPS = 5, ELEMENTS = 40 };

typedef struct golden {
  char *text;
} golden;

static int load(void **state) {
  static golden g;
  size_t count = 0;
  assert_int_equal(nn_file_read(NN_TEST_DATA "/optim.golden", 1 << 20, &g.text, &count), NN_OK);
  *state = &g;
  return 0;
}

static int unload(void **state) {
  nn_free(((golden *)*state)->text);
  return 0;
}

/* The values of the line that begins with `name` and a space; false if there is no such line. */
static bool find(const golden *g, const char *name, size_t count, double *out) {
  char wanted[320];
  snprintf(wanted, sizeof wanted, "\n%s ", name);
  const char *at = strstr(g->text, wanted);
  if (at == NULL) return false;
  at = strchr(at + strlen(wanted), ' '); /* behind the shape */
  for (size_t i = 0; i < count; i++) {
    char number[32];
    const size_t length = strcspn(++at, " \n");
    assert_true(length < sizeof number);
    memcpy(number, at, length);
    number[length] = '\0';
    assert_true(nn_parse_real(number, &out[i]));
    at += length;
  }
  assert_int_equal(*at, '\n');
  return true;
}

static void close_to(const char *name, size_t step, size_t element, double expected, double actual) {
  if (!(fabs(actual - expected) <= 1e-6 * fmax(1, fabs(expected))))
    fail_msg("%s: step %zu, element %zu: %.9g instead of %.9g", name, step + 1, element, actual, expected);
}

/* The case's own steps from the file's start and gradients, compared after each. */
static void follow(const golden *g, const char *name) {
  char spec[256], key[300];
  double clip = 0, start[ELEMENTS], gradients[STEPS * ELEMENTS], params[STEPS * ELEMENTS], norms[STEPS] = {0};
  snprintf(spec, sizeof spec, "%s", name);
  char *clip_at = strstr(spec, ",clip=");
  if (clip_at != NULL) {
    assert_true(nn_parse_real(clip_at + strlen(",clip="), &clip));
    *clip_at = '\0';
  }
  assert_true(find(g, "start", ELEMENTS, start) && find(g, "gradients", STEPS * ELEMENTS, gradients));
  snprintf(key, sizeof key, "%s/params", name);
  assert_true(find(g, key, STEPS * ELEMENTS, params));
  snprintf(key, sizeof key, "%s/norm", name);
  assert_true(find(g, key, STEPS, norms) == (clip > 0));

  nn_choice choice = nn_test_choice(NN_KIND_OPTIMIZER, spec);
  nn_optim *optim = NULL;
  assert_int_equal(nn_optim_create(&choice, NULL, ELEMENTS, &(nn_range){0, ELEMENTS}, 1, &optim), NN_OK);
  assert_string_equal(nn_optim_name(optim), choice.schema->name);
  float x[ELEMENTS], dx[ELEMENTS];
  for (size_t i = 0; i < ELEMENTS; i++) x[i] = (float)start[i];
  for (size_t t = 0; t < STEPS; t++) {
    for (size_t i = 0; i < ELEMENTS; i++) dx[i] = (float)gradients[t * ELEMENTS + i];
    const double lr = nn_optim_lr(optim, t, STEPS, 1);
    const double norm = nn_test_step_run(1, (nn_test_step){optim, t, lr, clip, dx, x, 0});
    if (clip > 0) close_to(key, t, 0, norms[t], norm);
    for (size_t i = 0; i < ELEMENTS; i++) close_to(name, t, i, params[t * ELEMENTS + i], (double)x[i]);
  }
  nn_optim_destroy(&optim);
  assert_null(optim);
  nn_test_choice_clear(&choice);
}

/* All lines "<optimizer>,…/params" of the file. */
static void every_optimizer_steps_as_pytorchs_does(void **state) {
  const golden *g = *state;
  size_t cases = 0;
  for (const char *line = strchr(g->text, '\n'); line != NULL && line[1] != '\0'; line = strchr(line + 1, '\n')) {
    char name[256];
    const char *end = strstr(line, "/params "), *next = strchr(line + 1, '\n');
    if (end == NULL || end > next) continue;
    snprintf(name, sizeof name, "%.*s", (int)(end - line - 1), line + 1);
    follow(g, name);
    cases++;
  }
  assert_true(cases >= 20);
}

static void every_optimizer_of_the_registry_has_a_case(void **state) {
  const golden *g = *state;
  for (const nn_optim_ops *const *ops = nn__optim_registry; *ops != NULL; ops++) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\n%s,lr=", (*ops)->schema.name);
    if (strstr(g->text, wanted) == NULL) fail_msg("no case for %s", (*ops)->schema.name);
  }
}

static void defaults_are_pytorchs(void **state) {
  (void)state;
  static const struct {
    const char *optimizer, *key, *fallback;
  } expected[] = {
      {"sgd", "momentum", "0"},         {"sgd", "weight_decay", "0"},      {"sgd", "nesterov", "false"},
      {"adam", "lr", "0.001"},          {"adam", "beta1", "0.9"},          {"adam", "beta2", "0.999"},
      {"adam", "eps", "1e-8"},          {"adam", "weight_decay", "0"},     {"adamw", "lr", "0.001"},
      {"adamw", "beta1", "0.9"},        {"adamw", "weight_decay", "0.01"}, {"rmsprop", "lr", "0.01"},
      {"rmsprop", "alpha", "0.99"},     {"rmsprop", "eps", "1e-8"},        {"rmsprop", "momentum", "0"},
      {"rmsprop", "weight_decay", "0"},
  };
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    nn_choice choice = nn_test_choice(NN_KIND_OPTIMIZER, expected[i].optimizer);
    const nn_key *key = choice.schema->keys;
    while (key->name != NULL && strcmp(key->name, expected[i].key) != 0) key++;
    assert_non_null(key->name);
    assert_string_equal(key->fallback, expected[i].fallback);
    nn_test_choice_clear(&choice);
  }
}

static void state_is_named_as_pytorchs_and_kept_only_where_needed(void **state) {
  (void)state;
  static const struct {
    const char *spec, *names[2];
  } expected[] = {
      {"sgd", {NULL, NULL}},
      {"sgd,momentum=0.5", {"momentum_buffer", NULL}},
      {"adam", {"exp_avg", "exp_avg_sq"}},
      {"adamw", {"exp_avg", "exp_avg_sq"}},
      {"rmsprop", {"square_avg", NULL}},
      {"rmsprop,momentum=0.5", {"square_avg", "momentum_buffer"}},
  };
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    nn_choice choice = nn_test_choice(NN_KIND_OPTIMIZER, expected[i].spec);
    nn_optim *optim = NULL;
    assert_int_equal(nn_optim_create(&choice, NULL, ELEMENTS, &(nn_range){0, ELEMENTS}, 1, &optim), NN_OK);
    int count = 0;
    while (count < 2 && expected[i].names[count] != NULL) count++;
    assert_int_equal(nn_optim_slot_count(optim), count);
    for (int s = 0; s < count; s++) {
      assert_string_equal(nn_optim_slot_name(optim, s), expected[i].names[s]);
      for (size_t j = 0; j < ELEMENTS; j++) assert_true(nn_optim_slot(optim, s)[j] == 0);
    }
    assert_true(nn_optim_bytes(&choice, ELEMENTS) >= (size_t)count * ELEMENTS * sizeof(float));
    nn_optim_destroy(&optim);
    nn_test_choice_clear(&choice);
  }
}

static void nesterov_without_momentum_is_refused(void **state) {
  (void)state;
  nn_choice choice = nn_test_choice(NN_KIND_OPTIMIZER, "sgd,nesterov=true");
  choice.line = 12;
  nn_optim *optim = NULL;
  assert_int_equal(nn_optim_create(&choice, NULL, ELEMENTS, &(nn_range){0, ELEMENTS}, 1, &optim), NN_ERR_CONFIG);
  assert_null(optim);
  assert_non_null(strstr(nn_error_last()->message, "line 12: train.optimizer: sgd: nesterov"));
  nn_test_choice_clear(&choice);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_optimizer_steps_as_pytorchs_does),
      cmocka_unit_test(every_optimizer_of_the_registry_has_a_case),
      cmocka_unit_test(defaults_are_pytorchs),
      cmocka_unit_test(state_is_named_as_pytorchs_and_kept_only_where_needed),
      cmocka_unit_test(nesterov_without_momentum_is_refused),
  };
  return cmocka_run_group_tests(tests, load, unload);
}
