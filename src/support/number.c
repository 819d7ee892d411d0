/* Strict reading and exact writing of numbers, whatever the locale. */
#include "nnmpi/support.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Digits from `*at` on; false if there is none. */
static bool skip_digits(const char **at) {
  const char *start = *at;
  while (**at >= '0' && **at <= '9') (*at)++;
  return *at > start;
}

/* [+-] digits [. digits] [(e|E) [+-] digits], at least one digit before or behind the point. */
static bool is_decimal(const char *text) {
  const char *at = text;
  if (*at == '-' || *at == '+') at++;
  bool digits = skip_digits(&at);
  if (*at == '.') {
    at++;
    if (skip_digits(&at)) digits = true;
  }
  if (!digits) return false;
  if (*at == 'e' || *at == 'E') {
    at++;
    if (*at == '-' || *at == '+') at++;
    if (!skip_digits(&at)) return false;
  }
  return *at == '\0';
}

/* strtod() as in the C locale: it would want a comma in a German one. */
static double parse_decimal(const char *text) {
  const char point = localeconv()->decimal_point[0];
  char copy[128];
  const size_t length = strlen(text);
  if (point == '.' || length >= sizeof copy) return strtod(text, NULL);
  memcpy(copy, text, length + 1);
  char *dot = strchr(copy, '.');
  if (dot != NULL) *dot = point;
  return strtod(copy, NULL);
}

bool nn_parse_real(const char *text, double *out) {
  if (!is_decimal(text)) return false;
  const double value = parse_decimal(text);
  if (!isfinite(value)) return false;
  *out = value;
  return true;
}

bool nn_parse_int(const char *text, int64_t *out) {
  const char *at = text;
  if (*at == '-') at++;
  const char *digits = at;
  if (!skip_digits(&at) || *at != '\0') return false;
  if (digits[0] == '0' && (digits[1] != '\0' || digits != text)) return false;
  errno = 0;
  const long long value = strtoll(text, NULL, 10);
  if (errno != 0) return false;
  *out = value;
  return true;
}

/* The fewest digits that read back as the same number: of a float where `narrow`. */
static char *format_shortest(double value, bool narrow, char buffer[32]) {
  const bool plain = fabs(value) >= 1 && fabs(value) < 1e15; /* 50 is not written 5e+01 */
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(buffer, 32, "%.*g", digits, value);
    char *comma = strchr(buffer, ','); /* a locale's decimal point */
    if (comma != NULL) *comma = '.';
    if (!isfinite(value)) break;
    const double back = parse_decimal(buffer);
    const bool same = narrow ? (float)back == (float)value : back == value;
    if (same && !(plain && strchr(buffer, 'e') != NULL)) break;
  }
  return buffer;
}

char *nn_format_real(double value, char buffer[32]) {
  return format_shortest(value, false, buffer);
}

char *nn_format_float(float value, char buffer[32]) {
  return format_shortest((double)value, true, buffer);
}

bool nn_size_multiply(size_t a, size_t b, size_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}

char *nn_format_bytes(double bytes, char buffer[32]) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < sizeof units / sizeof *units) {
    bytes /= 1024;
    unit++;
  }
  snprintf(buffer, 32, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
  return buffer;
}

int nn_edit_distance(const char *a, const char *b) {
  enum { FAR = 64 };
  const size_t na = strlen(a), nb = strlen(b);
  if (na >= FAR || nb >= FAR) return FAR;
  int row[FAR];
  for (size_t j = 0; j <= nb; j++) row[j] = (int)j;
  for (size_t i = 1; i <= na; i++) {
    int diagonal = row[0];
    row[0] = (int)i;
    for (size_t j = 1; j <= nb; j++) {
      const int replace = diagonal + (a[i - 1] != b[j - 1]);
      const int shift = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
      diagonal = row[j];
      row[j] = replace < shift ? replace : shift;
    }
  }
  return row[nb];
}
