/** @file rows.c
 *  Rows and columns of a matrix: bias, sums over rows, softmax. */
#include "kernels/rows.h"
#include "kernels/clones.h"
#include "kernels/polynomials.h"
#include "nnmpi/kernels.h"

#include <string.h>

enum {
  NN__COLUMN_GRAIN = 16,  /* columns to a cache line */
  NN__COLUMN_CHUNK = 256, /* columns summed at a time: their sums stay in the first-level cache */
  NN__ROW_BLOCK = 64      /* rows summed before the sum goes into the result */
};

NN__BODY void nn__rows_add_body(size_t rows, size_t width, size_t columns, const float *b, float *y) {
  for (size_t r = 0; r < rows; r++) {
    float *row = y + r * width;
    NN__ELEMENTS
    for (size_t j = 0; j < columns; j++) row[j] += b[j];
  }
}
NN__CLONES(void, nn__rows_add, (size_t rows, size_t width, size_t columns, const float *b, float *y),
           (rows, width, columns, b, y))

void nn_rows_add(const nn_team *team, size_t rows, size_t width, const float *b, float *y) {
  size_t first, last;
  if (rows >= (size_t)team->size) {
    nn_team_share(team, rows, 1, &first, &last);
    nn__rows_add(last - first, width, width, b, y + first * width);
  } else {
    nn_team_share(team, width, NN__COLUMN_GRAIN, &first, &last);
    nn__rows_add(rows, width, last - first, b + first, y + first);
  }
  nn_team_barrier(team);
}

/* Columns [0, columns) of a matrix whose rows are `width` apart. */
NN__BODY void nn__rows_sum_body(size_t rows, size_t width, size_t columns, const float *x, float *out) {
  float sum[NN__COLUMN_CHUNK];
  for (size_t block = 0; block < rows; block += NN__ROW_BLOCK) {
    const size_t end = rows - block < NN__ROW_BLOCK ? rows : block + NN__ROW_BLOCK;
    const float *start = x + block * width;
    NN__ELEMENTS
    for (size_t j = 0; j < columns; j++) sum[j] = start[j];
    size_t r = block + 1;
    for (; r + 4 <= end; r += 4) { /* four rows to a load and a store of the sums, still one after the other */
      const float *a = x + r * width, *b = a + width, *c = b + width, *d = c + width;
      NN__ELEMENTS
      for (size_t j = 0; j < columns; j++) sum[j] = (((sum[j] + a[j]) + b[j]) + c[j]) + d[j];
    }
    for (; r < end; r++) {
      const float *a = x + r * width;
      NN__ELEMENTS
      for (size_t j = 0; j < columns; j++) sum[j] += a[j];
    }
    if (block == 0) {
      NN__ELEMENTS
      for (size_t j = 0; j < columns; j++) out[j] = sum[j];
    } else {
      NN__ELEMENTS
      for (size_t j = 0; j < columns; j++) out[j] += sum[j];
    }
  }
}
NN__CLONES(void, nn__rows_sum, (size_t rows, size_t width, size_t columns, const float *x, float *out),
           (rows, width, columns, x, out))

void nn_columns_sum(size_t rows, size_t width, size_t columns, const float *x, float *out) {
  if (rows == 0) memset(out, 0, columns * sizeof *out);
  for (size_t at = 0; rows > 0 && at < columns; at += NN__COLUMN_CHUNK)
    nn__rows_sum(rows, width, columns - at < NN__COLUMN_CHUNK ? columns - at : NN__COLUMN_CHUNK, x + at, out + at);
}

void nn_rows_sum(const nn_team *team, size_t rows, size_t width, const float *x, float *out) {
  size_t first, last;
  nn_team_share(team, width, NN__COLUMN_GRAIN, &first, &last);
  nn_columns_sum(rows, width, last - first, x + first, out + first);
  nn_team_barrier(team);
}

/* y = beta x − max(beta x) per row, then exp over all rows at once, then each row divided by its sum. */
NN__BODY void nn__softmax_body(size_t rows, size_t width, float beta, const float *x, float *y) {
  for (size_t r = 0; r < rows; r++) {
    const float *in = x + r * width;
    float *out = y + r * width;
    float top = beta * in[0];
    for (size_t j = 1; j < width; j++) top = beta * in[j] > top ? beta * in[j] : top;
    NN__ELEMENTS
    for (size_t j = 0; j < width; j++) out[j] = beta * in[j] - top;
  }
  NN__ELEMENTS
  for (size_t i = 0; i < rows * width; i++) y[i] = nn__exp(y[i]);
  for (size_t r = 0; r < rows; r++) {
    float *out = y + r * width;
    float sum = 0.0f;
    for (size_t j = 0; j < width; j++) sum += out[j];
    NN__ELEMENTS
    for (size_t j = 0; j < width; j++) out[j] /= sum;
  }
}
NN__CLONES(void, nn__softmax, (size_t rows, size_t width, float beta, const float *x, float *y),
           (rows, width, beta, x, y))

void nn_softmax_rows(const nn_team *team, size_t rows, size_t width, float beta, const float *x, float *y) {
  size_t first, last;
  nn_team_share(team, rows, 1, &first, &last);
  if (last > first) nn__softmax(last - first, width, beta, x + first * width, y + first * width);
  nn_team_barrier(team);
}
