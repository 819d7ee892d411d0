/** @file data.h
 *  Floor 2: data sets: one copy a node, as stored; normalisation; the order of an epoch; rows for a batch; importers.
 *
 *  Rank-blind and Local: the caller says which part of the rows to read, into memory that it provides, and
 *  synchronises the ranks that share that memory between the phases. */
#ifndef NNMPI_DATA_H
#define NNMPI_DATA_H

#include "nnmpi/config.h"
#include "nnmpi/kernels.h"

typedef enum nn_set { NN_SET_TRAIN, NN_SET_VALID, NN_SET_TEST, NN_SET_COUNT } nn_set;

enum { NN_SHAPE_RANK_MAX = 4 };

/** Shape of one sample: [features] or [time, features]; images stored as [rows, columns] are [rows × columns] to a
 * dense layer. */
typedef struct nn_shape {
  int rank;
  size_t dims[NN_SHAPE_RANK_MAX];
} nn_shape;

size_t nn_shape_size(const nn_shape *shape); /**< elements */
/** "784" or "28 x 28"; `buffer` needs 96 bytes; returns it. */
char *nn_shape_text(const nn_shape *shape, char buffer[96]);

/** What the network is to put out for a data set. */
typedef struct nn_target_info {
  bool classes;       /**< int32 class labels; else float values */
  size_t width;       /**< number of classes, or of values a sample */
  char *const *names; /**< of the classes; NULL where there are none; lives as long as its owner */
} nn_target_info;

/** How stored numbers become the network's inputs, and outputs the user's numbers: kept in checkpoints, needed by
 *  `predict`. Arrays are owned; NULL where there is nothing to do. */
typedef struct nn_normalizer {
  size_t width, target_width;
  double scale;
  float *mean, *inverse_deviation;        /**< [width] */
  double *target_mean, *target_deviation; /**< [target_width] */
} nn_normalizer;

void nn_normalizer_clear(nn_normalizer *normalizer);
nn_status nn_normalizer_copy(const nn_normalizer *from, nn_normalizer *to);
/** Outputs of the network [rows, target_width] back to the user's unit, in place. */
void nn_normalizer_restore(const nn_normalizer *normalizer, size_t rows, float *outputs);

typedef struct nn_dataset nn_dataset;

/** Open the file (or take the inline samples) and look at everything but the rows: names, types, shapes, counts;
 *  valid_fraction and `valid: test` are applied by nn_dataset_finish(). Fails with NN_ERR_DATA naming file, dataset and
 *  what is wrong, with NN_ERR_CONFIG where the configuration contradicts the data. Integers (and a flat list of whole
 *  numbers ≥ 0 written inline) are class labels unless data.target says otherwise. Keeps pointers into `config` (inline
 *  samples, class weights) until nn_dataset_finish(). */
nn_status nn_dataset_open(const nn_data_config *config, uint64_t seed, nn_dataset **out);

/** Open one set of a file for `evaluate` and `predict`: its x (and y if present and wanted) as NN_SET_TEST, normalised
 *  as `normalizer` says. `split`: "train", "valid", "test", or NULL: test, else what there is ("x", "y" at the top
 *  are accepted). `trained` (NULL: unknown) is the configuration of the run that trained the network: sets have the
 *  names that it gave them, or else the usual ones, and "valid" is what it watched, also where data.valid_fraction took
 *  that from train (needs the targets). `classes` is how labels are to be read: 0 for values. Where there is no y, the
 * target's width is 0. Class names of the file that are not `classes` in number are an error; comparing the names is up
 * to the caller. */
nn_status nn_dataset_open_set(const char *file, const char *split, bool targets, size_t classes,
                              const nn_normalizer *normalizer, const nn_config *trained, nn_dataset **out);
bool nn_dataset_is_drawn(const nn_dataset *dataset); /**< opened so: the samples that data.valid_fraction took */
void nn_dataset_destroy(nn_dataset **dataset);

size_t nn_dataset_shared_bytes(const nn_dataset *dataset);  /**< the copy of all rows, labels, scratch for statistics */
size_t nn_dataset_private_bytes(const nn_dataset *dataset); /**< what it allocates itself (orders, splits) in all */

/** Read part `part` of `parts` of every set into `shared` (nn_dataset_shared_bytes() zeroed bytes, NN_ALIGNMENT) and
 * check it: labels in range, no NaN, no infinity. The first call for a process also remembers `shared`. */
nn_status nn_dataset_load(nn_dataset *dataset, void *shared, int part, int parts);
/** After every part is loaded and seen by all: counts classes, computes mean and deviation (fixed blocks in index
 * order, the same bits whatever `parts` was), makes the split. Closes the file. */
nn_status nn_dataset_finish(nn_dataset *dataset);
/** Instead of load and finish, for `--dry-run`: reads the labels alone, so that the number of classes is known. */
nn_status nn_dataset_peek(nn_dataset *dataset);

const nn_shape *nn_dataset_shape(const nn_dataset *dataset); /**< of x */
const nn_target_info *
nn_dataset_target(const nn_dataset *dataset); /**< for values: known after open; for classes: width is known after
                                                 finish (highest label + 1, or the number of names) */
size_t nn_dataset_count(const nn_dataset *dataset,
                        nn_set set); /**< samples; 0: no such set. Valid before finish too. */
const char *nn_dataset_x_name(const nn_dataset *dataset, nn_set set);  /**< of a set that is there: "test/x" */
const char *nn_dataset_y_name(const nn_dataset *dataset, nn_set set);  /**< its targets' name; they may be missing */
const nn_normalizer *nn_dataset_normalizer(const nn_dataset *dataset); /**< after finish */
/** Digest of the data as stored (all sets, shapes, types): a changed file is noticed on resume. After finish. */
uint64_t nn_dataset_digest(const nn_dataset *dataset);
/** Sum over the samples of a set and the target values of (t − mean of its column)², normalised targets: for R². After
 * finish. */
double nn_dataset_target_variation(const nn_dataset *dataset, nn_set set);
/** Weight of each class [classes], NULL where all are 1. After finish. */
const float *nn_dataset_class_weights(const nn_dataset *dataset);

/** The order of an epoch: `order` [count of train] becomes a permutation that depends on (seed, epoch, count) only; the
 *  identity where `shuffle: false`. */
void nn_dataset_order(const nn_dataset *dataset, uint64_t epoch, uint32_t *order);

/** Ask the processor to fetch a sample's row and target, or where they are long how they begin; changes nothing. Bytes
 * of the row asked for. */
size_t nn_dataset_fetch(const nn_dataset *dataset, nn_set set, uint32_t id);

/** Sample `ids[0 … rows)` of a set → x [rows, size of shape], and labels [rows] or values [rows, width] (whichever
 * applies; NULL: not wanted). The team divides the rows; synchronised. */
void nn_dataset_gather(const nn_dataset *dataset, nn_set set, const nn_team *team, const uint32_t *ids, size_t rows,
                       float *x, int32_t *labels, float *values);
/** No input is larger in magnitude, by what the file's numbers can be; INFINITY where that says nothing. After
 * finish(). */
float nn_dataset_bound(const nn_dataset *dataset);
/** Label of one sample (for the sum of class weights of a batch). */
int32_t nn_dataset_label(const nn_dataset *dataset, nn_set set, uint32_t id);

/* ---- importers ------------------------------------------------------------------------------ */

typedef struct nn_import_idx_options {
  const char *images, *labels, *test_images, *test_labels; /**< test: NULL for none; gzipped or not */
  const char *class_names;                                 /**< "shirt,coat", from class 0 on; NULL: none */
  const char *output;
} nn_import_idx_options;

typedef struct nn_import_csv_options {
  const char *file, *target; /**< target: name of the column, or its number from 1 where there is no header */
  int target_mode;           /**< nn_target_mode: what the target column holds; auto: see nn_import_csv() */
  double valid_fraction, test_fraction;
  uint64_t seed;
  const char *output;
} nn_import_csv_options;

/** Write an HDF5 data set, replacing the file whole; `summary` gets a few lines about what was written. Fails with
 *  NN_ERR_DATA naming the file that is read (and line and column of a CSV), NN_ERR_IO where it cannot be written. */
nn_status nn_import_idx(const nn_import_idx_options *options, nn_text *summary);

/** The same from CSV: separated by comma, semicolon or tab, quoted as in RFC 4180, UTF-8, with or without a header.
 *  Every other column than the target must hold numbers. The target's cells are class names where they are text
 *  (sorted), labels where all are whole numbers and there are only two different ones, or at most 100 with 4 rows each
 *  on average (their text becomes the name unless they are 0 … n − 1), values otherwise. Sets are drawn by the seed,
 *  stratified by class. */
nn_status nn_import_csv(const nn_import_csv_options *options, nn_text *summary);

#endif
