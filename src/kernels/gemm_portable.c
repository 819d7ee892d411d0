/** @file gemm_portable.c
 *  Micro-kernels in vectors of four, for everything else: NEON on arm64, and processors without FMA, where fmaf() is a
 *  slow but exact call. */
#include <math.h>
#include <string.h>

#include "kernels/gemm.h"

typedef float four __attribute__((vector_size(16)));

#define NN__TARGET
#define V four
#define LANES 4
#define V_ZERO ((four){0.0f, 0.0f, 0.0f, 0.0f})
#define V_SET1(x) set1(x)
#define V_LOAD(p) load_first(p, LANES)
#define V_STORE(p, v) store_first(p, LANES, v)
#define V_FMA(a, b, c) fused(a, b, c)
#define M size_t
#define M_FIRST(count) (count)
#define V_LOAD_M(p, m) load_first(p, m)
#define V_STORE_M(p, m, v) store_first(p, m, v)
#define V_QUADS(row, i, p) load_first((row)[i] + (p), LANES)
#define V_TRANSPOSE4(v) transpose4(v)
#define ROWS 8
#define A_STRIDE 8

NN__BODY four set1(float x) {
  return (four){x, x, x, x};
}

NN__BODY four load_first(const float *p, size_t count) {
  four v = V_ZERO;
  memcpy(&v, p, count * sizeof *p);
  return v;
}

NN__BODY void store_first(float *p, size_t count, four v) {
  memcpy(p, &v, count * sizeof *p);
}

NN__BODY four fused(four a, four b, four c) {
  return (four){fmaf(a[0], b[0], c[0]), fmaf(a[1], b[1], c[1]), fmaf(a[2], b[2], c[2]), fmaf(a[3], b[3], c[3])};
}

NN__BODY void transpose4(four v[4]) {
  const four low01 = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5);
  const four high01 = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7);
  const four low23 = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
  const four high23 = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
  v[0] = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
  v[1] = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
  v[2] = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
  v[3] = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
}

#include "kernels/gemm_template.h"

const nn__gemm_isa nn__gemm_portable = {.rows = ROWS,
                                        .columns = 2 * LANES,
                                        .a_stride = A_STRIDE,
                                        .tile = tile_of_any_size,
                                        .transpose = transpose_rows,
                                        .copy = copy_panels};
