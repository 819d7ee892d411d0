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

/** A matrix that will be needed, on its way into the second-level cache (the first is full of A and B), a few cache
 * lines at a time: more requests at once would hold up those of the tile itself. */
typedef struct nn__ahead {
  const float *row;     /**< the next to be asked for */
  size_t ld;            /**< floats from row to row */
  size_t lines, line;   /**< of a row; the next */
  size_t left, at_once; /**< lines */
} nn__ahead;

enum { NN__AHEAD_PARTS = 16 /**< at_once lines are asked for so often during a tile */ };

/** One tile of C: c[i ldc + j] = sum over p of A(i, p) b[p ldb + j]. */
typedef struct nn__tile {
  size_t k;
  bool a_by_rows; /**< A(i, p) is a[i lda + p], otherwise a[p lda + i] */
  bool add;       /**< the chains go on from what is in C */
  const float *a, *b;
  float *c;
  nn__ahead *c_ahead, *b_ahead; /**< what is fetched meanwhile, or NULL */
  /** Where what is read is packed meanwhile, for the tiles after it, or NULL: [k, a_stride], a not by rows, and
   * [k, columns] of the largest tile. Both get (anything) behind what the tile has, up to a vector's end. */
  float *a_copy, *b_copy;
  size_t lda, ldb, ldc;
} nn__tile;

/** So many rows or columns in parts, the first `larger` of them of least + 1, the others of least. */
typedef struct nn__cuts {
  size_t parts, least, larger;
} nn__cuts;

static inline nn__cuts nn__cut(size_t count, size_t parts) {
  return (nn__cuts){parts, count / parts, count % parts};
}
static inline size_t nn__cut_size(const nn__cuts *cuts, size_t part) {
  return cuts->least + (part < cuts->larger);
}

/** Micro-kernels of one instruction set. */
typedef struct nn__gemm_isa {
  size_t rows, columns; /**< of the largest tile: what the registers hold */
  size_t a_stride;      /**< floats from step to step in a packed panel of A, ≥ rows */
  /** 1 ≤ rows, columns ≤ the largest */
  void (*tile)(size_t rows, size_t columns, const nn__tile *tile);
  /** out[p ldo + i] = x[i ldx + p] for i < rows, p < k. Writes (anything) up to the next multiple of the vector length
   * in i. */
  void (*transpose)(size_t rows, size_t k, const float *x, size_t ldx, float *out, size_t ldo);
  /** out[q stride + p a_stride + j] = x[p ldx + (first column of panel q) + j] for p < k, columns j of each panel q.
   * Writes likewise. */
  void (*copy)(const nn__cuts *panels, size_t k, const float *x, size_t ldx, float *out, size_t stride);
} nn__gemm_isa;

extern const nn__gemm_isa nn__gemm_portable;
#if defined(__x86_64__) && defined(__GNUC__)
extern const nn__gemm_isa nn__gemm_avx2, nn__gemm_avx512;
#endif

const nn__gemm_isa *nn__gemm_of(nn__isa isa);

/** nn_gemm_after() with the micro-kernels of `isa`; `after` may be NULL. */
void nn__gemm_with(const nn__gemm_isa *isa, const nn_team *team, nn_transpose ta, nn_transpose tb, size_t m, size_t n,
                   size_t k, const float *a, const float *b, float *c, const nn_after *after);

#endif
