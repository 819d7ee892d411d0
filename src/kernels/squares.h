/** @file squares.h
 *  Sums of squares in a fixed order: lane l sums the squares of elements l, l + 16, l + 32, …, the lanes are added
 *  pairwise. Four squares at a time are added in float, which spares most conversions. */
#ifndef NNMPI_KERNELS_SQUARES_H
#define NNMPI_KERNELS_SQUARES_H

#include "kernels/clones.h"

enum { NN__SUM_LANES = 16, NN__SUM_STRIP = 4 * NN__SUM_LANES /**< elements that are added at once */ };

/** A whole strip. */
NN__BODY void nn__strip_squares(const float *x, double lane[NN__SUM_LANES]) {
  const float *a = x, *b = a + NN__SUM_LANES, *c = b + NN__SUM_LANES, *d = c + NN__SUM_LANES;
  NN__ELEMENTS
  for (size_t l = 0; l < NN__SUM_LANES; l++)
    lane[l] += (double)((a[l] * a[l] + b[l] * b[l]) + (c[l] * c[l] + d[l] * d[l]));
}

/** The elements behind the last whole strip, and the sum of all. */
NN__BODY double nn__rest_squares(size_t count, const float *x, double lane[NN__SUM_LANES]) {
  for (size_t i = 0; i < count; i++) lane[i % NN__SUM_LANES] += (double)(x[i] * x[i]);
  for (size_t half = NN__SUM_LANES / 2; half > 0; half /= 2)
    for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
  return lane[0];
}

/** `quick`, the sum of squares of x made so, or a slow one where squares are beyond the range of a float. */
double nn__squares_checked(double quick, size_t count, const float *x);

#endif
