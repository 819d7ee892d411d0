/* Is it text at all? Looked at before libyaml, so that every complaint has a line and a column. */
#include "config/internal.h"

#include <string.h>

int32_t nn__utf8_next(const char *at, size_t length, size_t *bytes) {
  static const int32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const unsigned char first = (unsigned char)at[0];
  *bytes = 1;
  if (first < 0x80) return first;
  const size_t count = first >= 0xf8 ? 0 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
  if (count == 0 || count > length) return -1;
  int32_t character = first & (0x7f >> count);
  for (size_t i = 1; i < count; i++) {
    const unsigned char byte = (unsigned char)at[i];
    if ((byte & 0xc0) != 0x80) return -1;
    character = character << 6 | (byte & 0x3f);
  }
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  if (character < smallest[count] || character > 0x10ffff || surrogate) return -1;
  *bytes = count;
  return character;
}

/* c-printable of YAML 1.1, without the byte order mark. */
bool nn__is_yaml_character(int32_t c) {
  if (c == '\t' || c == '\n' || c == '\r' || c == 0x85) return true;
  return (c >= 0x20 && c <= 0x7e) || (c >= 0xa0 && c <= 0xd7ff) || (c >= 0xe000 && c <= 0xfffd && c != 0xfeff) ||
         (c >= 0x10000 && c <= 0x10ffff);
}

/* Whether the white space that the line at `at` begins with has a tab; empty lines too, as libyaml may trip over them.
 */
static bool tab_indents(const char *at, size_t length, int *column) {
  size_t i = 0;
  while (i < length && at[i] == ' ') i++;
  if (i == length || at[i] != '\t') return false;
  *column = (int)i + 1;
  return true;
}

static bool is_break(const char *text, size_t length, size_t at, int32_t character) {
  if (character == '\r') return at + 1 >= length || text[at + 1] != '\n';
  return character == '\n' || character == 0x85 || character == 0x2028 || character == 0x2029;
}

bool nn__text_check(const char *text, size_t length, size_t source, const char *path, nn__errors *errors) {
  nn__mark mark = {source, 1, 1};
  bool line_starts = true;
  for (size_t i = 0, bytes = 1; i < length; i += bytes) {
    if (source == 0 && line_starts && tab_indents(text + i, length - i, &mark.column)) {
      nn__complain(errors, mark, path, "a tab in the indentation; indent with spaces");
      return false;
    }
    const int32_t character = nn__utf8_next(text + i, length - i, &bytes);
    if (character < 0) {
      nn__complain(errors, mark, path, "byte 0x%02x is not UTF-8; save the text as UTF-8",
                   (unsigned)(unsigned char)text[i]);
      return false;
    }
    if (!nn__is_yaml_character(character)) {
      nn__complain(errors, mark, path, "control character U+%04X; remove it", (unsigned)character);
      return false;
    }
    line_starts = is_break(text, length, i, character);
    mark.line += line_starts;
    mark.column = line_starts ? 1 : mark.column + 1;
  }
  return true;
}
