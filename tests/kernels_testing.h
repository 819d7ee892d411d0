/** @file kernels_testing.h
 *  What the tests of the kernels share: numbers, comparing bits, running a function on teams of several sizes. */
#ifndef NNMPI_TESTS_KERNELS_TESTING_H
#define NNMPI_TESTS_KERNELS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nnmpi/kernels.h"

/** Steps through the bit patterns of float: a prime, so that all exponents and many mantissas are met. */
#ifndef NN_TEST_STRIDE
#define NN_TEST_STRIDE 251u
#endif

static inline uint64_t nn_test_random(uint64_t index) {
  return nn_random_bits(20, NN_RANDOM_WEIGHTS, 0, index);
}

/** Numbers in [−1, 1). */
static inline void nn_test_fill(size_t count, uint64_t stream, float *x) {
  for (size_t i = 0; i < count; i++) x[i] = (float)(2.0 * nn_random_uniform(21, NN_RANDOM_WEIGHTS, stream, i) - 1.0);
}

static inline void nn_test_same_bits(const char *what, size_t count, const float *expected, const float *actual) {
  if (memcmp(expected, actual, count * sizeof *actual) == 0) return;
  for (size_t i = 0; i < count; i++) /* which NaN it is does not matter */
    if (memcmp(expected + i, actual + i, sizeof *actual) != 0 &&
        !(expected[i] != expected[i] && actual[i] != actual[i]))
      fail_msg("%s: element %zu of %zu is %a instead of %a", what, i, count, (double)actual[i], (double)expected[i]);
}

/** Team sizes that every kernel has to give the same bits on. */
static const int nn_test_team_sizes[] = {1, 2, 3, 5, 8};
enum { NN_TEST_TEAM_SIZES = sizeof nn_test_team_sizes / sizeof nn_test_team_sizes[0] };

/** Floats with a canary behind them, for functions that must not write further. */
static inline float *nn_test_floats(size_t count) {
  void *memory = NULL;
  assert_int_equal(nn_alloc(count + 1, sizeof(float), "test", &memory), NN_OK);
  float *x = memory;
  x[count] = 12345.0f;
  return x;
}

static inline void nn_test_free(float *x, size_t count) {
  assert_true(x[count] == 12345.0f);
  nn_free(x);
}

#endif
