/** @file dataset.h
 *  What the files of this module share: how an open data set looks inside.
 *
 *  A *table* is what is stored (x and y of train, valid, test); a *view* is what the user of the module sees as a set:
 *  a whole table, or some rows of it. Memory that the ranks of a node share holds, for each table, x as stored, y as
 *  int32 labels or float values, and two digests a block. */
#ifndef NNMPI_DATA_DATASET_H
#define NNMPI_DATA_DATASET_H

#include "nnmpi/data.h"
#include "nnmpi/h5io.h"

enum {
  NN__BLOCK_ROWS = 64,       /**< rows of a block: the unit of parts, digests and sums; changing it changes digests */
  NN__CLASSES_MAX = 1 << 20, /**< labels beyond are no class labels */
  NN__PIECE_BYTES = 1 << 24  /**< of x read at once */
};

/** What the random numbers that cut a set out of another are for; part of their stream. */
typedef enum nn__split_use { NN__SPLIT_VALID = 0, NN__SPLIT_CSV_TEST = 1, NN__SPLIT_CSV_VALID = 2 } nn__split_use;

typedef struct nn__table {
  bool present, has_y;
  char *x_name, *y_name;        /**< as in messages: "train/x", "data.inline.x" */
  const nn_tensor *x_in, *y_in; /**< the samples themselves, where they are inline */
  nn_h5_info x, y;              /**< as stored */
  size_t rows;
  size_t x_offset, y_offset, digest_offset; /**< in the shared block; digests: uint64 [blocks][2], x and y */
} nn__table;

typedef struct nn__view {
  const nn__table *table; /**< NULL: no such set */
  size_t count;
  uint32_t *rows; /**< row of each sample, owned; NULL: all rows in order */
} nn__view;

struct nn_dataset {
  char *source; /**< for messages: the file, or "data.inline" */
  nn_h5_file *file;
  uint64_t seed;
  bool shuffle, normalize, normalize_targets, given_normalizer;
  int weight_mode; /**< nn_class_weight_mode */
  const nn_tensor *weight_values;
  size_t split_count; /**< samples that valid_fraction takes from train; 0: none */
  bool drawn;         /**< the set that was asked for is these */

  nn_shape shape;
  size_t width; /**< numbers of a sample */
  nn_target_info target;
  char **names;                   /**< of the classes, owned */
  size_t name_count, class_limit; /**< labels are below class_limit */

  nn__table tables[NN_SET_COUNT];
  nn__view views[NN_SET_COUNT];
  size_t shared_bytes;
  unsigned char *shared;

  nn_normalizer normalizer;
  float *class_weights;
  double variation[NN_SET_COUNT];
  uint64_t digest;
  bool finished;
};

/* ---- one table in the shared block -------------------------------------------------------------- */

nn_element nn__element_of(nn_h5_type type); /**< of a numeric type */
size_t nn__table_row_bytes(const nn_dataset *dataset, const nn__table *table);
const unsigned char *nn__table_x(const nn_dataset *dataset, const nn__table *table);
int32_t *nn__table_labels(const nn_dataset *dataset, const nn__table *table);
float *nn__table_values(const nn_dataset *dataset, const nn__table *table);
uint64_t *nn__table_digests(const nn_dataset *dataset, const nn__table *table);
/** Rows [first, last) of y into the shared block, checked, with digests of their blocks. */
nn_status nn__table_load_y(nn_dataset *dataset, const nn__table *table, size_t first, size_t last);
/** The number of classes from the highest label of all sets, where no names say it. */
void nn__count_classes(nn_dataset *dataset);
size_t nn__table_blocks(const nn__table *table);

/* ---- numbers (element.c) ------------------------------------------------------------------------- */

void nn__elements_to_real(nn_element type, size_t count, const void *x, double *out);
/** Element `index` as it would be written: integers exactly. `buffer` needs 32 bytes; returns it. */
char *nn__element_text(nn_element type, const void *x, size_t index, char buffer[32]);
double nn__element_max(nn_element type); /**< largest magnitude that the type can hold */
/** True where |x[i]| ≤ limit for all i (so no NaN). Types: F32 and F64. */
bool nn__elements_within(nn_element type, size_t count, const void *x, double limit);
/** Digest of one block; a changed bit always changes it. */
uint64_t nn__block_digest(const void *bytes, size_t count);

/* ---- statistics (statistics.c) ------------------------------------------------------------------- */

/** Mean and population deviation of each of `width` columns over `count` rows (`rows[i]`, or i where NULL) of a
 *  row-major array. Two passes over each block of NN__BLOCK_ROWS rows, blocks merged in index order (Chan, Golub,
 *  LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979), in double, relative to
 *  the first row: a constant column gives exactly 0. */
nn_status nn__column_statistics(nn_element type, size_t width, const void *x, const uint32_t *rows, size_t count,
                                double *mean, double *deviation);

/* ---- splits (split.c) ----------------------------------------------------------------------------- */

/** Samples that a fraction takes of `count`: rounded, but at least 1 and at most count − 1 (count ≥ 2). */
size_t nn__split_size(double fraction, size_t count);

/** Take `wanted` of `count` samples at random: `taken` [wanted] and `rest` [count − wanted], both ascending. With
 *  `labels` (< classes) each class gives its share, whole numbers by the largest remainders, so that the total is
 *  exact. A pure function of the arguments. */
nn_status nn__split(uint64_t seed, nn__split_use use, const int32_t *labels, size_t classes, size_t count,
                    size_t wanted, uint32_t *taken, uint32_t *rest);

#endif
