/** @file optim.h
 *  Floor 3: optimizers and learning-rate schedules on flat arrays.
 *
 *  To add one: a file in src/optim/ and a line in src/optim/registry.c. Formulas follow PyTorch's documentation of the
 * optimizer of the same name. Rank-blind and Local. */
#ifndef NNMPI_OPTIM_H
#define NNMPI_OPTIM_H

#include "nnmpi/config.h"
#include "nnmpi/kernels.h"

enum { NN_OPTIM_SLOTS_MAX = 3 };

/** One update of elements [0, count) that belong together; called per block of at most NN_SUM_BLOCK elements by one
 * thread. */
typedef struct nn_optim_block {
  size_t count;
  double lr;            /**< learning rate of this step */
  uint64_t step;        /**< from 1: bias correction */
  float gradient_scale; /**< gradients are multiplied by it first (clipping) */
  const float *gradient;
  float *param;
  float *slot[NN_OPTIM_SLOTS_MAX]; /**< the optimizer's state */
} nn_optim_block;

typedef struct nn_optim_ops {
  nn_schema schema; /**< every options struct begins with nn_optim_options */
  /** How many state arrays of the arena's size these options need, and their names in checkpoints ("exp_avg"). */
  int (*slots)(const void *options, const char *names[NN_OPTIM_SLOTS_MAX]);
  void (*update)(const void *options, const nn_optim_block *block);
} nn_optim_ops;

typedef struct nn_optim_options {
  double lr; /**< base learning rate */
} nn_optim_options;

extern const nn_optim_ops *const nn__optim_registry[];

/** A schedule gives the learning rate's factor at a step. */
typedef struct nn_schedule_ops {
  nn_schema schema; /**< every options struct begins with nn_schedule_options */
  /** `step` from 0 of `total` steps, `steps_per_epoch`; warm-up is not its business. */
  double (*factor)(const void *options, uint64_t step, uint64_t total, uint64_t steps_per_epoch);
} nn_schedule_ops;

typedef struct nn_schedule_options {
  double warmup_epochs; /**< the rate grows linearly from 0 over so many epochs; 0: none */
} nn_schedule_options;

extern const nn_schedule_ops *const nn__schedule_registry[];

void nn_optim_register(nn_registry *registry);

typedef struct nn_optim nn_optim;

/** An optimizer for arenas of `count` floats, of which `ranges` (nn_model_trainable_ranges()) are trained. Allocates
 * its state. */
nn_status nn_optim_create(const nn_choice *optimizer, const nn_choice *schedule, size_t count, const nn_range *ranges,
                          size_t range_count, nn_optim **out);
void nn_optim_destroy(nn_optim **optim);
size_t nn_optim_bytes(const nn_choice *optimizer, size_t count); /**< what create allocates */

double nn_optim_lr(const nn_optim *optim, uint64_t step, uint64_t total, uint64_t steps_per_epoch);

/** One step: params −= … with gradients, both whole arenas. With clip_norm > 0 the gradient's norm is computed first
 * and gradients are scaled by min(1, clip_norm / (norm + 1e-6)) (as torch.nn.utils.clip_grad_norm_). Returns through
 * *norm the norm before clipping: a sum over fixed blocks in index order, the same bits for any number of threads. Team
 * function; synchronised; `step` counts from 0. */
void nn_optim_step(nn_optim *optim, const nn_team *team, uint64_t step, double lr, double clip_norm,
                   const float *gradients, float *params, double *norm);

/** State arrays for checkpoints: [count] floats each. */
int nn_optim_slot_count(const nn_optim *optim);
const char *nn_optim_slot_name(const nn_optim *optim, int slot);
float *nn_optim_slot(nn_optim *optim, int slot);
const char *nn_optim_name(const nn_optim *optim);

#endif
