/* Stochastic gradient descent, as torch.optim.SGD without dampening:
 *
 *   g ← g + weight_decay p
 *   b ← momentum b + g            (b = 0 at first)
 *   p ← p − lr b                  with Nesterov: p ← p − lr (g + momentum b) */
#include "kernels/dots.h"
#include "kernels/squares.h"
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

/* `decays`, a constant: without decay nothing may be added, not even 0, or −0 would become +0. */
NN__BODY void plain(const bool decays, size_t count, float scale, float lr, float decay, const float *gradient,
                    float *param) {
  NN__ELEMENTS
  for (size_t i = 0; i < count; i++) {
    const float g = nn__scaled(scale, gradient[i]);
    param[i] -= lr * (decays ? g + decay * param[i] : g);
  }
}

NN__BODY void nn__sgd_plain_body(size_t count, float scale, const float *factor, const float *gradient, float *param) {
  if (factor[DECAY] > 0)
    plain(true, count, scale, factor[LR], factor[DECAY], gradient, param);
  else
    plain(false, count, scale, factor[LR], 0, gradient, param);
}
NN__CLONES(void, nn__sgd_plain, (size_t count, float scale, const float *factor, const float *gradient, float *param),
           (count, scale, factor, gradient, param))

NN__BODY double plain_and_sum(const bool decays, size_t count, float lr, float decay, const float *gradient,
                              float *param) {
  double lane[NN__SUM_LANES] = {0.0};
  size_t i = 0;
  for (; i + NN__SUM_STRIP <= count; i += NN__SUM_STRIP) {
    nn__strip_squares(gradient + i, lane);
    plain(decays, NN__SUM_STRIP, 1, lr, decay, gradient + i, param + i);
  }
  plain(decays, count - i, 1, lr, decay, gradient + i, param + i);
  return nn__rest_squares(count - i, gradient + i, lane);
}

NN__BODY double nn__sgd_plain_and_sum_body(size_t count, const float *factor, const float *gradient, float *param) {
  if (factor[DECAY] > 0) return plain_and_sum(true, count, factor[LR], factor[DECAY], gradient, param);
  return plain_and_sum(false, count, factor[LR], 0, gradient, param);
}
NN__CLONES(double, nn__sgd_plain_and_sum, (size_t count, const float *factor, const float *gradient, float *param),
           (count, factor, gradient, param))

NN__BODY void nn__sgd_outer_body(size_t rows, size_t width, const float *factor, const float *a, const float *b,
                                 float *param) {
  for (size_t r = 0; r < rows; r++) nn__sgd_plain_body(width, a[r], factor, b, param + r * width);
}
NN__CLONES(void, nn__sgd_outer,
           (size_t rows, size_t width, const float *factor, const float *a, const float *b, float *param),
           (rows, width, factor, a, b, param))

/* `rows` (a constant) rows, read and written once for the update and for their products with x. */
NN__BODY void outer_group(const int rows, const bool decays, size_t width, const float *factor, const float *a,
                          const float *b, float *param, const float *x, float *y) {
  const float lr = factor[LR], decay = factor[DECAY];
  float scale[NN__DOT_ROWS], sum[NN__DOT_ROWS][NN__DOT_LANES] = {{0.0f}};
  for (int i = 0; i < rows; i++) scale[i] = a[i]; /* for all the compiler knows, `param` lies over `a` */
  size_t p = 0;
  for (; p + NN__DOT_LANES <= width; p += NN__DOT_LANES) {
    _Pragma("GCC unroll 4") for (int i = 0; i < rows; i++) {
      float *row = param + (size_t)i * width + p;
      plain(decays, NN__DOT_LANES, scale[i], lr, decay, b + p, row);
      nn__dot_step(NN__DOT_LANES, x + p, row, sum[i]);
    }
  }
  for (int i = 0; i < rows; i++) {
    float *row = param + (size_t)i * width + p;
    plain(decays, width - p, scale[i], lr, decay, b + p, row);
    nn__dot_step(width - p, x + p, row, sum[i]);
    y[i] = nn__dot_fold(sum[i]);
  }
}

NN__BODY void outer_groups(const bool decays, size_t rows, size_t width, const float *factor, const float *a,
                           const float *b, float *param, const float *x, float *y) {
  size_t r = 0;
  for (; r + NN__DOT_ROWS <= rows; r += NN__DOT_ROWS)
    outer_group(NN__DOT_ROWS, decays, width, factor, a + r, b, param + r * width, x, y + r);
  for (; r < rows; r++) outer_group(1, decays, width, factor, a + r, b, param + r * width, x, y + r);
}

NN__BODY void nn__sgd_outer_dot_body(size_t rows, size_t width, const float *factor, const float *a, const float *b,
                                     float *param, const float *x, float *y) {
  if (factor[DECAY] > 0)
    outer_groups(true, rows, width, factor, a, b, param, x, y);
  else
    outer_groups(false, rows, width, factor, a, b, param, x, y);
}
NN__CLONES(void, nn__sgd_outer_dot,
           (size_t rows, size_t width, const float *factor, const float *a, const float *b, float *param,
            const float *x, float *y),
           (rows, width, factor, a, b, param, x, y))

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

static bool sgd_update_and_sum(const void *options, const nn_optim_block *block, double *squares) {
  const sgd_options *o = options;
  if (o->momentum > 0) return false;
  const double quick = nn__sgd_plain_and_sum(block->count, block->factor, block->gradient, block->param);
  *squares = nn__squares_checked(quick, block->count, block->gradient);
  return true;
}

static bool sgd_update_outer(const void *options, const float *factor, const nn_outer *gradient, float *param) {
  const sgd_options *o = options;
  if (o->momentum > 0) return false;
  const nn_outer *g = gradient;
  if (g->x != NULL)
    nn__sgd_outer_dot(g->rows, g->width, factor, g->a, g->b, param, g->x, g->y);
  else
    nn__sgd_outer(g->rows, g->width, factor, g->a, g->b, param);
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
    .update_and_sum = sgd_update_and_sum,
    .update_outer = sgd_update_outer,
};
