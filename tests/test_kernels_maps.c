/* Activations: values against formulas in double, derivatives against finite differences of those formulas, and the
 * same bits whatever the length, the offset and the instruction set. */
#include <math.h>

#include "kernels/clones.h"
#include "kernels_testing.h"

typedef void (*forward_function)(size_t count, float p, const float *x, float *y);
typedef void (*backward_function)(size_t count, float p, const float *x, const float *y, const float *dy, float *dx);

static double exact_identity(double x, double p) {
  return (void)p, x;
}
static double exact_relu(double x, double p) {
  return (void)p, x > 0.0 ? x : 0.0;
}
static double exact_leaky_relu(double x, double p) {
  return x > 0.0 ? x : p * x;
}
static double exact_sigmoid(double x, double p) {
  return (void)p, 1.0 / (1.0 + exp(-x));
}
static double exact_tanh(double x, double p) {
  return (void)p, tanh(x);
}
static double exact_gelu(double x, double p) {
  return (void)p, 0.5 * x * erfc(-x * sqrt(0.5));
}
static double exact_softplus(double x, double p) {
  return (void)p, x > 0.0 ? x + log1p(exp(-x)) : log1p(exp(x));
}
static double exact_arctan(double x, double p) {
  return (void)p, atan(x) / acos(-1.0) + 0.5;
}
static double exact_step(double x, double p) {
  return (void)p, x >= 0.0 ? 1.0 : 0.0;
}

#define DECLARE(name)                                                                                                  \
  NN__DECLARE_CLONES(void, nn__##name##_forward, (size_t count, float p, const float *x, float *y))                    \
  NN__DECLARE_CLONES(void, nn__##name##_backward,                                                                      \
                     (size_t count, float p, const float *x, const float *y, const float *dy, float *dx))
DECLARE(relu)
DECLARE(leaky_relu)
DECLARE(sigmoid)
DECLARE(tanh)
DECLARE(gelu)
DECLARE(softplus)
DECLARE(arctan)
DECLARE(step)
DECLARE(identity)

#if defined(__x86_64__)
#define CLONES(name, way)                                                                                              \
  { nn__##name##_##way##__plain, nn__##name##_##way##__avx2, nn__##name##_##way##__avx512 }
#else
#define CLONES(name, way)                                                                                              \
  { nn__##name##_##way##__plain }
#endif

typedef struct {
  const nn_map *map;
  double (*exact)(double x, double p);
  double limit, tolerance; /* |x| up to limit, relative: gelu's tail loses digits like x² */
  forward_function forward[NN__ISA_COUNT];
  backward_function backward[NN__ISA_COUNT];
} map_case;

static const map_case cases[] = {
    {&nn_map_relu, exact_relu, 80.0, 1e-6, CLONES(relu, forward), CLONES(relu, backward)},
    {&nn_map_leaky_relu, exact_leaky_relu, 80.0, 1e-6, CLONES(leaky_relu, forward), CLONES(leaky_relu, backward)},
    {&nn_map_sigmoid, exact_sigmoid, 80.0, 1e-6, CLONES(sigmoid, forward), CLONES(sigmoid, backward)},
    {&nn_map_tanh, exact_tanh, 80.0, 1e-6, CLONES(tanh, forward), CLONES(tanh, backward)},
    {&nn_map_gelu, exact_gelu, 5.0, 1e-5, CLONES(gelu, forward), CLONES(gelu, backward)},
    {&nn_map_softplus, exact_softplus, 80.0, 1e-6, CLONES(softplus, forward), CLONES(softplus, backward)},
    {&nn_map_arctan, exact_arctan, 80.0, 1e-6, CLONES(arctan, forward), CLONES(arctan, backward)},
    {&nn_map_step, exact_step, 80.0, 1e-6, CLONES(step, forward), {NULL}},
    {&nn_map_identity, exact_identity, 80.0, 1e-6, CLONES(identity, forward), {NULL}},
};
enum { CASES = sizeof cases / sizeof cases[0], COUNT = 20000 };

static const float slope = 0.01f;

/* −range … range, closer together towards 0. */
static float argument(size_t i, double range) {
  const double t = 2.0 * (double)i / (COUNT - 1) - 1.0;
  return (float)(range * t * fabs(t));
}

static void values_agree_with_formulas_in_double(void **state) {
  (void)state;
  static float x[COUNT], y[COUNT];
  for (int c = 0; c < CASES; c++) {
    for (size_t i = 0; i < COUNT; i++) x[i] = argument(i, cases[c].limit);
    cases[c].map->forward(COUNT, slope, x, y);
    for (size_t i = 0; i < COUNT; i++) {
      const double exact = cases[c].exact((double)x[i], (double)slope);
      if (!(fabs((double)y[i] - exact) <= cases[c].tolerance * fabs(exact) + 1e-45))
        fail_msg("%s(%g) is %.9g instead of %.9g", cases[c].map->name, (double)x[i], (double)y[i], exact);
    }
  }
}

static void derivatives_agree_with_finite_differences(void **state) {
  (void)state;
  static float x[COUNT], y[COUNT], dy[COUNT], dx[COUNT];
  for (int c = 0; c < CASES; c++) {
    const nn_map *map = cases[c].map;
    if (map->backward == NULL) continue;
    for (size_t i = 0; i < COUNT; i++) x[i] = argument(i, 20.0), dy[i] = 1.0f + (float)(i % 5);
    map->forward(COUNT, slope, x, y);
    map->backward(COUNT, slope, x, y, dy, dx);
    for (size_t i = 0; i < COUNT; i++) {
      const double at = (double)x[i], h = 1e-4;
      if (fabs(at) < 2.0 * h) continue; /* the corners of relu and leaky_relu */
      const double p = (double)slope;
      const double exact = (double)dy[i] * (cases[c].exact(at + h, p) - cases[c].exact(at - h, p)) / (2.0 * h);
      if (!(fabs((double)dx[i] - exact) <= 2e-6 * (double)dy[i]))
        fail_msg("%s'(%g) is %.9g instead of %.9g", map->name, at, (double)dx[i], exact);
    }
  }
}

static void corners_and_special_values_are_as_documented(void **state) {
  (void)state;
  const float zero = 0.0f, one = 1.0f, nan = NAN, minus = -0.0f;
  float y = 9.0f, dx = 9.0f;
  nn_map_relu.forward(1, slope, &zero, &y);
  nn_map_relu.backward(1, slope, &zero, &y, &one, &dx);
  assert_true(y == 0.0f && dx == 0.0f);
  nn_map_leaky_relu.backward(1, slope, &zero, &zero, &one, &dx);
  assert_true(dx == slope);
  nn_map_step.forward(1, slope, &minus, &y);
  assert_true(y == 1.0f);
  assert_null(nn_map_step.backward);
  nn_map_sigmoid.forward(1, slope, &zero, &y);
  assert_true(y == 0.5f);
  nn_map_arctan.forward(1, slope, &zero, &y);
  assert_true(y == 0.5f);
  for (int c = 0; c < CASES; c++) { /* NaN is never hidden */
    cases[c].map->forward(1, slope, &nan, &y);
    if (!isnan(y)) fail_msg("%s(NaN) is %g", cases[c].map->name, (double)y);
  }
  const float far[] = {1000.0f, -1000.0f, INFINITY, -INFINITY};
  float out[4];
  nn_map_sigmoid.forward(4, slope, far, out);
  assert_true(out[0] == 1.0f && out[1] == 0.0f && out[2] == 1.0f && out[3] == 0.0f);
  nn_map_softplus.forward(4, slope, far, out);
  assert_true(out[0] == 1000.0f && out[1] == 0.0f && isinf(out[2]) && out[3] == 0.0f);
  nn_map_arctan.forward(4, slope, far, out);
  assert_true(out[2] == 1.0f && out[3] == 0.0f);
}

static void bits_depend_neither_on_length_nor_on_offset_nor_on_instruction_set(void **state) {
  (void)state;
  enum { LENGTH = 70, OFFSETS = 3, ALL = LENGTH + OFFSETS };
  static float x[ALL], dy[ALL], y[ALL], dx[ALL], expected_y[ALL], expected_dx[ALL];
  nn_test_fill(ALL, 5, dy);
  for (size_t i = 0; i < ALL; i++) x[i] = argument((i * 277) % COUNT, 30.0);
  for (int c = 0; c < CASES; c++) {
    const char *name = cases[c].map->name;
    for (size_t i = 0; i < ALL; i++) {
      cases[c].forward[NN__PLAIN](1, slope, x + i, expected_y + i);
      if (cases[c].backward[0] != NULL)
        cases[c].backward[NN__PLAIN](1, slope, x + i, expected_y + i, dy + i, expected_dx + i);
    }
    for (int isa = 0; isa <= (int)nn__isa_best(); isa++)
      for (size_t length = 1; length <= LENGTH; length++)
        for (size_t at = 0; at < OFFSETS; at++) {
          cases[c].forward[isa](length, slope, x + at, y);
          nn_test_same_bits(name, length, expected_y + at, y);
          memcpy(y, x + at, length * sizeof *y);
          cases[c].forward[isa](length, slope, y, y);
          nn_test_same_bits(name, length, expected_y + at, y);
          if (cases[c].backward[0] == NULL) continue;
          cases[c].backward[isa](length, slope, x + at, y, dy + at, dx);
          nn_test_same_bits(name, length, expected_dx + at, dx);
          memcpy(dx, dy + at, length * sizeof *dx);
          cases[c].backward[isa](length, slope, x + at, y, dx, dx);
          nn_test_same_bits(name, length, expected_dx + at, dx);
        }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_agree_with_formulas_in_double),
      cmocka_unit_test(derivatives_agree_with_finite_differences),
      cmocka_unit_test(corners_and_special_values_are_as_documented),
      cmocka_unit_test(bits_depend_neither_on_length_nor_on_offset_nor_on_instruction_set),
  };
  return cmocka_run_group_tests_name("kernels.maps", tests, NULL, NULL);
}
