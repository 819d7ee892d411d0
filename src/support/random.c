/* Counter-based random numbers, digests. */
#include "nnmpi/support.h"

#include <math.h>

/* Philox4x32-10: the constants are those of the paper (support.h). */
void nn_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]) {
  uint32_t k0 = key[0], k1 = key[1];
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = (uint64_t)0xD2511F53u * c0;
    const uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

void nn_random_counter(uint64_t seed, nn_random_use use, uint64_t stream, uint64_t index, uint32_t key[2],
                       uint32_t counter[4]) {
  NN_ASSERT(index >> 40 == 0 && stream >> 48 == 0);
  key[0] = (uint32_t)seed;
  key[1] = (uint32_t)(seed >> 32);
  counter[0] = (uint32_t)index;
  counter[1] = (uint32_t)stream;
  counter[2] = (uint32_t)(stream >> 32) << 16 | (uint32_t)(index >> 32);
  counter[3] = (uint32_t)use << 24;
}

uint64_t nn_random_bits(uint64_t seed, nn_random_use use, uint64_t stream, uint64_t index) {
  uint32_t key[2], counter[4], out[4];
  nn_random_counter(seed, use, stream, index, key, counter);
  nn_philox(key, counter, out);
  return (uint64_t)out[1] << 32 | out[0];
}

double nn_random_uniform(uint64_t seed, nn_random_use use, uint64_t stream, uint64_t index) {
  return (double)(nn_random_bits(seed, use, stream, index) >> 11) * 0x1p-53;
}

double nn_random_normal(uint64_t seed, nn_random_use use, uint64_t stream, uint64_t index) {
  const uint64_t bits = nn_random_bits(seed, use, stream, index);
  /* both in (0, 1): the logarithm stays finite */
  const double u = ((double)(uint32_t)bits + 0.5) * 0x1p-32;
  const double v = ((double)(uint32_t)(bits >> 32) + 0.5) * 0x1p-32;
  return sqrt(-2 * log(u)) * cos(6.283185307179586476925 * v);
}

uint64_t nn_random_below(uint64_t seed, nn_random_use use, uint64_t stream, uint64_t index, uint64_t n) {
  NN_ASSERT(n > 0 && n <= UINT64_C(1) << 32);
  /* the upper half of a 32 × 64-bit product in two steps: standard C has no 128-bit integers */
  const uint64_t bits = nn_random_bits(seed, use, stream, index);
  const uint64_t low = (bits & UINT32_MAX) * n >> 32;
  return ((bits >> 32) * n + low) >> 32;
}

uint64_t nn_digest(uint64_t digest, const void *bytes, size_t count) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < count; i++) digest = (digest ^ at[i]) * UINT64_C(0x100000001b3);
  return digest;
}
