/* The checkpoints of a run folder: damaged ones are noticed, named, put aside, and never loaded. */
#include "checkpoint_testing.h"

#include "h5io/h5io_count.h"
#include <sys/stat.h>

static void fresh_folder(scene *s) {
  char command[600];
  snprintf(command, sizeof command, "rm -rf '%s'/run && mkdir -p '%s'/run/checkpoints", s->folder, s->folder);
  assert_int_equal(system(command), 0);
}

static char *checkpoint_path(scene *s, uint64_t step) {
  char *path = NULL;
  assert_ok(nn_checkpoint_path(at(s, "run"), step, &path));
  return path;
}

static void save_step(scene *s, small_run *r, uint64_t step) {
  char *path = checkpoint_path(s, step);
  r->progress.step = step;
  assert_ok(nn_checkpoint_save(&r->parts, path));
  nn_free(path);
}

static bool exists(scene *s, uint64_t step, const char *suffix) {
  char *path = checkpoint_path(s, step), whole[600];
  snprintf(whole, sizeof whole, "%s%s", path, suffix);
  nn_free(path);
  return access(whole, F_OK) == 0;
}

/* Step of the newest; UINT64_MAX: none. */
static uint64_t newest(scene *s, nn_text *report) {
  nn_checkpoint *c = NULL;
  assert_ok(nn_checkpoint_newest(at(s, "run"), report, &c));
  const uint64_t step = c != NULL ? nn_checkpoint_progress(c)->step : UINT64_MAX;
  nn_checkpoint_close(&c);
  return step;
}

static void the_newest_is_the_highest_step_not_the_youngest_file(void **state) {
  scene *s = *state;
  small_run r;
  nn_text report = {0};
  small_begin(&r);
  fresh_folder(s);
  assert_true(newest(s, &report) == UINT64_MAX);
  save_step(s, &r, 1000);
  save_step(s, &r, 999999999);
  save_step(s, &r, 1000000000); /* ten digits */
  save_step(s, &r, 20);
  write_whole(at(s, "run/checkpoints/step-9.h5"), "short name", 10); /* not ours, and left alone */
  write_whole(at(s, "run/checkpoints/notes.txt"), "mine", 4);
  assert_true(newest(s, &report) == 1000000000);
  assert_int_equal(report.length, 0);
  assert_int_equal(access(at(s, "run/checkpoints/step-9.h5"), F_OK), 0);
  run_end(&r);
  assert_ok(nn_checkpoint_newest(at(s, "no such run"), &report, &(nn_checkpoint *){NULL}));
}

static void damaged_ones_are_put_aside_and_the_one_before_is_used(void **state) {
  scene *s = *state;
  small_run r;
  nn_text report = {0};
  char *bytes = NULL;
  size_t count = 0;
  small_begin(&r);
  fresh_folder(s);
  save_step(s, &r, 10);
  save_step(s, &r, 20);
  save_step(s, &r, 30);
  char *path = checkpoint_path(s, 30);
  assert_ok(nn_file_read(path, 1 << 20, &bytes, &count));
  bytes[count / 2] ^= 1;
  write_whole(path, bytes, count);
  nn_free(path);
  path = checkpoint_path(s, 40);
  write_whole(path, bytes, count / 3);
  nn_free(path);
  nn_free(bytes);
  assert_true(newest(s, &report) == 20);
  assert_non_null(strstr(report.at, "step-000000040.h5: is damaged or truncated"));
  assert_non_null(strstr(report.at, "step-000000030.h5: is damaged: its checksum does not match; renamed to"));
  assert_true(exists(s, 40, ".damaged") && exists(s, 30, ".damaged"));
  assert_false(exists(s, 40, "") || exists(s, 30, ""));
  nn_text_clear(&report);
  assert_true(newest(s, &report) == 20); /* and the next time there is nothing to report */
  assert_int_equal(report.length, 0);
  run_end(&r);
}

static void every_truncation_and_every_flipped_bit_falls_back(void **state) {
  scene *s = *state;
  small_run r;
  char *bytes = NULL;
  size_t count = 0;
  small_begin(&r);
  fresh_folder(s);
  save_step(s, &r, 1);
  save_step(s, &r, 2);
  char *path = checkpoint_path(s, 2);
  assert_ok(nn_file_read(path, 1 << 20, &bytes, &count));
  for (size_t i = 0; i < count; i += i + 30 < count ? 131 : 1)
    for (int flip = 0; flip <= 1; flip++) {
      nn_text report = {0};
      bytes[i] = (char)(bytes[i] ^ (flip << i % 8));
      write_whole(path, bytes, flip ? count : i);
      bytes[i] = (char)(bytes[i] ^ (flip << i % 8));
      if (newest(s, &report) != 1 || report.length == 0)
        fail_msg("%s at byte %zu went unnoticed", flip ? "a flipped bit" : "a truncation", i);
      nn_text_clear(&report);
    }
  nn_free(bytes);
  nn_free(path);
  run_end(&r);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void what_is_whole_but_not_for_us_is_not_put_aside(void **state) {
  scene *s = *state;
  small_run r;
  nn_text report = {0};
  nn_checkpoint *c = NULL;
  nn_h5_image *image = NULL;
  small_begin(&r);
  fresh_folder(s);
  save_step(s, &r, 1);
  char *path = checkpoint_path(s, 2);
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_attribute_text(image, "/", "format", "nnmpi checkpoint"));
  assert_ok(nn_h5_image_attribute_int(image, "/", "format_version", 2));
  assert_ok(nn_h5_image_save(image, path));
  nn_h5_image_destroy(&image);
  assert_fails(nn_checkpoint_newest(at(s, "run"), &report, &c), NN_ERR_CHECKPOINT, "step-000000002.h5", "format 2",
               "reads format 1");
  assert_ok(nn_history_save(r.history, path));
  assert_fails(nn_checkpoint_newest(at(s, "run"), &report, &c), NN_ERR_CHECKPOINT, "step-000000002.h5",
               "not a checkpoint", "nnmpi history");
  assert_true(exists(s, 2, ""));
  setenv("NNMPI_FAULT", "open@0", 1);
  assert_fails(nn_checkpoint_newest(at(s, "run"), &report, &c), NN_ERR_IO, "step-000000002.h5", "cannot be opened");
  unsetenv("NNMPI_FAULT");
  assert_true(exists(s, 2, ""));
  assert_null(c);
  nn_free(path);
  run_end(&r);
}

/* A whole file with one thing missing or wrong, by the same hand that writes good ones. */
static void incomplete_checkpoints_say_what_is_missing(void **state) {
  scene *s = *state;
  nn_checkpoint *c = NULL;
  static const char *const expected[] = {
      "attribute 'format_version' of '/' is missing",
      "no dataset 'config'",
      "no dataset 'signature'",
      "attribute 'step' of '/' is missing",
  };
  for (size_t have = 0; have < sizeof expected / sizeof *expected; have++) {
    nn_h5_image *image = NULL;
    assert_ok(nn_h5_image_create(&image));
    assert_ok(nn_h5_image_attribute_text(image, "/", "format", "nnmpi checkpoint"));
    if (have > 0) assert_ok(nn_h5_image_attribute_int(image, "/", "format_version", 1));
    if (have > 1) assert_ok(nn_h5_image_text(image, "config", "run: {}\n"));
    if (have > 2) assert_ok(nn_h5_image_text(image, "signature", "input 1\n"));
    assert_ok(nn_h5_image_save(image, at(s, "part.h5")));
    nn_h5_image_destroy(&image);
    assert_fails(nn_checkpoint_open(s->path, &c), NN_ERR_CHECKPOINT, "part.h5", expected[have]);
  }
  assert_fails(nn_checkpoint_open(at(s, "nothing.h5"), &c), NN_ERR_CHECKPOINT, "nothing.h5", "no such file");
  assert_fails(nn_checkpoint_open(s->folder, &c), NN_ERR_CHECKPOINT, "is a folder");
  assert_null(c);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void pruning_keeps_the_highest_steps_and_all_else(void **state) {
  scene *s = *state;
  small_run r;
  small_begin(&r);
  fresh_folder(s);
  for (uint64_t step = 1; step <= 6; step++) save_step(s, &r, step * 7);
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "run/checkpoints/best.h5")));
  write_whole(at(s, "run/checkpoints/step-000000042.h5.damaged"), "x", 1);
  assert_ok(nn_checkpoint_prune(at(s, "run"), 2));
  for (uint64_t step = 1; step <= 6; step++) assert_int_equal(exists(s, step * 7, ""), step > 4);
  assert_int_equal(access(at(s, "run/checkpoints/best.h5"), F_OK), 0);
  assert_true(exists(s, 42, ".damaged"));
  assert_ok(nn_checkpoint_prune(at(s, "run"), 2));
  assert_true(exists(s, 42, "") && exists(s, 35, ""));
  run_end(&r);
}

static void a_folder_that_cannot_be_listed_is_an_error(void **state) {
  scene *s = *state;
  nn_text report = {0};
  nn_checkpoint *c = NULL;
  fresh_folder(s);
  assert_int_equal(rmdir(at(s, "run/checkpoints")), 0);
  write_whole(at(s, "run/checkpoints"), "a file", 6);
  assert_fails(nn_checkpoint_newest(at(s, "run"), &report, &c), NN_ERR_IO, "run/checkpoints", "cannot be listed");
  assert_fails(nn_checkpoint_prune(at(s, "run"), 1), NN_ERR_IO, "run/checkpoints", "cannot be listed");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_newest_is_the_highest_step_not_the_youngest_file),
      cmocka_unit_test(damaged_ones_are_put_aside_and_the_one_before_is_used),
      cmocka_unit_test(every_truncation_and_every_flipped_bit_falls_back),
      cmocka_unit_test(what_is_whole_but_not_for_us_is_not_put_aside),
      cmocka_unit_test(incomplete_checkpoints_say_what_is_missing),
      cmocka_unit_test(pruning_keeps_the_highest_steps_and_all_else),
      cmocka_unit_test(a_folder_that_cannot_be_listed_is_an_error),
  };
  return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
