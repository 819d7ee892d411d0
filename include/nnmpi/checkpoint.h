/** @file checkpoint.h
 *  Floor 4: save and restore the state of a run; loading a trained network.
 *
 *  Only rank 0 writes and reads; Rank-blind and Local. The file is HDF5 (h5py, h5ls, h5dump) with a checksummed trailer
 *  (h5io.h). Layout:
 *
 *      /                         attributes: format "nnmpi checkpoint", format_version, step, epoch, position,
 *                                virtual_ranks, best_value, best_epoch, best_step, stale, stopped_early
 *      /config                   resolved configuration, YAML text
 *      /signature                the network's layers and shapes, text
 *      /parameters/<name>        float32, PyTorch's names and orientation
 *      /optimizer                attribute name
 *      /optimizer/<slot>/<name>  float32
 *      /progress/epoch_sums      float64
 *      /history/epochs/<column>  rows per epoch
 *      /data                     attributes digest, scale, classes, width
 *      /data/…                   shape, class_names, mean, inverse_deviation, target_mean, target_deviation
 *      /software                 attributes: versions of nnmpi, its commit, libraries, instruction set */
#ifndef NNMPI_CHECKPOINT_H
#define NNMPI_CHECKPOINT_H

#include "nnmpi/h5io.h"
#include "nnmpi/history.h"
#include "nnmpi/model.h"
#include "nnmpi/optim.h"

/** Where a run stands. */
typedef struct nn_progress_state {
  uint64_t step;         /**< steps done */
  uint64_t epoch;        /**< epochs completed */
  uint64_t position;     /**< samples of the current epoch done; 0 at its start */
  double epoch_sums[16]; /**< sums of the current epoch so far (loss, weights, …): their meaning is train's */
  double best_value;     /**< of the watched metric; NaN: none yet */
  uint64_t best_epoch, best_step;
  uint64_t stale;     /**< evaluations since the best */
  bool stopped_early; /**< early stopping has ended the run */
} nn_progress_state;

/** What a checkpoint is made of: borrowed pointers, nothing owned. */
typedef struct nn_checkpoint_parts {
  const char *config; /**< resolved YAML */
  const nn_model *model;
  const float *params;       /**< arena */
  nn_optim *optim;           /**< NULL: without state */
  const float *slots;        /**< its state arrays, one behind the other; NULL: as they are in `optim` */
  const nn_history *history; /**< NULL: none */
  const nn_normalizer *normalizer;
  const nn_shape *shape; /**< of a sample */
  const nn_target_info *target;
  uint64_t data_digest;
  int virtual_ranks;
  const nn_progress_state *progress;
} nn_checkpoint_parts;

/** The file as an image, for nn_h5_image_destroy(). Parameters and slots are not copied: they must stay as they are
 * until then. */
nn_status nn_checkpoint_build(const nn_checkpoint_parts *parts, nn_h5_image **out);
/** What was built for this step, with its trailer, to `path`: whole or not at all, read back and compared. */
nn_status nn_checkpoint_put(nn_h5_image *image, uint64_t step, const char *path);
/** Both at once. */
nn_status nn_checkpoint_save(const nn_checkpoint_parts *parts, const char *path);

/** A checkpoint that was read and validated as a file. */
typedef struct nn_checkpoint nn_checkpoint;

nn_status nn_checkpoint_open(const char *path, nn_checkpoint **out);
void nn_checkpoint_close(nn_checkpoint **checkpoint);
const char *nn_checkpoint_config_text(const nn_checkpoint *checkpoint);
const char *nn_checkpoint_signature(const nn_checkpoint *checkpoint);
const nn_progress_state *nn_checkpoint_progress(const nn_checkpoint *checkpoint);
int nn_checkpoint_virtual_ranks(const nn_checkpoint *checkpoint);
uint64_t nn_checkpoint_data_digest(const nn_checkpoint *checkpoint);
const nn_normalizer *nn_checkpoint_normalizer(const nn_checkpoint *checkpoint);
const nn_shape *nn_checkpoint_shape(const nn_checkpoint *checkpoint);
const nn_target_info *nn_checkpoint_target(const nn_checkpoint *checkpoint);

/** All parameters and (where `optim` is not NULL) the optimizer's state, all of which must be there with equal shapes;
 * the message names the first tensor that differs and both shapes. */
nn_status nn_checkpoint_restore(nn_checkpoint *checkpoint, const nn_model *model, float *params, nn_optim *optim);
/** Parameters that match by name and shape (model.init_from); `report` gets a line per tensor that was taken or why
 * not. Fails if none matches. */
nn_status nn_checkpoint_take(nn_checkpoint *checkpoint, const nn_model *model, float *params, nn_text *report);
nn_status nn_checkpoint_read_epochs(nn_checkpoint *checkpoint, nn_history *history);

/** Digests for comparing runs: parameters, optimizer state, and both with the step ("state"). Independent of ranks,
 * seconds and paths. */
typedef struct nn_checkpoint_digests {
  uint64_t parameters, optimizer, state;
} nn_checkpoint_digests;
nn_status nn_checkpoint_digest(nn_checkpoint *checkpoint, nn_checkpoint_digests *out);

/** What is in it, for people (`nnmpi inspect`): also data sets and histories, told apart by what they contain. */
nn_status nn_inspect(const char *path, nn_text *out);
/** Two checkpoints side by side (`nnmpi inspect A.h5 B.h5`): digests, where they first differ (tensor, index, both
 * values), and for each tensor that differs how many elements do and the largest absolute and relative difference.
 * `*same`: the digests of the state agree. */
nn_status nn_inspect_two(const char *first, const char *second, bool *same, nn_text *out);

/* ---- the checkpoints of a run folder ---------------------------------------------------------------- */

/** "<run>/checkpoints/step-000004690.h5", for nn_free(). */
nn_status nn_checkpoint_path(const char *run_folder, uint64_t step, char **out);
/** The valid checkpoint with the highest step, or *out NULL if there is none. Damaged ones on the way are renamed to
 * *.damaged and named in `report`. One that is whole but not for this nnmpi (a newer format) fails, and so does one
 * that the system will not let us read. */
nn_status nn_checkpoint_newest(const char *run_folder, nn_text *report, nn_checkpoint **out);
/** Remove all but the `keep` with the highest steps; best.h5 is never touched. */
nn_status nn_checkpoint_prune(const char *run_folder, size_t keep);

/* ---- a trained network, without MPI ----------------------------------------------------------------- */

/** A network with its parameters, ready to predict. */
typedef struct nn_trained {
  nn_config *config;
  nn_model *model;
  float *params;
  nn_normalizer normalizer;
  nn_shape shape;
  nn_target_info target; /**< names owned */
} nn_trained;

/** Samples are predicted in pieces of so many, counted from the first: results do not depend on how many there are. */
enum { NN_PREDICT_ROWS = 256 };

nn_status nn_trained_load(const char *path, nn_trained **out);
void nn_trained_destroy(nn_trained **trained);
/** What the network's raw outputs [rows, outputs] mean, into `answers` (may be the same array): probabilities where the
 * loss is cross_entropy (softmax) or bce_with_logits (sigmoid), values in the user's unit for values; other losses'
 * outputs for classes stay as they are. Team function; synchronised. */
void nn_trained_answer(const nn_trained *trained, const nn_team *team, size_t rows, const float *outputs,
                       float *answers);
/** The class that one row of answers says, and its probability (NaN where the answers are no probabilities). */
int32_t nn_trained_class(const nn_trained *trained, const float *answers, float *probability);
/** x [rows, size of shape] in stored units (before scale and normalisation) → answers [rows, outputs], as
 * nn_trained_answer() gives them. */
nn_status nn_trained_predict(const nn_trained *trained, int threads, size_t rows, const float *x, float *outputs);
/** One sample x, in stored units, through the network: `see` is told the output of every layer, from the first on. */
typedef void (*nn_layer_watch)(void *context, size_t layer, const float *output);
nn_status nn_trained_activations(const nn_trained *trained, const float *x, nn_layer_watch see, void *context);

#endif
