/* Rows, columns, flat arrays, sums of squares: values, and the same bits on any team. */
#include <math.h>

#include "kernels/clones.h"
#include "kernels_testing.h"

/* ---- values ---------------------------------------------------------------------------------- */

static const nn_team alone = {.id = 0, .size = 1};

static void a_bias_is_added_to_every_row(void **state) {
  (void)state;
  const float b[3] = {1.0f, 2.0f, 3.0f};
  float y[6] = {10.0f, 20.0f, 30.0f, 40.0f, 50.0f, 60.0f};
  const float expected[6] = {11.0f, 22.0f, 33.0f, 41.0f, 52.0f, 63.0f};
  nn_rows_add(&alone, 2, 3, b, y);
  assert_memory_equal(y, expected, sizeof y);
}

static void rows_are_summed_in_order_in_blocks_of_64(void **state) {
  (void)state;
  for (size_t rows = 1; rows < 200; rows += 13)
    for (size_t width = 1; width < 600; width += 97) {
      float *x = nn_test_floats(rows * width), *out = nn_test_floats(width), *expected = nn_test_floats(width);
      nn_test_fill(rows * width, rows, x);
      for (size_t j = 0; j < width; j++)
        for (size_t block = 0; block < rows; block += 64) {
          float sum = x[block * width + j];
          for (size_t r = block + 1; r < rows && r < block + 64; r++) sum += x[r * width + j];
          expected[j] = block == 0 ? sum : expected[j] + sum;
        }
      nn_rows_sum(&alone, rows, width, x, out);
      nn_test_same_bits("rows_sum", width, expected, out);
      nn_test_free(x, rows * width), nn_test_free(out, width), nn_test_free(expected, width);
    }
}

static void softmax_agrees_with_double_and_survives_large_values(void **state) {
  (void)state;
  enum { ROWS = 9, WIDTH = 37 };
  static const float betas[] = {1.0f, 0.5f, -2.0f, 300.0f};
  float x[ROWS * WIDTH], y[ROWS * WIDTH];
  nn_test_fill(ROWS * WIDTH, 3, x);
  for (size_t i = 0; i < ROWS * WIDTH; i++) x[i] *= 40.0f;
  for (size_t b = 0; b < 4; b++) {
    nn_softmax_rows(&alone, ROWS, WIDTH, betas[b], x, y);
    for (size_t r = 0; r < ROWS; r++) {
      const float *in = x + r * WIDTH;
      double top = -INFINITY, sum = 0.0, total = 0.0;
      for (size_t j = 0; j < WIDTH; j++) top = fmax(top, (double)(betas[b] * in[j]));
      for (size_t j = 0; j < WIDTH; j++) sum += exp((double)(betas[b] * in[j]) - top);
      for (size_t j = 0; j < WIDTH; j++) {
        const double exact = exp((double)(betas[b] * in[j]) - top) / sum;
        total += (double)y[r * WIDTH + j];
        /* the argument of exp is rounded: up to 2^-24 of its size */
        if (!(fabs((double)y[r * WIDTH + j] - exact) <=
              1e-6 * exact + 6e-8 * fabs((double)(betas[b] * in[j]) - top) * exact + 1e-44))
          fail_msg("row %zu, column %zu, beta %g: %g instead of %g", r, j, (double)betas[b], (double)y[r * WIDTH + j],
                   exact);
      }
      assert_true(fabs(total - 1.0) < 1e-5);
    }
  }
  float one = 123.0f;
  nn_softmax_rows(&alone, 1, 1, 1.0f, &one, &one); /* in place, one column */
  assert_true(one == 1.0f);
  float bad[2] = {NAN, 1.0f};
  nn_softmax_rows(&alone, 1, 2, 1.0f, bad, bad);
  assert_true(isnan(bad[0]) && isnan(bad[1]));
}

static void flat_arrays_are_added_scaled_filled_and_copied(void **state) {
  (void)state;
  float x[5] = {1, 2, 3, 4, 5}, y[5] = {10, 20, 30, 40, 50};
  nn_add(&alone, 5, x, y);
  for (int i = 0; i < 5; i++) assert_true(y[i] == 11.0f * (float)(i + 1));
  nn_scale(&alone, 5, 2.0f, y);
  for (int i = 0; i < 5; i++) assert_true(y[i] == 22.0f * (float)(i + 1));
  nn_copy(&alone, 4, y, x);
  for (int i = 0; i < 4; i++) assert_true(x[i] == y[i]);
  assert_true(x[4] == 5.0f);
  nn_fill(&alone, 4, 7.0f, x);
  for (int i = 0; i < 4; i++) assert_true(x[i] == 7.0f);
  assert_true(x[4] == 5.0f);
}

static void sums_of_squares_are_right_and_block_by_block(void **state) {
  (void)state;
  static const size_t counts[] = {0, 1, 15, 16, 17, 4095, 4096, 4097, 20000};
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
    const size_t count = counts[c], blocks = nn_blocks(count);
    assert_int_equal(blocks, (count + NN_SUM_BLOCK - 1) / NN_SUM_BLOCK);
    float *x = nn_test_floats(count);
    double scratch[8];
    nn_test_fill(count, count, x);
    double exact = 0.0, by_block = 0.0;
    for (size_t i = 0; i < count; i++) exact += (double)x[i] * (double)x[i];
    for (size_t b = 0; b < blocks; b++)
      by_block += nn_block_sum_squares(b + 1 < blocks ? NN_SUM_BLOCK : count - b * NN_SUM_BLOCK, x + b * NN_SUM_BLOCK);
    const double sum = nn_sum_squares(&alone, count, x, scratch);
    assert_true(fabs(sum - exact) <= 2e-7 * exact);
    assert_true(sum == by_block);
    nn_test_free(x, count);
  }
}

static void squares_beyond_the_range_of_a_float_are_summed(void **state) {
  (void)state;
  static const float sizes[] = {1e-30f, 1e-21f, 1e-13f, 1e18f, 3e18f, 1e25f, 3e36f};
  float x[100];
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    double exact = 0.0;
    for (size_t i = 0; i < 100; i++) {
      x[i] = sizes[s] * (float)(1 + i) / 100;
      exact += (double)x[i] * (double)x[i];
    }
    assert_true(fabs(nn_block_sum_squares(100, x) - exact) <= 2e-7 * exact);
  }
  x[50] = NAN;
  assert_true(isnan(nn_block_sum_squares(100, x)));
  x[50] = -INFINITY;
  assert_true(isinf(nn_block_sum_squares(100, x)));
}

NN__DECLARE_CLONES(double, nn__quick_sum_squares, (size_t count, const float *x))
double nn__quick_sum_squares(size_t count, const float *x);

static void sums_of_squares_have_the_same_bits_on_every_instruction_set(void **state) {
  (void)state;
  static float x[NN_SUM_BLOCK];
  nn_test_fill(NN_SUM_BLOCK, 8, x);
  for (size_t count = 1; count < 100; count++)
    assert_true(nn__quick_sum_squares__plain(count, x) == nn__quick_sum_squares(count, x));
  assert_true(nn__quick_sum_squares__plain(NN_SUM_BLOCK, x) == nn__quick_sum_squares(NN_SUM_BLOCK, x));
#if defined(__x86_64__)
  if (nn__isa_best() >= NN__AVX2)
    assert_true(nn__quick_sum_squares__plain(NN_SUM_BLOCK, x) == nn__quick_sum_squares__avx2(NN_SUM_BLOCK, x));
#endif
}

static void whatever_is_not_finite_is_found_wherever_it_is(void **state) {
  (void)state;
  enum { COUNT = 2 * NN_SUM_BLOCK + 37 };
  float *x = nn_test_floats(COUNT);
  nn_test_fill(COUNT, 4, x);
  x[5] = 3.4e38f, x[6] = -3.4e38f, x[7] = 1e-45f;
  assert_true(nn_all_finite(COUNT, x));
  assert_true(nn_all_finite(0, x));
  static const float bad[] = {NAN, INFINITY, -INFINITY};
  for (size_t i = 0; i < COUNT; i += i < 100 || i > COUNT - 60 ? 1 : 501) {
    const float kept = x[i];
    x[i] = bad[i % 3];
    if (nn_all_finite(COUNT, x)) fail_msg("%g at %zu was not found", (double)x[i], i);
    x[i] = kept;
  }
  nn_test_free(x, COUNT);
}

/* ---- teams ----------------------------------------------------------------------------------- */

/* Every function of a team, on one set of arrays. */
typedef struct {
  size_t rows, width;
  const float *x, *b;
  float *biased, *summed, *softmax, *mapped, *slope, *added, *scaled, *filled, *copied;
  double *scratch, squares[8];
} everything;

enum { OUTPUTS = 9 };

static void use_everything(const nn_team *team, void *context) {
  everything *e = context;
  const size_t count = e->rows * e->width;
  nn_copy(team, count, e->x, e->biased);
  nn_rows_add(team, e->rows, e->width, e->b, e->biased);
  nn_rows_sum(team, e->rows, e->width, e->x, e->summed);
  nn_softmax_rows(team, e->rows, e->width, 2.0f, e->x, e->softmax);
  nn_map_apply(team, &nn_map_gelu, 0.0f, count, e->x, e->mapped);
  nn_map_apply_backward(team, &nn_map_gelu, 0.0f, count, e->x, e->mapped, e->softmax, e->slope);
  nn_copy(team, count, e->softmax, e->added);
  nn_add(team, count, e->x, e->added);
  nn_copy(team, count, e->x, e->scaled);
  nn_scale(team, count, 0.3f, e->scaled);
  nn_fill(team, count, 0.7f, e->filled);
  nn_map_apply_backward(team, &nn_map_step, 0.0f, count, e->x, e->mapped, e->softmax, e->copied);
  nn_copy(team, count / 2, e->x, e->copied);
  e->squares[team->id] = nn_sum_squares(team, count, e->x, e->scratch);
}

static void every_function_gives_the_same_bits_on_any_team(void **state) {
  (void)state;
  for (uint64_t round = 0; round < 25; round++) {
    /* a few narrow and a few high ones: more threads than rows, or than columns */
    const size_t rows = 1 + nn_test_random(2 * round) % (round % 3 == 0 ? 5 : 300);
    const size_t width = 1 + nn_test_random(2 * round + 1) % (round % 3 == 1 ? 12 : 300);
    const size_t count = rows * width, blocks = nn_blocks(count);
    float *x = nn_test_floats(count), *b = nn_test_floats(width);
    nn_test_fill(count, round, x);
    nn_test_fill(width, round + 1000, b);
    everything e = {.rows = rows, .width = width, .x = x, .b = b};
    float **output[OUTPUTS] = {&e.biased, &e.summed, &e.softmax, &e.mapped, &e.slope,
                               &e.added,  &e.scaled, &e.filled,  &e.copied};
    float *expected[OUTPUTS];
    double squares = 0.0, scratch[64];
    assert_true(blocks <= 64);
    e.scratch = scratch;
    for (int t = 0; t < NN_TEST_TEAM_SIZES; t++) {
      for (int o = 0; o < OUTPUTS; o++) *output[o] = nn_test_floats(count);
      nn_team_run(nn_test_team_sizes[t], use_everything, &e);
      if (t == 0) squares = e.squares[0];
      for (int id = 0; id < nn_test_team_sizes[t]; id++) assert_true(e.squares[id] == squares);
      for (int o = 0; o < OUTPUTS; o++) {
        if (t == 0) {
          expected[o] = *output[o];
          continue;
        }
        char what[64];
        snprintf(what, sizeof what, "output %d on %d threads", o, nn_test_team_sizes[t]);
        nn_test_same_bits(what, count, expected[o], *output[o]);
        nn_test_free(*output[o], count);
      }
    }
    for (int o = 0; o < OUTPUTS; o++) nn_test_free(expected[o], count);
    nn_test_free(x, count), nn_test_free(b, width);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_bias_is_added_to_every_row),
      cmocka_unit_test(rows_are_summed_in_order_in_blocks_of_64),
      cmocka_unit_test(softmax_agrees_with_double_and_survives_large_values),
      cmocka_unit_test(flat_arrays_are_added_scaled_filled_and_copied),
      cmocka_unit_test(sums_of_squares_are_right_and_block_by_block),
      cmocka_unit_test(squares_beyond_the_range_of_a_float_are_summed),
      cmocka_unit_test(sums_of_squares_have_the_same_bits_on_every_instruction_set),
      cmocka_unit_test(whatever_is_not_finite_is_found_wherever_it_is),
      cmocka_unit_test(every_function_gives_the_same_bits_on_any_team),
  };
  return cmocka_run_group_tests_name("kernels.arrays", tests, NULL, NULL);
}
