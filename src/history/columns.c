/* Rows in memory ↔ columns in files. */
#include "history/internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define STEP(member, kind)                                                                                             \
  { .name = #member, .offset = offsetof(nn_step_row, member), .type = kind }
#define EPOCH(member, kind)                                                                                            \
  { .name = #member, .offset = offsetof(nn_epoch_row, member), .type = kind }
#define METRIC(set, member)                                                                                            \
  { .name = #set "_" #member, .offset = offsetof(nn_epoch_row, set.member), .type = NN_H5_F64 }
#define METRICS(set)                                                                                                   \
  METRIC(set, loss), METRIC(set, accuracy), METRIC(set, top_k), METRIC(set, mae), METRIC(set, rmse), METRIC(set, r2)

const nn__column nn__step_columns[] = {
    STEP(step, NN_H5_U64),
    STEP(loss, NN_H5_F32),
    STEP(lr, NN_H5_F32),
    STEP(gradient_norm, NN_H5_F32),
    STEP(seconds_compute, NN_H5_F32),
    STEP(seconds_reduce, NN_H5_F32),
    STEP(seconds_load, NN_H5_F32),
    {.name = NULL},
};

const nn__column nn__epoch_columns[] = {
    EPOCH(epoch, NN_H5_U64),
    EPOCH(step, NN_H5_U64),
    EPOCH(lr, NN_H5_F64),
    EPOCH(seconds, NN_H5_F64),
    EPOCH(samples_per_second, NN_H5_F64),
    METRICS(train),
    METRICS(valid),
    {.name = NULL},
};

enum { NAME_MAX_BYTES = 512, VALUE_BYTES = 8 /* at most, of any type of column */ };

/* One column of all rows, side by side; false if all are NaN. */
static bool gather(const nn__column *column, const char *rows, size_t row_size, size_t count, char *out) {
  const size_t size = nn_h5_type_size(column->type);
  bool known = column->type == NN_H5_U64;
  for (size_t i = 0; i < count; i++) {
    const char *value = rows + i * row_size + column->offset;
    memcpy(out + i * size, value, size);
    if (column->type == NN_H5_F32) known = known || !isnan(*(const float *)(const void *)value);
    if (column->type == NN_H5_F64) known = known || !isnan(*(const double *)(const void *)value);
  }
  return known;
}

nn_status nn__columns_write(nn_h5_image *image, const char *group, const nn__column *columns, const void *rows,
                            size_t row_size, size_t count) {
  void *values = NULL;
  char name[NAME_MAX_BYTES];
  NN_TRY(nn_alloc(count, VALUE_BYTES, "a column of the history", &values));
  nn_status status = NN_OK;
  for (const nn__column *c = columns; c->name != NULL && status == NN_OK; c++) {
    if (!gather(c, rows, row_size, count, values)) continue;
    snprintf(name, sizeof name, "%s/%s", group, c->name);
    status = nn_h5_image_write(image, name, c->type, 1, &(uint64_t){count}, 0, values);
  }
  nn_free(values);
  return status;
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* Values of one column into all rows; NaN where the file has none. */
static nn_status scatter(nn_h5_file *file, nn_status code, const char *name, const nn__column *column, char *rows,
                         size_t row_size, size_t count, char *values) {
  const size_t size = nn_h5_type_size(column->type);
  if (nn_h5_has(file, name)) {
    NN_TRY(nn_h5_read(file, name, column->type, count, values));
    for (size_t i = 0; i < count; i++) memcpy(rows + i * row_size + column->offset, values + i * size, size);
    return NN_OK;
  }
  if (column->type == NN_H5_U64) return NN_FAIL(code, "there is no dataset '%s' in the history", name);
  const float single = NAN;
  const double real = NAN;
  const void *none = column->type == NN_H5_F32 ? (const void *)&single : (const void *)&real;
  for (size_t i = 0; i < count; i++) memcpy(rows + i * row_size + column->offset, none, size);
  return NN_OK;
}

static nn_status check_ascent(nn_status code, const char *group, const nn__column *column, const char *rows,
                              size_t row_size, size_t count) {
  uint64_t last = 0;
  for (size_t i = 0; i < count; i++) {
    const uint64_t value = *(const uint64_t *)(const void *)(rows + i * row_size + column->offset);
    if (value <= last)
      return NN_FAIL(code, "'%s/%s' of the history does not ascend: row %zu is %" PRIu64 " after %" PRIu64, group,
                     column->name, i, value, last);
    last = value;
  }
  return NN_OK;
}

nn_status nn__columns_read(nn_h5_file *file, nn_status code, const char *group, const nn__column *columns,
                           size_t row_size, uint64_t limit, void **rows, size_t *count) {
  char name[NAME_MAX_BYTES];
  nn_h5_info info;
  snprintf(name, sizeof name, "%s/%s", group, columns->name);
  NN_TRY(nn_h5_info_read(file, name, &info));
  if (info.rank != 1 || info.dims[0] > limit)
    return NN_FAIL(code, "'%s' of the history has an impossible shape: at most %" PRIu64 " rows are expected", name,
                   limit);
  const size_t n = (size_t)info.dims[0];
  void *memory = NULL, *values = NULL;
  NN_TRY(nn_alloc(n, row_size, "rows of the history", &memory));
  nn_status status = nn_alloc(n, VALUE_BYTES, "a column of the history", &values);
  for (const nn__column *c = columns; c->name != NULL && status == NN_OK; c++) {
    snprintf(name, sizeof name, "%s/%s", group, c->name);
    status = scatter(file, code, name, c, memory, row_size, n, values);
  }
  nn_free(values);
  if (status == NN_OK) status = check_ascent(code, group, columns, memory, row_size, n);
  if (status != NN_OK) {
    nn_free(memory);
    return status;
  }
  *rows = memory;
  *count = n;
  return NN_OK;
}
