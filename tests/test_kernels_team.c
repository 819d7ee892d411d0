/* The team, its shares of work, and what the module says about the processor. */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "kernels_testing.h"

enum { MOST = 8 };

typedef struct {
  atomic_int calls[MOST];
  atomic_int before, seen_too_few;
} roll_call;

static void answer(const nn_team *team, void *context) {
  roll_call *r = context;
  atomic_fetch_add(&r->calls[team->id], 1);
  for (int round = 1; round <= 100; round++) {
    atomic_fetch_add(&r->before, 1);
    nn_team_barrier(team);
    if (atomic_load(&r->before) < round * team->size) atomic_fetch_add(&r->seen_too_few, 1);
    nn_team_barrier(team);
  }
}

static void every_thread_of_a_team_runs_once_and_meets_the_others_at_barriers(void **state) {
  (void)state;
  for (int t = 0; t < NN_TEST_TEAM_SIZES; t++) {
    roll_call r = {0};
    nn_team_run(nn_test_team_sizes[t], answer, &r);
    for (int id = 0; id < MOST; id++) assert_int_equal(atomic_load(&r.calls[id]), id < nn_test_team_sizes[t]);
    assert_int_equal(atomic_load(&r.seen_too_few), 0);
  }
}

static void shares_cover_everything_once_and_begin_at_multiples_of_the_grain(void **state) {
  (void)state;
  for (size_t count = 0; count < 70; count++)
    for (size_t grain = 1; grain < 20; grain += 3)
      for (int size = 1; size <= MOST; size++) {
        size_t next = 0, largest = 0, smallest = SIZE_MAX;
        for (int id = 0; id < size; id++) {
          const nn_team team = {.id = id, .size = size};
          size_t first, last;
          nn_team_share(&team, count, grain, &first, &last);
          assert_int_equal(first, next);
          assert_true(last >= first && (first % grain == 0 || first == count));
          const size_t grains = (last - first + grain - 1) / grain;
          largest = grains > largest ? grains : largest;
          smallest = grains < smallest ? grains : smallest;
          next = last;
        }
        assert_int_equal(next, count);
        assert_true(largest - smallest <= 1);
      }
}

static int threads_of_this_process(void) {
  FILE *f = fopen("/proc/self/status", "r");
  assert_non_null(f);
  char line[256];
  int threads = 0;
  while (fgets(line, sizeof line, f) != NULL)
    if (sscanf(line, "Threads: %d", &threads) == 1) break;
  fclose(f);
  return threads;
}

typedef struct {
  float *a, *b, *c;
} matrices;

enum { SIDE = 300 };

static void multiply(const nn_team *team, void *context) {
  const matrices *x = context;
  nn_gemm(team, NN_N, NN_T, SIDE, SIDE, SIDE, x->a, x->b, x->c);
  nn_gemm(team, NN_N, NN_T, 1, SIDE, SIDE, x->a, x->b, x->c);
}

static void products_start_no_threads_beyond_the_team(void **state) {
  (void)state;
  matrices x = {nn_test_floats(SIDE * SIDE), nn_test_floats(SIDE * SIDE), nn_test_floats(SIDE * SIDE)};
  const int before = threads_of_this_process();
  assert_true(before >= 1);
  nn_team_run(1, multiply, &x);
  assert_true(threads_of_this_process() <= before); /* fewer: those of a larger team before end when they like */
  nn_team_run(3, multiply, &x);
  const int with_three = threads_of_this_process();
  assert_true(with_three <= (before > 3 ? before : 3));
  for (int i = 0; i < 10; i++) nn_team_run(i % 2 == 0 ? 1 : 3, multiply, &x);
  assert_true(threads_of_this_process() <= with_three);
  nn_test_free(x.a, SIDE * SIDE), nn_test_free(x.b, SIDE * SIDE), nn_test_free(x.c, SIDE * SIDE);
}

static void the_allowed_cores_follow_the_affinity_mask(void **state) {
  (void)state;
  cpu_set_t mask, one;
  assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
  assert_int_equal(nn_cpu_allowed(), CPU_COUNT(&mask));
  size_t first = 0;
  while (!CPU_ISSET(first, &mask)) first++;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
  const int allowed = nn_cpu_allowed();
  nn_text text = {0};
  const nn_status status = nn_cpu_allowed_text(&text);
  assert_int_equal(sched_setaffinity(0, sizeof mask, &mask), 0);
  assert_int_equal(status, NN_OK);
  assert_int_equal(allowed, 1);
  char expected[32];
  snprintf(expected, sizeof expected, "%zu", first);
  assert_string_equal(text.at, expected);
  nn_text_clear(&text);
}

static void the_text_of_the_allowed_cores_names_each_of_them(void **state) {
  (void)state;
  cpu_set_t mask;
  assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
  nn_text text = {0};
  assert_int_equal(nn_cpu_allowed_text(&text), NN_OK);
  cpu_set_t read;
  CPU_ZERO(&read);
  for (const char *at = text.at; *at != '\0';) {
    int first, last, length;
    if (sscanf(at, "%d-%d%n", &first, &last, &length) != 2) {
      assert_int_equal(sscanf(at, "%d%n", &first, &length), 1);
      last = first;
    }
    for (int i = first; i <= last; i++) CPU_SET((size_t)i, &read);
    at += length;
    if (*at == ',') at++;
  }
  assert_true(CPU_EQUAL(&mask, &read));
  nn_text_clear(&text);
}

static void the_instruction_set_has_a_name(void **state) {
  (void)state;
  assert_true(strlen(nn_cpu_isa()) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_thread_of_a_team_runs_once_and_meets_the_others_at_barriers),
      cmocka_unit_test(shares_cover_everything_once_and_begin_at_multiples_of_the_grain),
      cmocka_unit_test(products_start_no_threads_beyond_the_team),
      cmocka_unit_test(the_allowed_cores_follow_the_affinity_mask),
      cmocka_unit_test(the_text_of_the_allowed_cores_names_each_of_them),
      cmocka_unit_test(the_instruction_set_has_a_name),
  };
  return cmocka_run_group_tests_name("kernels.team", tests, NULL, NULL);
}
