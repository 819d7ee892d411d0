/* cli.time_left: how SLURM writes a duration. */
#include "unit_test.h"

#include "cli/cli.h"

#include <math.h>

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(durations_are_read_as_squeue_writes_them),
      cmocka_unit_test(anything_else_is_no_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
