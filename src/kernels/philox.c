/** @file philox.c
 *  Many random words at once: nn_philox() of support.h for consecutive counters. */
#include <stdint.h>

#include "kernels/clones.h"
#include "nnmpi/kernels.h"

enum { NN__PHILOX_ROUNDS = 10 };

NN__BODY void nn__philox_words_body(const uint32_t key[2], const uint32_t counter[4], size_t count, uint32_t *a,
                                    uint32_t *b, uint32_t *c, uint32_t *d) {
  const uint32_t first = counter[0], second = counter[1], third = counter[2], fourth = counter[3];
  NN__ELEMENTS
  for (size_t i = 0; i < count; i++) {
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = first + (uint32_t)i, c1 = second, c2 = third, c3 = fourth;
    for (int round = 0; round < NN__PHILOX_ROUNDS; round++) {
      const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
      c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
      c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
      c1 = (uint32_t)p1;
      c3 = (uint32_t)p0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    a[i] = c0;
    b[i] = c1;
    c[i] = c2;
    d[i] = c3;
  }
}
NN__CLONES(void, nn__philox_words,
           (const uint32_t key[2], const uint32_t counter[4], size_t count, uint32_t *a, uint32_t *b, uint32_t *c,
            uint32_t *d),
           (key, counter, count, a, b, c, d))

void nn_vector_philox(const uint32_t key[2], const uint32_t counter[4], size_t count, uint32_t *words) {
  nn__philox_words(key, counter, count, words, words + count, words + 2 * count, words + 3 * count);
}

NN__BODY void nn__uniform_of_words_body(size_t count, const uint32_t *low_words, const uint32_t *high_words, double low,
                                        double high, float *y) {
  NN__ELEMENTS
  for (size_t i = 0; i < count; i++) {
    const uint64_t bits = (uint64_t)high_words[i] << 32 | low_words[i];
    y[i] = (float)(low + (high - low) * ((double)(int64_t)(bits >> 11) * 0x1p-53)); /* as nn_random_uniform() */
  }
}
NN__CLONES(void, nn__uniform_of_words,
           (size_t count, const uint32_t *low_words, const uint32_t *high_words, double low, double high, float *y),
           (count, low_words, high_words, low, high, y))

void nn_vector_uniform(uint64_t seed, nn_random_use use, uint64_t stream, size_t count, double low, double high,
                       float *y) {
  enum { CHUNK = 256 };
  uint32_t key[2], counter[4], words[4 * CHUNK];
  for (size_t i = 0; i < count; i += CHUNK) { /* CHUNK divides 2^32: counter[0] does not overflow within one */
    const size_t here = count - i < CHUNK ? count - i : CHUNK;
    nn_random_counter(seed, use, stream, i, key, counter);
    nn_vector_philox(key, counter, here, words);
    nn__uniform_of_words(here, words, words + here, low, high, y + i);
  }
}
