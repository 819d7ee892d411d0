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

typedef struct nn_history nn_history;

/** `total_steps` decides the spacing of step rows where config->every is NN_AUTO: the smallest spacing that keeps at
 * most 10,000. `model` and `params` are for weight histories (NULL: none). */
nn_status nn_history_create(const nn_history_config *config, uint64_t total_steps, const nn_model *model,
                            nn_history **out);
void nn_history_destroy(nn_history **history);
size_t nn_history_bytes(const nn_history_config *config, uint64_t total_steps, uint64_t epochs, const nn_model *model);

/** Keeps the row if its step is due; allocates nothing. */
void nn_history_step(nn_history *history, const nn_step_row *row);
/** Adds the row; with history.weights a copy of `params` too (epoch 0 = before training: nn_history_weights()). */
nn_status nn_history_epoch(nn_history *history, const nn_epoch_row *row, const float *params);
nn_status nn_history_weights(nn_history *history, uint64_t epoch, const float *params);

size_t nn_history_epoch_count(const nn_history *history);
const nn_epoch_row *nn_history_epoch_at(const nn_history *history, size_t index);

/** Write everything to `path` (history.h5), replacing it whole. Datasets: steps/<column> and epochs/<column>, each
 * [rows]; weights/<tensor name> [epochs, dims…]. */
nn_status nn_history_save(const nn_history *history, const char *path);
/** Load what a former run saved, up to and including `step`: rows after it are dropped. A missing or damaged file is
 * not an error: *found is false. */
nn_status nn_history_restore(nn_history *history, const char *path, uint64_t step, bool *found);

/** The epoch rows as part of a checkpoint, below `group`. */
nn_status nn_history_write_epochs(const nn_history *history, nn_h5_image *image, const char *group);
nn_status nn_history_read_epochs(nn_history *history, nn_h5_file *file, const char *group);

/** metrics.csv: written whole from the epoch rows (cut back to them on resume), then a line appended per epoch.
 *  Columns: epoch,step,loss,accuracy,val_loss,val_accuracy,lr,seconds, then what else is computed. */
nn_status nn_history_csv_rewrite(const nn_history *history, const char *path);
nn_status nn_history_csv_append(const nn_history *history, const char *path);

#endif
