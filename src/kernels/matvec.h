/** @file matvec.h
 *  A product of one row: no panel of it is worth packing. */
#ifndef NNMPI_KERNELS_MATVEC_H
#define NNMPI_KERNELS_MATVEC_H

#include "kernels/clones.h"
#include "nnmpi/kernels.h"

enum { NN__WORK_PER_THREAD = 20000 /**< multiply-adds below which another thread costs more than it gives */ };

/** c[j] = sum over p of a[p] b[j k + p], j < n, by the chains of dots.h: not the order of nn__gemm_with(), but three
 *  times as fast. */
void nn__row_times_transposed(const nn_team *team, size_t n, size_t k, const float *a, const float *b, float *c);

/** c[j] = sum over p < k of a[p] b[p n + j], j < n, in one chain as nn__gemm_with() has it. */
void nn__row_times(const nn_team *team, size_t n, size_t k, const float *a, const float *b, float *c);

/** C [m, n] = a b' of two rows; zeros where `a` is NULL. */
void nn__outer(size_t m, size_t n, const float *a, const float *b, float *c);

NN__DECLARE_CLONES(void, nn__sum_rows, (size_t count, size_t n, size_t k, const float *a, const float *b, float *c))
NN__DECLARE_CLONES(void, nn__dot_rows, (size_t n, size_t k, const float *a, const float *b, float *c))

#endif
