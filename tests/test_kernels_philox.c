/* Many random words at once are those of nn_philox(), one counter at a time, on every instruction set. */
#include "kernels/clones.h"
#include "kernels_testing.h"
#include "nnmpi/kernels.h"

NN__DECLARE_CLONES(void, nn__philox_words,
                   (const uint32_t key[2], const uint32_t counter[4], size_t count, uint32_t *a, uint32_t *b,
                    uint32_t *c, uint32_t *d))
NN__DECLARE_CLONES(void, nn__uniform_of_words,
                   (size_t count, const uint32_t *low_words, const uint32_t *high_words, double low, double high,
                    float *y))

enum { COUNT_MAX = 70 };

static void check(const uint32_t key[2], const uint32_t first[4], size_t count, const uint32_t *words) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t counter[4] = {first[0] + (uint32_t)i, first[1], first[2], first[3]};
    uint32_t expected[4];
    nn_philox(key, counter, expected);
    for (size_t k = 0; k < 4; k++) assert_int_equal(words[k * count + i], expected[k]);
  }
}

static void words_are_those_of_single_calls(void **state) {
  (void)state;
  for (size_t count = 0; count <= COUNT_MAX; count++) {
    const uint32_t key[2] = {(uint32_t)nn_test_random(2 * count), (uint32_t)nn_test_random(2 * count + 1)};
    const uint32_t counter[4] = {UINT32_MAX - 20, (uint32_t)count * 1000003u, (uint32_t)count << 16, 5}; /* it wraps */
    uint32_t words[4 * COUNT_MAX + 1];
    words[4 * count] = 77;
    nn_vector_philox(key, counter, count, words);
    check(key, counter, count, words);
    assert_int_equal(words[4 * count], 77);
  }
}

/* More than are made at a time; a stream and a seed of more than 32 bits. */
static void uniform_numbers_are_those_of_single_calls(void **state) {
  (void)state;
  enum { MANY = 1000 };
  const uint64_t seed = 0x123456789abcu, stream = (uint64_t)7 << 40 | 3;
  float y[MANY + 1];
  y[MANY] = 77;
  nn_vector_uniform(seed, NN_RANDOM_WEIGHTS, stream, MANY, -0.3, 0.7, y);
  for (size_t i = 0; i < MANY; i++) {
    const float expected = (float)(-0.3 + (0.7 + 0.3) * nn_random_uniform(seed, NN_RANDOM_WEIGHTS, stream, i));
    assert_memory_equal(&y[i], &expected, sizeof expected);
  }
  assert_true(y[MANY] == 77);
}

#if defined(__x86_64__)
static void every_instruction_set_gives_the_same_uniform_numbers(void **state) {
  (void)state;
  enum { MANY = 300 };
  uint32_t words[2 * MANY];
  float expected[MANY], y[MANY];
  for (size_t i = 0; i < 2 * MANY; i++) words[i] = (uint32_t)nn_test_random(i);
  const nn__isa best = nn__isa_best();
  nn__uniform_of_words__plain(MANY, words, words + MANY, -1, 1.5, expected);
  if (best >= NN__AVX2) nn__uniform_of_words__avx2(MANY, words, words + MANY, -1, 1.5, y);
  if (best >= NN__AVX2) assert_memory_equal(y, expected, sizeof y);
  if (best >= NN__AVX512) nn__uniform_of_words__avx512(MANY, words, words + MANY, -1, 1.5, y);
  if (best >= NN__AVX512) assert_memory_equal(y, expected, sizeof y);
}

static void every_instruction_set_gives_the_same_words(void **state) {
  (void)state;
  const uint32_t key[2] = {0x12345678u, 0x9abcdef0u}, counter[4] = {3, 9, 27, 81};
  uint32_t words[4 * COUNT_MAX];
  uint32_t *a = words, *b = a + COUNT_MAX, *c = b + COUNT_MAX, *d = c + COUNT_MAX;
  const nn__isa best = nn__isa_best();
  nn__philox_words__plain(key, counter, COUNT_MAX, a, b, c, d);
  check(key, counter, COUNT_MAX, words);
  memset(words, 0, sizeof words);
  if (best >= NN__AVX2) nn__philox_words__avx2(key, counter, COUNT_MAX, a, b, c, d);
  if (best >= NN__AVX2) check(key, counter, COUNT_MAX, words);
  memset(words, 0, sizeof words);
  if (best >= NN__AVX512) nn__philox_words__avx512(key, counter, COUNT_MAX, a, b, c, d);
  if (best >= NN__AVX512) check(key, counter, COUNT_MAX, words);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(words_are_those_of_single_calls),
    cmocka_unit_test(uniform_numbers_are_those_of_single_calls),
#if defined(__x86_64__)
    cmocka_unit_test(every_instruction_set_gives_the_same_words),
    cmocka_unit_test(every_instruction_set_gives_the_same_uniform_numbers),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
