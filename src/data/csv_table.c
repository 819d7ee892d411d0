/* A CSV file as numbers: which columns there are, which is the target, every cell checked. */
#include "import.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* ---- columns ------------------------------------------------------------------------------------------ */

/* "a", "b", "c" and 781 more; or "column 1" to "column 5". */
static void list_columns(const nn__csv_table *t, nn_text *out) {
  enum { MOST = 20 };
  char cell[48];
  for (size_t i = 0; i < t->columns && i < MOST; i++)
    nn_text_add(out, "%s%s", i > 0 ? ", " : "", nn__csv_excerpt(t->names[i], cell));
  if (t->columns > MOST) nn_text_add(out, " and %zu more", t->columns - MOST);
}

static nn_status no_such_column(const nn__csv_table *t, const char *target) {
  nn_text list = {0};
  char cell[48];
  list_columns(t, &list);
  const nn_status status = NN_FAIL(NN_ERR_DATA, "%s: has no column \"%s\"; it has: %s%s", t->csv.path,
                                   nn__csv_excerpt(target, cell), list.at == NULL ? "" : list.at,
                                   t->header ? "" : " (line 1 holds numbers, so it was taken for data, not for names)");
  nn_text_clear(&list);
  return status;
}

/* Line 1 holds names where none of its cells is a number, or where one that is none is the target's name. */
static bool has_header(const nn__csv *csv, const char *target) {
  size_t numbers = 0;
  bool named = false;
  double value = 0;
  for (size_t i = 0; i < csv->count; i++) {
    const bool number = nn__csv_real(csv->cells[i], &value);
    numbers += number;
    named = named || (!number && strcmp(csv->cells[i], target) == 0);
  }
  return numbers == 0 || named;
}

static nn_status name_columns(nn__csv_table *t) {
  void *memory = NULL;
  t->columns = t->csv.count;
  NN_TRY(nn_alloc(t->columns, sizeof *t->names, "the columns of a CSV file", &memory));
  t->names = memory;
  for (size_t i = 0; i < t->columns; i++) {
    const char *name = t->csv.cells[i];
    if (t->header && !nn__csv_is_utf8(name)) {
      char cell[48];
      return NN_FAIL(NN_ERR_DATA, "%s:%zu: the name of column %zu (\"%s\") is not UTF-8 text: convert the file",
                     t->csv.path, t->csv.record_line, i + 1, nn__csv_excerpt(name, cell));
    }
    if (t->header && *name != '\0')
      NN_TRY(nn_string_copy(name, &t->names[i]));
    else
      NN_TRY(nn_string_format(&t->names[i], "column %zu", i + 1));
  }
  return NN_OK;
}

static nn_status find_target(nn__csv_table *t, const char *target) {
  size_t found = SIZE_MAX;
  int64_t number = 0;
  for (size_t i = 0; t->header && i < t->columns; i++) {
    if (strcmp(t->names[i], target) != 0) continue;
    if (found != SIZE_MAX)
      return NN_FAIL(NN_ERR_DATA, "%s: columns %zu and %zu are both called \"%s\": rename one", t->csv.path, found + 1,
                     i + 1, target);
    found = i;
  }
  if (found == SIZE_MAX && nn_parse_int(target, &number) && number >= 1 && (uint64_t)number <= t->columns)
    found = (size_t)number - 1;
  if (found == SIZE_MAX) return no_such_column(t, target);
  t->target = found;
  if (t->columns == 1) return NN_FAIL(NN_ERR_DATA, "%s: has one column only: there are no features", t->csv.path);
  return NN_OK;
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

static nn_status grow(void **at, size_t used, size_t capacity, size_t size) {
  void *grown = NULL;
  size_t bytes = 0;
  if (!nn_size_multiply(capacity, size, &bytes)) bytes = SIZE_MAX;
  NN_TRY(nn_alloc(bytes, 1, "the rows of a CSV file", &grown));
  if (used > 0) memcpy(grown, *at, used * size);
  nn_free(*at);
  *at = grown;
  return NN_OK;
}

static nn_status room_for_a_row(nn__csv_table *t) {
  if (t->rows < t->row_capacity) return NN_OK;
  const size_t capacity = t->row_capacity == 0 ? 256 : 2 * t->row_capacity;
  void *features = t->features, *targets = t->targets, *lines = t->lines;
  nn_status status = grow(&features, t->rows, capacity, (t->columns - 1) * sizeof *t->features);
  if (status == NN_OK) status = grow(&targets, t->rows, capacity, sizeof *t->targets);
  if (status == NN_OK) status = grow(&lines, t->rows, capacity, sizeof *t->lines);
  t->features = features; /* whichever could grow */
  t->targets = targets;
  t->lines = lines;
  if (status == NN_OK) t->row_capacity = capacity;
  return status;
}

static bool means_missing(const char *text) {
  static const char *const words[] = {"nan", "na", "n/a", "null", "none", "nil", "?", "-", "inf", "-inf", "+inf", ""};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcasecmp(text, words[i]) == 0) return true;
  return false;
}

/* A number with a comma where the point should be? */
static bool decimal_comma(const char *text) {
  const char *comma = strchr(text, ',');
  return comma != NULL && comma > text && strspn(text, "+-0123456789.eE,") == strlen(text) &&
         strchr(comma + 1, ',') == NULL;
}

static nn_status bad_feature(const nn__csv_table *t, size_t column) {
  char cell[48], name[48];
  const char *text = t->csv.cells[column];
  const char *advice = "is not a number";
  nn__csv_excerpt(t->names[column], name);
  if (*text == '\0')
    return NN_FAIL(NN_ERR_DATA, "%s:%zu: column \"%s\": the cell is empty; fill it in or leave the row out",
                   t->csv.path, t->csv.record_line, name);
  if (means_missing(text))
    advice = "stands for a missing value; fill it in or leave the row out";
  else if (decimal_comma(text))
    advice = "has a decimal comma; write numbers with a point";
  else if (t->rows == 0)
    advice =
        "is text, and features must be numbers: turn it into numbers (a column of 0 and 1 for each of its words) or "
        "leave the column out";
  return NN_FAIL(NN_ERR_DATA, "%s:%zu: column \"%s\": \"%s\" %s", t->csv.path, t->csv.record_line, name,
                 nn__csv_excerpt(text, cell), advice);
}

static nn_status take_row(nn__csv_table *t) {
  const nn__csv *csv = &t->csv;
  if (csv->count != t->columns)
    return NN_FAIL(NN_ERR_DATA, "%s:%zu: has %zu cells where line 1 has %zu", csv->path, csv->record_line, csv->count,
                   t->columns);
  NN_TRY(room_for_a_row(t));
  float *to = t->features + t->rows * (t->columns - 1);
  for (size_t i = 0; i < t->columns; i++) {
    double value = 0;
    if (i == t->target) continue;
    if (!nn__csv_real(csv->cells[i], &value)) return bad_feature(t, i);
    if (fabs(value) > (double)FLT_MAX)
      return NN_FAIL(NN_ERR_DATA, "%s:%zu: column \"%s\": %s is too large for float32, in which the network computes",
                     csv->path, csv->record_line, t->names[i], csv->cells[i]);
    *to++ = (float)value;
  }
  t->targets[t->rows] = csv->cells[t->target];
  t->lines[t->rows++] = csv->record_line;
  return NN_OK;
}

static nn_status read_all(nn__csv_table *t, const char *path, const char *target) {
  bool more = false;
  NN_TRY(nn__csv_open(path, &t->csv));
  NN_TRY(nn__csv_next(&t->csv, &more));
  if (!more) return NN_FAIL(NN_ERR_DATA, "%s: is empty", path);
  t->header = has_header(&t->csv, target);
  NN_TRY(name_columns(t));
  NN_TRY(find_target(t, target));
  if (t->header) NN_TRY(nn__csv_next(&t->csv, &more));
  while (more) {
    NN_TRY(take_row(t));
    NN_TRY(nn__csv_next(&t->csv, &more));
  }
  if (t->rows == 0) return NN_FAIL(NN_ERR_DATA, "%s: has names of columns and no rows", path);
  if (t->rows > UINT32_MAX)
    return NN_FAIL(NN_ERR_DATA, "%s: has %zu rows; at most %lu can be used", path, t->rows, (unsigned long)UINT32_MAX);
  return NN_OK;
}

nn_status nn__csv_table_read(const char *path, const char *target, nn__csv_table *out) {
  nn__csv_table table = {0};
  const nn_status status = read_all(&table, path, target);
  if (status == NN_OK)
    *out = table;
  else
    nn__csv_table_close(&table);
  return status;
}

void nn__csv_table_close(nn__csv_table *table) {
  for (size_t i = 0; table->names != NULL && i < table->columns; i++) nn_free(table->names[i]);
  nn_free(table->names);
  nn_free(table->features);
  nn_free(table->targets);
  nn_free(table->lines);
  nn__csv_close(&table->csv);
  *table = (nn__csv_table){0};
}
