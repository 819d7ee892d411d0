/* A history in words: what was recorded, and how it ended. */
#include "checkpoint/internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { ROWS_SHOWN = 8, COLUMNS_MAX = 64, COLUMN_WIDTH = 12 };

typedef struct columns {
  nn_h5_file *file;
  const char *group;
  size_t count;
  char names[COLUMNS_MAX][48];
  bool whole[COLUMNS_MAX]; /* integers */
  uint64_t rows;
} columns;

/* Those of equal length, without the group's name. */
static nn_status note_column(void *context, const char *name, const nn_h5_info *info) {
  columns *all = context;
  const char *short_name = name + strlen(all->group) + 1;
  if (all->count == COLUMNS_MAX || info->rank != 1 || strlen(short_name) >= sizeof all->names[0]) return NN_OK;
  if (info->type == NN_H5_TEXT || (all->count > 0 && info->dims[0] != all->rows)) return NN_OK;
  all->rows = info->dims[0];
  all->whole[all->count] = info->type != NN_H5_F32 && info->type != NN_H5_F64;
  memcpy(all->names[all->count++], short_name, strlen(short_name) + 1);
  return NN_OK;
}

/* The counter of the rows first, the others as they come (by name). */
static void counter_first(columns *all, const char *counter) {
  for (size_t i = 1; i < all->count; i++) {
    if (strcmp(all->names[i], counter) != 0) continue;
    char name[sizeof all->names[0]];
    const bool whole = all->whole[i];
    memcpy(name, all->names[i], sizeof name);
    memmove(all->names[1], all->names[0], i * sizeof all->names[0]);
    memmove(&all->whole[1], &all->whole[0], i * sizeof all->whole[0]);
    memcpy(all->names[0], name, sizeof name);
    all->whole[0] = whole;
  }
}

static nn_status read_value(const columns *all, size_t column, uint64_t row, double *out) {
  char name[128];
  nn_h5_info info;
  union {
    float single;
    double real;
    uint64_t whole;
  } value = {.whole = 0};
  snprintf(name, sizeof name, "%s/%s", all->group, all->names[column]);
  NN_TRY(nn_h5_info_read(all->file, name, &info));
  if (info.type != NN_H5_F32 && info.type != NN_H5_F64 && info.type != NN_H5_U64) {
    *out = (double)NAN;
    return NN_OK;
  }
  NN_TRY(nn_h5_read_rows(all->file, name, row, 1, &value));
  *out = info.type == NN_H5_F32 ? (double)value.single : info.type == NN_H5_F64 ? value.real : (double)value.whole;
  return NN_OK;
}

static int width_of(const columns *all, size_t column) {
  const int length = (int)strlen(all->names[column]);
  return length > COLUMN_WIDTH ? length : COLUMN_WIDTH;
}

static nn_status add_group(nn_h5_file *file, const char *group, const char *counter, const char *what, nn_text *out) {
  columns all = {.file = file, .group = group};
  if (!nn_h5_has(file, group)) return NN_OK;
  NN_TRY(nn_h5_each(file, group, note_column, &all));
  counter_first(&all, counter);
  nn_text_add(out, "\n%" PRIu64 " rows of %s%s\n", all.rows, what,
              all.rows > ROWS_SHOWN ? ", the last ones:"
              : all.rows > 0        ? ":"
                                    : "");
  if (all.rows == 0) return NN_OK;
  nn_text_add(out, "  ");
  for (size_t c = 0; c < all.count; c++) nn_text_add(out, "%s%*s", c > 0 ? "  " : "", width_of(&all, c), all.names[c]);
  nn_text_add(out, "\n");
  for (uint64_t row = all.rows > ROWS_SHOWN ? all.rows - ROWS_SHOWN : 0; row < all.rows; row++) {
    nn_text_add(out, "  ");
    for (size_t c = 0; c < all.count; c++) {
      double value = 0;
      NN_TRY(read_value(&all, c, row, &value));
      nn_text_add(out, c > 0 ? "  " : "");
      if (isnan(value))
        nn_text_add(out, "%*s", width_of(&all, c), "-");
      else if (all.whole[c])
        nn_text_add(out, "%*.0f", width_of(&all, c), value);
      else
        nn_text_add(out, "%*.6g", width_of(&all, c), value);
    }
    nn_text_add(out, "\n");
  }
  return NN_OK;
}

static nn_status count_tensor(void *context, const char *name, const nn_h5_info *info) {
  (void)info;
  *(size_t *)context += strcmp(name, "weights/epochs") != 0;
  return NN_OK;
}

nn_status nn__inspect_history(nn_h5_file *file, nn_text *out) {
  nn_h5_info info;
  size_t tensors = 0;
  NN_TRY(add_group(file, "epochs", "epoch", "epochs", out));
  NN_TRY(add_group(file, "steps", "step", "steps", out));
  if (!nn_h5_has(file, "weights/epochs")) return NN_OK;
  NN_TRY(nn_h5_info_read(file, "weights/epochs", &info));
  NN_TRY(nn_h5_each(file, "weights", count_tensor, &tensors));
  nn_text_add(out, "\nall weights of %zu tensors at %" PRIu64 " epochs\n", tensors, info.rank == 1 ? info.dims[0] : 0);
  return NN_OK;
}
