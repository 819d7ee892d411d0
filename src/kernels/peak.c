/** @file peak.c
 *  The FMA peak of one core: sixteen chains of dependent FMAs, more than latency times units of any processor so far,
 * and nothing else in the loop. */
#include "nnmpi/kernels.h"

#include <math.h>
#include <time.h>

enum { CHAINS = 16, TURNS = 4096 };

/* One block: TURNS FMAs on each chain. Multiplying by a little less than one keeps the values away from infinity and
 * from denormals. Returns something that depends on all of them, so that nothing can be left out. */
typedef float (*fma_block)(float start);

#if defined(__x86_64__)
#include <immintrin.h>

#define NN__BLOCK(name, features, vector, set1, fmadd, add, lane0)                                                     \
  __attribute__((target(features))) static float name(float start) {                                                   \
    vector c[CHAINS];                                                                                                  \
    const vector b = set1(0.999f), a = set1(1.0f);                                                                     \
    for (int i = 0; i < CHAINS; i++) c[i] = set1(start + (float)i);                                                    \
    for (int t = 0; t < TURNS; t++)                                                                                    \
      for (int i = 0; i < CHAINS; i++) c[i] = fmadd(c[i], b, a);                                                       \
    for (int i = 1; i < CHAINS; i++) c[0] = add(c[0], c[i]);                                                           \
    return lane0(c[0]);                                                                                                \
  }

NN__BLOCK(block_avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps, _mm512_cvtss_f32)
NN__BLOCK(block_avx2, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps, _mm256_cvtss_f32)
#endif

enum { GENERIC_LANES = 4 }; /* NEON's; without hardware FMA this is a slow call, and so would be any program's */

static float block_generic(float start) {
  typedef float vector __attribute__((vector_size(4 * GENERIC_LANES)));
  vector c[CHAINS];
  for (int i = 0; i < CHAINS; i++)
    for (int l = 0; l < GENERIC_LANES; l++) c[i][l] = start + (float)(i + l);
  for (int t = 0; t < TURNS; t++)
    for (int i = 0; i < CHAINS; i++)
      for (int l = 0; l < GENERIC_LANES; l++) c[i][l] = fmaf(c[i][l], 0.999f, 1.0f);
  float sum = 0.0f;
  for (int i = 0; i < CHAINS; i++) sum += c[i][0] + c[i][GENERIC_LANES - 1];
  return sum;
}

static fma_block best_block(int *lanes, const char **isa) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    *lanes = 16, *isa = "avx512";
    return block_avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    *lanes = 8, *isa = "avx2";
    return block_avx2;
  }
#endif
  *lanes = GENERIC_LANES, *isa = "generic";
  return block_generic;
}

static double processor_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double nn_cpu_peak(double seconds) {
  int lanes;
  const char *isa;
  const fma_block block = best_block(&lanes, &isa);
  volatile float sink = 0.0f;
  double blocks = 0.0, elapsed;
  const double start = processor_seconds();
  do {
    for (int i = 0; i < 8; i++) sink = block(sink * 0.0f);
    blocks += 8.0;
    elapsed = processor_seconds() - start;
  } while (elapsed < seconds);
  return blocks * CHAINS * TURNS * lanes * 2.0 / elapsed * 1e-9;
}

const char *nn_cpu_peak_isa(void) {
  int lanes;
  const char *isa;
  (void)best_block(&lanes, &isa);
  return isa;
}
