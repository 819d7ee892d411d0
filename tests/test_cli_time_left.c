/* cli.time_left: how SLURM writes a duration, and the end of a job. */
#include "unit_test.h"

#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void durations_are_read_as_squeue_writes_them(void **state) {
  (void)state;
  assert_true(nn__time_left_parse("0:45\n") == 45);
  assert_true(nn__time_left_parse("12:34") == 12 * 60 + 34);
  assert_true(nn__time_left_parse("2:03:04\n") == 2 * 3600 + 3 * 60 + 4);
  assert_true(nn__time_left_parse("1-02:03:04\n") == 26 * 3600 + 3 * 60 + 4);
}

static void anything_else_is_no_limit(void **state) {
  static const char *const words[] = {"",   "\n",      "UNLIMITED\n", "NOT_SET", "INVALID",
                                      "12", "1:2:3:4", "1-2",         "0:45 x",  "-"};
  (void)state;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (!isnan(nn__time_left_parse(words[i]))) fail_msg("'%s' was taken for a time", words[i]);
}

static void the_end_is_known_to_the_fraction_of_a_second(void **state) {
  struct timespec now;
  char end[32];
  (void)state;
  do clock_gettime(CLOCK_REALTIME, &now);
  while (now.tv_nsec < 500000000); /* whole seconds would now be off by at least a half */
  snprintf(end, sizeof end, "%lld", (long long)now.tv_sec + 100);
  assert_int_equal(setenv("SLURM_JOB_END_TIME", end, 1), 0);
  const double left = nn__time_left();
  assert_int_equal(unsetenv("SLURM_JOB_END_TIME"), 0);
  assert_true(left <= 99.5 && left > 90);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(durations_are_read_as_squeue_writes_them),
      cmocka_unit_test(anything_else_is_no_limit),
      cmocka_unit_test(the_end_is_known_to_the_fraction_of_a_second),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
