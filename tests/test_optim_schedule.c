/* Learning rates by step. */
#include "optim/internal.h"
#include "optim_testing.h"

enum { PER_EPOCH = 10, EPOCHS = 8, TOTAL = PER_EPOCH * EPOCHS };

/* Learning rates of `steps` steps of a training of TOTAL. */
static void rates(const char *schedule, size_t steps, double *out) {
  nn_choice optimizer = nn_test_choice(NN_KIND_OPTIMIZER, "sgd,lr=0.4");
  nn_choice choice = nn_test_choice(NN_KIND_SCHEDULE, schedule);
  nn_optim *optim = NULL;
  assert_int_equal(nn_optim_create(&optimizer, &choice, 16, &(nn_range){0, 16}, 1, &optim), NN_OK);
  for (size_t t = 0; t < steps; t++) out[t] = nn_optim_lr(optim, t, TOTAL, PER_EPOCH);
  nn_optim_destroy(&optim);
  nn_test_choice_clear(&choice);
  nn_test_choice_clear(&optimizer);
}

static void check(const char *schedule, size_t step, double expected, double actual) {
  if (!(fabs(actual - expected) <= 1e-14)) fail_msg("%s: step %zu: %.17g, not %.17g", schedule, step, actual, expected);
}

static void constant_stays(void **state) {
  (void)state;
  double lr[TOTAL];
  rates("constant", TOTAL, lr);
  for (size_t t = 0; t < TOTAL; t++) assert_true(lr[t] == 0.4);
}

static void without_a_schedule_the_rate_is_constant(void **state) {
  (void)state;
  nn_choice optimizer = nn_test_choice(NN_KIND_OPTIMIZER, "sgd,lr=0.4"), none = {0};
  nn_optim *optim = NULL;
  assert_int_equal(nn_optim_create(&optimizer, &none, 16, &(nn_range){0, 16}, 1, &optim), NN_OK);
  assert_true(nn_optim_lr(optim, 0, TOTAL, PER_EPOCH) == 0.4 && nn_optim_lr(optim, 70, TOTAL, PER_EPOCH) == 0.4);
  nn_optim_destroy(&optim);
  nn_test_choice_clear(&optimizer);
}

static void step_falls_every_so_many_epochs(void **state) {
  (void)state;
  double lr[TOTAL];
  rates("step,every_epochs=3,gamma=0.5", TOTAL, lr);
  for (size_t t = 0; t < TOTAL; t++) check("step", t, t < 30 ? 0.4 : t < 60 ? 0.2 : 0.1, lr[t]);
}

static void cosine_falls_from_the_base_rate_to_the_least(void **state) {
  (void)state;
  double lr[TOTAL + 5];
  rates("cosine,min_factor=0.1", TOTAL + 5, lr);
  for (size_t t = 0; t < TOTAL; t++)
    check("cosine", t, 0.04 + 0.36 * (1 + cos(acos(-1) * (double)t / TOTAL)) / 2, lr[t]);
  for (size_t t = TOTAL; t < TOTAL + 5; t++) check("cosine", t, 0.04, lr[t]);
  rates("cosine", TOTAL, lr);
  assert_true(lr[0] == 0.4 && lr[TOTAL - 1] > 0 && lr[TOTAL - 1] < 0.4 * 0.001);
}

static void warmup_grows_linearly_and_the_schedule_counts_from_its_end(void **state) {
  (void)state;
  double lr[TOTAL];
  rates("constant,warmup_epochs=2", TOTAL, lr);
  for (size_t t = 0; t < TOTAL; t++) check("constant", t, t < 20 ? 0.4 * (double)(t + 1) / 20 : 0.4, lr[t]);
  rates("step,every_epochs=3,gamma=0.5,warmup_epochs=1.5", TOTAL, lr);
  for (size_t t = 0; t < TOTAL; t++)
    check("step", t, t < 15 ? 0.4 * (double)(t + 1) / 15 : t < 45 ? 0.4 : t < 75 ? 0.2 : 0.1, lr[t]);
  rates("cosine,warmup_epochs=2", TOTAL, lr);
  for (size_t t = 20; t < TOTAL; t++)
    check("cosine", t, 0.4 * (1 + cos(acos(-1) * (double)(t - 20) / (TOTAL - 20))) / 2, lr[t]);
}

static void warmup_longer_than_the_training_never_ends(void **state) {
  (void)state;
  double lr[TOTAL];
  rates("cosine,warmup_epochs=16", TOTAL, lr);
  check("cosine", TOTAL - 1, 0.2, lr[TOTAL - 1]);
  rates("cosine,warmup_epochs=1e300", TOTAL, lr);
  assert_true(lr[TOTAL - 1] >= 0 && lr[TOTAL - 1] < 1e-15);
}

static void own_powers_and_cosines_agree_with_the_librarys(void **state) {
  (void)state;
  static const double bases[] = {0, 0.5, 0.9, 0.999, 0.9999999, 1};
  for (size_t b = 0; b < sizeof bases / sizeof *bases; b++)
    for (uint64_t n = 0; n < 5000000; n = n * 3 / 2 + 1) {
      const double expected = pow(bases[b], (double)n), actual = nn__power(bases[b], n);
      assert_true(fabs(actual - expected) <= 1e-9 * expected + 1e-300);
    }
  for (int i = 0; i <= 10000; i++) {
    const double t = i / 10000.0;
    assert_true(fabs(nn__cosine_half_turns(t) - cos(acos(-1) * t)) <= 1e-15);
  }
  assert_true(nn__cosine_half_turns(0) == 1 && nn__cosine_half_turns(0.5) == 0 && nn__cosine_half_turns(1) == -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(constant_stays),
      cmocka_unit_test(without_a_schedule_the_rate_is_constant),
      cmocka_unit_test(step_falls_every_so_many_epochs),
      cmocka_unit_test(cosine_falls_from_the_base_rate_to_the_least),
      cmocka_unit_test(warmup_grows_linearly_and_the_schedule_counts_from_its_end),
      cmocka_unit_test(warmup_longer_than_the_training_never_ends),
      cmocka_unit_test(own_powers_and_cosines_agree_with_the_librarys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
