/** @file philox.c
 *  Many random words at once: nn_philox() of support.h for consecutive counters. */
#include <stdint.h>

#include "kernels/clones.h"
#include "nnmpi/kernels.h"

enum { NN__PHILOX_ROUNDS = 10 };

NN__BODY void nn__philox_words_body(const uint32_t key[2], uint32_t first, uint32_t row, size_t count, uint32_t *a,
                                    uint32_t *b, uint32_t *c, uint32_t *d) {
  NN__ELEMENTS
  for (size_t i = 0; i < count; i++) {
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = first + (uint32_t)i, c1 = row, c2 = 0, c3 = 0;
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
           (const uint32_t key[2], uint32_t first, uint32_t row, size_t count, uint32_t *a, uint32_t *b, uint32_t *c,
            uint32_t *d),
           (key, first, row, count, a, b, c, d))

void nn_vector_philox(const uint32_t key[2], uint32_t first, uint32_t row, size_t count, uint32_t *words) {
  nn__philox_words(key, first, row, count, words, words + count, words + 2 * count, words + 3 * count);
}
