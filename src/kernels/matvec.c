/** @file matvec.c
 *  Products of one row, with nothing to pack: with a matrix, sums of its rows; with a transposed one, dot products
 * along the rows of both; of two rows, every product of two elements. */
#include "kernels/matvec.h"

#include "kernels/dots.h"

#include <math.h>
#include <string.h>

enum {
  SUM_ROWS = 8 /* of a matrix, added at once: c is read and written once for all of them */
};

/* This thread's columns, or rows of a transposed matrix. */
static void share(const nn_team *team, size_t n, size_t k, size_t *first, size_t *last) {
  const size_t worth = n * k / NN__WORK_PER_THREAD, size = (size_t)team->size;
  const nn_team part = {.id = team->id, .size = worth < 1 ? 1 : worth < size ? (int)worth : team->size};
  *first = *last = 0;
  if (part.id < part.size) nn_team_share(&part, n, 16, first, last);
}

/* `steps` (a constant) more links of the chains of `count` columns. */
NN__BODY void sum_rows(const int steps, size_t count, size_t n, const float *a, const float *b, float *c) {
  float factor[SUM_ROWS];
  for (int i = 0; i < steps; i++) factor[i] = a[i];
  NN__ELEMENTS
  for (size_t j = 0; j < count; j++) {
    float sum = c[j];
    for (int i = 0; i < steps; i++) sum = fmaf(factor[i], b[(size_t)i * n + j], sum);
    c[j] = sum;
  }
}

/* Columns [0, count) of n. */
NN__BODY void nn__sum_rows_body(size_t count, size_t n, size_t k, const float *a, const float *b, float *c) {
  size_t p = 0;
  memset(c, 0, count * sizeof *c);
  for (; p + SUM_ROWS <= k; p += SUM_ROWS) sum_rows(SUM_ROWS, count, n, a + p, b + p * n, c);
  for (; p < k; p++) sum_rows(1, count, n, a + p, b + p * n, c);
}
NN__CLONES(void, nn__sum_rows, (size_t count, size_t n, size_t k, const float *a, const float *b, float *c),
           (count, n, k, a, b, c))

void nn__row_times(const nn_team *team, size_t n, size_t k, const float *a, const float *b, float *c) {
  size_t first, last;
  share(team, n, k, &first, &last);
  if (last > first) nn__sum_rows(last - first, n, k, a, b + first, c + first);
  nn_team_barrier(team);
}

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
  size_t first, last;
  share(team, n, k, &first, &last);
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
