/* What the files of the optim module share. */
#ifndef NNMPI_OPTIM_INTERNAL_H
#define NNMPI_OPTIM_INTERNAL_H

#include "kernels/clones.h"
#include "nnmpi/optim.h"

#include <math.h>

/* ---- one line per alternative: registry.c makes its tables from these ------------------------- */

#define NN__OPTIMIZERS(X)                                                                                              \
  X(sgd)                                                                                                               \
  X(adam)                                                                                                              \
  X(adamw)                                                                                                             \
  X(rmsprop)

#define NN__SCHEDULES(X)                                                                                               \
  X(constant)                                                                                                          \
  X(step)                                                                                                              \
  X(cosine)

#define NN__DECLARE_OPTIMIZER(name) extern const nn_optim_ops nn__optim_##name##_ops;
#define NN__DECLARE_SCHEDULE(name) extern const nn_schedule_ops nn__schedule_##name##_ops;
NN__OPTIMIZERS(NN__DECLARE_OPTIMIZER)
NN__SCHEDULES(NN__DECLARE_SCHEDULE)

/* ---- keys that several tables have ------------------------------------------------------------ */

/** Least eps: a denominator of 0 would make NaN of parameters whose gradient has always been 0. */
#define NN__EPS_MIN 1e-30

#define NN__OPTIM_LR_KEY(standard)                                                                                     \
  {                                                                                                                    \
    .name = "lr", .type = NN_KEY_REAL, .offset = offsetof(nn_optim_options, lr), .fallback = (standard),               \
    .max = INFINITY, .help = "base learning rate; never scaled by the number of ranks"                                 \
  }

/** A number ≥ `least`. */
#define NN__OPTIM_KEY(options, member, standard, least, words)                                                         \
  {                                                                                                                    \
    .name = #member, .type = NN_KEY_REAL, .offset = offsetof(options, member), .fallback = (standard), .min = (least), \
    .max = INFINITY, .help = (words)                                                                                   \
  }

/** A number in [0, 1). */
#define NN__OPTIM_SHARE_KEY(options, member, standard, words)                                                          \
  {                                                                                                                    \
    .name = #member, .type = NN_KEY_REAL, .offset = offsetof(options, member), .flags = NN_KEY_OPEN_MAX,               \
    .fallback = (standard), .max = 1, .help = (words)                                                                  \
  }

#define NN__SCHEDULE_WARMUP_KEY                                                                                        \
  {                                                                                                                    \
    .name = "warmup_epochs", .type = NN_KEY_REAL, .offset = offsetof(nn_schedule_options, warmup_epochs),              \
    .fallback = "0", .max = INFINITY,                                                                                  \
    .help = "epochs (also parts of one) in which the rate grows linearly up to lr; the schedule counts from their end" \
  }

/* ---- arithmetic: the same bits with every C library and processor ----------------------------- */

/** base^exponent by repeated squaring. */
double nn__power(double base, uint64_t exponent);
/** cos(π t) for t in [0, 1], to about 2 units in the last place. */
double nn__cosine_half_turns(double t);

/** A gradient times its scale, with +0 for −0, as in sums of products that begin at +0: the gradient of one sample
 * comes as two factors (nn_optim_update_outer), and must have the bits of their product. */
NN__BODY float nn__scaled(float scale, float gradient) {
  return scale * gradient + 0.0f;
}

/* ---- Adam, shared with AdamW ------------------------------------------------------------------ */

typedef struct nn__adam_options {
  nn_optim_options base;
  double beta1, beta2, eps, weight_decay;
} nn__adam_options;

#define NN__ADAM_KEYS(standard_decay, decay_words)                                                                     \
  NN__OPTIM_LR_KEY("0.001"), NN__OPTIM_SHARE_KEY(nn__adam_options, beta1, "0.9", "decay of the mean of gradients"),    \
      NN__OPTIM_SHARE_KEY(nn__adam_options, beta2, "0.999", "decay of the mean of squared gradients"),                 \
      NN__OPTIM_KEY(nn__adam_options, eps, "1e-8", NN__EPS_MIN, "added to the denominator"),                           \
      NN__OPTIM_KEY(nn__adam_options, weight_decay, standard_decay, 0, decay_words)

int nn__adam_slots(const void *options, const char *names[NN_OPTIM_SLOTS_MAX]);
/** `keep`: what parameters are multiplied by first; `decay`: share of a parameter added to its gradient. */
void nn__adam_prepare(const nn__adam_options *options, uint64_t step, double lr, double keep, double decay,
                      float factor[NN_OPTIM_FACTORS_MAX]);
void nn__adam_update(const void *options, const nn_optim_block *block);

#endif
