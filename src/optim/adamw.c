/* AdamW (Loshchilov and Hutter, 2019), as torch.optim.AdamW: Adam, with weight decay taken off the parameters
 * themselves rather than added to their gradients (adam.c). */
#include "optim/internal.h"

static void adamw_prepare(const void *options, uint64_t step, double lr, float factor[NN_OPTIM_FACTORS_MAX]) {
  const nn__adam_options *o = options;
  nn__adam_prepare(o, step, lr, 1 - lr * o->weight_decay, 0, factor);
}

static const nn_key adamw_keys[] = {NN__ADAM_KEYS("0.01", "share of each parameter taken off it, times lr"),
                                    {.name = NULL}};

const nn_optim_ops nn__optim_adamw_ops = {
    .schema = {.name = "adamw",
               .help = "Adam with decoupled weight decay",
               .size = sizeof(nn__adam_options),
               .keys = adamw_keys},
    .slots = nn__adam_slots,
    .prepare = adamw_prepare,
    .update = nn__adam_update,
};
