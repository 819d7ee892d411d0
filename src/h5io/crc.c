/* CRC-32 as zlib has it, at the speed of memory: a checkpoint's is computed twice beside the training. */
#include "h5io/crc.h"

#include <zlib.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* Bits are reflected, so that x^n mod P stands reflected and shifted by one. Each pair moves 128 bits over a distance:
 * x^(d + 32) for their first half, x^(d - 32) for the second. Method and constants: V. Gopal and others, "Fast CRC
 * Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009. */
#define OVER_512 _mm_set_epi64x(0x1c6e41596, 0x154442bd4)
#define OVER_128 _mm_set_epi64x(0x0ccaa009e, 0x1751997d0)

enum { STRIDE = 64, LEAST = 4 * STRIDE };

#define FOLDING __attribute__((target("pclmul")))

FOLDING static inline __m128i moved(__m128i x, __m128i over) {
  return _mm_xor_si128(_mm_clmulepi64_si128(x, over, 0x00), _mm_clmulepi64_si128(x, over, 0x11));
}

FOLDING static inline __m128i block(const unsigned char *at) {
  return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* Of `count` bytes, a multiple of 64: 16 bytes with the same remainder, of which zlib makes the checksum. */
FOLDING static uint32_t folded(uint32_t crc, const unsigned char *at, size_t count) {
  const unsigned char *const end = at + count;
  __m128i x[4];
  for (int i = 0; i < 4; i++) x[i] = block(at + 16 * i);
  x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)~crc));
  for (at += STRIDE; at < end; at += STRIDE)
    for (int i = 0; i < 4; i++) x[i] = _mm_xor_si128(moved(x[i], OVER_512), block(at + 16 * i));
  for (int i = 1; i < 4; i++) x[i] = _mm_xor_si128(moved(x[i - 1], OVER_128), x[i]);
  unsigned char rest[16];
  _mm_storeu_si128((__m128i *)(void *)rest, x[3]);
  return (uint32_t)crc32_z(UINT32_MAX, rest, sizeof rest); /* zlib begins with the complement: with nothing */
}

#endif

uint32_t nn__crc32(uint32_t crc, const void *bytes, size_t count) {
  const unsigned char *at = bytes;
  size_t done = 0;
#ifdef FOLDING
  if (count >= LEAST && __builtin_cpu_supports("pclmul")) {
    done = count / STRIDE * STRIDE;
    crc = folded(crc, at, done);
  }
#endif
  return (uint32_t)crc32_z(crc, at + done, count - done);
}
