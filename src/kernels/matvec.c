/** @file matvec.c
 *  Products of one row: with a transposed matrix, dot products along the rows of both, with nothing to pack; of two
 *  rows, every product of two elements. */
#include "kernels/matvec.h"

#include <math.h>
#include <string.h>

enum { LANES = 16, TOGETHER = 4, ROWS_PER_THREAD_WORK = 20000 };

/* The sum of 16 numbers by halves. */
NN__BODY float fold(const float *sum) {
  float of_two[LANES / 2], of_four[LANES / 4];
  NN__ELEMENTS
  for (int l = 0; l < LANES / 2; l++) of_two[l] = sum[l] + sum[l + LANES / 2];
  NN__ELEMENTS
  for (int l = 0; l < LANES / 4; l++) of_four[l] = of_two[l] + of_two[l + LANES / 4];
  return (of_four[0] + of_four[2]) + (of_four[1] + of_four[3]);
}

/* `rows` (a constant) dot products at once: enough independent chains to fill the pipeline. */
NN__BODY void dot_group(const int rows, size_t k, const float *a, const float *b, float *c) {
  float sum[TOGETHER][LANES] = {{0.0f}};
  size_t p = 0;
  for (; p + LANES <= k; p += LANES) {
    _Pragma("GCC unroll 4") for (int i = 0; i < rows; i++) {
      const float *row = b + (size_t)i * k + p;
      NN__ELEMENTS
      for (int l = 0; l < LANES; l++) sum[i][l] = fmaf(a[p + (size_t)l], row[l], sum[i][l]);
    }
  }
  for (int i = 0; i < rows; i++) {
    for (size_t l = 0; p + l < k; l++) sum[i][l] = fmaf(a[p + l], b[(size_t)i * k + p + l], sum[i][l]);
    c[i] = fold(sum[i]);
  }
}

NN__BODY void nn__dot_rows_body(size_t n, size_t k, const float *a, const float *b, float *c) {
  size_t j = 0;
  for (; j + TOGETHER <= n; j += TOGETHER) dot_group(TOGETHER, k, a, b + j * k, c + j);
  for (; j < n; j++) dot_group(1, k, a, b + j * k, c + j);
}
NN__CLONES(void, nn__dot_rows, (size_t n, size_t k, const float *a, const float *b, float *c), (n, k, a, b, c))

void nn__row_times_transposed(const nn_team *team, size_t n, size_t k, const float *a, const float *b, float *c) {
  size_t first = 0, last = n;
  if (n * k >= ROWS_PER_THREAD_WORK)
    nn_team_share(team, n, 16, &first, &last);
  else if (team->id != 0)
    last = 0;
  if (last > first) nn__dot_rows(last - first, k, a, b + first * k, c + first);
  nn_team_barrier(team);
}

NN__BODY void nn__outer_row_body(size_t n, float a, const float *b, float *c) {
  NN__ELEMENTS
  for (size_t j = 0; j < n; j++) c[j] = fmaf(a, b[j], 0.0f); /* a chain of one link */
}
NN__CLONES(void, nn__outer_row, (size_t n, float a, const float *b, float *c), (n, a, b, c))

void nn__outer(size_t m, size_t n, const float *a, const float *b, float *c) {
  if (a == NULL) memset(c, 0, m * n * sizeof *c);
  for (size_t i = 0; a != NULL && i < m; i++) nn__outer_row(n, a[i], b, c + i * n);
}
