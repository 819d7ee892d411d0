/* exp, log, tanh, erf, arctan: accuracy against the C library in double, special values, and the same bits whatever the
 * length, the offset and the instruction set. */
#include <math.h>
#include <string.h>

#include "kernels/clones.h"
#include "kernels/polynomials.h"
#include "kernels_testing.h"
#include "nnmpi/kernels.h"

typedef void (*vector_function)(size_t count, const float *x, float *y);

#define DECLARE(name) NN__DECLARE_CLONES(void, nn_vector_##name, (size_t count, const float *x, float *y))
DECLARE(exp)
DECLARE(log)
DECLARE(tanh)
DECLARE(erf)
DECLARE(arctan)

typedef struct {
  const char *name;
  vector_function function;
  double (*exact)(double);
  double ulps;
  vector_function clones[NN__ISA_COUNT];
} vector_case;

#if defined(__x86_64__)
#define CLONES(name)                                                                                                   \
  { nn_vector_##name##__plain, nn_vector_##name##__avx2, nn_vector_##name##__avx512 }
#else
#define CLONES(name)                                                                                                   \
  { nn_vector_##name##__plain }
#endif

static const vector_case vector_cases[] = {{"exp", nn_vector_exp, exp, 2.0, CLONES(exp)},
                                           {"log", nn_vector_log, log, 4.0, CLONES(log)},
                                           {"tanh", nn_vector_tanh, tanh, 4.0, CLONES(tanh)},
                                           {"erf", nn_vector_erf, erf, 4.0, CLONES(erf)},
                                           {"arctan", nn_vector_arctan, atan, 4.0, CLONES(arctan)}};
enum { VECTOR_CASES = sizeof vector_cases / sizeof vector_cases[0], CHUNK = 4096 };

/* Distance from the exact result in units of the last place of the float next to it. */
static double ulps_off(float value, double exact) {
  const float rounded = (float)exact;
  if (isinf(rounded) || isinf(value)) return value == rounded ? 0.0 : INFINITY;
  int exponent;
  frexp(fabs(exact) < 0x1p-126 ? 0x1p-126 : exact, &exponent);
  return fabs((double)value - exact) / ldexp(1.0, exponent - 24);
}

static void every_function_keeps_its_ulps_over_the_whole_range_of_floats(void **state) {
  (void)state;
  static float x[CHUNK], y[CHUNK];
  for (int c = 0; c < VECTOR_CASES; c++) {
    const vector_case *v = &vector_cases[c];
    double worst = 0.0;
    float where = 0.0f;
    /* 2^32 bit patterns in steps of a prime */
    for (uint64_t bits = 0; bits <= UINT32_MAX;) {
      size_t count = 0;
      for (; count < CHUNK && bits <= UINT32_MAX; bits += NN_TEST_STRIDE) x[count++] = nn__float((uint32_t)bits);
      v->function(count, x, y);
      for (size_t i = 0; i < count; i++) {
        const double exact = v->exact((double)x[i]);
        if (isnan(exact)) {
          if (!isnan(y[i])) fail_msg("%s(%a) is %a, not NaN", v->name, (double)x[i], (double)y[i]);
          continue;
        }
        const double off = ulps_off(y[i], exact);
        if (!(off <= worst)) worst = off, where = x[i];
      }
    }
    if (!(worst <= v->ulps)) fail_msg("%s(%a) is off by %.2f ulp", v->name, (double)where, worst);
    print_message("%s: at most %.2f ulp, at %a\n", v->name, worst, (double)where);
  }
}

static void special_values_are_exact(void **state) {
  (void)state;
  static const struct {
    vector_function function;
    float x, y;
  } special[] = {
      {nn_vector_exp, 0.0f, 1.0f},
      {nn_vector_exp, -0.0f, 1.0f},
      {nn_vector_exp, INFINITY, INFINITY},
      {nn_vector_exp, -INFINITY, 0.0f},
      {nn_vector_exp, 89.0f, INFINITY},
      {nn_vector_exp, -110.0f, 0.0f},
      {nn_vector_exp, 3e38f, INFINITY},
      {nn_vector_exp, -3e38f, 0.0f},
      {nn_vector_exp, 0x1p-149f, 1.0f},
      {nn_vector_exp, -103.5f, 0x1p-149f},
      {nn_vector_log, 1.0f, 0.0f},
      {nn_vector_log, 0.0f, -INFINITY},
      {nn_vector_log, -0.0f, -INFINITY},
      {nn_vector_log, INFINITY, INFINITY},
      {nn_vector_log, -1.0f, NAN},
      {nn_vector_log, -0x1p-149f, NAN},
      {nn_vector_log, -INFINITY, NAN},
      {nn_vector_tanh, 0.0f, 0.0f},
      {nn_vector_tanh, -0.0f, -0.0f},
      {nn_vector_tanh, INFINITY, 1.0f},
      {nn_vector_tanh, -INFINITY, -1.0f},
      {nn_vector_tanh, 0x1p-149f, 0x1p-149f},
      {nn_vector_tanh, -50.0f, -1.0f},
      {nn_vector_erf, 0.0f, 0.0f},
      {nn_vector_erf, -0.0f, -0.0f},
      {nn_vector_erf, INFINITY, 1.0f},
      {nn_vector_erf, -INFINITY, -1.0f},
      {nn_vector_erf, 0x1p-149f, 0x1p-149f},
      {nn_vector_arctan, 0.0f, 0.0f},
      {nn_vector_arctan, -0.0f, -0.0f},
      {nn_vector_arctan, 0x1p-149f, 0x1p-149f},
      {nn_vector_arctan, INFINITY, 0x1.921fb6p+0f},
      {nn_vector_arctan, -INFINITY, -0x1.921fb6p+0f},
      {nn_vector_arctan, 3e38f, 0x1.921fb6p+0f},
  };
  for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
    float y;
    special[i].function(1, &special[i].x, &y);
    if (isnan(special[i].y) ? !isnan(y) : nn__bits(y) != nn__bits(special[i].y))
      fail_msg("case %zu: f(%a) is %a instead of %a", i, (double)special[i].x, (double)y, (double)special[i].y);
  }
  for (int c = 0; c < VECTOR_CASES; c++) {
    const float x = NAN;
    float y = 0.0f;
    vector_cases[c].function(1, &x, &y);
    assert_true(isnan(y));
  }
}

/* Values of every size, with the special ones among them. */
static void fill_widely(size_t count, float *x) {
  static const float special[] = {0.0f, -0.0f, INFINITY, -INFINITY, 0x1p-149f, -0x1p-130f, 1.0f, -1.0f, 88.7f, -103.9f};
  for (size_t i = 0; i < count; i++) {
    const uint64_t bits = nn_test_random(i);
    x[i] = i % 7 == 3 ? special[bits % (sizeof special / sizeof special[0])]
                      : ldexpf((float)(bits >> 40) * 0x1p-23f - 1.0f, (int)(bits % 24) - 12);
  }
}

static void bits_depend_neither_on_length_nor_on_offset_nor_on_instruction_set(void **state) {
  (void)state;
  enum { LENGTH = 70, OFFSETS = 16, ALL = LENGTH + OFFSETS };
  static float x[ALL], expected[ALL], y[ALL + 1];
  fill_widely(ALL, x);
  for (int c = 0; c < VECTOR_CASES; c++) {
    const vector_case *v = &vector_cases[c];
    for (size_t i = 0; i < ALL; i++) v->clones[NN__PLAIN](1, x + i, expected + i);
    for (int isa = 0; isa <= (int)nn__isa_best(); isa++)
      for (size_t length = 1; length <= LENGTH; length++)
        for (size_t offset = 0; offset < OFFSETS; offset++) {
          y[length] = 12345.0f;
          v->clones[isa](length, x + offset, y);
          nn_test_same_bits(v->name, length, expected + offset, y);
          assert_true(y[length] == 12345.0f);
          memcpy(y, x + offset, length * sizeof *y);
          v->clones[isa](length, y, y);
          nn_test_same_bits(v->name, length, expected + offset, y);
        }
  }
}

static void every_instruction_set_gives_the_same_bits_over_the_whole_range(void **state) {
  (void)state;
  static float x[CHUNK], expected[CHUNK], y[CHUNK];
  for (uint64_t bits = 0; bits <= UINT32_MAX;) {
    size_t count = 0;
    for (; count < CHUNK && bits <= UINT32_MAX; bits += 97 * NN_TEST_STRIDE) x[count++] = nn__float((uint32_t)bits);
    for (int c = 0; c < VECTOR_CASES; c++) {
      const vector_case *v = &vector_cases[c];
      v->clones[NN__PLAIN](count, x, expected);
      for (int isa = NN__PLAIN + 1; isa <= (int)nn__isa_best(); isa++) {
        v->clones[isa](count, x, y);
        nn_test_same_bits(v->name, count, expected, y);
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_function_keeps_its_ulps_over_the_whole_range_of_floats),
      cmocka_unit_test(special_values_are_exact),
      cmocka_unit_test(bits_depend_neither_on_length_nor_on_offset_nor_on_instruction_set),
      cmocka_unit_test(every_instruction_set_gives_the_same_bits_over_the_whole_range),
  };
  return cmocka_run_group_tests_name("kernels.vector", tests, NULL, NULL);
}
