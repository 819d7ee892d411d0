/** @file gemm_avx2.c
 *  Micro-kernels for AVX2 with FMA: 12 sums, two vectors of B and one of A out of 16 registers. */
#include "kernels/gemm.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define NN__TARGET NN__TARGET_AVX2
#define V __m256
#define LANES 8
#define V_ZERO _mm256_setzero_ps()
#define V_SET1(x) _mm256_set1_ps(x)
#define V_LOAD(p) _mm256_loadu_ps(p)
#define V_STORE(p, v) _mm256_storeu_ps(p, v)
#define V_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define M __m256i
#define M_FIRST(count) first_lanes(count)
#define V_LOAD_M(p, m) _mm256_maskload_ps(p, m)
#define V_STORE_M(p, m, v) _mm256_maskstore_ps(p, m, v)
#define V_QUADS(row, i, p) quads(row, i, p)
#define V_TRANSPOSE4(v) transpose4(v)
#define ROWS 6
#define A_STRIDE 8

NN__TARGET static inline __m256i first_lanes(size_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

NN__TARGET static inline __m256 quads(const float *const *row, int i, size_t p) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(row[i] + p)), _mm_loadu_ps(row[i + 4] + p), 1);
}

NN__TARGET static inline void transpose4(__m256 v[4]) {
  const __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(v[0], v[1]));
  const __m256d high01 = _mm256_castps_pd(_mm256_unpackhi_ps(v[0], v[1]));
  const __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(v[2], v[3]));
  const __m256d high23 = _mm256_castps_pd(_mm256_unpackhi_ps(v[2], v[3]));
  v[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
  v[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
  v[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
  v[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
}

#include "kernels/gemm_template.h"

const nn__gemm_isa nn__gemm_avx2 = {.rows = ROWS,
                                    .columns = 2 * LANES,
                                    .a_stride = A_STRIDE,
                                    .tile = tile_of_any_size,
                                    .transpose = transpose_rows,
                                    .copy = copy_panels};
#endif
