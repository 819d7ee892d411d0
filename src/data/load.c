/* Reading the rows into memory that the ranks of a node share, and checking them. */
#include "dataset.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- where a bad number stands ---------------------------------------------------------------------- */

/* ", column 3" of a flat sample, ", element [5, 3]" of a shaped one, nothing of a single number. */
static void place_words(const nn_shape *shape, size_t column, char buffer[128]) {
  buffer[0] = '\0';
  if (nn_shape_size(shape) == 1) return;
  if (shape->rank == 1) {
    snprintf(buffer, 128, ", column %zu", column);
    return;
  }
  size_t index[NN_SHAPE_RANK_MAX] = {0}, used = 0;
  for (int i = shape->rank - 1; i >= 0; i--) {
    index[i] = column % shape->dims[i];
    column /= shape->dims[i];
  }
  used += (size_t)snprintf(buffer, 128, ", element [");
  for (int i = 0; i < shape->rank; i++)
    used += (size_t)snprintf(buffer + used, 128 - used, "%s%zu", i > 0 ? ", " : "", index[i]);
  snprintf(buffer + used, 128 - used, "]");
}

/* Find the first of `count` numbers that is not within ±limit, and report it. Rows count from 0, as in h5py. */
static nn_status report_number(const nn_dataset *d, const char *name, nn_element type, const nn_shape *shape,
                               size_t first_row, const void *numbers, size_t count, double limit) {
  const size_t width = nn_shape_size(shape);
  const unsigned char *at = numbers;
  char place[128], text[32];
  for (size_t i = 0; i < count; i++) {
    double value = 0;
    nn__elements_to_real(type, 1, at + i * nn_element_size(type), &value);
    if (fabs(value) <= limit) continue;
    place_words(shape, i % width, place);
    nn__element_text(type, numbers, i, text);
    return NN_FAIL(NN_ERR_DATA, "%s: %s: row %zu%s (counted from 0) is %s: %s", d->source, name, first_row + i / width,
                   place, text,
                   isfinite(value) ? "too large for float32, in which the network computes"
                                   : "every number must be finite; repair the row or leave it out");
  }
  NN_ASSERT(false);
}

/* ---- x ------------------------------------------------------------------------------------------------ */

/* The largest magnitude that x / scale may have before it stops being a float. */
static double x_limit(const nn_dataset *d) {
  return d->normalizer.scale < 1 ? (double)FLT_MAX * d->normalizer.scale : (double)FLT_MAX;
}

static nn_status read_x(nn_dataset *d, const nn__table *t, size_t first, size_t count, unsigned char *to) {
  if (t->x_in == NULL) return nn_h5_read_rows(d->file, t->x_name, first, count, to);
  memcpy(to, t->x_in->at + first * d->width, count * d->width * sizeof(double));
  return NN_OK;
}

static nn_status check_x(const nn_dataset *d, const nn__table *t, size_t first, size_t count, const void *rows) {
  const nn_element type = nn__element_of(t->x.type);
  const double limit = x_limit(d);
  if (type == NN_ELEMENT_F32 || type == NN_ELEMENT_F64) {
    if (nn__elements_within(type, count * d->width, rows, limit)) return NN_OK;
    return report_number(d, t->x_name, type, &d->shape, first, rows, count * d->width, limit);
  }
  if (nn__element_max(type) > limit)
    return NN_FAIL(NN_ERR_CONFIG, "data.scale is so small that %s numbers divided by it are too large for float32",
                   nn_h5_type_name(t->x.type));
  return NN_OK;
}

/* Rows [first, last), whole blocks, in pieces that stay in memory near the processor. */
static nn_status load_x(nn_dataset *d, const nn__table *t, size_t first, size_t last) {
  const size_t row_bytes = nn__table_row_bytes(d, t);
  const size_t blocks = NN__PIECE_BYTES / (row_bytes * NN__BLOCK_ROWS);
  const size_t piece = (blocks > 0 ? blocks : 1) * NN__BLOCK_ROWS;
  uint64_t *digests = nn__table_digests(d, t);
  while (first < last) {
    const size_t count = last - first < piece ? last - first : piece;
    unsigned char *rows = d->shared + t->x_offset + first * row_bytes;
    NN_TRY(read_x(d, t, first, count, rows));
    for (size_t i = 0; i < count; i += NN__BLOCK_ROWS) {
      const size_t some = count - i < NN__BLOCK_ROWS ? count - i : NN__BLOCK_ROWS;
      NN_TRY(check_x(d, t, first + i, some, rows + i * row_bytes));
      digests[2 * ((first + i) / NN__BLOCK_ROWS)] = nn__block_digest(rows + i * row_bytes, some * row_bytes);
    }
    first += count;
  }
  return NN_OK;
}

/* ---- y ------------------------------------------------------------------------------------------------ */

/* `numbers` are y's rows from `first` on as doubles, `stored` the same as in the file, for messages. */
static nn_status take_labels(const nn_dataset *d, const nn__table *t, size_t first, size_t count, const void *stored,
                             const double *numbers) {
  int32_t *labels = nn__table_labels(d, t) + first;
  for (size_t i = 0; i < count; i++) {
    const double value = numbers[i];
    if (value >= 0 && value < (double)d->class_limit && value == floor(value)) {
      labels[i] = (int32_t)value;
      continue;
    }
    char text[32];
    nn__element_text(nn__element_of(t->y.type), stored, i, text);
    if (!(value == floor(value)) || isinf(value))
      return NN_FAIL(NN_ERR_DATA,
                     "%s: %s: row %zu (counted from 0) holds %s, which is no class: labels are the whole numbers from "
                     "0 on (data.target: value fits the numbers themselves)",
                     d->source, t->y_name, first + i, text);
    if (value < 0)
      return NN_FAIL(NN_ERR_DATA,
                     "%s: %s: row %zu (counted from 0) holds label %s: labels are the whole numbers from 0 on",
                     d->source, t->y_name, first + i, text);
    if (d->class_limit < NN__CLASSES_MAX)
      return NN_FAIL(NN_ERR_DATA, "%s: %s: row %zu (counted from 0) holds label %s: there are %zu classes, 0 to %zu",
                     d->source, t->y_name, first + i, text, d->class_limit, d->class_limit - 1);
    return NN_FAIL(NN_ERR_DATA,
                   "%s: %s: row %zu (counted from 0) holds label %s; at most %d classes are possible (data.target: "
                   "value fits the numbers themselves)",
                   d->source, t->y_name, first + i, text, NN__CLASSES_MAX);
  }
  return NN_OK;
}

static nn_status take_values(const nn_dataset *d, const nn__table *t, size_t first, size_t count, const void *stored,
                             const double *numbers) {
  const size_t width = d->target.width;
  float *values = nn__table_values(d, t) + first * width;
  const nn_shape shape = {.rank = 1, .dims = {width}};
  if (!nn__elements_within(NN_ELEMENT_F64, count * width, numbers, (double)FLT_MAX))
    return report_number(d, t->y_name, nn__element_of(t->y.type), &shape, first, stored, count * width,
                         (double)FLT_MAX);
  for (size_t i = 0; i < count * width; i++) values[i] = (float)numbers[i];
  return NN_OK;
}

static nn_status load_y_block(nn_dataset *d, const nn__table *t, size_t first, size_t count, void *stored,
                              double *numbers) {
  const size_t width = d->target.classes ? 1 : d->target.width;
  if (t->y_in != NULL)
    memcpy(stored, t->y_in->at + first * width, count * width * sizeof(double));
  else
    NN_TRY(nn_h5_read_rows(d->file, t->y_name, first, count, stored));
  nn__elements_to_real(nn__element_of(t->y.type), count * width, stored, numbers);
  const unsigned char *taken = d->shared + t->y_offset;
  if (d->target.classes)
    NN_TRY(take_labels(d, t, first, count, stored, numbers));
  else
    NN_TRY(take_values(d, t, first, count, stored, numbers));
  uint64_t *digests = nn__table_digests(d, t);
  const size_t row_bytes = 4 * width; /* int32 or float */
  for (size_t i = 0; i < count; i += NN__BLOCK_ROWS) {
    const size_t some = count - i < NN__BLOCK_ROWS ? count - i : NN__BLOCK_ROWS;
    digests[2 * ((first + i) / NN__BLOCK_ROWS) + 1] =
        nn__block_digest(taken + (first + i) * row_bytes, some * row_bytes);
  }
  return NN_OK;
}

/* y goes through a buffer, as it is converted on the way. */
nn_status nn__table_load_y(nn_dataset *d, const nn__table *t, size_t first, size_t last) {
  enum { PIECE = 1 << 16 /* numbers */ };
  if (first == last) return NN_OK;
  const size_t width = d->target.classes ? 1 : d->target.width;
  const size_t blocks = PIECE / (width * NN__BLOCK_ROWS);
  const size_t piece = (blocks > 0 ? blocks : 1) * NN__BLOCK_ROWS;
  nn_status status = NN_OK;
  void *stored = NULL, *numbers = NULL;
  size_t elements = 0;
  if (!nn_size_multiply(last - first < piece ? last - first : piece, width, &elements)) elements = SIZE_MAX;
  NN_TRY_DONE(nn_alloc(elements, nn_element_size(nn__element_of(t->y.type)), "reading the data set", &stored));
  NN_TRY_DONE(nn_alloc(elements, sizeof(double), "reading the data set", &numbers));
  for (; first < last; first += piece)
    NN_TRY_DONE(load_y_block(d, t, first, last - first < piece ? last - first : piece, stored, numbers));
done:
  nn_free(stored);
  nn_free(numbers);
  return status;
}

nn_status nn_dataset_load(nn_dataset *dataset, void *shared, int part, int parts) {
  NN_ASSERT(part >= 0 && part < parts);
  NN_ASSERT(dataset->shared == NULL || dataset->shared == shared);
  dataset->shared = shared;
  if (nn_fault("read", 0))
    return NN_FAIL(NN_ERR_DATA, "%s: cannot be read (asked for by NNMPI_FAULT)", dataset->source);
  for (int set = 0; set < NN_SET_COUNT; set++) {
    const nn__table *t = &dataset->tables[set];
    if (!t->present) continue;
    const size_t blocks = nn__table_blocks(t);
    size_t first = blocks * (size_t)part / (size_t)parts * NN__BLOCK_ROWS;
    size_t last = blocks * ((size_t)part + 1) / (size_t)parts * NN__BLOCK_ROWS;
    if (first > t->rows) first = t->rows;
    if (last > t->rows) last = t->rows;
    NN_TRY(load_x(dataset, t, first, last));
    if (t->has_y) NN_TRY(nn__table_load_y(dataset, t, first, last));
  }
  return NN_OK;
}
