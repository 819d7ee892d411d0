/* RMSprop (Tieleman and Hinton, 2012), as torch.optim.RMSprop, not centred:
 *
 *   g ← g + weight_decay p
 *   v ← alpha v + (1 − alpha) g²
 *   b ← momentum b + g / (sqrt(v) + eps)
 *   p ← p − lr b                              (without momentum, b is the quotient itself) */
#include "optim/internal.h"

typedef struct rmsprop_options {
  nn_optim_options base;
  double alpha, eps, momentum, weight_decay;
} rmsprop_options;

enum { LR, DECAY, ALPHA, REST, EPS, MOMENTUM };

static int rmsprop_slots(const void *options, const char *names[NN_OPTIM_SLOTS_MAX]) {
  const rmsprop_options *o = options;
  names[0] = "square_avg";
  if (!(o->momentum > 0)) return 1;
  names[1] = "momentum_buffer";
  return 2;
}

static void rmsprop_prepare(const void *options, uint64_t step, double lr, float factor[NN_OPTIM_FACTORS_MAX]) {
  const rmsprop_options *o = options;
  (void)step;
  factor[LR] = (float)lr;
  factor[DECAY] = (float)o->weight_decay;
  factor[ALPHA] = (float)o->alpha;
  factor[REST] = (float)(1 - o->alpha);
  factor[EPS] = (float)o->eps;
  factor[MOMENTUM] = (float)o->momentum;
}

NN__BODY void nn__rmsprop_plain_body(size_t count, float scale, const float *factor, const float *gradient,
                                     float *param, float *square) {
  const float lr = factor[LR], decay = factor[DECAY], alpha = factor[ALPHA], rest = factor[REST], eps = factor[EPS];
  NN__ELEMENTS
  for (size_t i = 0; i < count; i++) {
    const float g = nn__scaled(scale, gradient[i]) + decay * param[i];
    const float v = alpha * square[i] + rest * (g * g);
    square[i] = v;
    param[i] -= lr * (g / (sqrtf(v) + eps));
  }
}
NN__CLONES(void, nn__rmsprop_plain,
           (size_t count, float scale, const float *factor, const float *gradient, float *param, float *square),
           (count, scale, factor, gradient, param, square))

NN__BODY void nn__rmsprop_momentum_body(size_t count, float scale, const float *factor, const float *gradient,
                                        float *param, float *square, float *buffer) {
  const float lr = factor[LR], decay = factor[DECAY], alpha = factor[ALPHA], rest = factor[REST], eps = factor[EPS];
  const float momentum = factor[MOMENTUM];
  NN__ELEMENTS
  for (size_t i = 0; i < count; i++) {
    const float g = nn__scaled(scale, gradient[i]) + decay * param[i];
    const float v = alpha * square[i] + rest * (g * g);
    const float b = momentum * buffer[i] + g / (sqrtf(v) + eps);
    square[i] = v;
    buffer[i] = b;
    param[i] -= lr * b;
  }
}
NN__CLONES(void, nn__rmsprop_momentum,
           (size_t count, float scale, const float *factor, const float *gradient, float *param, float *square,
            float *buffer),
           (count, scale, factor, gradient, param, square, buffer))

static void rmsprop_update(const void *options, const nn_optim_block *block) {
  const rmsprop_options *o = options;
  if (o->momentum > 0)
    nn__rmsprop_momentum(block->count, block->gradient_scale, block->factor, block->gradient, block->param,
                         block->slot[0], block->slot[1]);
  else
    nn__rmsprop_plain(block->count, block->gradient_scale, block->factor, block->gradient, block->param,
                      block->slot[0]);
}

static const nn_key rmsprop_keys[] = {
    NN__OPTIM_LR_KEY("0.01"),
    NN__OPTIM_SHARE_KEY(rmsprop_options, alpha, "0.99", "decay of the mean of squared gradients"),
    NN__OPTIM_KEY(rmsprop_options, eps, "1e-8", NN__EPS_MIN, "added to the denominator"),
    NN__OPTIM_SHARE_KEY(rmsprop_options, momentum, "0", "share of the last update that is kept; 0: none"),
    NN__OPTIM_KEY(rmsprop_options, weight_decay, "0", 0, "share of each parameter added to its gradient (L2)"),
    {.name = NULL},
};

const nn_optim_ops nn__optim_rmsprop_ops = {
    .schema = {.name = "rmsprop",
               .help = "steps scaled by a running mean of squared gradients",
               .size = sizeof(rmsprop_options),
               .keys = rmsprop_keys},
    .slots = rmsprop_slots,
    .prepare = rmsprop_prepare,
    .update = rmsprop_update,
};
