/* support.numbers: strict reading, exact writing, random numbers, digests, text. */
#include "unit_test.h"

#include "nnmpi/support.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void decimals_are_read_whole_or_not_at_all(void **state) {
  static const char *const good[] = {"0", "-0.5", "1e-3", "1E+3", ".5", "5.", "+2", "123456789.25"};
  static const double values[] = {0, -0.5, 1e-3, 1e3, 0.5, 5, 2, 123456789.25};
  static const char *const bad[] = {"",     " 1",    "1 ", "1e", "1e-3x", "nan",  "inf",
                                    "0x10", "1e999", ".",  "-",  "1,5",   "1.2.3"};
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    double value = 99;
    if (!nn_parse_real(good[i], &value) || value != values[i]) fail_msg("%s was read as %g", good[i], value);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    double value = 99;
    if (nn_parse_real(bad[i], &value)) fail_msg("'%s' was accepted as %g", bad[i], value);
  }
}

static void integers_have_no_zeros_in_front(void **state) {
  static const char *const bad[] = {"", "-", "010", "-0", "1e3", "1.0", "0x1", "9223372036854775808", "+1", "1 "};
  int64_t value = 7;
  (void)state;
  assert_true(nn_parse_int("0", &value) && value == 0);
  assert_true(nn_parse_int("-12", &value) && value == -12);
  assert_true(nn_parse_int("9223372036854775807", &value) && value == INT64_MAX);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (nn_parse_int(bad[i], &value)) fail_msg("'%s' was accepted", bad[i]);
}

static void numbers_are_written_short_and_read_back_exactly(void **state) {
  char text[32];
  (void)state;
  assert_string_equal(nn_format_real(0.1, text), "0.1");
  assert_string_equal(nn_format_real(255, text), "255");
  assert_string_equal(nn_format_float(0.1f, text), "0.1");
  for (uint64_t i = 0; i < 2000; i++) {
    const uint64_t bits = nn_random_bits(1, NN_RANDOM_ORDER, 0, i);
    double value = 0, back = 1;
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value)) continue;
    assert_true(nn_parse_real(nn_format_real(value, text), &back));
    assert_memory_equal(&value, &back, sizeof value);
    const float narrow = (float)nn_random_normal(2, NN_RANDOM_ORDER, 0, i);
    assert_true(nn_parse_real(nn_format_float(narrow, text), &back) && (float)back == narrow);
  }
}

static void a_locale_changes_nothing(void **state) {
  double value = 0;
  char text[32];
  (void)state;
  if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && setlocale(LC_ALL, "fr_FR.UTF-8") == NULL) skip();
  const bool read = nn_parse_real("0.5", &value);
  nn_format_real(0.25, text);
  setlocale(LC_ALL, "C");
  assert_true(read && value == 0.5);
  assert_string_equal(text, "0.25");
}

/* Known answers that come with Random123, the paper's own library. */
static void philox_gives_the_known_answers(void **state) {
  static const uint32_t keys[3][2] = {{0, 0}, {~0u, ~0u}, {0xa4093822, 0x299f31d0}};
  static const uint32_t counters[3][4] = {
      {0, 0, 0, 0}, {~0u, ~0u, ~0u, ~0u}, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}};
  static const uint32_t answers[3][4] = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
  (void)state;
  for (int i = 0; i < 3; i++) {
    uint32_t out[4];
    nn_philox(keys[i], counters[i], out);
    assert_memory_equal(out, answers[i], sizeof out);
  }
}

static void random_numbers_have_the_right_moments(void **state) {
  enum { N = 40000 };
  double uniform = 0, normal = 0, square = 0;
  size_t below[5] = {0};
  (void)state;
  for (uint64_t i = 0; i < N; i++) {
    const double u = nn_random_uniform(5, NN_RANDOM_WEIGHTS, 3, i), z = nn_random_normal(5, NN_RANDOM_WEIGHTS, 4, i);
    assert_true(u >= 0 && u < 1);
    uniform += u / N;
    normal += z / N;
    square += z * z / N;
    below[nn_random_below(5, NN_RANDOM_SPLIT, 1, i, 5)]++;
  }
  /* five standard errors */
  assert_true(fabs(uniform - 0.5) < 5 * sqrt(1.0 / 12 / N));
  assert_true(fabs(normal) < 5 / sqrt(N));
  assert_true(fabs(square - 1) < 5 * sqrt(2.0 / N));
  for (int k = 0; k < 5; k++) assert_true(fabs((double)below[k] - N / 5.0) < 5 * sqrt(N * 0.16));
}

static void streams_of_different_uses_differ(void **state) {
  (void)state;
  const uint64_t bits = nn_random_bits(1, NN_RANDOM_WEIGHTS, 2, 3);
  assert_true(bits != nn_random_bits(2, NN_RANDOM_WEIGHTS, 2, 3));
  assert_true(bits != nn_random_bits(1, NN_RANDOM_ORDER, 2, 3));
  assert_true(bits != nn_random_bits(1, NN_RANDOM_WEIGHTS, 3, 3));
  assert_true(bits != nn_random_bits(1, NN_RANDOM_WEIGHTS, 2, 4));
  assert_true(bits != nn_random_bits(1, NN_RANDOM_WEIGHTS, 2 + (UINT64_C(1) << 32), 3));
  assert_true(bits != nn_random_bits(1, NN_RANDOM_WEIGHTS, 2, 3 + (UINT64_C(1) << 32)));
  assert_true(bits == nn_random_bits(1, NN_RANDOM_WEIGHTS, 2, 3));
}

/* The published values of 64-bit FNV-1a. */
static void the_digest_is_fnv(void **state) {
  (void)state;
  assert_true(nn_digest(NN_DIGEST_START, "", 0) == UINT64_C(0xcbf29ce484222325));
  assert_true(nn_digest(NN_DIGEST_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
  assert_true(nn_digest(NN_DIGEST_START, "foobar", 6) == UINT64_C(0x85944171f73967e8));
}

static void edit_distances_count_changes(void **state) {
  (void)state;
  assert_int_equal(nn_edit_distance("batch_size", "batchsize"), 1);
  assert_int_equal(nn_edit_distance("lr", "rl"), 2);
  assert_int_equal(nn_edit_distance("", "abc"), 3);
  assert_int_equal(nn_edit_distance("same", "same"), 0);
}

static void a_text_grows_and_escapes(void **state) {
  nn_text text = {0};
  (void)state;
  for (int i = 0; i < 1000; i++) nn_text_add(&text, "%03d,", i);
  assert_int_equal(text.length, 4000);
  assert_memory_equal(text.at + 3996, "999,", 5);
  nn_text_clear(&text);
  nn_text_add_escaped(&text, "a\"b\\c\nd\x01");
  assert_string_equal(text.at, "a\\\"b\\\\c\\nd\\u0001");
  assert_int_equal(nn_text_status(&text), NN_OK);
  nn_text_clear(&text);
  assert_null(text.at);
}

static void too_much_memory_is_an_error_that_names_it(void **state) {
  void *memory = NULL;
  (void)state;
  assert_int_equal(nn_alloc(SIZE_MAX / 2, 4, "the moon", &memory), NN_ERR_MEMORY);
  assert_non_null(strstr(nn_error_last()->message, "the moon"));
  assert_int_equal(nn_alloc(SIZE_MAX / 64, 1, "the sun", &memory), NN_ERR_MEMORY);
  assert_null(memory);
}

static void memory_is_aligned_and_zeroed(void **state) {
  (void)state;
  for (size_t count = 0; count < 9000000; count = count * 3 + 1) {
    void *memory = NULL;
    assert_int_equal(nn_alloc(count, 1, "a test", &memory), NN_OK);
    assert_int_equal((uintptr_t)memory % NN_ALIGNMENT, 0);
    for (size_t i = 0; i < count; i++) assert_int_equal(((char *)memory)[i], 0);
    memset(memory, 1, count);
    nn_free(memory);
  }
}

static void a_message_may_contain_the_one_before(void **state) {
  (void)state;
  (void)NN_FAIL(NN_ERR_DATA, "row %d is empty", 3);
  assert_int_equal(NN_FAIL(NN_ERR_IO, "while reading: %s", nn_error_last()->message), NN_ERR_IO);
  assert_string_equal(nn_error_last()->message, "while reading: row 3 is empty");
  nn_error_prefix("a.h5: ");
  assert_string_equal(nn_error_last()->message, "a.h5: while reading: row 3 is empty");
  assert_int_equal(nn_error_last()->rank, -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(decimals_are_read_whole_or_not_at_all),
      cmocka_unit_test(integers_have_no_zeros_in_front),
      cmocka_unit_test(numbers_are_written_short_and_read_back_exactly),
      cmocka_unit_test(a_locale_changes_nothing),
      cmocka_unit_test(philox_gives_the_known_answers),
      cmocka_unit_test(random_numbers_have_the_right_moments),
      cmocka_unit_test(streams_of_different_uses_differ),
      cmocka_unit_test(the_digest_is_fnv),
      cmocka_unit_test(edit_distances_count_changes),
      cmocka_unit_test(a_text_grows_and_escapes),
      cmocka_unit_test(too_much_memory_is_an_error_that_names_it),
      cmocka_unit_test(memory_is_aligned_and_zeroed),
      cmocka_unit_test(a_message_may_contain_the_one_before),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
