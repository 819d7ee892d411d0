/* Half a cosine from 1 down to min_factor over the whole training, step by step; Loshchilov and Hutter, "SGDR" (2017),
 * without restarts; torch.optim.lr_scheduler.CosineAnnealingLR with T_max = total. */
#include "optim/internal.h"

typedef struct cosine_options {
  nn_schedule_options base;
  double min_factor;
} cosine_options;

static double cosine_factor(const void *options, uint64_t step, uint64_t total, uint64_t steps_per_epoch) {
  const cosine_options *o = options;
  (void)steps_per_epoch;
  if (step >= total) return o->min_factor;
  const double done = (double)step / (double)total;
  return o->min_factor + (1 - o->min_factor) * (0.5 * (1 + nn__cosine_half_turns(done)));
}

static const nn_key cosine_keys[] = {
    NN__SCHEDULE_WARMUP_KEY,
    {.name = "min_factor",
     .type = NN_KEY_REAL,
     .offset = offsetof(cosine_options, min_factor),
     .fallback = "0",
     .max = 1,
     .help = "where the rate ends, as a share of lr"},
    {.name = NULL},
};

const nn_schedule_ops nn__schedule_cosine_ops = {
    .schema = {.name = "cosine",
               .help = "half a cosine from lr down to min_factor times lr, over the whole training",
               .size = sizeof(cosine_options),
               .keys = cosine_keys},
    .factor = cosine_factor,
};
