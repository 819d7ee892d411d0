/* metrics.csv: columns, lines, appending. */
#include "history_testing.h"

#include <locale.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define HEADER "epoch,step,loss,accuracy,val_loss,val_accuracy,lr,seconds"

static const nn_history_config automatic = {.every = NN_AUTO};

static nn_history *empty_history(void) {
  nn_history *history = NULL;
  assert_ok(nn_history_create(&automatic, 1000, NULL, &history));
  return history;
}

static void add(nn_history *history, nn_epoch_row row) {
  assert_ok(nn_history_epoch(history, &row, NULL));
}

static void assert_text(const char *path, const char *expected) {
  char *text = NULL;
  size_t count = 0;
  assert_ok(nn_file_read(path, 1 << 20, &text, &count));
  assert_string_equal(text, expected);
  nn_free(text);
}

static ino_t inode(const char *path) {
  struct stat about;
  assert_int_equal(stat(path, &about), 0);
  return about.st_ino;
}

#define LINE_1 "1,20,1,0.666666667,1.1,0.5,0.01,1.58333\n"
#define LINE_2 "2,40,0.5,0.833333333,0.55,0.75,0.01,1.91667\n"

static void the_first_line_brings_the_header_and_each_epoch_a_line(void **state) {
  scene *s = *state;
  nn_history *history = empty_history();
  assert_ok(nn_history_csv_rewrite(history, at(s, "m.csv")));
  assert_text(at(s, "m.csv"), "");
  const ino_t file = inode(at(s, "m.csv"));
  add(history, epoch_row(1));
  assert_ok(nn_history_csv_append(history, at(s, "m.csv")));
  assert_text(at(s, "m.csv"), HEADER "\n" LINE_1);
  add(history, epoch_row(2));
  assert_ok(nn_history_csv_append(history, at(s, "m.csv")));
  assert_text(at(s, "m.csv"), HEADER "\n" LINE_1 LINE_2);
  assert_true(inode(at(s, "m.csv")) == file); /* for tail -f */
  nn_history_destroy(&history);
}

static void appending_makes_a_missing_file(void **state) {
  scene *s = *state;
  nn_history *history = history_of(&automatic, 1, 9);
  assert_ok(nn_history_csv_append(history, at(s, "one.csv")));
  assert_text(at(s, "one.csv"), HEADER "\n" LINE_1);
  add(history, epoch_row(2));
  assert_ok(nn_history_csv_append(history, at(s, "two.csv")));
  assert_text(at(s, "two.csv"), HEADER "\n" LINE_1 LINE_2);
  nn_history_destroy(&history);
}

static void rewriting_cuts_back_to_the_rows(void **state) {
  scene *s = *state;
  static const char old[] = HEADER "\n" LINE_1 LINE_2 "3,60,torn li";
  write_whole(at(s, "cut.csv"), old, sizeof old - 1);
  nn_history *history = history_of(&automatic, 1, 9);
  assert_ok(nn_history_csv_rewrite(history, at(s, "cut.csv")));
  assert_text(at(s, "cut.csv"), HEADER "\n" LINE_1);
  add(history, epoch_row(2));
  assert_ok(nn_history_csv_append(history, at(s, "cut.csv")));
  assert_text(at(s, "cut.csv"), HEADER "\n" LINE_1 LINE_2);
  nn_history_destroy(&history);
}

static void what_is_not_known_is_empty_and_what_else_is_computed_comes_behind(void **state) {
  scene *s = *state;
  nn_history *history = empty_history();
  nn_epoch_row row = epoch_row(1);
  row.train.accuracy = row.valid.accuracy = row.valid.loss = NAN;
  row.train.rmse = 0.25;
  row.train.r2 = -0.5;
  row.valid.mae = 1e-7;
  row.lr = 1e-5;
  add(history, row);
  assert_ok(nn_history_csv_append(history, at(s, "values.csv")));
  assert_text(at(s, "values.csv"), HEADER ",rmse,r2,val_mae\n1,20,1,,,,1e-05,1.58333,0.25,-0.5,1e-07\n");
  nn_history_destroy(&history);
}

static void seconds_have_digits_however_short_or_long_an_epoch_is(void **state) {
  scene *s = *state;
  nn_history *history = empty_history();
  nn_epoch_row row = epoch_row(1);
  row.seconds = 0.0000123456;
  add(history, row);
  row = epoch_row(2);
  row.seconds = 54321.6;
  add(history, row);
  assert_ok(nn_history_csv_rewrite(history, at(s, "seconds.csv")));
  assert_text(at(s, "seconds.csv"), HEADER "\n1,20,1,0.666666667,1.1,0.5,0.01,1.23456e-05\n"
                                           "2,40,0.5,0.833333333,0.55,0.75,0.01,54321.6\n");
  nn_history_destroy(&history);
}

static void a_column_that_comes_later_is_there_for_all_lines(void **state) {
  scene *s = *state;
  nn_history *history = history_of(&automatic, 1, 9);
  assert_ok(nn_history_csv_append(history, at(s, "late.csv")));
  nn_epoch_row row = epoch_row(2);
  row.valid.top_k = 0.875;
  add(history, row);
  assert_ok(nn_history_csv_append(history, at(s, "late.csv")));
  assert_text(at(s, "late.csv"), HEADER ",val_top_k\n1,20,1,0.666666667,1.1,0.5,0.01,1.58333,\n"
                                        "2,40,0.5,0.833333333,0.55,0.75,0.01,1.91667,0.875\n");
  nn_history_destroy(&history);
}

static void infinite_losses_are_written_as_such(void **state) {
  scene *s = *state;
  nn_history *history = empty_history();
  nn_epoch_row row = epoch_row(1);
  row.valid.loss = INFINITY;
  add(history, row);
  assert_ok(nn_history_csv_append(history, at(s, "inf.csv")));
  assert_text(at(s, "inf.csv"), HEADER "\n1,20,1,0.666666667,inf,0.5,0.01,1.58333\n");
  nn_history_destroy(&history);
}

static void the_locale_changes_no_point(void **state) {
  scene *s = *state;
  static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
  const char *chosen = NULL;
  for (size_t i = 0; i < sizeof commas / sizeof *commas && chosen == NULL; i++)
    chosen = setlocale(LC_NUMERIC, commas[i]);
  if (chosen == NULL) {
    print_message("skipped: no locale with a decimal comma is installed\n");
    skip();
  }
  nn_history *history = history_of(&automatic, 1, 9);
  const nn_status status = nn_history_csv_append(history, at(s, "locale.csv"));
  setlocale(LC_NUMERIC, "C");
  assert_int_equal(status, NN_OK);
  assert_text(at(s, "locale.csv"), HEADER "\n" LINE_1);
  nn_history_destroy(&history);
}

static void a_full_disk_and_a_missing_folder_are_named(void **state) {
  scene *s = *state;
  nn_history *history = history_of(&automatic, 1, 9);
  assert_fails(nn_history_csv_append(history, "/dev/full"), NN_ERR_IO, "/dev/full", "No space left");
  assert_fails(nn_history_csv_append(history, at(s, "no/m.csv")), NN_ERR_IO, "no/m.csv");
  assert_fails(nn_history_csv_rewrite(history, at(s, "no/m.csv")), NN_ERR_IO, "no/m.csv");
  nn_history_destroy(&history);
}

static void half_a_line_is_taken_back(void **state) {
  scene *s = *state;
  nn_history *history = history_of(&automatic, 1, 9);
  assert_ok(nn_history_csv_append(history, at(s, "half.csv")));
  add(history, epoch_row(2));
  struct rlimit all, little;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
  little = all;
  little.rlim_cur = sizeof HEADER "\n" LINE_1 - 1 + 10; /* the second line does not fit */
  void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
  const nn_status status = nn_history_csv_append(history, at(s, "half.csv"));
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
  signal(SIGXFSZ, before);
  assert_int_equal(status, NN_ERR_IO);
  assert_text(at(s, "half.csv"), HEADER "\n" LINE_1);
  nn_history_destroy(&history);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_line_brings_the_header_and_each_epoch_a_line),
      cmocka_unit_test(appending_makes_a_missing_file),
      cmocka_unit_test(rewriting_cuts_back_to_the_rows),
      cmocka_unit_test(what_is_not_known_is_empty_and_what_else_is_computed_comes_behind),
      cmocka_unit_test(seconds_have_digits_however_short_or_long_an_epoch_is),
      cmocka_unit_test(a_column_that_comes_later_is_there_for_all_lines),
      cmocka_unit_test(infinite_losses_are_written_as_such),
      cmocka_unit_test(the_locale_changes_no_point),
      cmocka_unit_test(half_a_line_is_taken_back),
      cmocka_unit_test(a_full_disk_and_a_missing_folder_are_named),
  };
  return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
