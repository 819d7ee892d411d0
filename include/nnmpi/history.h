/** @file history.h
 *  Floor 4: what happened: rows per step and per epoch, metrics.csv and history.h5.
 *
 *  Kept in memory by rank 0; steps are bounded (about 10,000 rows unless history.every says otherwise). Rank-blind
 *  and Local. */
#ifndef NNMPI_HISTORY_H
#define NNMPI_HISTORY_H

#include "nnmpi/config.h"
#include "nnmpi/h5io.h"
#include "nnmpi/model.h"

/** Metrics of one set over an epoch. NaN where not computed. */
typedef struct nn_metrics {
  double loss;
  double accuracy, top_k; /**< classes: shares 0 … 1 */
  double mae, rmse, r2;   /**< values, in the user's unit */
} nn_metrics;

extern const nn_metrics nn_metrics_none; /**< all NaN */

/** What is recorded of one step. */
typedef struct nn_step_row {
  uint64_t step; /**< from 1 */
  float loss, lr, gradient_norm;
  float seconds_compute, seconds_reduce, seconds_load;
} nn_step_row;

/** What is recorded of one epoch. */
typedef struct nn_epoch_row {
  uint64_t epoch; /**< from 1 */
  uint64_t step;  /**< steps done in all */
  double lr;
  double seconds; /**< of training this epoch, evaluation excluded */
  double samples_per_second;
  nn_metrics train, valid;
} nn_epoch_row;

/** Where the time of a training went: a phase, or a layer in a phase ("forward layers.0"). */
typedef struct nn_profile_row {
  char name[192];
  double seconds;       /**< mean over the ranks */
  double least, most;   /**< of a rank */
  double gflops, share; /**< in matrix products, a rank; of its FMA peak. NaN where there are none */
} nn_profile_row;

typedef struct nn_history nn_history;

/** Rows of steps 1, 1 + every, 1 + 2 every, … are kept. Where config->every is NN_AUTO, `total_steps` decides: the
 *  smallest spacing that keeps at most 10,000; 0 keeps none. Memory for them is taken here. `model` is for weight
 *  histories (config->weights; NULL: none) and must outlive the history. */
nn_status nn_history_create(const nn_history_config *config, uint64_t total_steps, const nn_model *model,
                            nn_history **out);
void nn_history_destroy(nn_history **history);
/** The rows as they are now, for another thread to save while rows are added here. Weights are not copied: `history`
 *  must live longer. */
nn_status nn_history_snapshot(const nn_history *history, nn_history **out);
/** Steps between two rows; 0: none are kept. */
uint64_t nn_history_every(const nn_history_config *config, uint64_t total_steps);
/** What all rows of a run take, and saving them. */
size_t nn_history_bytes(const nn_history_config *config, uint64_t total_steps, uint64_t epochs, const nn_model *model);

/** Keeps the row if its step is due and among the total_steps; allocates nothing. */
void nn_history_step(nn_history *history, const nn_step_row *row);
/** Adds the row; with history.weights a copy of `params` (the arena) too. Epochs ascend. */
nn_status nn_history_epoch(nn_history *history, const nn_epoch_row *row, const float *params);
/** A copy of `params` alone, where history.weights asks for it: epoch 0 is before training. An epoch that is there
 *  already is replaced. */
nn_status nn_history_weights(nn_history *history, uint64_t epoch, const float *params);

/** Rows that go into history.h5 as profile/name, profile/seconds, seconds_least, seconds_most, gflops, share_of_peak,
 *  each [rows], with the attribute steps. Borrowed: they must stay until the history is destroyed. */
void nn_history_profile(nn_history *history, const nn_profile_row *rows, size_t count, uint64_t steps);

size_t nn_history_epoch_count(const nn_history *history);
const nn_epoch_row *nn_history_epoch_at(const nn_history *history, size_t index);

/** Write everything to `path` (history.h5), replacing it whole. Root attributes format "nnmpi history" and
 *  format_version; datasets steps/<column> and epochs/<column>, each [rows] (a metric as train_loss, valid_loss; what
 *  is NaN throughout is left out); with weights weights/epochs [rows] and weights/<tensor name> [rows, dims…]. */
nn_status nn_history_save(const nn_history *history, const char *path);
/** Load what a former run saved, up to and including `step`: rows after it are dropped, and rows of steps are thinned
 *  where this run keeps fewer. Epoch rows that are here already (of a checkpoint) stay instead of the file's. A missing
 *  or damaged file, or one of another network, is not an error: *found is false, and nothing has changed. */
nn_status nn_history_restore(nn_history *history, const char *path, uint64_t step, bool *found);

/** The epoch rows as part of a checkpoint: datasets <group>/<column> ("history/epochs/train_loss"). Reading replaces
 *  those that are here. */
nn_status nn_history_write_epochs(const nn_history *history, nn_h5_image *image, const char *group);
nn_status nn_history_read_epochs(nn_history *history, nn_h5_file *file, const char *group);

/** metrics.csv: written whole from the epoch rows (cut back to them on resume; empty without any), then a line appended
 *  per epoch, the header with the first. Columns: epoch,step,loss,accuracy,val_loss,val_accuracy,lr,seconds, then what
 *  else is computed (top_k, mae, rmse, r2, val_…); an empty field is not known. */
nn_status nn_history_csv_rewrite(const nn_history *history, const char *path);
nn_status nn_history_csv_append(const nn_history *history, const char *path);

#endif
