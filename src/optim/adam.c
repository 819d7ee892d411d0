/* Adam (Kingma and Ba, 2015), as torch.optim.Adam, and what AdamW shares with it. At step t, from 1:
 *
 *   p ← keep p                          (AdamW: keep = 1 − lr weight_decay; Adam: 1)
 *   g ← g + decay p                     (Adam: weight_decay; AdamW: 0)
 *   m ← beta1 m + (1 − beta1) g
 *   v ← beta2 v + (1 − beta2) g²
 *   p ← p − lr / (1 − beta1^t) · m / (sqrt(v) / sqrt(1 − beta2^t) + eps) */
#include "optim/internal.h"

enum { SIZE, KEEP, DECAY, BETA1, REST1, BETA2, REST2, INVERSE, EPS };

int nn__adam_slots(const void *options, const char *names[NN_OPTIM_SLOTS_MAX]) {
  (void)options;
  names[0] = "exp_avg";
  names[1] = "exp_avg_sq";
  return 2;
}

void nn__adam_prepare(const nn__adam_options *options, uint64_t step, double lr, double keep, double decay,
                      float factor[NN_OPTIM_FACTORS_MAX]) {
  factor[SIZE] = (float)(lr / (1 - nn__power(options->beta1, step)));
  factor[KEEP] = (float)keep;
  factor[DECAY] = (float)decay;
  factor[BETA1] = (float)options->beta1;
  factor[REST1] = (float)(1 - options->beta1);
  factor[BETA2] = (float)options->beta2;
  factor[REST2] = (float)(1 - options->beta2);
  factor[INVERSE] = (float)(1 / sqrt(1 - nn__power(options->beta2, step)));
  factor[EPS] = (float)options->eps;
}

NN__BODY void nn__adam_elements_body(size_t count, float scale, const float *factor, const float *gradient,
                                     float *param, float *mean, float *square) {
  const float size = factor[SIZE], keep = factor[KEEP], decay = factor[DECAY], inverse = factor[INVERSE];
  const float beta1 = factor[BETA1], rest1 = factor[REST1], beta2 = factor[BETA2], rest2 = factor[REST2];
  const float eps = factor[EPS];
  NN__ELEMENTS
  for (size_t i = 0; i < count; i++) {
    const float p = keep * param[i];
    const float g = nn__scaled(scale, gradient[i]) + decay * p;
    const float m = beta1 * mean[i] + rest1 * g;
    const float v = beta2 * square[i] + rest2 * (g * g);
    mean[i] = m;
    square[i] = v;
    param[i] = p - size * (m / (sqrtf(v) * inverse + eps));
  }
}
NN__CLONES(void, nn__adam_elements,
           (size_t count, float scale, const float *factor, const float *gradient, float *param, float *mean,
            float *square),
           (count, scale, factor, gradient, param, mean, square))

void nn__adam_update(const void *options, const nn_optim_block *block) {
  (void)options;
  nn__adam_elements(block->count, block->gradient_scale, block->factor, block->gradient, block->param, block->slot[0],
                    block->slot[1]);
}

static void adam_prepare(const void *options, uint64_t step, double lr, float factor[NN_OPTIM_FACTORS_MAX]) {
  const nn__adam_options *o = options;
  nn__adam_prepare(o, step, lr, 1, o->weight_decay, factor);
}

static const nn_key adam_keys[] = {NN__ADAM_KEYS("0", "share of each parameter added to its gradient (L2)"),
                                   {.name = NULL}};

const nn_optim_ops nn__optim_adam_ops = {
    .schema = {.name = "adam",
               .help = "Adam: steps scaled by running means of gradients and of their squares",
               .size = sizeof(nn__adam_options),
               .keys = adam_keys},
    .slots = nn__adam_slots,
    .prepare = adam_prepare,
    .update = nn__adam_update,
};
