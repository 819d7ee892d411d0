/* Whether the target column of a CSV file holds class names, class labels or values. */
#include "import.h"

#include "dataset.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
  FEW_CLASSES = 100,
  ROWS_PER_CLASS = 4,
  ROWS_TOLD_APART = 20 /* so many different words are hardly classes */
};

typedef struct cell {
  const char *text;
  int64_t number;
  size_t row;
} cell;

static int by_text(const void *a, const void *b) {
  const cell *p = a, *q = b;
  const int order = strcmp(p->text, q->text);
  return order != 0 ? order : p->row < q->row ? -1 : 1;
}

static int by_number(const void *a, const void *b) {
  const cell *p = a, *q = b;
  if (p->number != q->number) return p->number < q->number ? -1 : 1;
  return p->row < q->row ? -1 : 1;
}

/* Digits with a sign at most, as an integer. */
static bool whole(const char *text, int64_t *out) {
  const char *digits = *text == '-' || *text == '+' ? text + 1 : text;
  double value = 0;
  if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits)) return false;
  if (!nn__csv_real(text, &value) || fabs(value) > 0x1p53) return false;
  *out = (int64_t)value;
  return true;
}

static nn_status fail_at(const nn__csv_table *t, size_t row, const char *what) {
  char text[48], name[48];
  return NN_FAIL(NN_ERR_DATA, "%s:%zu: column \"%s\": \"%s\" %s", t->csv.path, t->lines[row],
                 nn__csv_excerpt(t->names[t->target], name), nn__csv_excerpt(t->targets[row], text), what);
}

/* What the cells look like. */
typedef struct census {
  size_t numbers, wholes, first_text; /* first_text: row, where there is one */
} census;

static nn_status look(const nn__csv_table *t, census *out) {
  census c = {.first_text = SIZE_MAX};
  for (size_t i = 0; i < t->rows; i++) {
    double value = 0;
    int64_t number = 0;
    if (t->targets[i][0] == '\0')
      return NN_FAIL(NN_ERR_DATA, "%s:%zu: column \"%s\": the target is empty; fill it in or leave the row out",
                     t->csv.path, t->lines[i], t->names[t->target]);
    if (strcasecmp(t->targets[i], "nan") == 0)
      return fail_at(t, i, "stands for a missing target; fill it in or leave the row out");
    if (nn__csv_real(t->targets[i], &value))
      c.numbers++;
    else if (c.first_text == SIZE_MAX)
      c.first_text = i;
    c.wholes += whole(t->targets[i], &number);
  }
  *out = c;
  return NN_OK;
}

static nn_status read_values(const nn__csv_table *t, nn__csv_target *out) {
  void *memory = NULL;
  NN_TRY(nn_alloc(t->rows, sizeof(float), "the targets of a CSV file", &memory));
  out->values = memory;
  for (size_t i = 0; i < t->rows; i++) {
    double value = 0;
    if (!nn__csv_real(t->targets[i], &value)) return fail_at(t, i, "is not a number");
    if (fabs(value) > (double)FLT_MAX) return fail_at(t, i, "is too large for float32, in which the network computes");
    out->values[i] = (float)value;
  }
  return NN_OK;
}

/* The cells in the order of their classes; equal ones side by side. */
static nn_status sort_cells(const nn__csv_table *t, bool numbers, cell **out, size_t *distinct) {
  void *memory = NULL;
  NN_TRY(nn_alloc(t->rows, sizeof(cell), "the targets of a CSV file", &memory));
  cell *cells = memory;
  for (size_t i = 0; i < t->rows; i++) {
    cells[i] = (cell){.text = t->targets[i], .row = i};
    if (numbers) (void)whole(t->targets[i], &cells[i].number);
  }
  qsort(cells, t->rows, sizeof *cells, numbers ? by_number : by_text);
  *distinct = 1;
  for (size_t i = 1; i < t->rows; i++)
    *distinct += numbers ? cells[i].number != cells[i - 1].number : strcmp(cells[i].text, cells[i - 1].text) != 0;
  *out = cells;
  return NN_OK;
}

/* Labels 0 … n − 1 in sorted order, and their names unless these are the numbers 0 … n − 1 themselves. */
static nn_status label(const nn__csv_table *t, const cell *cells, size_t distinct, bool numbers, nn__csv_target *out) {
  void *names = NULL, *labels = NULL;
  const bool plain = numbers && cells[0].number == 0 && cells[t->rows - 1].number == (int64_t)distinct - 1;
  if (distinct > NN__CLASSES_MAX)
    return NN_FAIL(NN_ERR_DATA, "%s: column \"%s\" holds %zu different words; at most %d classes are possible",
                   t->csv.path, t->names[t->target], distinct, NN__CLASSES_MAX);
  NN_TRY(nn_alloc(t->rows, sizeof(int32_t), "the targets of a CSV file", &labels));
  out->labels = labels;
  out->count = distinct;
  if (!plain) NN_TRY(nn_alloc(distinct, sizeof(char *), "the names of classes", &names));
  out->names = names;
  int32_t class = -1;
  for (size_t i = 0; i < t->rows; i++) {
    const bool new =
        i == 0 || (numbers ? cells[i].number != cells[i - 1].number : strcmp(cells[i].text, cells[i - 1].text) != 0);
    class += new;
    out->labels[cells[i].row] = class;
    if (!new || plain) continue;
    if (numbers)
      NN_TRY(nn_string_format(&out->names[class], "%" PRId64, cells[i].number));
    else if (!nn__csv_is_utf8(cells[i].text))
      return fail_at(t, cells[i].row, "is not UTF-8 text: convert the file");
    else
      NN_TRY(nn_string_copy(cells[i].text, &out->names[class]));
  }
  return NN_OK;
}

static nn_status decide(const nn__csv_table *t, int mode, nn__csv_target *out) {
  census c = {0};
  NN_TRY(look(t, &c));
  const bool numbers = c.wholes == t->rows;
  if (mode == NN_TARGET_VALUE || (mode == NN_TARGET_AUTO && c.numbers == t->rows && !numbers)) {
    out->rule = mode == NN_TARGET_VALUE ? "as asked for" : "numbers with fractions";
    return read_values(t, out);
  }
  if (mode == NN_TARGET_AUTO && c.numbers < t->rows && c.numbers > t->rows / 2)
    return fail_at(t, c.first_text,
                   "is not a number, although most of the column is; repair it, or import the column "
                   "as classes");
  cell *cells = NULL;
  size_t distinct = 0;
  NN_TRY(sort_cells(t, numbers, &cells, &distinct));
  nn_status status = NN_OK;
  if (mode == NN_TARGET_AUTO && !numbers && distinct == t->rows && t->rows >= ROWS_TOLD_APART) {
    status = fail_at(t, 0,
                     "is text, and no two rows have the same: if these are numbers, write them like 1234.5; "
                     "--target-type class imports them as classes all the same");
    nn_free(cells);
    return status;
  }
  const bool few = distinct <= 2 || (distinct <= FEW_CLASSES && distinct <= t->rows / ROWS_PER_CLASS);
  if (mode == NN_TARGET_AUTO && numbers && !few) {
    out->rule = "whole numbers, too many different ones for classes";
    status = read_values(t, out);
  } else {
    out->classes = true;
    out->rule = mode == NN_TARGET_CLASS ? "as asked for" : numbers ? "few different whole numbers" : "text";
    status = label(t, cells, distinct, numbers, out);
  }
  nn_free(cells);
  return status;
}

nn_status nn__csv_target_read(const nn__csv_table *table, int mode, nn__csv_target *out) {
  nn__csv_target target = {0};
  const nn_status status = decide(table, mode, &target);
  if (status == NN_OK)
    *out = target;
  else
    nn__csv_target_clear(&target);
  return status;
}

void nn__csv_target_clear(nn__csv_target *target) {
  for (size_t i = 0; target->names != NULL && i < target->count; i++) nn_free(target->names[i]);
  nn_free(target->names);
  nn_free(target->labels);
  nn_free(target->values);
  *target = (nn__csv_target){0};
}
