/* What the files of the history module share: the rows in memory, and what a row's columns are called. */
#ifndef NNMPI_HISTORY_INTERNAL_H
#define NNMPI_HISTORY_INTERNAL_H

#include "nnmpi/history.h"

enum { NN__STEP_ROWS = 10000 /* kept where history.every is auto */ };

/** All parameters at the end of an epoch; epoch 0: before training. */
typedef struct nn__weight_row {
  uint64_t epoch;
  float *params; /* the arena */
} nn__weight_row;

struct nn_history {
  const nn_model *model; /* of the weights; NULL: none are kept */
  uint64_t total_steps;
  uint64_t every; /* steps between rows; 0: no rows */
  size_t step_count, step_capacity;
  nn_step_row *steps;
  size_t epoch_count, epoch_capacity;
  nn_epoch_row *epochs;
  size_t weight_count, weight_capacity;
  nn__weight_row *weights;
  const nn_profile_row *profile; /* borrowed */
  size_t profile_count;
  uint64_t profile_steps;
  bool is_snapshot; /* the params of the weights are another's */
};

/** Room for at least `needed` elements of `size` bytes in `*array`; the old ones stay. */
nn_status nn__history_reserve(void **array, size_t *capacity, size_t needed, size_t count, size_t size);
void nn__weight_rows_free(nn__weight_row *rows, size_t count);

/* ---- columns: columns.c ----------------------------------------------------------------------- */

/** A member of a row. */
typedef struct nn__column {
  const char *name;
  size_t offset;
  nn_h5_type type; /* NN_H5_U64 (never missing), NN_H5_F32 or NN_H5_F64 (NaN: not known) */
} nn__column;

extern const nn__column nn__step_columns[], nn__epoch_columns[]; /* end with one without a name; begin with a count */

/** Datasets <group>/<column> [count]; columns that are NaN throughout are left out. */
nn_status nn__columns_write(nn_h5_image *image, const char *group, const nn__column *columns, const void *rows,
                            size_t row_size, size_t count);
/** The reverse, at most `limit` rows: `*rows` for nn_free(). Values of the first column must ascend. */
nn_status nn__columns_read(nn_h5_file *file, nn_status code, const char *group, const nn__column *columns,
                           size_t row_size, uint64_t limit, void **rows, size_t *count);

#endif
