/** @file gemm.h
 *  Inside of the matrix product: what gemm.c asks of an instruction set.
 *
 *  Every element of C is one chain of fused multiply-adds, acc = fmaf(a[p], b[p], acc) for p = 0 … k − 1 from acc = +0,
 *  kept in a register or, between blocks of p, in C itself, which loses nothing. So its bits follow from its row of A
 * and its column of B alone: not from m or n, blocking, packing, threads or instruction set. */
#ifndef NNMPI_KERNELS_GEMM_H
#define NNMPI_KERNELS_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/clones.h"
#include "nnmpi/kernels.h"

/** One tile of C: c[i ldc + j] = sum over p of A(i, p) b[p ldb + j]. */
typedef struct nn__tile {
  size_t k;
  bool a_by_rows; /**< A(i, p) is a[i lda + p], otherwise a[p lda + i] */
  bool add;       /**< the chains go on from what is in C */
  const float *a, *b;
  float *c;
  const float *next_c; /**< of the tile that comes next, to be fetched into the cache meanwhile; NULL: none */
  size_t lda, ldb, ldc;
} nn__tile;

/** Micro-kernels of one instruction set. */
typedef struct nn__gemm_isa {
  size_t rows, columns; /**< of the largest tile: what the registers hold */
  size_t a_stride;      /**< floats from step to step in a packed panel of A, ≥ rows */
  /** 1 ≤ rows, columns ≤ the largest */
  void (*tile)(size_t rows, size_t columns, const nn__tile *tile);
  /** out[p ldo + i] = x[i ldx + p] for i < rows, p < k. Writes (anything) up to the next multiple of the vector length
   * in i. */
  void (*transpose)(size_t rows, size_t k, const float *x, size_t ldx, float *out, size_t ldo);
  /** Panels of `width` ≤ the largest columns, `stride` floats apart: out[(j / width) stride + p ldo + j % width] =
   * x[p ldx + j] for j < columns, p < k. Writes likewise. */
  void (*copy)(size_t columns, size_t k, const float *x, size_t ldx, float *out, size_t width, size_t ldo,
               size_t stride);
} nn__gemm_isa;

extern const nn__gemm_isa nn__gemm_portable;
#if defined(__x86_64__) && defined(__GNUC__)
extern const nn__gemm_isa nn__gemm_avx2, nn__gemm_avx512;
#endif

const nn__gemm_isa *nn__gemm_of(nn__isa isa);

/** nn_gemm() with the micro-kernels of `isa`. */
void nn__gemm_with(const nn__gemm_isa *isa, const nn_team *team, nn_transpose ta, nn_transpose tb, size_t m, size_t n,
                   size_t k, const float *a, const float *b, float *c);

#endif
