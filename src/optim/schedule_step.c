/* The learning rate times gamma every so many epochs, as torch.optim.lr_scheduler.StepLR. */
#include "optim/internal.h"

typedef struct step_options {
  nn_schedule_options base;
  int64_t every_epochs;
  double gamma;
} step_options;

static double step_factor(const void *options, uint64_t step, uint64_t total, uint64_t steps_per_epoch) {
  const step_options *o = options;
  (void)total;
  if (steps_per_epoch == 0) return 1;
  return nn__power(o->gamma, step / steps_per_epoch / (uint64_t)o->every_epochs);
}

static const nn_key step_keys[] = {
    NN__SCHEDULE_WARMUP_KEY,
    {.name = "every_epochs",
     .type = NN_KEY_INT,
     .offset = offsetof(step_options, every_epochs),
     .flags = NN_KEY_REQUIRED,
     .min = 1,
     .max = INFINITY,
     .help = "epochs between two changes of the rate"},
    {.name = "gamma",
     .type = NN_KEY_REAL,
     .offset = offsetof(step_options, gamma),
     .fallback = "0.1",
     .max = 1,
     .help = "what the rate is multiplied by"},
    {.name = NULL},
};

const nn_schedule_ops nn__schedule_step_ops = {
    .schema = {.name = "step",
               .help = "the learning rate is multiplied by gamma every few epochs",
               .size = sizeof(step_options),
               .keys = step_keys},
    .factor = step_factor,
};
