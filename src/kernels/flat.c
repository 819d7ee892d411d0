/** @file flat.c
 *  Adding, scaling, filling, copying; sums of squares; looking for what is not finite. */
#include "kernels/clones.h"
#include "kernels/polynomials.h"
#include "kernels/squares.h"
#include "nnmpi/kernels.h"

enum { NN__FLAT_GRAIN = 64 };

NN__BODY void nn__add_body(size_t count, const float *x, float *y) {
  NN__ELEMENTS
  for (size_t i = 0; i < count; i++) y[i] += x[i];
}
NN__CLONES(void, nn__add, (size_t count, const float *x, float *y), (count, x, y))

NN__BODY void nn__scale_body(size_t count, float factor, float *x) {
  NN__ELEMENTS
  for (size_t i = 0; i < count; i++) x[i] *= factor;
}
NN__CLONES(void, nn__scale, (size_t count, float factor, float *x), (count, factor, x))

void nn_add(const nn_team *team, size_t count, const float *x, float *y) {
  size_t first, last;
  nn_team_share(team, count, NN__FLAT_GRAIN, &first, &last);
  nn__add(last - first, x + first, y + first);
  nn_team_barrier(team);
}

void nn_scale(const nn_team *team, size_t count, float factor, float *x) {
  size_t first, last;
  nn_team_share(team, count, NN__FLAT_GRAIN, &first, &last);
  nn__scale(last - first, factor, x + first);
  nn_team_barrier(team);
}

void nn_fill(const nn_team *team, size_t count, float value, float *x) {
  size_t first, last;
  nn_team_share(team, count, NN__FLAT_GRAIN, &first, &last);
  for (size_t i = first; i < last; i++) x[i] = value;
  nn_team_barrier(team);
}

void nn_copy(const nn_team *team, size_t count, const float *x, float *y) {
  size_t first, last;
  nn_team_share(team, count, NN__FLAT_GRAIN, &first, &last);
  if (last > first && x != y) memmove(y + first, x + first, (last - first) * sizeof *y);
  nn_team_barrier(team);
}

size_t nn_blocks(size_t count) {
  return count / NN_SUM_BLOCK + (count % NN_SUM_BLOCK != 0);
}

NN__BODY double nn__quick_sum_squares_body(size_t count, const float *x) {
  double lane[NN__SUM_LANES] = {0.0};
  size_t i = 0;
  for (; i + NN__SUM_STRIP <= count; i += NN__SUM_STRIP) nn__strip_squares(x + i, lane);
  return nn__rest_squares(count - i, x + i, lane);
}
NN__CLONES(double, nn__quick_sum_squares, (size_t count, const float *x), (count, x))

double nn_sum_squares(const nn_team *team, size_t count, const float *x, double *scratch) {
  const size_t blocks = nn_blocks(count);
  size_t first, last;
  nn_team_share(team, blocks, 1, &first, &last);
  for (size_t b = first; b < last; b++) {
    const size_t at = b * NN_SUM_BLOCK;
    scratch[b] = nn_block_sum_squares(count - at < NN_SUM_BLOCK ? count - at : NN_SUM_BLOCK, x + at);
  }
  nn_team_barrier(team);
  double sum = 0.0;
  for (size_t b = 0; b < blocks; b++) sum += scratch[b];
  nn_team_barrier(team); /* the caller may write to the scratch at once */
  return sum;
}

/* How many of the values have an exponent of all ones. */
NN__BODY uint32_t nn__count_not_finite_body(size_t count, const float *x) {
  uint32_t found = 0;
#pragma omp simd reduction(+ : found)
  for (size_t i = 0; i < count; i++) found += (nn__bits(x[i]) & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
  return found;
}
NN__CLONES(uint32_t, nn__count_not_finite, (size_t count, const float *x), (count, x))

bool nn_all_finite(size_t count, const float *x) {
  for (size_t at = 0; at < count; at += NN_SUM_BLOCK)
    if (nn__count_not_finite(count - at < NN_SUM_BLOCK ? count - at : NN_SUM_BLOCK, x + at) != 0) return false;
  return true;
}

/* As integers, the bits of magnitudes have their order, and those of NaN are above them all. */
NN__BODY uint32_t nn__magnitude_body(size_t count, const float *x) {
  uint32_t largest = 0;
#pragma omp simd reduction(max : largest)
  for (size_t i = 0; i < count; i++) {
    const uint32_t bits = nn__bits(x[i]) & 0x7fffffffu;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}
NN__CLONES(uint32_t, nn__magnitude, (size_t count, const float *x), (count, x))

float nn_magnitude(const nn_team *team, size_t count, const float *x) {
  size_t first, last;
  nn_team_share(team, count, NN__FLAT_GRAIN, &first, &last);
  return nn__float(nn__magnitude(last - first, x + first));
}

double nn_block_sum_squares(size_t count, const float *x) {
  return nn__squares_checked(nn__quick_sum_squares(count, x), count, x);
}

double nn__squares_checked(double quick, size_t count, const float *x) {
  if (quick > 1e-24 && quick < 1e38) return quick;
  if (quick == 0 && nn__magnitude(count, x) == 0) return 0.0; /* units that are dead: as quick as others */
  double sum = 0.0;                                           /* squares may be beyond the range of a float */
  for (size_t i = 0; i < count; i++) sum += (double)x[i] * (double)x[i];
  return sum;
}
