/* Input rows of every element type: the quotient is the correctly rounded one, on every path. */
#include <math.h>

#include "kernels/clones.h"
#include "kernels_testing.h"

static const double scales[] = {255.0, 1.0,  2.0,   3.0,  0.1,   -7.0, 256.0,  65535.0, 1e-3,   1e6,
                                1e-25, 1e25, 3e-39, 1e38, 100.0, 0.3,  1.7e-8, 0x1p-60, 0x1p60, 0x1.fffffep-1};
enum { SCALES = sizeof scales / sizeof scales[0] };

#define CHECK_SMALL(type, element, from, to)                                                                           \
  do {                                                                                                                 \
    enum { COUNT = (to) - (from) + 1 };                                                                                \
    static type x[COUNT];                                                                                              \
    static float y[COUNT];                                                                                             \
    for (int i = 0; i < COUNT; i++) x[i] = (type)((from) + i);                                                         \
    for (int s = 0; s < SCALES; s++) {                                                                                 \
      nn_row_convert(element, COUNT, x, scales[s], NULL, NULL, y);                                                     \
      for (int i = 0; i < COUNT; i++) {                                                                                \
        const float expected = (float)x[i] / (float)scales[s];                                                         \
        if (memcmp(&expected, &y[i], sizeof expected) != 0)                                                            \
          fail_msg(#type " %d / %g is %a instead of %a", (int)x[i], scales[s], (double)y[i], (double)expected);        \
      }                                                                                                                \
    }                                                                                                                  \
  } while (0)

static void every_small_integer_over_every_scale_is_the_rounded_quotient(void **state) {
  (void)state;
  CHECK_SMALL(uint8_t, NN_ELEMENT_U8, 0, 255);
  CHECK_SMALL(int8_t, NN_ELEMENT_I8, -128, 127);
  CHECK_SMALL(uint16_t, NN_ELEMENT_U16, 0, 65535);
  CHECK_SMALL(int16_t, NN_ELEMENT_I16, -32768, 32767);
}

#define CHECK_LARGE(type, element, real, ...)                                                                          \
  do {                                                                                                                 \
    static const type x[] = {__VA_ARGS__};                                                                             \
    enum { COUNT = sizeof x / sizeof x[0] };                                                                           \
    float y[COUNT];                                                                                                    \
    for (int s = 0; s < SCALES; s++) {                                                                                 \
      nn_row_convert(element, COUNT, x, scales[s], NULL, NULL, y);                                                     \
      for (int i = 0; i < COUNT; i++) {                                                                                \
        const float expected = (float)((real)x[i] / (real)scales[s]);                                                  \
        if (isnan(expected) ? !isnan(y[i]) : memcmp(&expected, &y[i], sizeof expected) != 0)                           \
          fail_msg(#type " number %d / %g is %a instead of %a", i, scales[s], (double)y[i], (double)expected);         \
      }                                                                                                                \
    }                                                                                                                  \
  } while (0)

static void large_integers_and_reals_are_divided_in_their_precision(void **state) {
  (void)state;
  CHECK_LARGE(uint32_t, NN_ELEMENT_U32, double, 0, 1, 16777217, UINT32_MAX, 77, 5, 6, 7, 8, 9, 10, 3000000001u);
  CHECK_LARGE(int32_t, NN_ELEMENT_I32, double, 0, -1, -16777217, INT32_MAX, INT32_MIN, 5, 6, 7, 8, 9, 10, 11);
  CHECK_LARGE(uint64_t, NN_ELEMENT_U64, double, 0, 1, UINT64_MAX, UINT64_C(9007199254740993), 4, 5, 6, 7, 8, 9);
  CHECK_LARGE(int64_t, NN_ELEMENT_I64, double, 0, -1, INT64_MIN, INT64_MAX, 4, 5, 6, 7, 8, 9, -123456789012345);
  CHECK_LARGE(float, NN_ELEMENT_F32, float, 0.0f, -0.0f, 1.5f, -2.5e-42f, 3e38f, INFINITY, -INFINITY, NAN, 0.1f, 7.0f);
  CHECK_LARGE(double, NN_ELEMENT_F64, double, 0.0, -0.0, 1.5, 1e-300, 1e300, INFINITY, -INFINITY, NAN, 0.1, 7.0);
}

static void rows_are_normalised_by_mean_and_inverse_deviation(void **state) {
  (void)state;
  enum { WIDTH = 45 };
  uint8_t u8[WIDTH];
  double f64[WIDTH];
  float mean[WIDTH], inverse[WIDTH], y[WIDTH];
  nn_test_fill(WIDTH, 1, mean);
  nn_test_fill(WIDTH, 2, inverse);
  for (size_t j = 0; j < WIDTH; j++) u8[j] = (uint8_t)(nn_test_random(j) & 255), f64[j] = (double)u8[j] + 0.123;
  for (size_t width = 1; width <= WIDTH; width++)
    for (size_t s = 0; s < SCALES; s++) {
      const float scale = (float)scales[s];
      nn_row_convert(NN_ELEMENT_U8, width, u8, scales[s], mean, inverse, y);
      for (size_t j = 0; j < width; j++) {
        const float expected = ((float)u8[j] / scale - mean[j]) * inverse[j];
        assert_memory_equal(&expected, &y[j], sizeof expected);
      }
      nn_row_convert(NN_ELEMENT_F64, width, f64, scales[s], mean, inverse, y);
      for (size_t j = 0; j < width; j++) {
        const float expected = (float)((f64[j] / scales[s] - (double)mean[j]) * (double)inverse[j]);
        assert_memory_equal(&expected, &y[j], sizeof expected);
      }
    }
}

static void element_sizes_are_those_of_c(void **state) {
  (void)state;
  assert_int_equal(nn_element_size(NN_ELEMENT_U8), sizeof(uint8_t));
  assert_int_equal(nn_element_size(NN_ELEMENT_I16), sizeof(int16_t));
  assert_int_equal(nn_element_size(NN_ELEMENT_U32), sizeof(uint32_t));
  assert_int_equal(nn_element_size(NN_ELEMENT_I64), sizeof(int64_t));
  assert_int_equal(nn_element_size(NN_ELEMENT_F32), sizeof(float));
  assert_int_equal(nn_element_size(NN_ELEMENT_F64), sizeof(double));
}

#define DECLARE(name, type)                                                                                            \
  NN__DECLARE_CLONES(                                                                                                  \
      void, nn__convert_##name,                                                                                        \
      (size_t width, const type *x, float scale, const float *mean, const float *inverse_deviation, float *y))
DECLARE(u8, uint8_t)

static void bits_are_the_same_on_every_instruction_set_and_length(void **state) {
  (void)state;
#if defined(__x86_64__)
  if (nn__isa_best() < NN__AVX2) skip();
  enum { LENGTH = 70, OFFSETS = 3 };
  uint8_t x[LENGTH + OFFSETS];
  float expected[LENGTH], y[LENGTH];
  for (size_t i = 0; i < sizeof x; i++) x[i] = (uint8_t)(nn_test_random(i) & 255);
  for (size_t length = 1; length <= LENGTH; length++)
    for (size_t at = 0; at < OFFSETS; at++) {
      nn__convert_u8__plain(length, x + at, 255.0f, NULL, NULL, expected);
      nn__convert_u8__avx2(length, x + at, 255.0f, NULL, NULL, y);
      nn_test_same_bits("avx2", length, expected, y);
      if (nn__isa_best() < NN__AVX512) continue;
      nn__convert_u8__avx512(length, x + at, 255.0f, NULL, NULL, y);
      nn_test_same_bits("avx512", length, expected, y);
    }
#else
  skip();
#endif
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_small_integer_over_every_scale_is_the_rounded_quotient),
      cmocka_unit_test(large_integers_and_reals_are_divided_in_their_precision),
      cmocka_unit_test(rows_are_normalised_by_mean_and_inverse_deviation),
      cmocka_unit_test(element_sizes_are_those_of_c),
      cmocka_unit_test(bits_are_the_same_on_every_instruction_set_and_length),
  };
  return cmocka_run_group_tests_name("kernels.convert", tests, NULL, NULL);
}
