/* Many random words at once are those of nn_philox(), one counter at a time, on every instruction set. */
#include "kernels/clones.h"
#include "kernels_testing.h"
#include "nnmpi/kernels.h"

NN__DECLARE_CLONES(void, nn__philox_words,
                   (const uint32_t key[2], uint32_t first, uint32_t row, size_t count, uint32_t *a, uint32_t *b,
                    uint32_t *c, uint32_t *d))

enum { COUNT_MAX = 70 };

static void check(const uint32_t key[2], uint32_t first, uint32_t row, size_t count, const uint32_t *words) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t counter[4] = {first + (uint32_t)i, row, 0, 0};
    uint32_t expected[4];
    nn_philox(key, counter, expected);
    for (size_t k = 0; k < 4; k++) assert_int_equal(words[k * count + i], expected[k]);
  }
}

static void words_are_those_of_single_calls(void **state) {
  (void)state;
  for (size_t count = 0; count <= COUNT_MAX; count++) {
    const uint32_t key[2] = {(uint32_t)nn_test_random(2 * count), (uint32_t)nn_test_random(2 * count + 1)};
    const uint32_t first = UINT32_MAX - 20, row = (uint32_t)count * 1000003u; /* the counter wraps */
    uint32_t words[4 * COUNT_MAX + 1];
    words[4 * count] = 77;
    nn_vector_philox(key, first, row, count, words);
    check(key, first, row, count, words);
    assert_int_equal(words[4 * count], 77);
  }
}

#if defined(__x86_64__)
static void every_instruction_set_gives_the_same_words(void **state) {
  (void)state;
  const uint32_t key[2] = {0x12345678u, 0x9abcdef0u};
  uint32_t words[4 * COUNT_MAX];
  uint32_t *a = words, *b = a + COUNT_MAX, *c = b + COUNT_MAX, *d = c + COUNT_MAX;
  const nn__isa best = nn__isa_best();
  nn__philox_words__plain(key, 3, 9, COUNT_MAX, a, b, c, d);
  check(key, 3, 9, COUNT_MAX, words);
  memset(words, 0, sizeof words);
  if (best >= NN__AVX2) nn__philox_words__avx2(key, 3, 9, COUNT_MAX, a, b, c, d);
  if (best >= NN__AVX2) check(key, 3, 9, COUNT_MAX, words);
  memset(words, 0, sizeof words);
  if (best >= NN__AVX512) nn__philox_words__avx512(key, 3, 9, COUNT_MAX, a, b, c, d);
  if (best >= NN__AVX512) check(key, 3, 9, COUNT_MAX, words);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(words_are_those_of_single_calls),
#if defined(__x86_64__)
    cmocka_unit_test(every_instruction_set_gives_the_same_words),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
