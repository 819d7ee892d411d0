/* A history in words: what was recorded, and how it ended. */
#include "checkpoint/internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { ROWS_SHOWN = 8, COLUMNS_MAX = 64, COLUMN_WIDTH = 9 };

typedef struct columns {
  nn_h5_file *file;
  const char *group;
  size_t count;
  char names[COLUMNS_MAX][48];
  uint64_t rows;
} columns;

/* Those of equal length, without the group's name. */
static nn_status note_column(void *context, const char *name, const nn_h5_info *info) {
  columns *all = context;
  const char *short_name = name + strlen(all->group) + 1;
  if (all->count == COLUMNS_MAX || info->rank != 1 || strlen(short_name) >= sizeof all->names[0]) return NN_OK;
  if (info->type == NN_H5_TEXT || (all->count > 0 && info->dims[0] != all->rows)) return NN_OK;
  all->rows = info->dims[0];
  memcpy(all->names[all->count++], short_name, strlen(short_name) + 1);
  return NN_OK;
}

/* Put column `from` in front of column `to`; those between move on. */
static void move_column(columns *all, size_t from, size_t to) {
  char name[sizeof all->names[0]];
  memcpy(name, all->names[from], sizeof name);
  memmove(all->names[to + 1], all->names[to], (from - to) * sizeof all->names[0]);
  memcpy(all->names[to], name, sizeof name);
}

/* What one looks for comes first, the others follow. */
static void put_in_order(columns *all) {
  static const char *const order[] = {
      "epoch",    "step",     "loss", "train_loss",    "valid_loss", "train_accuracy",    "valid_accuracy",
      "train_r2", "valid_r2", "lr",   "gradient_norm", "seconds",    "samples_per_second"};
  size_t done = 0;
  for (size_t k = 0; k < sizeof order / sizeof *order; k++)
    for (size_t i = done; i < all->count; i++)
      if (strcmp(all->names[i], order[k]) == 0) move_column(all, i, done++);
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

static nn_status add_group(nn_h5_file *file, const char *group, const char *what, nn_text *out) {
  columns all = {.file = file, .group = group};
  char number[32];
  if (!nn_h5_has(file, group)) return NN_OK;
  NN_TRY(nn_h5_each(file, group, note_column, &all));
  put_in_order(&all);
  nn_text_add(out, "\n%" PRIu64 " %s%s%s\n", all.rows, what, NN_PLURAL(all.rows),
              all.rows > ROWS_SHOWN ? ", the last ones:" : "");
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
      nn_text_add(out, "%*s", width_of(&all, c), isnan(value) ? "-" : nn__short_real(value, 6, number));
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
  NN_TRY(add_group(file, "epochs", "epoch", out));
  NN_TRY(add_group(file, "steps", "recorded step", out));
  if (!nn_h5_has(file, "weights/epochs")) return NN_OK;
  NN_TRY(nn_h5_info_read(file, "weights/epochs", &info));
  NN_TRY(nn_h5_each(file, "weights", count_tensor, &tensors));
  nn_text_add(out, "\nall weights of %zu tensors at %" PRIu64 " epochs\n", tensors, info.rank == 1 ? info.dims[0] : 0);
  return NN_OK;
}
