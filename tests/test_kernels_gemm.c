/* Products: every element is one chain of fused multiply-adds in the order of the summed index, whatever the sizes, the
 * instruction set and the number of threads. So the expected result is known to the last bit. */
#include <math.h>
#include <stdio.h>

#include "kernels/gemm.h"
#include "kernels/matvec.h"
#include "kernels_testing.h"

typedef struct {
  const nn__gemm_isa *isa; /* NULL: nn_gemm() */
  nn_transpose ta, tb;
  size_t m, n, k;
  const float *a, *b;
  float *c;
  const nn_after *after; /* NULL: nn_gemm() */
} product;

static void run_product(const nn_team *team, void *context) {
  const product *p = context;
  if (p->isa == NULL && p->after != NULL)
    nn_gemm_after(team, p->ta, p->tb, p->m, p->n, p->k, p->a, p->b, p->c, p->after);
  else if (p->isa == NULL)
    nn_gemm(team, p->ta, p->tb, p->m, p->n, p->k, p->a, p->b, p->c);
  else
    nn__gemm_with(p->isa, team, p->ta, p->tb, p->m, p->n, p->k, p->a, p->b, p->c, p->after);
}

static float element_a(const product *p, size_t i, size_t l) {
  return p->ta == NN_N ? p->a[i * p->k + l] : p->a[l * p->m + i];
}
static float element_b(const product *p, size_t l, size_t j) {
  return p->tb == NN_N ? p->b[l * p->n + j] : p->b[j * p->k + l];
}

static void chain_of_fused_multiply_adds(const product *p, float *c) {
  for (size_t i = 0; i < p->m; i++)
    for (size_t j = 0; j < p->n; j++) {
      float sum = 0.0f;
      for (size_t l = 0; l < p->k; l++) sum = fmaf(element_a(p, i, l), element_b(p, l, j), sum);
      c[i * p->n + j] = sum;
    }
}

/* All four forms of one size, on every instruction set and team. */
static void check_size(size_t m, size_t n, size_t k) {
  float *a = nn_test_floats(m * k), *b = nn_test_floats(k * n), *c = nn_test_floats(m * n);
  float *expected = nn_test_floats(m * n);
  nn_test_fill(m * k, 1000 * m + k, a);
  nn_test_fill(k * n, 1000 * n + k, b);
  for (int form = 0; form < 4; form++) {
    product p = {.ta = form & 1 ? NN_T : NN_N, .tb = form & 2 ? NN_T : NN_N, .m = m, .n = n, .k = k, .a = a, .b = b};
    p.c = c;
    chain_of_fused_multiply_adds(&p, expected);
    for (int isa = -1; isa <= (int)nn__isa_best(); isa++) {
      if (isa < 0 && m == 1 && p.tb == NN_T) continue; /* has an order of its own */
      p.isa = isa < 0 ? NULL : nn__gemm_of((nn__isa)isa);
      for (int t = 0; t < (isa < 0 ? NN_TEST_TEAM_SIZES : 2); t++) {
        char what[128];
        snprintf(what, sizeof what, "%zu x %zu x %zu, form %d, isa %d, %d threads", m, n, k, form, isa,
                 nn_test_team_sizes[t]);
        for (size_t i = 0; i < m * n; i++) c[i] = NAN;
        nn_team_run(nn_test_team_sizes[t], run_product, &p);
        nn_test_same_bits(what, m * n, expected, c);
      }
    }
  }
  nn_test_free(a, m * k), nn_test_free(b, k * n), nn_test_free(c, m * n), nn_test_free(expected, m * n);
}

static void small_products_are_chains_to_the_last_bit(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 2, 3, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 29, 31, 32, 33};
  enum { SIZES = sizeof sizes / sizeof sizes[0] };
  for (size_t i = 0; i < 40; i++)
    check_size(sizes[nn_test_random(3 * i) % SIZES], sizes[nn_test_random(3 * i + 1) % SIZES],
               sizes[nn_test_random(3 * i + 2) % SIZES]);
  for (size_t m = 1; m <= 29; m++) check_size(m, 1 + (m * 7) % 40, 1 + (m * 5) % 23);
}

static void products_of_several_blocks_are_chains_to_the_last_bit(void **state) {
  (void)state;
  static const size_t sizes[][3] = {
      {64, 256, 785}, /* several blocks of the summed index */
      {200, 100, 64}, /* several blocks of rows */
      {40, 1100, 30}, /* rows of B far apart, several blocks of columns where they are packed */
      {31, 70, 1030}, /* rows of A far apart */
      {1100, 70, 33}, /* columns of A far apart */
      {1, 2000, 130}, {2, 2000, 400}, {513, 3, 17},   {10, 64, 64},
      {30, 200, 300}, {13, 101, 77},  {61, 333, 129}, /* few rows times the transpose of many */
  };
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) check_size(sizes[i][0], sizes[i][1], sizes[i][2]);
}

static void a_row_has_the_same_bits_alone_and_among_others(void **state) {
  (void)state;
  enum { M = 64, N = 100, K = 130 };
  float *a = nn_test_floats(M * K), *b = nn_test_floats(N * K), *all = nn_test_floats(M * N),
        *some = nn_test_floats(M * N);
  nn_test_fill(M * K, 1, a);
  nn_test_fill(N * K, 2, b);
  product p = {.ta = NN_N, .tb = NN_T, .m = M, .n = N, .k = K, .a = a, .b = b, .c = all};
  nn_team_run(2, run_product, &p);
  for (size_t rows = 2; rows <= M / 2; rows *= 2) {
    for (size_t first = 0; first < M; first += rows) {
      product q = p;
      q.m = rows, q.a = a + first * K, q.c = some + first * N;
      nn_team_run(1, run_product, &q);
    }
    nn_test_same_bits("pieces of a batch", M * N, all, some);
  }
  nn_test_free(a, M * K), nn_test_free(b, N * K), nn_test_free(all, M * N), nn_test_free(some, M * N);
}

static void one_row_is_right_and_has_the_same_bits_on_any_team_and_instruction_set(void **state) {
  (void)state;
  for (size_t i = 0; i < 80; i++) {
    const size_t n = i < 70 ? 1 + nn_test_random(2 * i) % 70 : 300, k = i < 70 ? 1 + i : 784;
    float *a = nn_test_floats(k), *b = nn_test_floats(n * k), *c = nn_test_floats(n), *expected = nn_test_floats(n);
    nn_test_fill(k, 2 * i, a);
    nn_test_fill(n * k, 2 * i + 1, b);
    nn__dot_rows__plain(n, k, a, b, expected);
    for (size_t j = 0; j < n; j++) {
      double sum = 0.0, size = 0.0;
      for (size_t l = 0; l < k; l++) {
        sum += (double)a[l] * (double)b[j * k + l];
        size += fabs((double)a[l] * (double)b[j * k + l]);
      }
      if (!(fabs((double)expected[j] - sum) <= 1e-6 * size)) fail_msg("element %zu is off", j);
    }
#if defined(__x86_64__)
    if (nn__isa_best() >= NN__AVX2) {
      nn__dot_rows__avx2(n, k, a, b, c);
      nn_test_same_bits("avx2", n, expected, c);
    }
    if (nn__isa_best() == NN__AVX512) {
      nn__dot_rows__avx512(n, k, a, b, c);
      nn_test_same_bits("avx512", n, expected, c);
    }
#endif
    for (int form = 0; form < 2; form++) /* one row is also one column */
      for (int t = 0; t < NN_TEST_TEAM_SIZES; t++) {
        product p = {.ta = form ? NN_T : NN_N, .tb = NN_T, .m = 1, .n = n, .k = k, .a = a, .b = b, .c = c};
        for (size_t j = 0; j < n; j++) c[j] = NAN;
        nn_team_run(nn_test_team_sizes[t], run_product, &p);
        nn_test_same_bits("team", n, expected, c);
      }
    nn_test_free(a, k), nn_test_free(b, n * k), nn_test_free(c, n), nn_test_free(expected, n);
  }
}

static void a_block_of_rows_has_the_bits_of_the_whole_product(void **state) {
  (void)state;
  static const size_t sizes[][3] = {{30, 40, 64}, {3, 5, 2},       {29, 784, 1},
                                    {31, 70, 0},  {600, 130, 700}, {100, 300, 400}};
  static const nn_team alone = {.id = 0, .size = 1};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    const size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
    float *a = nn_test_floats(m * k + 1), *b = nn_test_floats(n * k + 1), *c = nn_test_floats(m * n);
    float *whole = nn_test_floats(m * n);
    nn_test_fill(m * k, 7 + s, a);
    nn_test_fill(n * k, 70 + s, b);
    memset(whole, 0, m * n * sizeof *whole);
    if (k > 0) nn_gemm(&alone, NN_T, NN_N, m, n, k, a, b, whole);
    for (size_t step = 1; step <= m; step = 3 * step + 1) {
      for (size_t i = 0; i < m * n; i++) c[i] = NAN;
      for (size_t i = 0; i < m; i += step)
        nn_gemm_block(&alone, m - i < step ? m - i : step, n, k, a + i, m, b, c + i * n);
      assert_memory_equal(c, whole, m * n * sizeof *c);
    }
    nn_test_free(a, m * k + 1), nn_test_free(b, n * k + 1), nn_test_free(c, m * n), nn_test_free(whole, m * n);
  }
}

static void what_follows_a_product_is_made_of_every_element_once(void **state) {
  (void)state;
  static const size_t sizes[][3] = {{2, 3, 4},      {64, 256, 785}, {600, 100, 64},
                                    {61, 333, 129}, {30, 200, 300}, {620, 70, 1024} /* several blocks of rows */};
  static const nn_team alone = {.id = 0, .size = 1};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    const size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
    float *a = nn_test_floats(m * k), *b = nn_test_floats(n * k), *bias = nn_test_floats(n), *c = nn_test_floats(m * n);
    float *y = nn_test_floats(m * n), *sum = nn_test_floats(m * n), *mapped = nn_test_floats(m * n);
    nn_test_fill(m * k, 7 + s, a);
    nn_test_fill(n * k, 70 + s, b);
    nn_test_fill(n, 700 + s, bias);
    for (int what = 0; what < 4; what++) {
      const nn_after after = {
          .bias = what & 1 ? bias : NULL, .map = what & 2 ? &nn_map_leaky_relu : NULL, .p = 0.25f, .y = y};
      product p = {.ta = NN_N, .tb = NN_T, .m = m, .n = n, .k = k, .a = a, .b = b, .c = c, .after = &after};
      nn_gemm(&alone, NN_N, NN_T, m, n, k, a, b, sum);
      if (after.bias != NULL) nn_rows_add(&alone, m, n, bias, sum);
      nn_map_apply(&alone, &nn_map_leaky_relu, after.p, m * n, sum, mapped);
      for (int isa = -1; isa <= (int)nn__isa_best(); isa++)
        for (int t = 0; t < NN_TEST_TEAM_SIZES; t++) {
          p.isa = isa < 0 ? NULL : nn__gemm_of((nn__isa)isa);
          for (size_t i = 0; i < m * n; i++) c[i] = y[i] = NAN;
          nn_team_run(nn_test_team_sizes[t], run_product, &p);
          nn_test_same_bits("the product", m * n, sum, c);
          if (after.map != NULL) nn_test_same_bits("what follows", m * n, mapped, y);
        }
    }
    nn_test_free(a, m * k), nn_test_free(b, n * k), nn_test_free(bias, n), nn_test_free(c, m * n);
    nn_test_free(y, m * n), nn_test_free(sum, m * n), nn_test_free(mapped, m * n);
  }
}

static void what_is_not_finite_reaches_every_element_that_it_should(void **state) {
  (void)state;
  enum { M = 20, N = 40, K = 30 };
  float *a = nn_test_floats(M * K), *b = nn_test_floats(K * N), *c = nn_test_floats(M * N);
  nn_test_fill(M * K, 1, a);
  nn_test_fill(K * N, 2, b);
  a[7 * K + 3] = NAN;
  b[5 * N + 39] = INFINITY;
  product p = {.ta = NN_N, .tb = NN_N, .m = M, .n = N, .k = K, .a = a, .b = b, .c = c};
  nn_team_run(1, run_product, &p);
  for (size_t i = 0; i < M; i++)
    for (size_t j = 0; j < N; j++) assert_true((isfinite(c[i * N + j]) != 0) == (i != 7 && j != 39));
  nn_test_free(a, M * K), nn_test_free(b, K * N), nn_test_free(c, M * N);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(small_products_are_chains_to_the_last_bit),
      cmocka_unit_test(products_of_several_blocks_are_chains_to_the_last_bit),
      cmocka_unit_test(a_row_has_the_same_bits_alone_and_among_others),
      cmocka_unit_test(one_row_is_right_and_has_the_same_bits_on_any_team_and_instruction_set),
      cmocka_unit_test(a_block_of_rows_has_the_bits_of_the_whole_product),
      cmocka_unit_test(what_follows_a_product_is_made_of_every_element_once),
      cmocka_unit_test(what_is_not_finite_reaches_every_element_that_it_should),
  };
  return cmocka_run_group_tests_name("kernels.gemm", tests, NULL, NULL);
}
