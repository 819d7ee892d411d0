/* CSV as in RFC 4180, and as it is really written: other delimiters, a byte order mark, blank lines, spaces. */
#include "import.h"

#include <string.h>

/* ---- opening ---------------------------------------------------------------------------------------- */

static size_t line_of(const char *text, const char *at) {
  size_t line = 1;
  for (; text < at; text++) line += *text == '\n';
  return line;
}

/* How often each candidate stands outside quotes in the record at `*at`; moves behind it. False: it was blank. */
static bool count_delimiters(const char **at, const char *end, const char *candidates, size_t counts[3]) {
  bool quoted = false, any = false;
  const char *p = *at;
  memset(counts, 0, 3 * sizeof *counts);
  for (; p < end && (quoted || (*p != '\n' && *p != '\r')); p++) {
    const char *found = *p == '\0' ? NULL : strchr(candidates, *p);
    any = any || *p != ' ';
    if (*p == '"')
      quoted = !quoted;
    else if (!quoted && found != NULL)
      counts[found - candidates]++;
  }
  *at = p < end ? p + 1 : p;
  return any;
}

static char find_delimiter(const char *at, const char *end) {
  enum { LOOK_AT = 20 };
  static const char candidates[] = "\t;,";
  size_t first[3] = {0}, now[3];
  bool steady[3] = {true, true, true};
  for (int records = 0; records < LOOK_AT && at < end;) {
    if (!count_delimiters(&at, end, candidates, now)) continue;
    if (records == 0) memcpy(first, now, sizeof first);
    for (int i = 0; i < 3; i++) steady[i] = steady[i] && now[i] > 0 && now[i] == first[i];
    records++;
  }
  int best = 2;
  for (int i = 2; i >= 0; i--)
    if (first[i] > first[best]) best = i;
  for (int i = 2; i >= 0; i--)
    if (steady[i]) best = i;
  return candidates[best];
}

nn_status nn__csv_open(const char *path, nn__csv *out) {
  nn__csv csv = {.path = path, .line = 1};
  size_t length = 0;
  NN_TRY(nn__import_input(nn_file_read(path, SIZE_MAX / 4, &csv.text, &length)));
  csv.at = csv.text;
  csv.end = csv.text + length;
  if (length >= 2 && (memcmp(csv.text, "\xff\xfe", 2) == 0 || memcmp(csv.text, "\xfe\xff", 2) == 0)) {
    nn_free(csv.text);
    return NN_FAIL(NN_ERR_DATA, "%s: is UTF-16 text; save it as UTF-8", path);
  }
  if (length >= 3 && memcmp(csv.text, "\xef\xbb\xbf", 3) == 0) csv.at += 3;
  const char *zero = length > 0 ? memchr(csv.text, '\0', length) : NULL;
  if (zero != NULL) {
    const size_t line = line_of(csv.text, zero);
    nn_free(csv.text);
    return NN_FAIL(NN_ERR_DATA, "%s:%zu: holds a zero byte: this is no CSV text", path, line);
  }
  csv.delimiter = find_delimiter(csv.at, csv.end);
  *out = csv;
  return NN_OK;
}

void nn__csv_close(nn__csv *csv) {
  nn_free(csv->text);
  nn_free(csv->cells);
  *csv = (nn__csv){0};
}

/* ---- records ---------------------------------------------------------------------------------------- */

static nn_status add_cell(nn__csv *csv, char *text) {
  if (csv->count == csv->capacity) {
    const size_t capacity = csv->capacity == 0 ? 64 : 2 * csv->capacity;
    void *grown = NULL;
    NN_TRY(nn_alloc(capacity, sizeof *csv->cells, "the cells of a CSV line", &grown));
    if (csv->count > 0) memcpy(grown, csv->cells, csv->count * sizeof *csv->cells);
    nn_free(csv->cells);
    csv->cells = grown;
    csv->capacity = capacity;
  }
  csv->cells[csv->count++] = text;
  return NN_OK;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

static bool ends_cell(const nn__csv *csv, const char *at) {
  return at == csv->end || *at == csv->delimiter || *at == '\n' || *at == '\r';
}

/* A quoted cell from its opening quote on; afterwards at what ends it. */
static nn_status quoted_cell(nn__csv *csv) {
  const size_t opened = csv->line;
  char *start = ++csv->at, *to = start;
  for (;; csv->at++) {
    if (csv->at == csv->end)
      return NN_FAIL(NN_ERR_DATA, "%s:%zu: a quoted cell begins here and never ends: a \" is missing", csv->path,
                     opened);
    if (*csv->at == '"') {
      if (csv->at + 1 == csv->end || csv->at[1] != '"') break;
      csv->at++; /* two of them stand for one */
    }
    csv->line += *csv->at == '\n';
    *to++ = *csv->at;
  }
  csv->at++;
  while (!ends_cell(csv, csv->at) && is_blank(*csv->at)) csv->at++;
  if (!ends_cell(csv, csv->at))
    return NN_FAIL(NN_ERR_DATA,
                   "%s:%zu: there is text behind the closing quote of cell %zu; a quote inside a quoted "
                   "cell is written twice",
                   csv->path, csv->line, csv->count + 1);
  NN_TRY(add_cell(csv, start));
  *to = '\0'; /* at the closing quote at the latest: the delimiter is not touched */
  return NN_OK;
}

/* An unquoted cell without the spaces around it. `*after` is where its zero goes once what ended it was seen. */
static nn_status plain_cell(nn__csv *csv, char **after) {
  char *start = csv->at;
  while (!ends_cell(csv, csv->at)) csv->at++;
  char *stop = csv->at;
  while (stop > start && is_blank(stop[-1])) stop--;
  *after = stop;
  return add_cell(csv, start);
}

/* One line's cells, and what ends it. */
static nn_status read_record(nn__csv *csv, bool *blank) {
  bool quotes = false, more = true;
  csv->count = 0;
  csv->record_line = csv->line;
  while (more) {
    char *stop = NULL;
    while (csv->at < csv->end && is_blank(*csv->at) && *csv->at != csv->delimiter) csv->at++;
    if (csv->at < csv->end && *csv->at == '"') {
      quotes = true;
      NN_TRY(quoted_cell(csv));
    } else {
      NN_TRY(plain_cell(csv, &stop));
    }
    more = csv->at < csv->end && *csv->at == csv->delimiter;
    const bool two = csv->end - csv->at >= 2 && csv->at[0] == '\r' && csv->at[1] == '\n';
    if (csv->at < csv->end) csv->at += two ? 2 : 1;
    if (stop != NULL) *stop = '\0'; /* there is a byte behind the text for the last one */
  }
  csv->line++;
  *blank = csv->count == 1 && !quotes && csv->cells[0][0] == '\0';
  return NN_OK;
}

nn_status nn__csv_next(nn__csv *csv, bool *more) {
  bool blank = true;
  while (blank && csv->at < csv->end) NN_TRY(read_record(csv, &blank));
  *more = !blank;
  return NN_OK;
}

/* ---- cells -------------------------------------------------------------------------------------------- */

/* Up to 15 digits and a power of ten up to 22 are exact doubles, so one division rounds correctly (Clinger, "How to
 * read floating point numbers accurately", 1990). */
static bool short_real(const char *text, double *out) {
  static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const bool negative = *text == '-';
  const char *p = negative ? text + 1 : text, *point = NULL;
  int64_t digits = 0;
  int count = 0;
  for (; *p != '\0'; p++) {
    if (*p == '.' && point == NULL)
      point = p;
    else if (*p >= '0' && *p <= '9' && ++count <= 15)
      digits = 10 * digits + (*p - '0');
    else
      return false;
  }
  if (count == 0) return false;
  const double value = (double)digits / powers[point == NULL ? 0 : p - point - 1];
  *out = negative ? -value : value;
  return true;
}

bool nn__csv_real(const char *text, double *out) {
  return short_real(text, out) || nn_parse_real(text, out);
}

/* Bytes of the UTF-8 character at `p`; 0: none. */
static size_t character_bytes(const unsigned char *p) {
  if (p[0] < 0x80) return 1;
  const size_t bytes = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
  if (p[0] < 0xc2 || p[0] > 0xf4) return 0;
  for (size_t i = 1; i < bytes; i++)
    if (p[i] < 0x80 || p[i] > 0xbf) return 0;                                   /* the final zero, too */
  if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0; /* too long; a half of a pair */
  if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0; /* too long; beyond Unicode */
  return bytes;
}

bool nn__csv_is_utf8(const char *text) {
  const unsigned char *p = (const unsigned char *)text;
  while (*p != '\0') {
    const size_t bytes = character_bytes(p);
    if (bytes == 0) return false;
    p += bytes;
  }
  return true;
}

char *nn__csv_excerpt(const char *text, char buffer[48]) {
  const unsigned char *p = (const unsigned char *)text;
  size_t used = 0;
  while (*p != '\0') {
    const size_t bytes = character_bytes(p);
    if (used + (bytes == 0 ? 1 : bytes) > 40) {
      memcpy(buffer + used, "...", 3);
      used += 3;
      break;
    }
    if (bytes <= 1) {
      buffer[used++] = bytes == 0 || *p < 0x20 || *p == 0x7f ? '?' : (char)*p;
      p++;
    } else {
      memcpy(buffer + used, p, bytes);
      used += bytes;
      p += bytes;
    }
  }
  buffer[used] = '\0';
  return buffer;
}
