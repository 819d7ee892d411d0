/* history.h5: what is kept, saved, and taken over by the next run. */
#include "history_testing.h"

static const nn_history_config automatic = {.every = NN_AUTO};

static void a_saved_history_comes_back_as_it_was(void **state) {
  scene *s = *state;
  nn_history *before = history_of(&automatic, 5, 9), *after = NULL;
  bool found = false;
  assert_ok(nn_history_save(before, at(s, "a.h5")));
  assert_ok(nn_history_create(&automatic, 9 * STEPS_PER_EPOCH, NULL, &after));
  assert_ok(nn_history_restore(after, at(s, "a.h5"), 5 * STEPS_PER_EPOCH, &found));
  assert_true(found);
  assert_epochs(after, 5);
  assert_ok(nn_history_save(after, at(s, "b.h5")));
  assert_steps(at(s, "b.h5"), 1, 5 * STEPS_PER_EPOCH);
  char *a = NULL, *b = NULL;
  size_t na = 0, nb = 0;
  assert_ok(nn_file_read(at(s, "a.h5"), 1 << 24, &a, &na));
  assert_ok(nn_file_read(at(s, "b.h5"), 1 << 24, &b, &nb));
  assert_int_equal(na, nb);
  assert_memory_equal(a, b, na);
  nn_free(a);
  nn_free(b);
  nn_history_destroy(&before);
  nn_history_destroy(&after);
  assert_null(after);
}

static void a_restored_history_ends_at_the_step_and_goes_on_from_there(void **state) {
  scene *s = *state;
  nn_history *before = history_of(&automatic, 6, 9), *after = NULL;
  const uint64_t step = 3 * STEPS_PER_EPOCH + 7; /* in the middle of epoch 4 */
  bool found = false;
  assert_ok(nn_history_save(before, at(s, "a.h5")));
  assert_ok(nn_history_create(&automatic, 9 * STEPS_PER_EPOCH, NULL, &after));
  assert_ok(nn_history_restore(after, at(s, "a.h5"), step, &found));
  assert_true(found);
  assert_epochs(after, 3);
  assert_ok(nn_history_save(after, at(s, "b.h5")));
  assert_steps(at(s, "b.h5"), 1, step);
  for (uint64_t t = step + 1; t <= 9 * STEPS_PER_EPOCH; t++) {
    const nn_step_row row = step_row(t);
    nn_history_step(after, &row);
  }
  for (uint64_t e = 4; e <= 9; e++) {
    const nn_epoch_row row = epoch_row(e);
    assert_ok(nn_history_epoch(after, &row, NULL));
  }
  assert_epochs(after, 9);
  assert_ok(nn_history_save(after, at(s, "b.h5")));
  assert_steps(at(s, "b.h5"), 1, 9 * STEPS_PER_EPOCH);
  nn_history_destroy(&before);
  nn_history_destroy(&after);
}

static void steps_are_spaced_as_asked_for(void **state) {
  scene *s = *state;
  nn_history *history = history_of(&(nn_history_config){.every = 7}, 9, 9);
  assert_ok(nn_history_save(history, at(s, "a.h5")));
  assert_steps(at(s, "a.h5"), 7, 9 * STEPS_PER_EPOCH);
  nn_history_destroy(&history);
  history = history_of(&(nn_history_config){.every = 0}, 9, 9);
  assert_ok(nn_history_save(history, at(s, "a.h5")));
  nn_h5_file *file = open_history(at(s, "a.h5"));
  assert_int_equal(rows_of(file, "steps/step"), 0);
  assert_int_equal(rows_of(file, "epochs/epoch"), 9);
  nn_h5_close(&file);
  nn_history_destroy(&history);
}

static void automatic_spacing_keeps_at_most_ten_thousand_rows(void **state) {
  scene *s = *state;
  static const struct {
    uint64_t total, every;
  } cases[] = {{1, 1}, {10000, 1}, {10001, 2}, {20000, 2}, {20001, 3}, {46900, 5}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    nn_history *history = NULL;
    assert_ok(nn_history_create(&automatic, cases[c].total, NULL, &history));
    for (uint64_t t = 1; t <= cases[c].total + 1000; t++) { /* what is beyond the announced steps is dropped */
      const nn_step_row row = step_row(t);
      nn_history_step(history, &row);
    }
    assert_ok(nn_history_save(history, at(s, "a.h5")));
    assert_steps(at(s, "a.h5"), cases[c].every, cases[c].total);
    assert_true((cases[c].total - 1) / cases[c].every + 1 <= 10000);
    assert_true(nn_history_bytes(&automatic, cases[c].total, 1, NULL) < 3 * 10000 * sizeof(nn_step_row) + 1000);
    nn_history_destroy(&history);
  }
}

static void a_longer_run_thins_what_it_takes_over(void **state) {
  scene *s = *state;
  nn_history *before = history_of(&(nn_history_config){.every = 2}, 5, 5), *after = NULL;
  bool found = false;
  assert_ok(nn_history_save(before, at(s, "a.h5")));
  assert_ok(nn_history_create(&(nn_history_config){.every = 6}, 9 * STEPS_PER_EPOCH, NULL, &after));
  assert_ok(nn_history_restore(after, at(s, "a.h5"), 5 * STEPS_PER_EPOCH, &found));
  assert_true(found);
  for (uint64_t t = 5 * STEPS_PER_EPOCH + 1; t <= 9 * STEPS_PER_EPOCH; t++) {
    const nn_step_row row = step_row(t);
    nn_history_step(after, &row);
  }
  assert_ok(nn_history_save(after, at(s, "b.h5")));
  assert_steps(at(s, "b.h5"), 6, 9 * STEPS_PER_EPOCH);
  nn_history_destroy(&before);
  nn_history_destroy(&after);
}

static void columns_that_nobody_computed_are_left_out(void **state) {
  scene *s = *state;
  nn_history *history = history_of(&automatic, 2, 2);
  assert_ok(nn_history_save(history, at(s, "a.h5")));
  nn_h5_file *file = open_history(at(s, "a.h5"));
  char *format = NULL;
  bool found = false;
  assert_ok(nn_h5_attribute_text(file, "/", "format", &format, &found));
  assert_true(found);
  assert_string_equal(format, "nnmpi history");
  nn_free(format);
  assert_true(nn_h5_has(file, "epochs/train_accuracy") && nn_h5_has(file, "epochs/valid_loss"));
  assert_false(nn_h5_has(file, "epochs/train_rmse") || nn_h5_has(file, "epochs/valid_top_k"));
  assert_false(nn_h5_has(file, "weights"));
  nn_h5_close(&file);
  nn_history_destroy(&history);
}

/* Restores `name` into a history that has rows; it must be as before. */
static void assert_ignored(scene *s, const char *name) {
  nn_history *history = history_of(&automatic, 2, 9);
  bool found = true;
  assert_ok(nn_history_restore(history, at(s, name), 9 * STEPS_PER_EPOCH, &found));
  assert_false(found);
  assert_epochs(history, 2);
  assert_ok(nn_history_save(history, at(s, "same.h5")));
  assert_steps(at(s, "same.h5"), 1, 2 * STEPS_PER_EPOCH);
  nn_history_destroy(&history);
}

/* A file of this format with the columns that a history must have, the last `without` of them left out; all hold
 * `numbers`. */
static void write_odd(scene *s, const char *format, const uint64_t numbers[3], size_t without) {
  static const char *const columns[] = {"steps/step", "epochs/epoch", "epochs/step"};
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_attribute_text(image, "/", "format", format));
  assert_ok(nn_h5_image_attribute_int(image, "/", "format_version", 1));
  for (size_t c = 0; c + without < 3; c++)
    assert_ok(nn_h5_image_write(image, columns[c], NN_H5_U64, 1, &(uint64_t){3}, 0, numbers));
  assert_ok(nn_h5_image_save(image, at(s, "odd.h5")));
  nn_h5_image_destroy(&image);
}

static void files_that_are_missing_damaged_or_something_else_are_ignored(void **state) {
  scene *s = *state;
  assert_ignored(s, "nothing.h5");
  nn_history *history = history_of(&automatic, 3, 9);
  assert_ok(nn_history_save(history, at(s, "a.h5")));
  nn_history_destroy(&history);
  char *bytes = NULL;
  size_t count = 0;
  assert_ok(nn_file_read(at(s, "a.h5"), 1 << 24, &bytes, &count));
  for (size_t part = 0; part < 8; part++) {
    write_whole(at(s, "torn.h5"), bytes, count * part / 8);
    assert_ignored(s, "torn.h5");
    bytes[count * part / 8 + 5] ^= 16;
    write_whole(at(s, "flipped.h5"), bytes, count);
    assert_ignored(s, "flipped.h5");
    bytes[count * part / 8 + 5] ^= 16;
  }
  nn_free(bytes);
  static const uint64_t up[] = {1, 2, 3}, down[] = {3, 2, 1}, twice[] = {1, 2, 2};
  write_odd(s, "nnmpi checkpoint", up, 0);
  assert_ignored(s, "odd.h5");
  for (size_t without = 1; without < 3; without++) {
    write_odd(s, "nnmpi history", up, without);
    assert_ignored(s, "odd.h5");
  }
  write_odd(s, "nnmpi history", down, 0);
  assert_ignored(s, "odd.h5");
  write_odd(s, "nnmpi history", twice, 0);
  assert_ignored(s, "odd.h5");
  write_odd(s, "nnmpi history", up, 0); /* nothing is wrong with this one */
  bool found = false;
  assert_ok(nn_history_create(&automatic, 100, NULL, &history));
  assert_ok(nn_history_restore(history, at(s, "odd.h5"), 100, &found));
  assert_true(found);
  assert_int_equal(nn_history_epoch_count(history), 3);
  nn_history_destroy(&history);
}

static void epochs_travel_in_checkpoints(void **state) {
  scene *s = *state;
  nn_history *before = history_of(&automatic, 5, 9), *after = history_of(&automatic, 2, 9);
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_history_write_epochs(before, image, "history/epochs"));
  assert_ok(nn_h5_image_save(image, at(s, "c.h5")));
  nn_h5_image_destroy(&image);
  nn_h5_file *file = open_history(at(s, "c.h5"));
  assert_int_equal(rows_of(file, "history/epochs/train_loss"), 5);
  assert_ok(nn_history_read_epochs(after, file, "history/epochs"));
  assert_epochs(after, 5);
  assert_int_not_equal(nn_history_read_epochs(after, file, "elsewhere"), NN_OK);
  assert_epochs(after, 5);
  nn_h5_close(&file);
  nn_history_destroy(&before);
  nn_history_destroy(&after);
}

static void the_epochs_of_a_checkpoint_go_before_those_of_an_older_history(void **state) {
  scene *s = *state;
  nn_history *old = history_of(&automatic, 2, 9), *now = NULL;
  const uint64_t step = 4 * STEPS_PER_EPOCH;
  bool found = false;
  assert_ok(nn_history_save(old, at(s, "a.h5")));
  assert_ok(nn_history_create(&automatic, 9 * STEPS_PER_EPOCH, NULL, &now));
  for (uint64_t e = 1; e <= 4; e++) { /* as read from a checkpoint */
    const nn_epoch_row row = epoch_row(e);
    assert_ok(nn_history_epoch(now, &row, NULL));
  }
  assert_ok(nn_history_restore(now, at(s, "a.h5"), step, &found));
  assert_true(found);
  assert_epochs(now, 4);
  nn_history_destroy(&old);
  nn_history_destroy(&now);
}

static void a_run_without_epochs_saves_and_restores_too(void **state) {
  scene *s = *state;
  nn_history *history = history_of(&automatic, 0, 9);
  bool found = false;
  assert_ok(nn_history_save(history, at(s, "a.h5")));
  assert_ok(nn_history_restore(history, at(s, "a.h5"), 0, &found));
  assert_true(found);
  assert_int_equal(nn_history_epoch_count(history), 0);
  nn_history_destroy(&history);
}

static void a_history_that_cannot_be_written_says_where(void **state) {
  scene *s = *state;
  nn_history *history = history_of(&automatic, 1, 1);
  assert_fails(nn_history_save(history, at(s, "no/such/folder/a.h5")), NN_ERR_IO, "no/such/folder/a.h5");
  nn_history_destroy(&history);
}

static void what_is_saved_can_be_drawn(void **state) {
  scene *s = *state;
  nn_history *history = history_of(&automatic, 12, 12);
  assert_ok(nn_history_save(history, at(s, "history.h5")));
  assert_drawn(s, "");
  nn_history_destroy(&history);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_saved_history_comes_back_as_it_was),
      cmocka_unit_test(a_restored_history_ends_at_the_step_and_goes_on_from_there),
      cmocka_unit_test(steps_are_spaced_as_asked_for),
      cmocka_unit_test(automatic_spacing_keeps_at_most_ten_thousand_rows),
      cmocka_unit_test(a_longer_run_thins_what_it_takes_over),
      cmocka_unit_test(columns_that_nobody_computed_are_left_out),
      cmocka_unit_test(files_that_are_missing_damaged_or_something_else_are_ignored),
      cmocka_unit_test(epochs_travel_in_checkpoints),
      cmocka_unit_test(the_epochs_of_a_checkpoint_go_before_those_of_an_older_history),
      cmocka_unit_test(a_run_without_epochs_saves_and_restores_too),
      cmocka_unit_test(what_is_saved_can_be_drawn),
      cmocka_unit_test(a_history_that_cannot_be_written_says_where),
  };
  return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
