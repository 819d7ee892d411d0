/* Whatever is wrong with a data set is said with file, dataset, row and value. */
#include "data_testing.h"

#include "h5io/h5io_count.h"

/* Opening or loading fails; nothing is left behind. */
#define assert_refused(config, code, ...)                                                                              \
  do {                                                                                                                 \
    loaded l_ = {0};                                                                                                   \
    assert_fails(load((config), 1, 2, &l_), (code), __VA_ARGS__);                                                      \
    unload(&l_);                                                                                                       \
    assert_int_equal(nn__h5_open_count(), 0);                                                                          \
  } while (0)

static void write_f32(nn_h5_image *image, const char *name, uint64_t rows, uint64_t width, const float *x) {
  assert_ok(nn_h5_image_write(image, name, NN_H5_F32, width == 0 ? 1 : 2, (const uint64_t[]){rows, width}, 0, x));
}

static void write_i64(nn_h5_image *image, const char *name, uint64_t rows, const int64_t *y) {
  assert_ok(nn_h5_image_write(image, name, NN_H5_I64, 1, (const uint64_t[]){rows}, 0, y));
}

static nn_h5_image *empty_image(void) {
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  return image;
}

static void missing_files_and_sets_are_named(void **state) {
  scene *s = *state;
  nn_data_config c = settings(at(s, "none.h5"));
  assert_refused(&c, NN_ERR_DATA, "none.h5");
  c.file = NULL;
  assert_refused(&c, NN_ERR_CONFIG, "data.file", "data.inline");
  nn_h5_image *image = small_image();
  write_f32(image, "valid/x", 1, 3, (const float[]){1, 2, 3});
  save(&image, at(s, "a.h5"));
  c.file = s->path;
  assert_refused(&c, NN_ERR_DATA, "a.h5", "has valid/x but no valid/y", "data.valid_y");
  c.valid = NN_VALID_TEST;
  assert_refused(&c, NN_ERR_DATA, "a.h5", "data.valid: test", "test/x");
  c.valid = NN_VALID_NONE;
  c.train_x = "pictures";
  assert_refused(&c, NN_ERR_DATA, "a.h5", "pictures", "train/y", "data.train_x");
  c.train_x = c.train_y = "pictures";
  assert_refused(&c, NN_ERR_DATA, "a.h5", "pictures", "train/x", "data.train_x");
  c.train_x = c.train_y = NULL;
  c.test_x = "pictures"; /* named by the user: must be there */
  assert_refused(&c, NN_ERR_DATA, "a.h5", "pictures", "data.test_x");
  write_whole(at(s, "text.h5"), "no HDF5", 7);
  c = settings(s->path);
  assert_refused(&c, NN_ERR_DATA, "text.h5");
}

static void counts_and_shapes_must_agree(void **state) {
  scene *s = *state;
  const float x[12] = {0};
  const int64_t y[4] = {0};
  nn_data_config c = settings(at(s, "a.h5"));
  nn_h5_image *image = empty_image();
  write_f32(image, "train/x", 4, 3, x);
  write_i64(image, "train/y", 3, y);
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "a.h5", "train/x has 4 rows", "train/y has 3");

  image = small_image();
  write_f32(image, "test/x", 3, 4, x);
  write_i64(image, "test/y", 3, y);
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "a.h5", "test/x is 4", "train/x 3");

  image = empty_image();
  assert_ok(nn_h5_image_write(image, "train/x", NN_H5_F32, 2, (const uint64_t[]){0, 3}, 0, x));
  assert_ok(nn_h5_image_write(image, "train/y", NN_H5_I64, 1, (const uint64_t[]){0}, 0, y));
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "a.h5", "train/x is empty");

  image = empty_image();
  assert_ok(nn_h5_image_write(image, "train/x", NN_H5_F32, 3, (const uint64_t[]){4, 0, 2}, 0, x));
  write_i64(image, "train/y", 4, y);
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "a.h5", "train/x has shape [4, 0, 2]", "empty");

  image = empty_image();
  assert_ok(nn_h5_image_write(image, "train/x", NN_H5_F32, 6, (const uint64_t[]){4, 1, 1, 1, 1, 1}, 0, x));
  write_i64(image, "train/y", 4, y);
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "train/x has shape [4, 1, 1, 1, 1, 1]");

  image = empty_image();
  assert_ok(nn_h5_image_write(image, "train/x", NN_H5_F32, 0, NULL, 0, x));
  write_i64(image, "train/y", 4, y);
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "train/x has shape []");

  image = empty_image();
  write_f32(image, "train/x", 4, 3, x);
  assert_ok(nn_h5_image_write(image, "train/y", NN_H5_I64, 0, NULL, 0, y));
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "train/y has 0");

  image = empty_image();
  assert_ok(nn_h5_image_texts(image, "train/x", (const char *const[]){"a", "b"}, 2));
  assert_ok(nn_h5_image_texts(image, "train/y", (const char *const[]){"a", "b"}, 2));
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "train/x holds text");

  image = small_image();
  assert_ok(nn_h5_image_texts(image, "words", (const char *const[]){"a", "b", "c", "d"}, 4));
  save(&image, c.file);
  c.train_y = "words";
  assert_refused(&c, NN_ERR_DATA, "words holds text", "class_names");
}

static void more_samples_than_can_be_counted_are_refused(void **state) {
  (void)state;
  double nothing[1] = {0}; /* never looked at: the sizes are refused first */
  nn_data_config c = settings(NULL);
  c.target = NN_TARGET_VALUE;
  c.samples.x = (nn_tensor){.rank = 2, .dims = {(size_t)1 << 32, 1}, .at = nothing};
  c.samples.y = (nn_tensor){.rank = 2, .dims = {(size_t)1 << 32, 1}, .at = nothing};
  assert_refused(&c, NN_ERR_DATA, "data.inline: x has 4294967296 samples; at most 4294967295");
  c.samples.x = (nn_tensor){.rank = 4, .dims = {1 << 20, 1 << 20, 1 << 20, 1 << 20}, .at = nothing};
  c.samples.y = (nn_tensor){.rank = 2, .dims = {1 << 20, 1}, .at = nothing};
  assert_refused(&c, NN_ERR_DATA, "x has shape [1048576, 1048576, 1048576, 1048576]", "addressed");
}

static void labels_out_of_range_are_reported_with_row_and_value(void **state) {
  scene *s = *state;
  nn_data_config c = settings(at(s, "a.h5"));
  c.train_y = "y";
  const struct {
    int64_t label;
    bool names;
    const char *words;
  } cases[] = {{-1, false, "label -1"},
               {-1, true, "label -1"},
               {3, true, "label 3: there are 3 classes, 0 to 2"},
               {5000000000, false, "label 5000000000; at most 1048576 classes"},
               {INT64_MIN, false, "label -9223372036854775808"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nn_h5_image *image = small_image();
    const int64_t y[4] = {0, 1, cases[i].label, 2};
    write_i64(image, "y", 4, y);
    if (cases[i].names) assert_ok(nn_h5_image_texts(image, "class_names", (const char *const[]){"a", "b", "c"}, 3));
    save(&image, c.file);
    assert_refused(&c, NN_ERR_DATA, "a.h5: y: row 2 ", cases[i].words);
  }
  nn_h5_image *image = small_image();
  assert_ok(
      nn_h5_image_write(image, "y", NN_H5_U64, 1, (const uint64_t[]){4}, 0, (const uint64_t[]){0, UINT64_MAX, 0, 0}));
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "row 1 ", "18446744073709551615");
}

static void targets_of_the_wrong_kind_say_what_to_do(void **state) {
  scene *s = *state;
  nn_data_config c = settings(at(s, "a.h5"));
  c.target = NN_TARGET_CLASS;
  c.train_y = "y";
  nn_h5_image *image = small_image();
  write_f32(image, "y", 4, 3, (const float[12]){1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0});
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "y has shape [4, 3]", "argmax", "data.target: value");

  image = small_image();
  write_f32(image, "y", 4, 0, (const float[]){0, 1, 1.5f, 2});
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "y: row 2 ", "1.5", "no class");

  image = small_image();
  write_f32(image, "y", 4, 0, (const float[]){0, NAN, 1, 2});
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "y: row 1 ", "nan");

  image = small_image();
  write_f32(image, "y", 4, 0, (const float[]){0, 1, 1, INFINITY});
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "y: row 3 ", "inf");

  image = small_image();
  write_f32(image, "y", 4, 2, (const float[8]){0});
  write_f32(image, "test/x", 1, 3, (const float[3]){0});
  write_f32(image, "test/y", 1, 3, (const float[3]){0});
  save(&image, c.file);
  c.target = NN_TARGET_VALUE;
  assert_refused(&c, NN_ERR_DATA, "test/y has 3 values a sample where 2 are expected");

  image = small_image();
  assert_ok(nn_h5_image_write(image, "y", NN_H5_F32, 3, (const uint64_t[]){4, 1, 1}, 0, (const float[4]){0}));
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "y has shape [4, 1, 1]", "[samples, values]");
}

static void numbers_that_are_not_finite_are_reported_with_row_and_column(void **state) {
  scene *s = *state;
  nn_data_config c = settings(at(s, "a.h5"));
  enum { ROWS = 300, WIDTH = 7 };
  float *x = calloc(ROWS * WIDTH, sizeof *x);
  int64_t *y = calloc(ROWS, sizeof *y);
  for (int infinite = 0; infinite < 2; infinite++) {
    nn_h5_image *image = empty_image();
    x[200 * WIDTH + 5] = infinite ? -INFINITY : NAN;
    write_f32(image, "train/x", ROWS, WIDTH, x);
    write_i64(image, "train/y", ROWS, y);
    save(&image, c.file);
    assert_refused(&c, NN_ERR_DATA, "a.h5: train/x: row 200, column 5 ", infinite ? "-inf" : "nan");
  }
  nn_h5_image *image = empty_image();
  assert_ok(nn_h5_image_write(image, "train/x", NN_H5_F32, 3, (const uint64_t[]){20, 15, 7}, 0, x));
  write_i64(image, "train/y", 20, y);
  save(&image, c.file);
  /* 1405 = (13 × 15 + 5) × 7 + 5 */
  assert_refused(&c, NN_ERR_DATA, "a.h5: train/x: row 13, element [5, 5] ", "-inf");

  image = small_image();
  write_f32(image, "y", 4, 2, (const float[]){0, 0, 1, 0, 1, NAN, 0, 0});
  save(&image, c.file);
  c.train_y = "y";
  assert_refused(&c, NN_ERR_DATA, "a.h5: y: row 2, column 1 ", "nan");

  image = small_image();
  assert_ok(nn_h5_image_write(image, "x", NN_H5_F64, 1, (const uint64_t[]){4}, 0, (const double[]){0, 1, 1e39, 0}));
  assert_ok(nn_h5_image_write(image, "y", NN_H5_F64, 1, (const uint64_t[]){4}, 0, (const double[]){0, 1, 1, -1e300}));
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "a.h5: y: row 3 ", "-1e+300", "float32");
  c.train_x = "x";
  c.train_y = NULL;
  assert_refused(&c, NN_ERR_DATA, "a.h5: x: row 2 ", "1e+39", "float32");
  c.scale = 1e-10; /* 2e30 / 1e-10 is too large, too */
  image = small_image();
  write_f32(image, "x", 4, 0, (const float[]){1, 2e30f, 1, 1});
  assert_ok(nn_h5_image_write(image, "bytes", NN_H5_U8, 1, (const uint64_t[]){4}, 0, "abc"));
  save(&image, c.file);
  assert_refused(&c, NN_ERR_DATA, "a.h5: x: row 1 ", "2e+30", "float32");
  c.scale = 1e-37;
  c.train_x = "bytes";
  assert_refused(&c, NN_ERR_CONFIG, "data.scale", "uint8");
  c.scale = 0;
  assert_refused(&c, NN_ERR_CONFIG, "data.scale");
  free(x);
  free(y);
}

static void contradictions_with_the_configuration_are_errors_of_the_configuration(void **state) {
  scene *s = *state;
  nn_h5_image *image = small_image();
  save(&image, at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  c.valid = NN_VALID_NONE;
  c.valid_fraction = .1;
  assert_refused(&c, NN_ERR_CONFIG, "data.valid: none", "data.valid_fraction");
  c = settings(s->path);
  c.normalize_targets = NN_NORMALIZE_STANDARD;
  assert_refused(&c, NN_ERR_CONFIG, "data.normalize_targets", "train/y");
  c = settings(s->path);
  c.target = NN_TARGET_VALUE;
  c.class_weights = NN_CLASS_WEIGHT_BALANCED;
  assert_refused(&c, NN_ERR_CONFIG, "data.class_weights", "train/y");
  double x[1] = {1};
  c = settings(NULL);
  c.samples.x = c.samples.y = (nn_tensor){.rank = 1, .dims = {1}, .at = x};
  c.valid_fraction = .5;
  assert_refused(&c, NN_ERR_DATA, "data.valid_fraction", "training set of 1");
  c.samples.valid_x = c.samples.x;
  assert_refused(&c, NN_ERR_DATA, "data.inline: has no valid_y");
}

static void injected_faults_are_ordinary_failures(void **state) {
  scene *s = *state;
  nn_h5_image *image = small_image();
  save(&image, at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  setenv("NNMPI_FAULT", "allocation@0", 1);
  assert_refused(&c, NN_ERR_MEMORY, "out of memory");
  setenv("NNMPI_FAULT", "open@0", 1);
  assert_refused(&c, NN_ERR_DATA, "a.h5");
  setenv("NNMPI_FAULT", "read@0", 1);
  assert_refused(&c, NN_ERR_DATA, "a.h5");
  unsetenv("NNMPI_FAULT");
}

static void names_of_classes_must_be_those_of_the_network(void **state) {
  scene *s = *state;
  nn_h5_image *image = small_image();
  assert_ok(nn_h5_image_texts(image, "class_names", (const char *const[]){"a", "b", "c"}, 3));
  save(&image, at(s, "a.h5"));
  nn_dataset *d = NULL;
  assert_fails(nn_dataset_open_set(s->path, "train", true, 4, NULL, NULL, &d), NN_ERR_DATA, "3 class names",
               "4 classes");
  image = small_image();
  save(&image, s->path);
  loaded l = {0};
  assert_ok(nn_dataset_open_set(s->path, "train", true, 2, NULL, NULL, &l.set));
  assert_fails(load_rows(&l, 1), NN_ERR_DATA, "train/y: row 3 ", "label 2", "2 classes, 0 to 1");
  unload(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(missing_files_and_sets_are_named),
      cmocka_unit_test(counts_and_shapes_must_agree),
      cmocka_unit_test(more_samples_than_can_be_counted_are_refused),
      cmocka_unit_test(labels_out_of_range_are_reported_with_row_and_value),
      cmocka_unit_test(targets_of_the_wrong_kind_say_what_to_do),
      cmocka_unit_test(numbers_that_are_not_finite_are_reported_with_row_and_column),
      cmocka_unit_test(contradictions_with_the_configuration_are_errors_of_the_configuration),
      cmocka_unit_test(injected_faults_are_ordinary_failures),
      cmocka_unit_test(names_of_classes_must_be_those_of_the_network),
  };
  return cmocka_run_group_tests_name("data.errors", tests, scene_setup, scene_teardown);
}
