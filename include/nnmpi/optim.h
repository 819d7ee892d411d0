/** @file optim.h
 *  Floor 3: optimizers and learning-rate schedules on flat arrays.
 *
 *  To add one: a file in src/optim/ and a line in src/optim/internal.h. Formulas follow PyTorch's documentation of the
 *  optimizer of the same name. Rank-blind and Local. */
#ifndef NNMPI_OPTIM_H
#define NNMPI_OPTIM_H

#include "nnmpi/config.h"
#include "nnmpi/kernels.h"

enum { NN_OPTIM_SLOTS_MAX = 3, NN_OPTIM_FACTORS_MAX = 12 };

/** One update of elements [0, count) that belong together; called per block of at most NN_SUM_BLOCK elements by one
 *  thread. */
typedef struct nn_optim_block {
  size_t count;
  const float *factor;  /**< what prepare() made of this step */
  float gradient_scale; /**< gradients are multiplied by it first (clipping; nn_optim_update_outer()) */
  const float *gradient;
  float *param;
  float *slot[NN_OPTIM_SLOTS_MAX]; /**< the optimizer's state */
} nn_optim_block;

typedef struct nn_optim_ops {
  nn_schema schema; /**< every options struct begins with nn_optim_options */
  /** Options that do not go together: NN_ERR_CONFIG. NULL: all do. */
  nn_status (*check)(const void *options);
  /** How many state arrays of the arena's size these options need, and their names in checkpoints ("exp_avg"). */
  int (*slots)(const void *options, const char *names[NN_OPTIM_SLOTS_MAX]);
  /** The numbers that update() needs, once a step: in double, then rounded. `step` from 1; `lr` is this step's. */
  void (*prepare)(const void *options, uint64_t step, double lr, float factor[NN_OPTIM_FACTORS_MAX]);
  void (*update)(const void *options, const nn_optim_block *block);
  /** update() and nn_block_sum_squares() of the gradient in one pass over both, for a gradient_scale of 1. False, or
   * NULL: not with these options. */
  bool (*update_and_sum)(const void *options, const nn_optim_block *block, double *squares);
  /** update() of all rows of an outer product at once, `param` [rows, width], and gradient->y where gradient->x is not
   * NULL. False, or NULL: row by row instead, and y after that. */
  bool (*update_outer)(const void *options, const float *factor, const nn_outer *gradient, float *param);
} nn_optim_ops;

typedef struct nn_optim_options {
  double lr; /**< base learning rate */
} nn_optim_options;

extern const nn_optim_ops *const nn__optim_registry[];

/** A schedule gives the learning rate's factor at a step. */
typedef struct nn_schedule_ops {
  nn_schema schema; /**< every options struct begins with nn_schedule_options */
  /** `step` from 0 of `total` steps, both counted from the end of the warm-up, which is not its business. */
  double (*factor)(const void *options, uint64_t step, uint64_t total, uint64_t steps_per_epoch);
} nn_schedule_ops;

typedef struct nn_schedule_options {
  double warmup_epochs; /**< over so many epochs the rate grows linearly up to the base rate; 0: none */
} nn_schedule_options;

extern const nn_schedule_ops *const nn__schedule_registry[];

void nn_optim_register(nn_registry *registry);

typedef struct nn_optim nn_optim;

/** NN_ERR_CONFIG where the options of the optimizer do not go together; create() checks too. */
nn_status nn_optim_check(const nn_choice *optimizer);

/** An optimizer for arenas of `count` floats, of which `ranges` (of the model's blocks: ascending, apart) are
 *  trained. Allocates its state, zeroed. Keeps pointers into the choices; `schedule` NULL or without schema:
 *  constant. */
nn_status nn_optim_create(const nn_choice *optimizer, const nn_choice *schedule, size_t count, const nn_range *ranges,
                          size_t range_count, nn_optim **out);
/** Memory for what several processes may share: the state, and what is known of gradients. nn_optim_move() takes zeroed
 *  memory of so many bytes instead of its own, before the first step; the caller frees it after destroy(). */
size_t nn_optim_shared_bytes(const nn_optim *optim);
void nn_optim_move(nn_optim *optim, void *memory);
void nn_optim_destroy(nn_optim **optim);
size_t nn_optim_bytes(const nn_choice *optimizer, size_t count); /**< what create allocates */

/** The learning rate of `step`, from 0. Warm-up of W steps: base × (step + 1) / W; after it the schedule counts from 0,
 *  over total − W steps. */
double nn_optim_lr(const nn_optim *optim, uint64_t step, uint64_t total, uint64_t steps_per_epoch);

/** One step: params −= … with gradients, both whole arenas. First the norm of the gradient, over what is trained, is
 *  computed into *norm: a sum over fixed blocks in index order, the same bits for any number of threads; NaN or
 * infinite where a gradient is, and then parameters and state stay as they are. With clip_norm > 0 gradients are scaled
 * by min(1, clip_norm / (norm + 1e-6)) (as torch.nn.utils.clip_grad_norm_). Team function; synchronised; allocates
 *  nothing; `step` counts from 0. */
void nn_optim_step(nn_optim *optim, const nn_team *team, uint64_t step, double lr, double clip_norm,
                   const float *gradients, float *params, double *norm);

/** A step by parts, for who has gradients of some ranges at a time: prepare, then update every range once, by any
 * thread. Ranges are those of create(), [first, last) next to each other; `gradients` begins with the first. Local, NOT
 *  synchronised: the norm is complete when all threads are done with all ranges. The same bits as nn_optim_step(). */
typedef struct nn_optim_part {
  float factor[NN_OPTIM_FACTORS_MAX];
  float scale; /**< of gradients: 1 after prepare() */
  bool norm;   /**< to be summed up on the way: true after prepare() */
} nn_optim_part;

void nn_optim_prepare(const nn_optim *optim, uint64_t step, double lr, nn_optim_part *out);
/** Sums the norm up without an update. */
void nn_optim_look(nn_optim *optim, size_t first, size_t last, const float *gradients);
void nn_optim_update(nn_optim *optim, const nn_optim_part *part, size_t first, size_t last, const float *gradients,
                     float *params);
/** The same where the gradient in these ranges, whole rows of one parameter, is `gradient`; part->scale must be 1.
 * Fills gradient->y. The norm, with part->norm, is made from the factors: other roundings than from the gradient
 * itself. */
void nn_optim_update_outer(nn_optim *optim, const nn_optim_part *part, size_t first, size_t last,
                           const nn_outer *gradient, float *params);
double nn_optim_norm(const nn_optim *optim);
float nn_optim_clip(double clip_norm, double norm); /**< what gradients are multiplied by; clip_norm 0: nothing */
/** The last range with a gradient that is not finite; SIZE_MAX: none. */
size_t nn_optim_broken(const nn_optim *optim);

/** State arrays for checkpoints: [count] floats each. */
int nn_optim_slot_count(const nn_optim *optim);
const char *nn_optim_slot_name(const nn_optim *optim, int slot);
float *nn_optim_slot(nn_optim *optim, int slot);
const char *nn_optim_name(const nn_optim *optim);

#endif
