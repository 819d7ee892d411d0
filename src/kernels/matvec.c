/** @file matvec.c
 *  Products of one row: with a transposed matrix, dot products along the rows of both, with nothing to pack; of two
 *  rows, every product of two elements. */
#include "kernels/matvec.h"

#include "kernels/dots.h"

#include <math.h>
#include <string.h>

enum { ROWS_PER_THREAD_WORK = 20000 };

/* `rows` (a constant) dot products at once. */
NN__BODY void dot_group(const int rows, size_t k, const float *a, const float *b, float *c) {
  float sum[NN__DOT_ROWS][NN__DOT_LANES] = {{0.0f}};
  size_t p = 0;
  for (; p + NN__DOT_LANES <= k; p += NN__DOT_LANES) {
    _Pragma("GCC unroll 4") for (int i = 0; i < rows; i++)
        nn__dot_step(NN__DOT_LANES, a + p, b + (size_t)i * k + p, sum[i]);
  }
  for (int i = 0; i < rows; i++) {
    nn__dot_step(k - p, a + p, b + (size_t)i * k + p, sum[i]);
    c[i] = nn__dot_fold(sum[i]);
  }
}

NN__BODY void nn__dot_rows_body(size_t n, size_t k, const float *a, const float *b, float *c) {
  size_t j = 0;
  for (; j + NN__DOT_ROWS <= n; j += NN__DOT_ROWS) dot_group(NN__DOT_ROWS, k, a, b + j * k, c + j);
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
