/* How many threads `auto` takes: by the work of a pass and the times that its threads wait for one another. */
#include "model_testing.h"
#include "train/train_internal.h"

#include <stdlib.h>

static nn__threads choose(int64_t wish, int cores, int sharing, double flops, size_t turns) {
  const nn_config config = {.parallel = {.threads = wish}};
  return nn__threads_choose(&config, cores, sharing, flops, turns);
}

static int without_environment(void **state) {
  (void)state;
  return unsetenv("OMP_NUM_THREADS");
}

static void much_work_takes_all_cores_of_a_rank(void **state) {
  (void)state;
  const nn__threads alone = choose(NN_AUTO, 16, 1, 1e12, 9), shared = choose(NN_AUTO, 16, 4, 1e12, 9);
  assert_int_equal(alone.count, 16);
  assert_int_equal(shared.count, 4);
  assert_string_equal(alone.why, "auto: all cores of a rank");
  assert_int_equal(choose(NN_AUTO, 2, 5, 1e12, 9).count, 1); /* more ranks than cores */
}

static void little_work_takes_one_and_says_why(void **state) {
  (void)state;
  const nn__threads chosen = choose(NN_AUTO, 16, 1, 1.25e6, 5);
  assert_int_equal(chosen.count, 1);
  assert_non_null(strstr(chosen.why, "auto: "));
  assert_non_null(strstr(chosen.why, "1.25 million operations"));
  assert_int_equal(choose(NN_AUTO, 16, 1, 0, 1).count, 1);
}

static void threads_grow_with_the_work_and_shrink_with_the_waiting(void **state) {
  (void)state;
  int before = 0;
  for (double flops = 1e5; flops < 1e10; flops *= 1.5) {
    const int threads = choose(NN_AUTO, 64, 1, flops, 7).count;
    assert_in_range(threads, before, 64);
    assert_true(choose(NN_AUTO, 64, 1, flops, 70).count <= threads);
    assert_true(threads == 1 || flops / threads >= 7 * (double)NN__THREAD_WORTH);
    before = threads;
  }
  assert_int_equal(before, 64);
}

static void who_asks_for_a_number_gets_it(void **state) {
  (void)state;
  assert_int_equal(choose(3, 16, 1, 1, 1).count, 3);
  assert_string_equal(choose(3, 16, 1, 1, 1).why, "parallel.threads");
  assert_int_equal(setenv("OMP_NUM_THREADS", "5", 1), 0);
  assert_int_equal(choose(3, 16, 1, 1, 1).count, 5);
  assert_string_equal(choose(NN_AUTO, 16, 1, 1, 1).why, "OMP_NUM_THREADS");
  assert_int_equal(setenv("OMP_NUM_THREADS", "7,2", 1), 0);
  assert_int_equal(choose(NN_AUTO, 16, 1, 1, 1).count, 7);
  assert_int_equal(setenv("OMP_NUM_THREADS", "many", 1), 0);
  assert_int_equal(choose(3, 16, 1, 1, 1).count, 3);
  assert_int_equal(unsetenv("OMP_NUM_THREADS"), 0);
}

/* ---- the work of a network -------------------------------------------------------------------------- */

static void check_flops(const net *n, size_t layer, double forward, double backward, double gradient) {
  assert_float_equal(nn_model_flops_forward(n->model, layer), forward, 0);
  assert_float_equal(nn_model_flops_backward(n->model, layer), backward, 0);
  assert_float_equal(nn_model_flops_gradient(n->model, layer), gradient, 0);
}

static void products_are_counted_as_far_as_training_needs_them(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_hidden(&n, 2, (const int64_t[]){30, 20}, "relu");
  net_build(&n, vector_of(7), 3);
  check_flops(&n, 0, 2 * 7 * 30, 0, 2 * 7 * 30); /* nobody needs the gradient of the data */
  check_flops(&n, 1, 0, 0, 0);
  check_flops(&n, 2, 2 * 30 * 20, 2 * 30 * 20, 2 * 30 * 20);
  check_flops(&n, 4, 2 * 20 * 3, 2 * 20 * 3, 2 * 20 * 3);
  assert_float_equal(nn__flops_per_row(n.model, false), 2 * (7 * 30 + 30 * 20 + 20 * 3), 0);
  assert_float_equal(nn__flops_per_row(n.model, true), 4 * 7 * 30 + 6 * (30 * 20 + 20 * 3), 0);
  assert_int_equal(nn__turns(n.model), 5);
  net_clear(&n);
}

static void frozen_layers_at_the_front_have_nothing_to_do_going_back(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_hidden(&n, 2, (const int64_t[]){30, 20}, "relu");
  net_freeze(&n, "layers.0");
  net_freeze(&n, "layers.4");
  net_build(&n, vector_of(7), 3);
  check_flops(&n, 0, 2 * 7 * 30, 0, 0);
  check_flops(&n, 2, 2 * 30 * 20, 0, 2 * 30 * 20); /* nothing before it is trained */
  check_flops(&n, 4, 2 * 20 * 3, 2 * 20 * 3, 0);   /* what the layers before need */
  net_clear(&n);
}

static void a_recurrent_layers_weights_count_once_a_time_step(void **state) {
  (void)state;
  enum { TIME = 28, FEATURES = 28, UNITS = 128, GATES = 4 * UNITS };
  net n;
  net_start(&n);
  set_int(net_add(&n, "lstm"), "units", UNITS);
  net_dense(&n, 0, NULL);
  net_build(&n, (nn_shape){.rank = 2, .dims = {TIME, FEATURES}}, 10);
  check_flops(&n, 0, 2.0 * TIME * GATES * (FEATURES + UNITS), 2.0 * TIME * GATES * UNITS,
              2.0 * TIME * GATES * (FEATURES + UNITS));
  assert_int_equal(nn__turns(n.model), 2); /* small states go through time without waiting */
  net_clear(&n);
  net_start(&n);
  nn_choice *lstm = net_add(&n, "lstm");
  set_int(lstm, "units", 512); /* too many weights for each thread to hold */
  set_int(lstm, "layers", 2);
  net_build(&n, (nn_shape){.rank = 2, .dims = {TIME, FEATURES}}, 512);
  check_flops(&n, 0, 2.0 * TIME * 2048 * (FEATURES + 3 * 512), 2.0 * TIME * 2048 * 3 * 512,
              2.0 * TIME * 2048 * (FEATURES + 3 * 512));
  assert_int_equal(nn__turns(n.model), 2 * TIME);
  net_clear(&n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(much_work_takes_all_cores_of_a_rank, without_environment),
      cmocka_unit_test_setup(little_work_takes_one_and_says_why, without_environment),
      cmocka_unit_test_setup(threads_grow_with_the_work_and_shrink_with_the_waiting, without_environment),
      cmocka_unit_test_setup(who_asks_for_a_number_gets_it, without_environment),
      cmocka_unit_test(products_are_counted_as_far_as_training_needs_them),
      cmocka_unit_test(frozen_layers_at_the_front_have_nothing_to_do_going_back),
      cmocka_unit_test(a_recurrent_layers_weights_count_once_a_time_step),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
