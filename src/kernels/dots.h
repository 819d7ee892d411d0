/** @file dots.h
 *  The product of a single row with a transposed matrix, a dot product for each of its rows: sixteen chains of fused
 *  multiply-adds, over p ≡ l mod 16, added pairwise. Whoever makes it takes it from here, so that all give the same
 *  bits. */
#ifndef NNMPI_KERNELS_DOTS_H
#define NNMPI_KERNELS_DOTS_H

#include <math.h>

#include "kernels/clones.h"

enum { NN__DOT_LANES = 16, NN__DOT_ROWS = 4 /* at once: enough independent chains to fill the pipeline */ };

/** The next `count` ≤ NN__DOT_LANES elements of a and b. */
NN__BODY void nn__dot_step(size_t count, const float *a, const float *b, float *sum) {
  NN__ELEMENTS
  for (size_t l = 0; l < count; l++) sum[l] = fmaf(a[l], b[l], sum[l]);
}

/** The sum of all chains, by halves. */
NN__BODY float nn__dot_fold(const float *sum) {
  float of_two[NN__DOT_LANES / 2], of_four[NN__DOT_LANES / 4];
  NN__ELEMENTS
  for (int l = 0; l < NN__DOT_LANES / 2; l++) of_two[l] = sum[l] + sum[l + NN__DOT_LANES / 2];
  NN__ELEMENTS
  for (int l = 0; l < NN__DOT_LANES / 4; l++) of_four[l] = of_two[l] + of_two[l + NN__DOT_LANES / 4];
  return (of_four[0] + of_four[2]) + (of_four[1] + of_four[3]);
}

#endif
