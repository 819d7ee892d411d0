/* Initialisation by formulas. Every value is a function of (seed, tensor, element): neither the other tensors nor the
 * order of filling matter. */
#include "layers/internal.h"

#include <math.h>

typedef struct init_options {
  double bias; /* what biases start with */
  double value, mean, std, low, high, gain;
  int distribution;
} init_options;

enum { UNIFORM, NORMAL };

static const char *const distributions[] = {"uniform", "normal", NULL};

static void fill_constant(const nn_param *param, double constant, float *value) {
  const size_t size = nn_param_size(param);
  for (size_t i = 0; i < size; i++) value[i] = (float)constant;
}

static void fill_uniform(const nn_param *param, double low, double high, uint64_t seed, uint64_t tensor, float *value) {
  nn_vector_uniform(seed, NN_RANDOM_WEIGHTS, tensor, nn_param_size(param), low, high, value);
}

static void fill_normal(const nn_param *param, double mean, double std, uint64_t seed, uint64_t tensor, float *value) {
  const size_t size = nn_param_size(param);
  for (size_t i = 0; i < size; i++)
    value[i] = (float)(mean + std * nn_random_normal(seed, NN_RANDOM_WEIGHTS, tensor, i));
}

/* Mean 0 and the given variance, from either distribution. */
static void fill_variance(const nn_param *param, int distribution, double variance, uint64_t seed, uint64_t tensor,
                          float *value) {
  const double bound = sqrt(3 * variance);
  if (distribution == UNIFORM)
    fill_uniform(param, -bound, bound, seed, tensor, value);
  else
    fill_normal(param, 0, sqrt(variance), seed, tensor, value);
}

/* ---- the ways --------------------------------------------------------------------------------- */

static nn_status zeros_fill(const void *options, const nn_param *param, const char *full_name, uint64_t seed,
                            uint64_t tensor, float *value) {
  (void)options, (void)full_name, (void)seed, (void)tensor;
  fill_constant(param, 0, value);
  return NN_OK;
}

static nn_status constant_fill(const void *options, const nn_param *param, const char *full_name, uint64_t seed,
                               uint64_t tensor, float *value) {
  const init_options *o = options;
  (void)full_name, (void)seed, (void)tensor;
  fill_constant(param, param->is_bias ? o->bias : o->value, value);
  return NN_OK;
}

static nn_status normal_fill(const void *options, const nn_param *param, const char *full_name, uint64_t seed,
                             uint64_t tensor, float *value) {
  const init_options *o = options;
  (void)full_name;
  const double std = o->std == NN_AUTO ? 1 / sqrt((double)param->fan_in) : o->std;
  if (param->is_bias)
    fill_constant(param, o->bias, value);
  else
    fill_normal(param, o->mean, std, seed, tensor, value);
  return NN_OK;
}

static nn_status uniform_fill(const void *options, const nn_param *param, const char *full_name, uint64_t seed,
                              uint64_t tensor, float *value) {
  const init_options *o = options;
  if (o->low > o->high) {
    char low[32], high[32];
    return NN_FAIL(NN_ERR_CONFIG, "%s: uniform needs low <= high, not %s and %s", full_name,
                   nn_format_real(o->low, low), nn_format_real(o->high, high));
  }
  if (param->is_bias)
    fill_constant(param, o->bias, value);
  else
    fill_uniform(param, o->low, o->high, seed, tensor, value);
  return NN_OK;
}

/* Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks" (AISTATS 2010):
 * variance 2 / (fan_in + fan_out). */
static nn_status xavier_fill(const void *options, const nn_param *param, const char *full_name, uint64_t seed,
                             uint64_t tensor, float *value) {
  const init_options *o = options;
  (void)full_name;
  const double variance = o->gain * o->gain * 2 / ((double)param->fan_in + (double)param->fan_out);
  if (param->is_bias)
    fill_constant(param, o->bias, value);
  else
    fill_variance(param, o->distribution, variance, seed, tensor, value);
  return NN_OK;
}

/* He, Zhang, Ren, Sun, "Delving deep into rectifiers" (ICCV 2015): variance 2 / fan_in. */
static nn_status he_fill(const void *options, const nn_param *param, const char *full_name, uint64_t seed,
                         uint64_t tensor, float *value) {
  const init_options *o = options;
  (void)full_name;
  if (param->is_bias)
    fill_constant(param, o->bias, value);
  else
    fill_variance(param, o->distribution, 2 / (double)param->fan_in, seed, tensor, value);
  return NN_OK;
}

static nn_status pytorch_fill(const void *options, const nn_param *param, const char *full_name, uint64_t seed,
                              uint64_t tensor, float *value) {
  (void)options, (void)full_name;
  const double bound = 1 / sqrt((double)(param->pytorch_fan > 0 ? param->pytorch_fan : param->fan_in));
  fill_uniform(param, -bound, bound, seed, tensor, value);
  return NN_OK;
}

/* ---- tables ----------------------------------------------------------------------------------- */

#define REAL_KEY(key_name, default_value, key_help)                                                                    \
  {                                                                                                                    \
    .name = #key_name, .type = NN_KEY_REAL, .offset = offsetof(init_options, key_name), .fallback = (default_value),   \
    .help = (key_help)                                                                                                 \
  }
#define BIAS_KEY REAL_KEY(bias, "0", "value of all biases")
#define DISTRIBUTION_KEY(default_word)                                                                                 \
  {                                                                                                                    \
    .name = "distribution", .type = NN_KEY_WORD, .offset = offsetof(init_options, distribution),                       \
    .fallback = (default_word), .words = distributions, .help = "of the weights"                                       \
  }

static const nn_key constant_keys[] = {REAL_KEY(value, "0", "value of all weights"), BIAS_KEY, {.name = NULL}};
static const nn_key normal_keys[] = {REAL_KEY(mean, "0", "mean of the weights"),
                                     {.name = "std",
                                      .type = NN_KEY_REAL,
                                      .offset = offsetof(init_options, std),
                                      .flags = NN_KEY_AUTO,
                                      .fallback = "auto",
                                      .max = 1e30,
                                      .help = "standard deviation of the weights; auto: 1 / sqrt(fan_in)"},
                                     BIAS_KEY,
                                     {.name = NULL}};
static const nn_key uniform_keys[] = {
    REAL_KEY(low, "-0.05", "smallest weight"), REAL_KEY(high, "0.05", "largest weight"), BIAS_KEY, {.name = NULL}};
static const nn_key xavier_keys[] = {
    DISTRIBUTION_KEY("uniform"), REAL_KEY(gain, "1", "factor for the standard deviation"), BIAS_KEY, {.name = NULL}};
static const nn_key he_keys[] = {DISTRIBUTION_KEY("normal"), BIAS_KEY, {.name = NULL}};

#define INIT(id, text, option_keys, option_size)                                                                       \
  const nn_init_ops nn__init_##id##_ops = {                                                                            \
      .schema = {.name = #id, .help = text, .size = option_size, .keys = option_keys}, .fill = id##_fill};

/* clang-format off */
INIT(zeros,    "everything 0", NULL, 0)
INIT(constant, "all weights one value", constant_keys, sizeof(init_options))
INIT(normal,   "normally distributed weights", normal_keys, sizeof(init_options))
INIT(uniform,  "weights uniform between low and high", uniform_keys, sizeof(init_options))
INIT(xavier,   "Glorot: variance gain^2 * 2 / (fan_in + fan_out); for sigmoid and tanh", xavier_keys, sizeof(init_options))
INIT(he,       "He: variance 2 / fan_in; for relu", he_keys, sizeof(init_options))
INIT(pytorch,  "PyTorch's default: weights and biases uniform in +-1/sqrt(fan_in), lstm: 1/sqrt(units)", NULL, 0)
/* clang-format on */
