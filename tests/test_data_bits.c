/* The same bits whoever reads which part, and however many threads gather; sums are right. */
#include "data_testing.h"

#include "data/dataset.h"

enum { ROWS = 1000, TEST_ROWS = 130, WIDTH = 13 };

static float number(size_t row, size_t column) {
  return (float)(100 * nn_random_normal(5, NN_RANDOM_WEIGHTS, column, row) + 1000 * (double)column);
}

/* Two sets; labels or, without `classes`, two values. */
static void save_numbers(const char *path, bool classes, int change) {
  static float x[ROWS][WIDTH], values[ROWS][2];
  static uint16_t labels[ROWS];
  for (size_t i = 0; i < ROWS; i++) {
    for (size_t j = 0; j < WIDTH; j++) x[i][j] = number(i, j);
    labels[i] = (uint16_t)nn_random_below(6, NN_RANDOM_WEIGHTS, 0, i, 5);
    for (size_t j = 0; j < 2; j++) values[i][j] = number(i, WIDTH + j);
  }
  if (change == 1) x[ROWS - 1][WIDTH - 1] += 1;
  if (change == 2) labels[17] ^= 1;
  const uint64_t dims[2] = {ROWS, WIDTH}, value_dims[2] = {ROWS, 2};
  const uint64_t test_dims[2] = {TEST_ROWS, WIDTH}, test_value_dims[2] = {TEST_ROWS, 2};
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "train/x", NN_H5_F32, 2, dims, 0, x));
  assert_ok(nn_h5_image_write(image, "test/x", NN_H5_F32, 2, test_dims, change == 3 ? 9 : 0, x));
  if (classes) {
    assert_ok(nn_h5_image_write(image, "train/y", NN_H5_U16, 1, dims, 0, labels));
    assert_ok(nn_h5_image_write(image, "test/y", NN_H5_U16, 1, test_dims, 0, labels));
  } else {
    assert_ok(nn_h5_image_write(image, "train/y", NN_H5_F32, 2, value_dims, 0, values));
    assert_ok(nn_h5_image_write(image, "test/y", NN_H5_F32, 2, test_value_dims, 0, values));
  }
  save(&image, path);
}

/* Everything that a data set tells. */
static uint64_t summary(const loaded *l, int threads) {
  uint64_t digest = nn_dataset_digest(l->set);
  const nn_normalizer *n = nn_dataset_normalizer(l->set);
  digest = nn_digest(digest, n->mean, n->width * sizeof(float));
  digest = nn_digest(digest, n->inverse_deviation, n->width * sizeof(float));
  if (n->target_mean != NULL) {
    digest = nn_digest(digest, n->target_mean, n->target_width * sizeof(double));
    digest = nn_digest(digest, n->target_deviation, n->target_width * sizeof(double));
  }
  if (nn_dataset_class_weights(l->set) != NULL)
    digest = nn_digest(digest, nn_dataset_class_weights(l->set), nn_dataset_target(l->set)->width * sizeof(float));
  for (int set = 0; set < NN_SET_COUNT; set++) {
    const size_t count = nn_dataset_count(l->set, (nn_set)set);
    const double variation = nn_dataset_target_variation(l->set, (nn_set)set);
    digest = nn_digest(digest, &count, sizeof count);
    digest = nn_digest(digest, &variation, sizeof variation);
    float *x = all_x(l->set, (nn_set)set, threads);
    digest = nn_digest(digest, x, count * WIDTH * sizeof *x);
    free(x);
  }
  return digest;
}

static void parts_and_threads_change_no_bit(void **state) {
  scene *s = *state;
  for (int classes = 0; classes < 2; classes++) {
    save_numbers(at(s, "a.h5"), classes, 0);
    nn_data_config c = settings(s->path);
    c.valid_fraction = .15;
    c.scale = 3;
    c.normalize = NN_NORMALIZE_STANDARD;
    if (classes)
      c.class_weights = NN_CLASS_WEIGHT_BALANCED;
    else
      c.normalize_targets = NN_NORMALIZE_STANDARD;
    const int parts[] = {1, 2, 3, 5, 8, 40};
    uint64_t first = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
      for (int threads = 1; threads <= 3; threads++) {
        loaded l;
        assert_ok(load(&c, 7, parts[i], &l));
        const uint64_t now = summary(&l, threads);
        if (i == 0 && threads == 1) first = now;
        assert_true(now == first);
        unload(&l);
      }
  }
}

static void ranks_that_share_memory_agree(void **state) {
  scene *s = *state;
  enum { RANKS = 3 };
  save_numbers(at(s, "a.h5"), true, 0);
  nn_data_config c = settings(s->path);
  c.valid_fraction = .15;
  c.normalize = NN_NORMALIZE_STANDARD;
  loaded alone, ranks[RANKS] = {{0}};
  assert_ok(load(&c, 7, 1, &alone));
  void *shared = NULL;
  for (int r = 0; r < RANKS; r++) assert_ok(nn_dataset_open(&c, 7, &ranks[r].set));
  assert_ok(nn_alloc(nn_dataset_shared_bytes(ranks[0].set), 1, "rows", &shared));
  for (int r = 0; r < RANKS; r++) assert_ok(nn_dataset_load(ranks[r].set, shared, r, RANKS));
  for (int r = 0; r < RANKS; r++) {
    assert_ok(nn_dataset_finish(ranks[r].set));
    assert_true(summary(&ranks[r], 1) == summary(&alone, 1));
    unload(&ranks[r]);
  }
  unload(&alone);
  nn_free(shared);
}

static void a_changed_value_changes_the_digest_and_compression_does_not(void **state) {
  scene *s = *state;
  uint64_t digests[4];
  for (int change = 0; change < 4; change++) {
    save_numbers(at(s, "a.h5"), true, change);
    nn_data_config c = settings(s->path);
    loaded l;
    assert_ok(load(&c, 1, 1, &l));
    digests[change] = nn_dataset_digest(l.set);
    unload(&l);
  }
  assert_true(digests[1] != digests[0]);
  assert_true(digests[2] != digests[0]);
  assert_true(digests[3] == digests[0]);
}

static void every_bit_counts_in_a_block_digest(void **state) {
  (void)state;
  unsigned char bytes[77];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 3);
  const uint64_t whole = nn__block_digest(bytes, sizeof bytes);
  for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
    bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    assert_true(nn__block_digest(bytes, sizeof bytes) != whole);
    /* the highest bits of two words of a lane do not cancel */
    const size_t other = (bit + 256) % (8 * sizeof bytes);
    bytes[other / 8] ^= (unsigned char)(1u << other % 8);
    assert_true(nn__block_digest(bytes, sizeof bytes) != whole);
    bytes[other / 8] ^= (unsigned char)(1u << other % 8);
    bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
  }
  assert_true(nn__block_digest(bytes, sizeof bytes) == whole);
  const unsigned char zeros[64] = {0};
  assert_true(nn__block_digest(zeros, 63) != nn__block_digest(zeros, 64));
}

static void statistics_are_exact_to_double_precision(void **state) {
  (void)state;
  enum { N = 777, W = 4 };
  /* wide range, large offset, a constant that doubles cannot hold exactly when summed, an outlier at the front */
  static double x[N][W];
  static float xf[N][W];
  static uint8_t xb[N][W];
  static uint32_t rows[N];
  for (size_t i = 0; i < N; i++) {
    x[i][0] = nn_random_normal(1, NN_RANDOM_WEIGHTS, 0, i);
    x[i][1] = 1e9 + nn_random_normal(1, NN_RANDOM_WEIGHTS, 1, i);
    x[i][2] = .1;
    x[i][3] = i == 0 ? 1e6 : nn_random_normal(1, NN_RANDOM_WEIGHTS, 3, i);
    for (size_t j = 0; j < W; j++) {
      xf[i][j] = (float)x[i][j];
      xb[i][j] = (uint8_t)(j == 2 ? 201 : nn_random_below(1, NN_RANDOM_WEIGHTS, 9 + j, i, 256));
    }
    rows[i] = (uint32_t)(N - 1 - i);
  }
  for (int kind = 0; kind < 3; kind++)
    for (int backwards = 0; backwards < 2; backwards++) {
      const nn_element type = kind == 0 ? NN_ELEMENT_F64 : kind == 1 ? NN_ELEMENT_F32 : NN_ELEMENT_U8;
      const void *at = kind == 0 ? (const void *)x : kind == 1 ? (const void *)xf : xb;
      double mean[W], deviation[W];
      assert_ok(nn__column_statistics(type, W, at, backwards ? rows : NULL, N, mean, deviation));
      for (size_t j = 0; j < W; j++) {
        long double sum = 0, squares = 0;
        double value = 0;
        for (size_t i = 0; i < N; i++) {
          nn__elements_to_real(type, 1, (const char *)at + (i * W + j) * nn_element_size(type), &value);
          sum += (long double)value;
        }
        for (size_t i = 0; i < N; i++) {
          nn__elements_to_real(type, 1, (const char *)at + (i * W + j) * nn_element_size(type), &value);
          squares += ((long double)value - sum / N) * ((long double)value - sum / N);
        }
        const double expected = (double)sqrtl(squares / N);
        assert_true(fabs(mean[j] - (double)(sum / N)) <= 1e-14 * (fabs(mean[j]) + expected));
        if (j == 2)
          assert_true(deviation[j] == 0);
        else if (!(fabs(deviation[j] - expected) <= 1e-11 * expected))
          fail_msg("column %zu of type %d: deviation %.17g, not %.17g", j, (int)type, deviation[j], expected);
      }
    }
}

static void a_constant_column_is_only_centred(void **state) {
  (void)state;
  double x[6] = {.1, 1, .1, 2, .1, 3}, y[3] = {5, 5, 5}, test_x[2] = {.2, 2}, test_y[1] = {6};
  nn_data_config c = settings(NULL);
  c.samples.x = (nn_tensor){.rank = 2, .dims = {3, 2}, .at = x};
  c.samples.y = (nn_tensor){.rank = 2, .dims = {3, 1}, .at = y};
  c.samples.test_x = (nn_tensor){.rank = 2, .dims = {1, 2}, .at = test_x};
  c.samples.test_y = (nn_tensor){.rank = 2, .dims = {1, 1}, .at = test_y};
  c.normalize = c.normalize_targets = NN_NORMALIZE_STANDARD;
  loaded l;
  assert_ok(load(&c, 1, 1, &l));
  assert_true(!(nn_dataset_normalizer(l.set)->inverse_deviation[0] > 1) &&
              !(nn_dataset_normalizer(l.set)->inverse_deviation[0] < 1));
  float row[2], value[1];
  gather(l.set, NN_SET_TEST, 1, (const uint32_t[]){0}, 1, row, NULL, value);
  assert_true(fabsf(row[0] - .1f) < 1e-6f);
  assert_true(fabsf(value[0] - 1) < 1e-6f);
  unload(&l);
}

static void the_only_sample_of_a_class_stays(void **state) {
  (void)state;
  /* 7 of 5, 4 and 1 would be 3.5, 2.8 and 0.7: the single one stays although its remainder is the second largest */
  const int32_t labels[10] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 2};
  uint32_t taken[7], rest[3];
  int got[3] = {0};
  assert_ok(nn__split(1, NN__SPLIT_VALID, labels, 3, 10, 7, taken, rest));
  for (int i = 0; i < 7; i++) got[labels[taken[i]]]++;
  assert_int_equal(got[0], 4);
  assert_int_equal(got[1], 3);
  assert_int_equal(got[2], 0);
}

static void splits_keep_their_promise_whatever_the_numbers(void **state) {
  (void)state;
  enum { MOST = 300 };
  for (uint64_t trial = 0; trial < 400; trial++) {
    const size_t count = 2 + (size_t)nn_random_below(trial, NN_RANDOM_WEIGHTS, 0, 0, MOST - 2);
    const size_t classes = 1 + (size_t)nn_random_below(trial, NN_RANDOM_WEIGHTS, 0, 1, 40);
    const size_t wanted = (size_t)nn_random_below(trial, NN_RANDOM_WEIGHTS, 0, 2, count + 1);
    int32_t labels[MOST];
    uint32_t taken[MOST], rest[MOST];
    size_t had[40] = {0}, got[40] = {0};
    for (size_t i = 0; i < count; i++) labels[i] = (int32_t)nn_random_below(trial, NN_RANDOM_WEIGHTS, 1, i, classes);
    assert_ok(nn__split(trial, NN__SPLIT_VALID, labels, classes, count, wanted, taken, rest));
    size_t t = 0, r = 0;
    for (uint32_t i = 0; i < count; i++) { /* both ascend, together they are everything */
      had[labels[i]]++;
      if (t < wanted && taken[t] == i) {
        t++;
        got[labels[i]]++;
      } else {
        assert_int_equal(rest[r++], i);
      }
    }
    assert_int_equal(t, wanted);
    for (size_t k = 0; k < classes; k++) {
      const double share = (double)had[k] * (double)wanted / (double)count;
      assert_true((double)got[k] > share - 1 && (double)got[k] < share + 1 + 1e-9);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_and_threads_change_no_bit),
      cmocka_unit_test(ranks_that_share_memory_agree),
      cmocka_unit_test(a_changed_value_changes_the_digest_and_compression_does_not),
      cmocka_unit_test(every_bit_counts_in_a_block_digest),
      cmocka_unit_test(statistics_are_exact_to_double_precision),
      cmocka_unit_test(a_constant_column_is_only_centred),
      cmocka_unit_test(the_only_sample_of_a_class_stays),
      cmocka_unit_test(splits_keep_their_promise_whatever_the_numbers),
  };
  return cmocka_run_group_tests_name("data.bits", tests, scene_setup, scene_teardown);
}
