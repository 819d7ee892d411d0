/* Stochastic gradient descent, as torch.optim.SGD without dampening:
 *
 *   g ← g + weight_decay p
 *   b ← momentum b + g            (b = 0 at first)
 *   p ← p − lr b                  with Nesterov: p ← p − lr (g + momentum b) */
#include "optim/internal.h"

typedef struct sgd_options {
  nn_optim_options base;
  double momentum, weight_decay;
  bool nesterov;
} sgd_options;

enum { LR, DECAY, MOMENTUM };

static nn_status sgd_check(const void *options) {
  const sgd_options *o = options;
  if (o->nesterov && !(o->momentum > 0))
    return NN_FAIL(NN_ERR_CONFIG, "sgd: nesterov needs a momentum above 0; set momentum, or leave nesterov out");
  return NN_OK;
}

static int sgd_slots(const void *options, const char *names[NN_OPTIM_SLOTS_MAX]) {
  const sgd_options *o = options;
  if (!(o->momentum > 0)) return 0;
  names[0] = "momentum_buffer";
  return 1;
}

static void sgd_prepare(const void *options, uint64_t step, double lr, float factor[NN_OPTIM_FACTORS_MAX]) {
  const sgd_options *o = options;
  (void)step;
  factor[LR] = (float)lr;
  factor[DECAY] = (float)o->weight_decay;
  factor[MOMENTUM] = (float)o->momentum;
}

NN__BODY void nn__sgd_plain_body(size_t count, float scale, const float *factor, const float *gradient, float *param) {
  const float lr = factor[LR], decay = factor[DECAY];
  if (decay > 0) {
    NN__ELEMENTS
    for (size_t i = 0; i < count; i++) {
      const float g = nn__scaled(scale, gradient[i]) + decay * param[i];
      param[i] -= lr * g;
    }
  } else {
    NN__ELEMENTS
    for (size_t i = 0; i < count; i++) param[i] -= lr * nn__scaled(scale, gradient[i]);
  }
}
NN__CLONES(void, nn__sgd_plain, (size_t count, float scale, const float *factor, const float *gradient, float *param),
           (count, scale, factor, gradient, param))

NN__BODY void nn__sgd_outer_body(size_t rows, size_t width, const float *factor, const float *a, const float *b,
                                 float *param) {
  for (size_t r = 0; r < rows; r++) nn__sgd_plain_body(width, a[r], factor, b, param + r * width);
}
NN__CLONES(void, nn__sgd_outer,
           (size_t rows, size_t width, const float *factor, const float *a, const float *b, float *param),
           (rows, width, factor, a, b, param))

NN__BODY void nn__sgd_momentum_body(size_t count, float scale, const float *factor, const float *gradient, float *param,
                                    float *buffer) {
  const float lr = factor[LR], decay = factor[DECAY], momentum = factor[MOMENTUM];
  NN__ELEMENTS
  for (size_t i = 0; i < count; i++) {
    const float g = nn__scaled(scale, gradient[i]) + decay * param[i];
    const float b = momentum * buffer[i] + g;
    buffer[i] = b;
    param[i] -= lr * b;
  }
}
NN__CLONES(void, nn__sgd_momentum,
           (size_t count, float scale, const float *factor, const float *gradient, float *param, float *buffer),
           (count, scale, factor, gradient, param, buffer))

NN__BODY void nn__sgd_nesterov_body(size_t count, float scale, const float *factor, const float *gradient, float *param,
                                    float *buffer) {
  const float lr = factor[LR], decay = factor[DECAY], momentum = factor[MOMENTUM];
  NN__ELEMENTS
  for (size_t i = 0; i < count; i++) {
    const float g = nn__scaled(scale, gradient[i]) + decay * param[i];
    const float b = momentum * buffer[i] + g;
    buffer[i] = b;
    param[i] -= lr * (g + momentum * b);
  }
}
NN__CLONES(void, nn__sgd_nesterov,
           (size_t count, float scale, const float *factor, const float *gradient, float *param, float *buffer),
           (count, scale, factor, gradient, param, buffer))

static void sgd_update(const void *options, const nn_optim_block *block) {
  const sgd_options *o = options;
  const size_t count = block->count;
  const float scale = block->gradient_scale;
  if (!(o->momentum > 0))
    nn__sgd_plain(count, scale, block->factor, block->gradient, block->param);
  else if (o->nesterov)
    nn__sgd_nesterov(count, scale, block->factor, block->gradient, block->param, block->slot[0]);
  else
    nn__sgd_momentum(count, scale, block->factor, block->gradient, block->param, block->slot[0]);
}

static bool sgd_update_outer(const void *options, const float *factor, const nn_outer *gradient, float *param) {
  const sgd_options *o = options;
  if (o->momentum > 0) return false;
  nn__sgd_outer(gradient->rows, gradient->width, factor, gradient->a, gradient->b, param);
  return true;
}

static const nn_key sgd_keys[] = {
    NN__OPTIM_LR_KEY("0.01"),
    NN__OPTIM_SHARE_KEY(sgd_options, momentum, "0", "share of the last update that is kept; 0: none"),
    {.name = "nesterov",
     .type = NN_KEY_BOOL,
     .offset = offsetof(sgd_options, nesterov),
     .fallback = "false",
     .help = "momentum after Nesterov; needs momentum"},
    NN__OPTIM_KEY(sgd_options, weight_decay, "0", 0, "share of each parameter added to its gradient (L2)"),
    {.name = NULL},
};

const nn_optim_ops nn__optim_sgd_ops = {
    .schema = {.name = "sgd", .help = "stochastic gradient descent", .size = sizeof(sgd_options), .keys = sgd_keys},
    .check = sgd_check,
    .slots = sgd_slots,
    .prepare = sgd_prepare,
    .update = sgd_update,
    .update_outer = sgd_update_outer,
};
