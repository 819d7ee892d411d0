/* What is stored is what the network gets: types, shapes, targets, sets, orders. */
#include "data_testing.h"

#include "h5io/h5io_count.h"

static void assert_near(double actual, double expected) {
  if (!(fabs(actual - expected) <= 1e-6 * fmax(1, fabs(expected)))) fail_msg("%.9g is not %.9g", actual, expected);
}

static void samples_and_labels_come_back(void **state) {
  scene *s = *state;
  nn_h5_image *image = small_image();
  save(&image, at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  loaded l;
  assert_ok(load(&c, 1, 1, &l));
  assert_int_equal(nn_dataset_count(l.set, NN_SET_TRAIN), 4);
  assert_int_equal(nn_dataset_count(l.set, NN_SET_VALID), 0);
  assert_int_equal(nn_dataset_count(l.set, NN_SET_TEST), 0);
  assert_int_equal(nn_dataset_shape(l.set)->rank, 1);
  assert_int_equal(nn_dataset_shape(l.set)->dims[0], 3);
  assert_true(nn_dataset_target(l.set)->classes);
  assert_int_equal(nn_dataset_target(l.set)->width, 3);
  assert_null(nn_dataset_target(l.set)->names);
  assert_null(nn_dataset_class_weights(l.set));
  const uint32_t ids[3] = {3, 0, 3};
  float x[9];
  int32_t labels[3];
  gather(l.set, NN_SET_TRAIN, 2, ids, 3, x, labels, NULL);
  const float expected[9] = {9, 10, 11, 0, 1, 2, 9, 10, 11};
  const int32_t expected_labels[3] = {2, 0, 2};
  assert_memory_equal(x, expected, sizeof x);
  assert_memory_equal(labels, expected_labels, sizeof labels);
  assert_int_equal(nn_dataset_label(l.set, NN_SET_TRAIN, 1), 1);
  unload(&l);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void every_stored_type_is_taken(void **state) {
  scene *s = *state;
  const nn_h5_type types[] = {NN_H5_U8,  NN_H5_I8,  NN_H5_U16, NN_H5_I16, NN_H5_U32,
                              NN_H5_I32, NN_H5_U64, NN_H5_I64, NN_H5_F32, NN_H5_F64};
  for (size_t i = 0; i < 10; i++) {
    union {
      uint8_t u8[4];
      int8_t i8[4];
      uint16_t u16[4];
      int16_t i16[4];
      uint32_t u32[4];
      int32_t i32[4];
      uint64_t u64[4];
      int64_t i64[4];
      float f32[4];
      double f64[4];
    } x;
    for (int j = 0; j < 4; j++) {
      const int value = j * 11;
      switch (types[i]) {
      case NN_H5_U8:
        x.u8[j] = (uint8_t)value;
        break;
      case NN_H5_I8:
        x.i8[j] = (int8_t)value;
        break;
      case NN_H5_U16:
        x.u16[j] = (uint16_t)value;
        break;
      case NN_H5_I16:
        x.i16[j] = (int16_t)value;
        break;
      case NN_H5_U32:
        x.u32[j] = (uint32_t)value;
        break;
      case NN_H5_I32:
        x.i32[j] = value;
        break;
      case NN_H5_U64:
        x.u64[j] = (uint64_t)value;
        break;
      case NN_H5_I64:
        x.i64[j] = value;
        break;
      case NN_H5_F32:
        x.f32[j] = (float)value;
        break;
      default:
        x.f64[j] = value;
        break;
      }
    }
    nn_h5_image *image = NULL;
    assert_ok(nn_h5_image_create(&image));
    assert_ok(nn_h5_image_write(image, "train/x", types[i], 2, (const uint64_t[]){2, 2}, 0, &x));
    assert_ok(nn_h5_image_write(image, "train/y", types[i], 1, (const uint64_t[]){2}, 0, &x));
    save(&image, at(s, "types.h5"));
    nn_data_config c = settings(s->path);
    c.scale = 2;
    c.normalize = NN_NORMALIZE_STANDARD;
    loaded l;
    assert_ok(load(&c, 1, 1, &l));
    /* columns 0, 22 and 11, 33, halved: means 5.5 and 11, deviations 5.5 */
    const nn_normalizer *n = nn_dataset_normalizer(l.set);
    assert_near((double)n->mean[0], 5.5);
    assert_near((double)n->mean[1], 11);
    assert_near(1 / (double)n->inverse_deviation[0], 5.5);
    float *rows = all_x(l.set, NN_SET_TRAIN, 1);
    const double expected[4] = {-1, -1, 1, 1};
    for (int j = 0; j < 4; j++) assert_near((double)rows[j], expected[j]);
    free(rows);
    assert_int_equal(nn_dataset_target(l.set)->classes, types[i] != NN_H5_F32 && types[i] != NN_H5_F64);
    assert_int_equal(nn_dataset_target(l.set)->width, nn_dataset_target(l.set)->classes ? 12 : 1);
    unload(&l);
  }
}

static void images_and_sequences_keep_their_shape(void **state) {
  scene *s = *state;
  const uint8_t x[2 * 3 * 4] = {0};
  const int64_t y[2] = {1, 0};
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "train/x", NN_H5_U8, 3, (const uint64_t[]){2, 3, 4}, 0, x));
  assert_ok(nn_h5_image_write(image, "train/y", NN_H5_I64, 2, (const uint64_t[]){2, 1}, 0, y));
  assert_ok(nn_h5_image_write(image, "one/x", NN_H5_U8, 1, (const uint64_t[]){2}, 0, x));
  save(&image, at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  char text[96];
  nn_dataset *d = NULL;
  assert_ok(nn_dataset_open(&c, 1, &d));
  assert_string_equal(nn_shape_text(nn_dataset_shape(d), text), "3 x 4");
  assert_int_equal(nn_shape_size(nn_dataset_shape(d)), 12);
  assert_true(nn_dataset_target(d)->classes);
  nn_dataset_destroy(&d);
  c.train_x = "one/x";
  assert_ok(nn_dataset_open(&c, 1, &d));
  assert_string_equal(nn_shape_text(nn_dataset_shape(d), text), "1");
  nn_dataset_destroy(&d);
  nn_dataset_destroy(&d); /* nothing to destroy is fine */
}

static void float_targets_are_values_unless_the_configuration_says_classes(void **state) {
  scene *s = *state;
  const float x[3] = {0}, one[3] = {0, 2, 1}, two[3][2] = {{1, 10}, {2, 20}, {6, 60}};
  const int16_t whole[3] = {-4, 0, 7};
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "train/x", NN_H5_F32, 1, (const uint64_t[]){3}, 0, x));
  assert_ok(nn_h5_image_write(image, "train/y", NN_H5_F32, 1, (const uint64_t[]){3}, 0, one));
  assert_ok(nn_h5_image_write(image, "two", NN_H5_F32, 2, (const uint64_t[]){3, 2}, 0, two));
  assert_ok(nn_h5_image_write(image, "whole", NN_H5_I16, 1, (const uint64_t[]){3}, 0, whole));
  save(&image, at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  const uint32_t ids[3] = {0, 1, 2};
  float none[3], values[6];
  loaded l;
  assert_ok(load(&c, 1, 1, &l));
  assert_false(nn_dataset_target(l.set)->classes);
  assert_int_equal(nn_dataset_target(l.set)->width, 1);
  gather(l.set, NN_SET_TRAIN, 1, ids, 3, none, NULL, values);
  assert_memory_equal(values, one, sizeof one);
  assert_near(nn_dataset_target_variation(l.set, NN_SET_TRAIN), 2);
  unload(&l);

  c.target = NN_TARGET_CLASS;
  assert_ok(load(&c, 1, 1, &l));
  assert_true(nn_dataset_target(l.set)->classes);
  assert_int_equal(nn_dataset_target(l.set)->width, 3);
  assert_int_equal(nn_dataset_label(l.set, NN_SET_TRAIN, 1), 2);
  unload(&l);

  c.target = NN_TARGET_VALUE;
  c.train_y = "whole";
  assert_ok(load(&c, 1, 1, &l));
  gather(l.set, NN_SET_TRAIN, 1, ids, 3, none, NULL, values);
  assert_near((double)values[0], -4);
  unload(&l);

  c.train_y = "two";
  c.normalize_targets = NN_NORMALIZE_STANDARD;
  assert_ok(load(&c, 1, 1, &l));
  assert_int_equal(nn_dataset_target(l.set)->width, 2);
  const nn_normalizer *n = nn_dataset_normalizer(l.set);
  assert_int_equal(n->target_width, 2);
  assert_near(n->target_mean[1], 30);
  assert_near(n->target_deviation[0], sqrt(14. / 3));
  assert_near(nn_dataset_target_variation(l.set, NN_SET_TRAIN), 6); /* 3 samples of variance 1, twice */
  gather(l.set, NN_SET_TRAIN, 1, ids, 3, none, NULL, values);
  assert_near((double)values[0], -2 / sqrt(14. / 3));
  nn_normalizer_restore(n, 3, values);
  for (int i = 0; i < 6; i++) assert_near((double)values[i], (double)(&two[0][0])[i]);
  unload(&l);
}

static void samples_can_stand_in_the_configuration(void **state) {
  (void)state;
  double x[8] = {0, 0, 0, 1, 1, 0, 1, 1}, y[4] = {0, 1, 1, 0}, half[4] = {0, .5, 1, 0};
  nn_data_config c = settings(NULL);
  c.samples.x = (nn_tensor){.rank = 2, .dims = {4, 2}, .at = x};
  c.samples.y = (nn_tensor){.rank = 1, .dims = {4}, .at = y};
  c.samples.test_x = (nn_tensor){.rank = 2, .dims = {1, 2}, .at = x + 2};
  c.samples.test_y = (nn_tensor){.rank = 1, .dims = {1}, .at = y + 1};
  loaded l;
  assert_ok(load(&c, 1, 2, &l));
  assert_true(nn_dataset_target(l.set)->classes);
  assert_int_equal(nn_dataset_target(l.set)->width, 2);
  assert_int_equal(nn_dataset_count(l.set, NN_SET_TEST), 1);
  float *rows = all_x(l.set, NN_SET_TRAIN, 1);
  for (int i = 0; i < 8; i++) assert_near((double)rows[i], x[i]);
  free(rows);
  unload(&l);

  c.samples.y.at = half; /* not whole: values */
  assert_ok(load(&c, 1, 1, &l));
  assert_false(nn_dataset_target(l.set)->classes);
  unload(&l);

  c.samples.y = (nn_tensor){.rank = 2, .dims = {4, 1}, .at = y}; /* a column: values */
  c.samples.test_x.rank = c.samples.test_y.rank = 0;
  assert_ok(load(&c, 1, 1, &l));
  assert_false(nn_dataset_target(l.set)->classes);
  unload(&l);
}

static void class_names_give_the_number_of_classes(void **state) {
  scene *s = *state;
  const char *const names[4] = {"boot", "coat", "dress", "never seen"};
  nn_h5_image *image = small_image();
  assert_ok(nn_h5_image_texts(image, "class_names", names, 4));
  save(&image, at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  loaded l;
  assert_ok(load(&c, 1, 1, &l));
  assert_int_equal(nn_dataset_target(l.set)->width, 4);
  assert_string_equal(nn_dataset_target(l.set)->names[2], "dress");
  unload(&l);
}

static void class_weights_balance_what_is_rare(void **state) {
  scene *s = *state;
  nn_h5_image *image = small_image();
  save(&image, at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  loaded l;
  c.class_weights = NN_CLASS_WEIGHT_BALANCED;
  assert_ok(load(&c, 1, 1, &l));
  const float *weights = nn_dataset_class_weights(l.set);
  assert_non_null(weights);
  assert_near((double)weights[0], 4. / (3 * 2));
  assert_near((double)weights[1], 4. / 3);
  assert_near((double)weights[2], 4. / 3);
  unload(&l);
  double given[3] = {1, 2, .5}, ones[3] = {1, 1, 1};
  c.class_weights = NN_CLASS_WEIGHT_GIVEN;
  c.class_weight_values = (nn_tensor){.rank = 1, .dims = {3}, .at = given};
  assert_ok(load(&c, 1, 1, &l));
  assert_near((double)nn_dataset_class_weights(l.set)[2], .5);
  unload(&l);
  c.class_weight_values.at = ones;
  assert_ok(load(&c, 1, 1, &l));
  assert_null(nn_dataset_class_weights(l.set));
  unload(&l);
  c.class_weight_values.dims[0] = 2;
  assert_fails(load(&c, 1, 1, &l), NN_ERR_CONFIG, "2 weights", "3 classes");
  unload(&l);
}

/* 90 samples, x their number; classes 0 (60), 1 (29), 2 (1). */
static void save_unbalanced(const char *path) {
  int32_t x[90];
  int8_t y[90];
  for (int i = 0; i < 90; i++) {
    x[i] = i;
    y[i] = (int8_t)(i == 89 ? 2 : i % 3 == 2 ? 1 : 0);
  }
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "train/x", NN_H5_I32, 1, (const uint64_t[]){90}, 0, x));
  assert_ok(nn_h5_image_write(image, "train/y", NN_H5_I8, 1, (const uint64_t[]){90}, 0, y));
  save(&image, path);
}

static void a_fraction_for_validation_is_stratified_and_follows_the_seed(void **state) {
  scene *s = *state;
  save_unbalanced(at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  c.valid_fraction = .2;
  bool seen[2][90] = {{false}};
  for (uint64_t seed = 0; seed < 2; seed++) {
    loaded l = {0};
    assert_ok(nn_dataset_open(&c, seed, &l.set));
    assert_int_equal(nn_dataset_count(l.set, NN_SET_TRAIN), 72); /* known before the rows are */
    assert_int_equal(nn_dataset_count(l.set, NN_SET_VALID), 18);
    assert_ok(load_rows(&l, 1));
    assert_int_equal(nn_dataset_count(l.set, NN_SET_TRAIN), 72);
    assert_int_equal(nn_dataset_count(l.set, NN_SET_VALID), 18);
    int classes[3] = {0}, times[90] = {0};
    for (uint32_t i = 0; i < 18; i++) classes[nn_dataset_label(l.set, NN_SET_VALID, i)]++;
    assert_int_equal(classes[0], 12);
    assert_int_equal(classes[1], 6);
    assert_int_equal(classes[2], 0); /* the only one stays where it can be learned */
    float *train = all_x(l.set, NN_SET_TRAIN, 1), *valid = all_x(l.set, NN_SET_VALID, 1);
    for (int i = 0; i < 72; i++) times[(int)train[i]]++;
    for (int i = 0; i < 18; i++) {
      times[(int)valid[i]]++;
      seen[seed][(int)valid[i]] = true;
    }
    for (int i = 0; i < 90; i++) assert_int_equal(times[i], 1);
    free(train);
    free(valid);
    unload(&l);
  }
  assert_memory_not_equal(seen[0], seen[1], sizeof seen[0]);
}

static void statistics_are_those_of_the_rows_that_remain_for_training(void **state) {
  scene *s = *state;
  save_unbalanced(at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  c.valid_fraction = .5;
  c.normalize = NN_NORMALIZE_STANDARD;
  loaded l;
  assert_ok(load(&c, 3, 1, &l));
  const nn_normalizer *n = nn_dataset_normalizer(l.set);
  float *x = all_x(l.set, NN_SET_TRAIN, 1);
  double sum = 0, squares = 0, raw = 0;
  for (int i = 0; i < 45; i++) {
    sum += (double)x[i];
    squares += (double)(x[i] * x[i]);
    raw += (double)(x[i] / n->inverse_deviation[0] + n->mean[0]);
  }
  assert_true(fabs(sum) < 1e-5);
  assert_near(squares, 45);
  assert_true(fabs(raw / 45 - (double)n->mean[0]) < 1e-4 && fabs(raw / 45 - 44.5) > 1e-3);
  free(x);
  unload(&l);
}

static void validation_comes_from_where_the_configuration_says(void **state) {
  scene *s = *state;
  const float x[2][3] = {{7, 7, 7}, {8, 8, 8}};
  const uint8_t y[2] = {0, 1};
  nn_h5_image *image = small_image();
  assert_ok(nn_h5_image_write(image, "test/x", NN_H5_F32, 2, (const uint64_t[]){2, 3}, 0, x));
  assert_ok(nn_h5_image_write(image, "test/y", NN_H5_U8, 1, (const uint64_t[]){2}, 0, y));
  save(&image, at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  c.valid = NN_VALID_TEST;
  loaded l;
  assert_ok(load(&c, 1, 1, &l));
  assert_int_equal(nn_dataset_count(l.set, NN_SET_VALID), 2);
  assert_int_equal(nn_dataset_count(l.set, NN_SET_TEST), 2);
  float *rows = all_x(l.set, NN_SET_VALID, 1);
  assert_near((double)rows[3], 8);
  free(rows);
  unload(&l);

  image = small_image();
  assert_ok(nn_h5_image_write(image, "valid/x", NN_H5_F32, 2, (const uint64_t[]){2, 3}, 0, x));
  assert_ok(nn_h5_image_write(image, "valid/y", NN_H5_U8, 1, (const uint64_t[]){2}, 0, y));
  save(&image, at(s, "a.h5"));
  c.valid = NN_VALID_AUTO;
  c.valid_fraction = .25; /* the file's own set goes before */
  assert_ok(load(&c, 1, 1, &l));
  assert_int_equal(nn_dataset_count(l.set, NN_SET_TRAIN), 4);
  assert_int_equal(nn_dataset_count(l.set, NN_SET_VALID), 2);
  unload(&l);
  c.valid = NN_VALID_NONE;
  c.valid_fraction = 0;
  assert_ok(load(&c, 1, 1, &l));
  assert_int_equal(nn_dataset_count(l.set, NN_SET_VALID), 0);
  unload(&l);
}

static void an_order_is_a_permutation_that_changes_with_epoch_and_seed(void **state) {
  scene *s = *state;
  save_unbalanced(at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  nn_dataset *d = NULL, *other = NULL;
  uint32_t orders[5][90];
  assert_ok(nn_dataset_open(&c, 1, &d));
  assert_ok(nn_dataset_open(&c, 2, &other));
  nn_dataset_order(d, 0, orders[0]);
  nn_dataset_order(d, 1, orders[1]);
  nn_dataset_order(d, 0, orders[2]);
  nn_dataset_order(other, 0, orders[3]);
  assert_memory_equal(orders[0], orders[2], sizeof orders[0]);
  assert_memory_not_equal(orders[0], orders[1], sizeof orders[0]);
  assert_memory_not_equal(orders[0], orders[3], sizeof orders[0]);
  for (int i = 0; i < 4; i++) {
    int times[90] = {0};
    for (int j = 0; j < 90; j++) times[orders[i][j]]++;
    for (int j = 0; j < 90; j++) assert_int_equal(times[j], 1);
  }
  nn_dataset_destroy(&other);
  nn_dataset_destroy(&d);
  c.shuffle = false;
  assert_ok(nn_dataset_open(&c, 1, &d));
  nn_dataset_order(d, 7, orders[4]);
  for (uint32_t j = 0; j < 90; j++) assert_int_equal(orders[4][j], j);
  nn_dataset_destroy(&d);
}

static int by_value(const void *a, const void *b) {
  const uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
  return p < q ? -1 : p > q;
}

/* Random words are drawn in blocks: neither their ends nor their number may show. */
static void orders_of_any_length_are_permutations(void **state) {
  (void)state;
  enum { MOST = 3000, PARTS = 30, EPOCHS = 30 };
  static uint32_t order[MOST], sorted[MOST];
  static int table[PARTS][PARTS];
  const size_t counts[] = {1, 2, 3, 511, 512, 513, 514, 1024, 1025, MOST};
  double nothing[1] = {0};
  for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
    nn_data_config config = settings(NULL);
    nn_dataset *d = NULL;
    config.target = NN_TARGET_VALUE;
    config.samples.x = config.samples.y = (nn_tensor){.rank = 1, .dims = {counts[c]}, .at = nothing};
    assert_ok(nn_dataset_open(&config, 4, &d));
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
      nn_dataset_order(d, epoch, order);
      memcpy(sorted, order, counts[c] * sizeof *order);
      qsort(sorted, counts[c], sizeof *sorted, by_value);
      for (uint32_t i = 0; i < counts[c]; i++) assert_int_equal(sorted[i], i);
      for (size_t i = 0; counts[c] == MOST && i < MOST; i++) table[i / (MOST / PARTS)][order[i] / (MOST / PARTS)]++;
    }
    nn_dataset_destroy(&d);
  }
  double chi = 0;
  const double expected = (double)EPOCHS * MOST / (PARTS * PARTS), freedom = (PARTS - 1) * (PARTS - 1);
  for (int i = 0; i < PARTS; i++)
    for (int j = 0; j < PARTS; j++) chi += (table[i][j] - expected) * (table[i][j] - expected) / expected;
  if (fabs(chi - freedom) > 5 * sqrt(2 * freedom)) fail_msg("chi squared %g", chi);
}

/* Early picks are nearly the random numbers themselves: neighbours and blocks of words must not repeat each other. */
static void picks_of_an_order_are_independent(void **state) {
  (void)state;
  enum { COUNT = 100000, LOOK_AT = 20000, NEAR = 100 };
  static uint32_t order[COUNT];
  double nothing[1] = {0};
  nn_data_config config = settings(NULL);
  nn_dataset *d = NULL;
  config.target = NN_TARGET_VALUE;
  config.samples.x = config.samples.y = (nn_tensor){.rank = 1, .dims = {COUNT}, .at = nothing};
  assert_ok(nn_dataset_open(&config, 4, &d));
  nn_dataset_order(d, 0, order);
  for (size_t lag = 1; lag <= 1024; lag++) {
    int near = 0; /* about 2 x 100 / 100000 of 20000, that is 40, with a deviation of 6 */
    for (size_t i = 0; i < LOOK_AT; i++) near += abs((int)order[i] - (int)order[i + lag]) < NEAR;
    if (near < 5 || near > 90) fail_msg("%d of %d picks lie near the one %zu later", near, LOOK_AT, lag);
  }
  nn_dataset_destroy(&d);
}

/* Chi-squared of where the first sample lands, over many epochs: 89 degrees of freedom, 5 standard deviations. */
static void an_order_prefers_no_place(void **state) {
  scene *s = *state;
  enum { EPOCHS = 9000 };
  save_unbalanced(at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  nn_dataset *d = NULL;
  assert_ok(nn_dataset_open(&c, 1, &d));
  int first[90] = {0}, last[90] = {0};
  for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
    uint32_t order[90];
    nn_dataset_order(d, epoch, order);
    first[order[0]]++;
    for (int j = 0; j < 90; j++) last[j] += order[j] == 89;
  }
  double chi_first = 0, chi_last = 0;
  for (int j = 0; j < 90; j++) {
    chi_first += (first[j] - EPOCHS / 90.) * (first[j] - EPOCHS / 90.) / (EPOCHS / 90.);
    chi_last += (last[j] - EPOCHS / 90.) * (last[j] - EPOCHS / 90.) / (EPOCHS / 90.);
  }
  const double limit = 89 + 5 * sqrt(2 * 89.);
  if (!(chi_first < limit && chi_last < limit)) fail_msg("chi squared %g and %g", chi_first, chi_last);
  nn_dataset_destroy(&d);
}

static void evaluation_opens_one_set_with_the_normalisation_of_training(void **state) {
  scene *s = *state;
  const float x[2][3] = {{2, 4, 6}, {4, 8, 12}};
  const int32_t y[2] = {1, 0};
  nn_h5_image *image = small_image();
  assert_ok(nn_h5_image_write(image, "x", NN_H5_F32, 2, (const uint64_t[]){2, 3}, 0, x));
  assert_ok(nn_h5_image_write(image, "y", NN_H5_I32, 1, (const uint64_t[]){2}, 0, y));
  save(&image, at(s, "a.h5"));
  float mean[3] = {1, 1, 1}, inverse[3] = {1, 2, 4};
  const nn_normalizer n = {.width = 3, .scale = 2, .mean = mean, .inverse_deviation = inverse};
  loaded l = {0};
  assert_ok(nn_dataset_open_set(s->path, NULL, true, 2, &n, NULL, &l.set)); /* no test set: the top */
  assert_ok(load_rows(&l, 1));
  assert_int_equal(nn_dataset_count(l.set, NN_SET_TEST), 2);
  assert_int_equal(nn_dataset_count(l.set, NN_SET_TRAIN), 0);
  assert_int_equal(nn_dataset_target(l.set)->width, 2);
  assert_int_equal(nn_dataset_label(l.set, NN_SET_TEST, 0), 1);
  float *rows = all_x(l.set, NN_SET_TEST, 1);
  const double expected[6] = {0, 2, 8, 1, 6, 20};
  for (int i = 0; i < 6; i++) assert_near((double)rows[i], expected[i]);
  free(rows);
  unload(&l);

  assert_ok(nn_dataset_open_set(s->path, "train", true, 0, NULL, NULL, &l.set)); /* labels as values */
  assert_ok(load_rows(&l, 1));
  assert_int_equal(nn_dataset_count(l.set, NN_SET_TEST), 4);
  assert_false(nn_dataset_target(l.set)->classes);
  assert_int_equal(nn_dataset_target(l.set)->width, 1);
  unload(&l);

  assert_fails(nn_dataset_open_set(s->path, "test", true, 2, &n, NULL, &l.set), NN_ERR_DATA, "a.h5", "test/x");
  assert_fails(nn_dataset_open_set(s->path, "best", true, 2, &n, NULL, &l.set), NN_ERR_USAGE, "best");
  const nn_normalizer wide = {.width = 4, .scale = 1};
  assert_fails(nn_dataset_open_set(s->path, NULL, true, 2, &wide, NULL, &l.set), NN_ERR_DATA, "(3 numbers)", "takes 4");
}

static void a_peek_tells_the_classes_without_the_rows(void **state) {
  scene *s = *state;
  nn_h5_image *image = small_image();
  save(&image, at(s, "a.h5"));
  nn_data_config c = settings(s->path);
  nn_dataset *d = NULL;
  assert_ok(nn_dataset_open(&c, 1, &d));
  assert_int_equal(nn_dataset_target(d)->width, 0);
  assert_ok(nn_dataset_peek(d));
  assert_int_equal(nn_dataset_target(d)->width, 3);
  nn_dataset_destroy(&d);
}

static void prediction_needs_no_targets(void **state) {
  scene *s = *state;
  const float x[2] = {1, 2};
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "test/x", NN_H5_F32, 2, (const uint64_t[]){2, 1}, 0, x));
  save(&image, at(s, "a.h5"));
  loaded l = {0};
  assert_ok(nn_dataset_open_set(s->path, NULL, true, 3, NULL, NULL, &l.set));
  assert_int_equal(nn_dataset_target(l.set)->width, 0); /* there are none */
  assert_ok(load_rows(&l, 2));
  float *rows = all_x(l.set, NN_SET_TEST, 2);
  assert_memory_equal(rows, x, sizeof x);
  free(rows);
  unload(&l);
}

static void files_of_other_programs_are_read(void **state) {
  scene *s = *state;
  char path[512];
  snprintf(path, sizeof path, "%s", at(s, "h5py.h5"));
  run_python(s, "data_write.py", path);
  nn_data_config c = settings(path);
  c.valid_fraction = .25;
  loaded l;
  assert_ok(load(&c, 1, 3, &l));
  assert_int_equal(nn_dataset_count(l.set, NN_SET_TRAIN) + nn_dataset_count(l.set, NN_SET_VALID), 1000);
  assert_int_equal(nn_dataset_target(l.set)->width, 3);
  assert_string_equal(nn_dataset_target(l.set)->names[1], "grün");
  float *rows = all_x(l.set, NN_SET_TEST, 2); /* x[i, j, k] = (100 i + 10 j + k) % 251 */
  for (int i = 0; i < 10; i++)
    for (int j = 0; j < 5; j++)
      for (int k = 0; k < 4; k++) assert_near((double)rows[(i * 5 + j) * 4 + k], (100 * i + 10 * j + k) % 251);
  for (uint32_t i = 0; i < 10; i++) assert_int_equal(nn_dataset_label(l.set, NN_SET_TEST, i), i % 3);
  free(rows);
  unload(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(samples_and_labels_come_back),
      cmocka_unit_test(every_stored_type_is_taken),
      cmocka_unit_test(images_and_sequences_keep_their_shape),
      cmocka_unit_test(float_targets_are_values_unless_the_configuration_says_classes),
      cmocka_unit_test(samples_can_stand_in_the_configuration),
      cmocka_unit_test(class_names_give_the_number_of_classes),
      cmocka_unit_test(class_weights_balance_what_is_rare),
      cmocka_unit_test(a_fraction_for_validation_is_stratified_and_follows_the_seed),
      cmocka_unit_test(statistics_are_those_of_the_rows_that_remain_for_training),
      cmocka_unit_test(validation_comes_from_where_the_configuration_says),
      cmocka_unit_test(an_order_is_a_permutation_that_changes_with_epoch_and_seed),
      cmocka_unit_test(an_order_prefers_no_place),
      cmocka_unit_test(orders_of_any_length_are_permutations),
      cmocka_unit_test(picks_of_an_order_are_independent),
      cmocka_unit_test(evaluation_opens_one_set_with_the_normalisation_of_training),
      cmocka_unit_test(a_peek_tells_the_classes_without_the_rows),
      cmocka_unit_test(prediction_needs_no_targets),
      cmocka_unit_test(files_of_other_programs_are_read),
  };
  return cmocka_run_group_tests_name("data.dataset", tests, scene_setup, scene_teardown);
}
