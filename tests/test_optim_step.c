/* A step on arenas: the same bits for any team and instruction set, frozen ranges, the norm, clipping. */
#include "kernels/clones.h"
#include "optim_testing.h"

#include <math.h>

/* Not a multiple of NN_SUM_BLOCK, and more blocks than threads. */
enum { COUNT = 9 * NN_SUM_BLOCK + 1234, STEPS = 3 };

static const char *const optimizers[] = {
    "sgd",
    "sgd,weight_decay=0.01",
    "sgd,momentum=0.9",
    "sgd,momentum=0.9,nesterov=true",
    "adam,weight_decay=0.01",
    "adamw",
    "rmsprop",
    "rmsprop,momentum=0.9",
};
enum { OPTIMIZERS = sizeof optimizers / sizeof *optimizers };

/* Frozen: the start, a hole inside a block, and everything from `end` on. */
static const nn_range ranges[] = {{48, NN_SUM_BLOCK + 16}, {NN_SUM_BLOCK + 64, 5 * NN_SUM_BLOCK}, {30000, COUNT - 100}};
enum { RANGES = sizeof ranges / sizeof *ranges };

static bool trained(size_t element) {
  for (size_t r = 0; r < RANGES; r++)
    if (element >= ranges[r].first && element < ranges[r].last) return true;
  return false;
}

typedef struct outcome {
  float *params;
  double norms[STEPS];
  uint64_t state; /* digest */
} outcome;

static outcome run(const char *spec, int threads, double clip) {
  nn_choice choice = nn_test_choice(NN_KIND_OPTIMIZER, spec);
  nn_optim *optim = NULL;
  assert_int_equal(nn_optim_create(&choice, NULL, COUNT, ranges, RANGES, &optim), NN_OK);
  outcome out = {.params = nn_test_floats(COUNT, 0), .state = NN_DIGEST_START};
  for (size_t t = 0; t < STEPS; t++) {
    float *gradients = nn_test_floats(COUNT, t + 1);
    out.norms[t] = nn_test_step_run(threads, (nn_test_step){optim, t, 0.01, clip, gradients, out.params, 0});
    nn_free(gradients);
  }
  for (int s = 0; s < nn_optim_slot_count(optim); s++)
    out.state = nn_digest(out.state, nn_optim_slot(optim, s), COUNT * sizeof(float));
  nn_optim_destroy(&optim);
  nn_test_choice_clear(&choice);
  return out;
}

static void threads_change_no_bit(void **state) {
  (void)state;
  static const int teams[] = {2, 3, 5};
  static const double clips[] = {0, 20, 1e9};
  for (size_t o = 0; o < OPTIMIZERS; o++) {
    for (size_t c = 0; c < 3; c++) {
      outcome one = run(optimizers[o], 1, clips[c]);
      for (size_t n = 0; n < 3; n++) {
        outcome many = run(optimizers[o], teams[n], clips[c]);
        assert_memory_equal(one.params, many.params, COUNT * sizeof(float));
        assert_memory_equal(one.norms, many.norms, sizeof one.norms);
        assert_true(one.state == many.state);
        nn_free(many.params);
      }
      nn_free(one.params);
    }
  }
}

/* Factors of both signs, and zeros of both. In every other step the next sample follows. */
static void compare_outer(size_t rows, size_t width, size_t cut) {
  const size_t count = (rows * width + 15) / 16 * 16; /* with padding, as the last range */
  const nn_range halves[] = {{0, cut * width}, {cut * width, count}};
  static const nn_team alone = {.id = 0, .size = 1};
  float *a = nn_test_floats(rows + 15, 1), *b = nn_test_floats(width, 2), *gradient = nn_test_floats(count, 3);
  a[1] = -0.0f;
  for (size_t j = 0; j < width && width > 1; j += 3) b[j] = j % 2 == 0 ? 0.0f : -0.0f;
  for (size_t r = rows; r < rows + 15; r++) a[r] = NAN;
  nn_gemm_block(&alone, rows, width, 1, a, rows, b, gradient);
  for (size_t i = rows * width; i < count; i++) gradient[i] = 0;
  float *next = nn_test_floats(width, 5), *product = nn_test_floats(rows, 6), *expected = nn_test_floats(rows, 7);
  nn_outer outer = {.rows = rows, .width = width, .a = a, .b = b, .y = product};
  for (size_t o = 0; o < OPTIMIZERS; o++) {
    nn_choice choice = nn_test_choice(NN_KIND_OPTIMIZER, optimizers[o]);
    nn_optim *made = NULL, *factors = NULL;
    float *x = nn_test_floats(count, 4), *y = nn_test_floats(count, 4);
    for (size_t i = 0; i < count; i++)
      if (i % 7 == 0 || i >= rows * width) x[i] = y[i] = i % 2 == 0 || i >= rows * width ? 0.0f : -0.0f;
    assert_int_equal(nn_optim_create(&choice, NULL, count, halves, 2, &made), NN_OK);
    assert_int_equal(nn_optim_create(&choice, NULL, count, halves, 2, &factors), NN_OK);
    for (uint64_t step = 0; step < STEPS; step++) {
      nn_optim_part part;
      nn_optim_prepare(made, step, 0.01, &part);
      nn_optim_update(made, &part, 0, 2, gradient, x);
      outer.x = step % 2 == 0 ? next : NULL;
      if (step < 2) { /* at once; then range by range */
        nn_optim_update_outer(factors, &part, 0, 2, &outer, y);
      } else {
        nn_outer upper = outer, lower = outer;
        upper.rows = cut, lower.rows = rows - cut, lower.a = a + cut, lower.y = product + cut;
        nn_optim_update_outer(factors, &part, 1, 2, &lower, y);
        nn_optim_update_outer(factors, &part, 0, 1, &upper, y);
      }
      assert_memory_equal(x, y, count * sizeof *x);
      const double norm = nn_optim_norm(made);
      assert_true(fabs(nn_optim_norm(factors) - norm) <= 2e-7 * norm);
      if (outer.x == NULL) continue;
      nn_gemm(&alone, NN_N, NN_T, 1, rows, width, next, x, expected);
      assert_memory_equal(product, expected, rows * sizeof *expected);
    }
    for (int s = 0; s < nn_optim_slot_count(made); s++)
      assert_memory_equal(nn_optim_slot(made, s), nn_optim_slot(factors, s), count * sizeof *x);
    nn_optim_destroy(&made);
    nn_optim_destroy(&factors);
    nn_test_choice_clear(&choice);
    nn_free(x), nn_free(y);
  }
  nn_free(a), nn_free(b), nn_free(gradient), nn_free(next), nn_free(product), nn_free(expected);
}

static void an_outer_product_has_the_bits_of_the_matrix_that_it_stands_for(void **state) {
  (void)state;
  compare_outer(6, NN_SUM_BLOCK + 77, 2); /* rows longer than a piece */
  compare_outer(300, 32, 128);            /* pieces longer than a row */
  compare_outer(2 * NN_SUM_BLOCK, 1, NN_SUM_BLOCK);
  compare_outer(33, 1, 16);
}

static void what_is_frozen_stays_and_all_else_moves(void **state) {
  (void)state;
  float *start = nn_test_floats(COUNT, 0);
  for (size_t o = 0; o < OPTIMIZERS; o++) {
    outcome after = run(optimizers[o], 2, 0);
    for (size_t i = 0; i < COUNT; i++)
      if ((memcmp(&after.params[i], &start[i], sizeof(float)) != 0) != trained(i))
        fail_msg("%s: element %zu, %s", optimizers[o], i, trained(i) ? "trained" : "frozen");
    nn_free(after.params);
  }
  nn_free(start);
}

static void the_norm_is_that_of_the_trained_gradients_before_clipping(void **state) {
  (void)state;
  for (int clipped = 0; clipped <= 1; clipped++) {
    outcome out = run("sgd", 2, clipped ? 0.5 : 0);
    for (size_t t = 0; t < STEPS; t++) {
      float *gradients = nn_test_floats(COUNT, t + 1);
      double sum = 0;
      for (size_t i = 0; i < COUNT; i++)
        if (trained(i)) sum += (double)gradients[i] * (double)gradients[i];
      assert_true(fabs(out.norms[t] - sqrt(sum)) <= 1e-7 * sqrt(sum)); /* of the sum: 2e-7 */
      nn_free(gradients);
    }
    nn_free(out.params);
  }
}

/* Blocks are cut at multiples of NN_SUM_BLOCK of the arena and added in index order: exactly this. */
static void the_norms_bits_are_those_of_fixed_blocks_in_index_order(void **state) {
  (void)state;
  outcome out = run("sgd", 3, 0);
  for (size_t t = 0; t < STEPS; t++) {
    float *gradients = nn_test_floats(COUNT, t + 1);
    double sum = 0;
    for (size_t r = 0; r < RANGES; r++) {
      for (size_t first = ranges[r].first, last; first < ranges[r].last; first = last) {
        last = first - first % NN_SUM_BLOCK + NN_SUM_BLOCK;
        if (last > ranges[r].last) last = ranges[r].last;
        sum += nn_block_sum_squares(last - first, gradients + first);
      }
    }
    assert_true(out.norms[t] == sqrt(sum));
    nn_free(gradients);
  }
  nn_free(out.params);
}

/* Range by range, with the norm summed up on the way; squares of some gradients are beyond a float's range. */
static void a_step_in_one_pass_has_the_bits_of_one_that_looks_first(void **state) {
  (void)state;
  for (size_t o = 0; o < OPTIMIZERS; o++) {
    nn_choice choice = nn_test_choice(NN_KIND_OPTIMIZER, optimizers[o]);
    nn_optim *one = NULL, *two = NULL;
    assert_int_equal(nn_optim_create(&choice, NULL, COUNT, ranges, RANGES, &one), NN_OK);
    assert_int_equal(nn_optim_create(&choice, NULL, COUNT, ranges, RANGES, &two), NN_OK);
    float *a = nn_test_floats(COUNT, 0), *b = nn_test_floats(COUNT, 0), *gradients = nn_test_floats(COUNT, 1);
    for (size_t i = 0; i < 100; i++) gradients[20000 - i] *= i < 50 ? 1e25f : 1e-25f;
    nn_optim_part part;
    nn_optim_prepare(one, 0, 0.01, &part);
    for (size_t r = 0; r < RANGES; r++) {
      part.norm = true;
      nn_optim_update(one, &part, r, r + 1, gradients + ranges[r].first, a);
      part.norm = false;
      nn_optim_look(two, r, r + 1, gradients + ranges[r].first);
      nn_optim_update(two, &part, r, r + 1, gradients + ranges[r].first, b);
    }
    assert_memory_equal(a, b, COUNT * sizeof *a);
    assert_true(nn_optim_norm(one) > 1e24 && isfinite(nn_optim_norm(one)));
    assert_true(nn_optim_norm(one) == nn_optim_norm(two));
    nn_free(a);
    nn_free(b);
    nn_free(gradients);
    nn_optim_destroy(&one);
    nn_optim_destroy(&two);
    nn_test_choice_clear(&choice);
  }
}

static void tiny_norms_are_clipped_as_by_pytorch(void **state) {
  (void)state;
  nn_choice choice = nn_test_choice(NN_KIND_OPTIMIZER, "sgd");
  nn_optim *optim = NULL;
  assert_int_equal(nn_optim_create(&choice, NULL, 16, &(nn_range){0, 16}, 1, &optim), NN_OK);
  float params[16] = {0}, gradients[16] = {3e-6f};
  nn_test_step_run(1, (nn_test_step){optim, 0, 1, 2e-6, gradients, params, 0});
  assert_true(fabsf(params[0] + 1.5e-6f) < 1e-11f); /* 3e-6 · 2e-6 / (3e-6 + 1e-6) */
  nn_optim_destroy(&optim);
  nn_test_choice_clear(&choice);
}

static void a_norm_within_the_limit_changes_nothing(void **state) {
  (void)state;
  for (size_t o = 0; o < OPTIMIZERS; o++) {
    outcome without = run(optimizers[o], 2, 0), with = run(optimizers[o], 2, 1e9),
            open = run(optimizers[o], 2, INFINITY);
    assert_memory_equal(without.params, with.params, COUNT * sizeof(float));
    assert_memory_equal(without.params, open.params, COUNT * sizeof(float));
    assert_memory_equal(without.norms, with.norms, sizeof without.norms);
    nn_free(without.params);
    nn_free(with.params);
    nn_free(open.params);
  }
}

static void a_clipped_step_is_as_long_as_the_limit(void **state) {
  (void)state;
  const double limit = 0.75, lr = 0.5;
  nn_choice choice = nn_test_choice(NN_KIND_OPTIMIZER, "sgd");
  nn_optim *optim = NULL;
  assert_int_equal(nn_optim_create(&choice, NULL, COUNT, ranges, RANGES, &optim), NN_OK);
  float *before = nn_test_floats(COUNT, 0), *after = nn_test_floats(COUNT, 0), *gradients = nn_test_floats(COUNT, 1);
  nn_test_step_run(3, (nn_test_step){optim, 0, lr, limit, gradients, after, 0});
  double sum = 0;
  for (size_t i = 0; i < COUNT; i++) sum += pow((double)after[i] - (double)before[i], 2);
  assert_true(fabs(sqrt(sum) - lr * limit) < 1e-4 * lr * limit);
  nn_free(before);
  nn_free(after);
  nn_free(gradients);
  nn_optim_destroy(&optim);
  nn_test_choice_clear(&choice);
}

/* Steps with one gradient that is not finite, at `element`. */
static void broken_gradient(float value, size_t element, double clip, bool reported, bool moved) {
  nn_choice choice = nn_test_choice(NN_KIND_OPTIMIZER, "adam");
  nn_optim *optim = NULL;
  assert_int_equal(nn_optim_create(&choice, NULL, COUNT, ranges, RANGES, &optim), NN_OK);
  float *before = nn_test_floats(COUNT, 0), *after = nn_test_floats(COUNT, 0), *gradients = nn_test_floats(COUNT, 1);
  gradients[element] = value;
  const double norm = nn_test_step_run(2, (nn_test_step){optim, 0, 0.1, clip, gradients, after, 0});
  assert_true(isfinite(norm) == !reported);
  assert_true((memcmp(before, after, COUNT * sizeof(float)) != 0) == moved);
  if (!moved)
    for (size_t i = 0; i < COUNT; i++) assert_true(nn_optim_slot(optim, 0)[i] == 0 && nn_optim_slot(optim, 1)[i] == 0);
  nn_free(before);
  nn_free(after);
  nn_free(gradients);
  nn_optim_destroy(&optim);
  nn_test_choice_clear(&choice);
}

static void gradients_that_are_not_finite_show_in_the_norm_and_move_nothing(void **state) {
  (void)state;
  const size_t inside = 2 * NN_SUM_BLOCK + 7, frozen = NN_SUM_BLOCK + 20;
  const float broken[] = {NAN, INFINITY, -INFINITY};
  for (size_t b = 0; b < 3; b++) {
    broken_gradient(broken[b], inside, 0, true, false);
    broken_gradient(broken[b], inside, 1, true, false);
    broken_gradient(broken[b], inside, INFINITY, true, false);
    broken_gradient(broken[b], frozen, 1, false, true);
  }
}

static void a_zero_stays_zero_without_gradient(void **state) {
  (void)state;
  float zeros[64] = {0}, params[64] = {0};
  for (size_t o = 0; o < OPTIMIZERS; o++) {
    nn_choice choice = nn_test_choice(NN_KIND_OPTIMIZER, optimizers[o]);
    nn_optim *optim = NULL;
    assert_int_equal(nn_optim_create(&choice, NULL, 64, &(nn_range){0, 64}, 1, &optim), NN_OK);
    for (size_t t = 0; t < STEPS; t++)
      assert_true(nn_test_step_run(2, (nn_test_step){optim, t, 0.1, 0, zeros, params, 0}) == 0);
    for (size_t i = 0; i < 64; i++) assert_true(params[i] == 0);
    nn_optim_destroy(&optim);
    nn_test_choice_clear(&choice);
  }
}

static void nothing_to_train_is_no_error(void **state) {
  (void)state;
  nn_choice choice = nn_test_choice(NN_KIND_OPTIMIZER, "adam");
  nn_optim *optim = NULL;
  assert_int_equal(nn_optim_create(&choice, NULL, 16, NULL, 0, &optim), NN_OK);
  float params[16] = {1}, gradients[16] = {1};
  assert_true(nn_test_step_run(3, (nn_test_step){optim, 0, 0.1, 1, gradients, params, 0}) == 0);
  assert_true(params[0] == 1);
  nn_optim_destroy(&optim);
  nn_test_choice_clear(&choice);
}

/* ---- instruction sets ------------------------------------------------------------------------- */

NN__DECLARE_CLONES(void, nn__sgd_plain,
                   (size_t count, float scale, const float *factor, const float *gradient, float *param))
NN__DECLARE_CLONES(void, nn__sgd_momentum,
                   (size_t count, float scale, const float *factor, const float *gradient, float *param, float *buffer))
NN__DECLARE_CLONES(void, nn__sgd_nesterov,
                   (size_t count, float scale, const float *factor, const float *gradient, float *param, float *buffer))
NN__DECLARE_CLONES(void, nn__adam_elements,
                   (size_t count, float scale, const float *factor, const float *gradient, float *param, float *mean,
                    float *square))
NN__DECLARE_CLONES(void, nn__rmsprop_plain,
                   (size_t count, float scale, const float *factor, const float *gradient, float *param, float *square))
NN__DECLARE_CLONES(void, nn__rmsprop_momentum,
                   (size_t count, float scale, const float *factor, const float *gradient, float *param, float *square,
                    float *buffer))

#if defined(__x86_64__) && defined(__GNUC__)

/* Odd, so that every version has a tail. */
enum { ELEMENTS = 1031 };

static const float factors[NN_OPTIM_FACTORS_MAX] = {0.0137f, 0.83f,  0.91f, 0.37f, 0.0013f, 0.77f,
                                                    0.29f,   1.031f, 1e-6f, 0.4f,  0.5f,    0.6f};

/* Calls version `isa` of kernel `kernel` on the same numbers; x: parameters, gradients and two states in turn. */
static void call(int kernel, nn__isa isa, float *x) {
  float *p = x, *g = x + ELEMENTS, *a = x + 2 * ELEMENTS, *b = x + 3 * ELEMENTS;
  const float s = 0.71f;
#define VERSION(name, ...)                                                                                             \
  (isa == NN__AVX512 ? name##__avx512                                                                                  \
   : isa == NN__AVX2 ? name##__avx2                                                                                    \
                     : name##__plain)(ELEMENTS, s, factors, g, p, ##__VA_ARGS__)
  switch (kernel) {
  case 0:
    VERSION(nn__sgd_plain);
    break;
  case 1:
    VERSION(nn__sgd_momentum, a);
    break;
  case 2:
    VERSION(nn__sgd_nesterov, a);
    break;
  case 3:
    VERSION(nn__adam_elements, a, b);
    break;
  case 4:
    VERSION(nn__rmsprop_plain, a);
    break;
  default:
    VERSION(nn__rmsprop_momentum, a, b);
    break;
  }
#undef VERSION
}

static void instruction_sets_change_no_bit(void **state) {
  (void)state;
  const nn__isa best = nn__isa_best();
  if (best == NN__PLAIN) skip();
  for (int kernel = 0; kernel < 6; kernel++) {
    for (int isa = NN__AVX2; isa <= (int)best; isa++) {
      float *plain = nn_test_floats(4 * ELEMENTS, 5), *wide = nn_test_floats(4 * ELEMENTS, 5);
      for (size_t i = 2 * ELEMENTS; i < 4 * ELEMENTS; i++) plain[i] = wide[i] = fabsf(plain[i]); /* squares */
      call(kernel, NN__PLAIN, plain);
      call(kernel, (nn__isa)isa, wide);
      if (memcmp(plain, wide, 4 * ELEMENTS * sizeof(float)) != 0) fail_msg("kernel %d, version %d", kernel, isa);
      nn_free(plain);
      nn_free(wide);
    }
  }
}

#else

static void instruction_sets_change_no_bit(void **state) {
  (void)state;
  skip(); /* there is one version only */
}

#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(threads_change_no_bit),
      cmocka_unit_test(an_outer_product_has_the_bits_of_the_matrix_that_it_stands_for),
      cmocka_unit_test(what_is_frozen_stays_and_all_else_moves),
      cmocka_unit_test(the_norm_is_that_of_the_trained_gradients_before_clipping),
      cmocka_unit_test(the_norms_bits_are_those_of_fixed_blocks_in_index_order),
      cmocka_unit_test(a_step_in_one_pass_has_the_bits_of_one_that_looks_first),
      cmocka_unit_test(tiny_norms_are_clipped_as_by_pytorch),
      cmocka_unit_test(a_norm_within_the_limit_changes_nothing),
      cmocka_unit_test(a_clipped_step_is_as_long_as_the_limit),
      cmocka_unit_test(gradients_that_are_not_finite_show_in_the_norm_and_move_nothing),
      cmocka_unit_test(a_zero_stays_zero_without_gradient),
      cmocka_unit_test(nothing_to_train_is_no_error),
      cmocka_unit_test(instruction_sets_change_no_bit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
