/* The learning rate stays what it is. */
#include "optim/internal.h"

static double constant_factor(const void *options, uint64_t step, uint64_t total, uint64_t steps_per_epoch) {
  (void)options, (void)step, (void)total, (void)steps_per_epoch;
  return 1;
}

static const nn_key constant_keys[] = {NN__SCHEDULE_WARMUP_KEY, {.name = NULL}};

const nn_schedule_ops nn__schedule_constant_ops = {
    .schema = {.name = "constant",
               .help = "the same learning rate throughout",
               .size = sizeof(nn_schedule_options),
               .keys = constant_keys},
    .factor = constant_factor,
};
