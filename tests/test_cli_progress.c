/* Progress: how numbers read, what the bar shows at each width, and how many lines a long training prints. */
#include "cli/cli.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_text(nn_text *text, const char *expected) {
  assert_non_null(text->at);
  assert_string_equal(text->at, expected);
  nn_text_clear(text);
}

static void rates_have_three_digits_that_count(void **state) {
  static const struct {
    double rate;
    const char *text;
  } cases[] = {{153421, "153,000"}, {999.6, "1,000"}, {99.96, "100"},        {12.345, "12.3"}, {0.5, "0.5"}, {0, "0"},
               {1234, "1,230"},     {NAN, "?"},       {1234567, "1,230,000"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nn_text text = {0};
    nn__rate_text(&text, cases[i].rate);
    expect_text(&text, cases[i].text);
  }
}

static void durations_read_naturally(void **state) {
  static const struct {
    double seconds;
    const char *text;
  } cases[] = {{0.00012, "0.12 ms"}, {0.0078, "7.8 ms"},     {0.0421, "42 ms"},    {0.42, "0.4 s"},
               {9.94, "9.9 s"},      {9.96, "10 s"},         {59.4, "59 s"},       {59.6, "1 min 00 s"},
               {125, "2 min 05 s"},  {3599.7, "1 h 00 min"}, {7260, "2 h 01 min"}, {4 * 86400, "4 d 0 h"},
               {NAN, "?"},           {INFINITY, "?"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nn_text text = {0};
    nn__duration_text(&text, cases[i].seconds);
    expect_text(&text, cases[i].text);
  }
}

static nn_epoch_row row_of(uint64_t epoch) {
  const nn_metrics none = {NAN, NAN, NAN, NAN, NAN, NAN};
  nn_epoch_row row = {.epoch = epoch, .lr = 0.01, .seconds = 0.4, .samples_per_second = 153421};
  row.train = row.valid = none;
  row.train.loss = 0.41234;
  return row;
}

static void an_epoch_is_one_line(void **state) {
  (void)state;
  nn_text text = {0};
  nn_epoch_row row = row_of(2);
  nn__epoch_text(&text, &row, 50, 0);
  expect_text(&text, "epoch  2/50  loss 0.4123  lr 0.01  153,000 samples/s  0.4 s");
  row.train.accuracy = 0.8567;
  row.valid.loss = 0.43;
  row.valid.accuracy = 0.85;
  nn__epoch_text(&text, &row, 50, 0);
  expect_text(&text, "epoch  2/50  loss 0.4123  acc 0.8567  val loss 0.4300 acc 0.8500  lr 0.01  153,000 samples/s  "
                     "0.4 s");
}

static void an_epoch_fits_the_terminal(void **state) {
  (void)state;
  nn_text text = {0};
  nn_epoch_row row = row_of(2);
  row.train.accuracy = row.valid.accuracy = 0.85;
  row.valid.loss = 0.43;
  nn__epoch_text(&text, &row, 50, 99);
  expect_text(&text, "epoch  2/50  loss 0.4123  acc 0.8500  val loss 0.4300 acc 0.8500  lr 0.01  153,000 samples/s  "
                     "0.4 s");
  nn__epoch_text(&text, &row, 50, 98);
  expect_text(&text, "epoch  2/50  loss 0.4123  acc 0.8500  val loss 0.4300 acc 0.8500  153,000 samples/s  0.4 s");
  nn__epoch_text(&text, &row, 50, 80);
  expect_text(&text, "epoch  2/50  loss 0.4123  acc 0.8500  val loss 0.4300 acc 0.8500");
}

static void small_and_large_losses_keep_their_digits(void **state) {
  (void)state;
  nn_text text = {0};
  nn_metrics metrics = row_of(1).train;
  metrics.loss = 1.23456e-7;
  metrics.r2 = -2.5e6;
  nn__metrics_text(&text, "", &metrics);
  expect_text(&text, "loss 1.235e-07  r2 -2.500e+06");
}

/* Columns of UTF-8 text. */
static int columns_of(const char *text) {
  int columns = 0;
  for (; *text != '\0'; text++) columns += ((unsigned char)*text & 0xc0) != 0x80;
  return columns;
}

static void the_bar_never_is_wider_than_the_terminal(void **state) {
  (void)state;
  const nn__bar bars[] = {
      {.epoch = 12, .epochs = 50, .share = 0.43, .loss = 0.4123, .samples_per_second = 153421, .seconds_left = 125},
      {.epoch = 1, .epochs = 1, .share = 1, .loss = NAN, .samples_per_second = 0, .seconds_left = NAN},
      {.epoch = 99999,
       .epochs = 100000,
       .share = 0.999999,
       .loss = 1e9,
       .samples_per_second = 1e9,
       .seconds_left = 9e8},
  };
  for (size_t i = 0; i < 3; i++) {
    for (int columns = 20; columns < 200; columns++) {
      for (int utf8 = 0; utf8 < 2; utf8++) {
        nn_text text = {0};
        nn__bar_text(&text, &bars[i], columns, utf8 == 1);
        if (columns_of(text.at) > columns) fail_msg("%d columns: '%s'", columns, text.at);
        assert_ptr_equal(strstr(text.at, "epoch "), text.at);
        nn_text_clear(&text);
      }
    }
  }
}

static void the_bar_drops_the_least_important_first(void **state) {
  (void)state;
  const nn__bar bar = {
      .epoch = 12, .epochs = 50, .share = 0.4999, .loss = 0.4123, .samples_per_second = 153421, .seconds_left = 125};
  nn_text text = {0};
  nn__bar_text(&text, &bar, 110, false);
  expect_text(&text,
              "epoch 12/50  [##############----------------]   49 %  loss 0.4123  153,000 samples/s  2 min 05 s left");
  nn__bar_text(&text, &bar, 80, false);
  expect_text(&text, "epoch 12/50  [####-----]   49 %  loss 0.4123  153,000 samples/s  2 min 05 s left");
  nn__bar_text(&text, &bar, 55, false);
  expect_text(&text, "epoch 12/50   49 %  loss 0.4123  2 min 05 s left");
  nn__bar_text(&text, &bar, 40, false);
  expect_text(&text, "epoch 12/50   49 %  2 min 05 s left");
}

/* ---- lines of a long training ------------------------------------------------------------------------- */

static double fake_now;

static double fake_clock(void) {
  return fake_now;
}

typedef struct fixture {
  char path[64];
  nn_log *log;
  nn__progress progress;
  nn_observer observer;
} fixture;

/* Lines go to a file; the log is quiet so that nothing reaches the terminal of the test. */
static void begin(fixture *f, int mode) {
  snprintf(f->path, sizeof f->path, "/tmp/nnmpi_test_progress_XXXXXX");
  const int file = mkstemp(f->path);
  assert_true(file >= 0);
  close(file);
  assert_int_equal(nn_log_create(0, true, &f->log), NN_OK);
  assert_int_equal(nn_log_to_file(f->log, f->path), NN_OK);
  fake_now = 1000;
  nn__progress_start(&f->progress, f->log, mode, false, false);
  f->progress.clock = fake_clock;
  f->progress.last_line = fake_now;
  f->observer = nn__progress_observer(&f->progress);
}

/* What was logged; for nn_free(). */
static char *end(fixture *f, size_t *lines) {
  char *text = NULL;
  size_t length = 0;
  nn__progress_end(&f->progress);
  nn_log_destroy(&f->log);
  assert_int_equal(nn_file_read(f->path, 1 << 20, &text, &length), NN_OK);
  unlink(f->path);
  *lines = 0;
  for (size_t i = 0; i < length; i++) *lines += text[i] == '\n';
  return text;
}

static size_t lines_of_training(uint64_t epochs, uint64_t last, double seconds_each, bool *last_shown) {
  fixture f;
  size_t lines = 0;
  begin(&f, NN_PROGRESS_LINES);
  for (uint64_t epoch = 1; epoch <= last; epoch++) {
    fake_now += seconds_each;
    const nn_epoch_row row = row_of(epoch);
    f.observer.epoch(f.observer.context, &row, epochs);
  }
  char *text = end(&f, &lines), name[64];
  snprintf(name, sizeof name, "epoch %*llu/%llu", snprintf(NULL, 0, "%llu", (unsigned long long)epochs),
           (unsigned long long)last, (unsigned long long)epochs);
  *last_shown = strstr(text, name) != NULL;
  nn_free(text);
  return lines;
}

static void a_hundred_epochs_are_a_hundred_lines(void **state) {
  (void)state;
  bool last_shown = false;
  assert_int_equal(lines_of_training(100, 100, 0.001, &last_shown), 100);
  assert_true(last_shown);
}

static void slow_epochs_are_all_printed(void **state) {
  (void)state;
  bool last_shown = false;
  assert_int_equal(lines_of_training(300, 300, 1.5, &last_shown), 300);
}

static void many_short_epochs_do_not_flood_the_log(void **state) {
  (void)state;
  bool last_shown = false;
  /* 200,000 epochs of a millisecond: 200 seconds */
  const size_t lines = lines_of_training(200000, 200000, 0.001, &last_shown);
  assert_in_range(lines, 200, 225);
  assert_true(last_shown);
}

static void the_last_epoch_is_printed_even_if_training_stops_early(void **state) {
  (void)state;
  bool last_shown = false;
  assert_in_range(lines_of_training(200000, 777, 0.001, &last_shown), 21, 22);
  assert_true(last_shown);
}

static void long_epochs_print_a_sign_of_life_each_minute(void **state) {
  (void)state;
  fixture f;
  size_t lines = 0;
  begin(&f, NN_PROGRESS_LINES);
  for (uint64_t step = 1; step <= 3000; step++) { /* an epoch of 10 minutes */
    fake_now += 0.2;
    f.observer.step(f.observer.context, 1, 2, step, 6000, 0.5, 12345);
  }
  char *text = end(&f, &lines);
  assert_in_range(lines, 9, 10);
  assert_non_null(strstr(text, "epoch 1/2, step 300 of 6000: loss 0.5000  12,300 samples/s  19 min"));
  nn_free(text);
}

static void off_prints_nothing(void **state) {
  (void)state;
  fixture f;
  size_t lines = 0;
  begin(&f, NN_PROGRESS_OFF);
  const nn_epoch_row row = row_of(1);
  fake_now += 1000;
  f.observer.step(f.observer.context, 1, 1, 1, 2, 0.5, 12345);
  f.observer.epoch(f.observer.context, &row, 1);
  char *text = end(&f, &lines);
  assert_int_equal(lines, 0);
  nn_free(text);
}

/* ---- the bar's own line --------------------------------------------------------------------------------- */

static void the_bar_is_redrawn_ten_times_a_second_and_makes_room_for_lines(void **state) {
  (void)state;
  fixture f;
  size_t lines = 0, size = 0, draws = 0;
  char *drawn = NULL;
  begin(&f, NN_PROGRESS_BAR);
  f.progress.stream = open_memstream(&drawn, &size);
  f.progress.erase = true;
  assert_non_null(f.progress.stream);
  for (uint64_t step = 1; step <= 1000; step++) {
    fake_now += 0.001;
    f.observer.step(f.observer.context, 1, 1, step, 1000, 0.5, 12345);
  }
  fflush(f.progress.stream);
  for (size_t i = 0; i < size; i++) draws += drawn[i] == '\r';
  assert_in_range(draws, 9, 11);
  assert_null(memchr(drawn, '\n', size));
  const nn_epoch_row row = row_of(1);
  f.observer.epoch(f.observer.context, &row, 1);
  char *text = end(&f, &lines);
  nn_free(text);
  assert_int_equal(lines, 1);
  fclose(f.progress.stream);
  assert_true(size > 4 && memcmp(drawn + size - 4, "\r\033[K", 4) == 0); /* nothing of it stays */
  free(drawn);
}

static void time_left_counts_from_where_this_process_began(void **state) {
  (void)state;
  fixture f;
  size_t lines = 0, size = 0;
  char *drawn = NULL;
  begin(&f, NN_PROGRESS_BAR);
  f.progress.stream = open_memstream(&drawn, &size);
  /* continued at half of 10 epochs; an epoch takes 100 s, so that 4 are left after the first: 400 s */
  f.observer.step(f.observer.context, 6, 10, 500, 1000, 0.5, 12345);
  fake_now += 100;
  f.observer.step(f.observer.context, 6, 10, 600, 1000, 0.5, 12345);
  fflush(f.progress.stream);
  assert_non_null(strstr(drawn, "6 min 40 s left"));
  char *text = end(&f, &lines);
  nn_free(text);
  fclose(f.progress.stream);
  free(drawn);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rates_have_three_digits_that_count),
      cmocka_unit_test(durations_read_naturally),
      cmocka_unit_test(an_epoch_is_one_line),
      cmocka_unit_test(an_epoch_fits_the_terminal),
      cmocka_unit_test(small_and_large_losses_keep_their_digits),
      cmocka_unit_test(the_bar_never_is_wider_than_the_terminal),
      cmocka_unit_test(the_bar_drops_the_least_important_first),
      cmocka_unit_test(a_hundred_epochs_are_a_hundred_lines),
      cmocka_unit_test(slow_epochs_are_all_printed),
      cmocka_unit_test(many_short_epochs_do_not_flood_the_log),
      cmocka_unit_test(the_last_epoch_is_printed_even_if_training_stops_early),
      cmocka_unit_test(long_epochs_print_a_sign_of_life_each_minute),
      cmocka_unit_test(off_prints_nothing),
      cmocka_unit_test(the_bar_is_redrawn_ten_times_a_second_and_makes_room_for_lines),
      cmocka_unit_test(time_left_counts_from_where_this_process_began),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
