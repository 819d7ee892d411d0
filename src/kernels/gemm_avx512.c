/** @file gemm_avx512.c
 *  Micro-kernels for AVX-512: 28 sums, two vectors of B and one of A fill the 32 registers. */
#include "kernels/gemm.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define NN__TARGET NN__TARGET_AVX512
#define V __m512
#define LANES 16
#define V_ZERO _mm512_setzero_ps()
#define V_SET1(x) _mm512_set1_ps(x)
#define V_LOAD(p) _mm512_loadu_ps(p)
#define V_STORE(p, v) _mm512_storeu_ps(p, v)
#define V_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define M __mmask16
#define M_FIRST(count) ((__mmask16)((1u << (count)) - 1u))
#define V_LOAD_M(p, m) _mm512_maskz_loadu_ps(m, p)
#define V_STORE_M(p, m, v) _mm512_mask_storeu_ps(p, m, v)
#define V_QUADS(row, i, p) quads(row, i, p)
#define V_TRANSPOSE4(v) transpose4(v)
#define ROWS 14
#define A_STRIDE 16

NN__TARGET static inline __m512 quads(const float *const *row, int i, size_t p) {
  __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(row[i] + p));
  v = _mm512_mask_broadcast_f32x4(v, 0x00f0, _mm_loadu_ps(row[i + 4] + p));
  v = _mm512_mask_broadcast_f32x4(v, 0x0f00, _mm_loadu_ps(row[i + 8] + p));
  return _mm512_mask_broadcast_f32x4(v, 0xf000, _mm_loadu_ps(row[i + 12] + p));
}

NN__TARGET static inline void transpose4(__m512 v[4]) {
  const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(v[0], v[1]));
  const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(v[0], v[1]));
  const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(v[2], v[3]));
  const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(v[2], v[3]));
  v[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
  v[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
  v[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
  v[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
}

#include "kernels/gemm_template.h"

const nn__gemm_isa nn__gemm_avx512 = {.rows = ROWS,
                                      .columns = 2 * LANES,
                                      .a_stride = A_STRIDE,
                                      .tile = tile_of_any_size,
                                      .transpose = transpose_rows,
                                      .copy = copy_panels};
#endif
