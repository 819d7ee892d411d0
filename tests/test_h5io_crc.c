/* h5io.crc: checksums are zlib's, of any length from any place, also piece by piece. */
#include "unit_test.h"

#include <string.h>
#include <zlib.h>

#include "h5io/crc.h"

static void checksums_are_those_of_zlib(void **state) {
  (void)state;
  unsigned char bytes[3000];
  uint32_t word = 1;
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)((word = word * 1664525 + 1013904223) >> 24);
  assert_int_equal(nn__crc32(0, "123456789", 9), 0xcbf43926); /* the check value in every table of CRCs */
  for (size_t from = 0; from < 20; from++)
    for (size_t count = 0; from + count <= sizeof bytes; count += count < 600 ? 1 : 61) {
      const uint32_t crc = nn__crc32(0, bytes + from, count);
      assert_int_equal(crc, crc32_z(0, bytes + from, count));
      assert_int_equal(nn__crc32(nn__crc32(0, bytes, from), bytes + from, count), crc32_z(0, bytes, from + count));
    }
  memset(bytes, 0, sizeof bytes);
  assert_int_equal(nn__crc32(0, bytes, sizeof bytes), crc32_z(0, bytes, sizeof bytes));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(checksums_are_those_of_zlib),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
