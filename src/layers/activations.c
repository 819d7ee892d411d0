/* Activations that act on each value alone: y = f(x), over the maps of kernels.h. To add one: a map there, a line in
 * the table at the end, a line in internal.h. */
#include "layers/internal.h"

/* For all but leaky_relu only `base` is filled: the others' tables do not have the slope. */
typedef struct activation_options {
  nn_layer_options base;
  double slope;
} activation_options;

static nn_status activation_create(const nn_layer_ops *ops, const nn_map *map, float p, const nn_shape *in,
                                   nn_layer **out) {
  nn_layer *layer = NULL;
  NN_TRY(nn__layer_create(sizeof *layer, ops, in, &layer));
  layer->map = map;
  layer->map_p = p;
  *out = layer;
  return NN_OK;
}

static void activation_forward(const nn_layer *layer, const nn_pass *pass, const float *x, float *y) {
  nn_map_apply(pass->team, layer->map, layer->map_p, pass->rows * nn_shape_size(&layer->in), x, y);
}

static void activation_backward(const nn_layer *layer, const nn_pass *pass, const float *x, const float *y,
                                const float *dy, float *dx) {
  const size_t count = pass->rows * nn_shape_size(&layer->in);
  if (dx == NULL) return;
  if (layer->map->backward == NULL)
    nn_fill(pass->team, count, 0, dx);
  else
    nn_map_apply_backward(pass->team, layer->map, layer->map_p, count, x, y, dy, dx);
}

static const nn_key plain_keys[] = {NN__LAYER_NAME_KEY, {.name = NULL}};

static const nn_key leaky_keys[] = {
    NN__LAYER_NAME_KEY,
    {.name = "slope",
     .type = NN_KEY_REAL,
     .offset = offsetof(activation_options, slope),
     .fallback = "0.01",
     .help = "factor for negative values"},
    {.name = NULL},
};

/* A layer's create function is not told which layer it is for, hence one per activation. */
#define ACTIVATION(id, option_keys, parameter, text)                                                                   \
  static nn_status id##_create(const void *options, const nn_shape *in, size_t outputs, nn_layer **out) {              \
    const activation_options *o = options;                                                                             \
    (void)o, (void)outputs;                                                                                            \
    return activation_create(&nn__##id##_ops, &nn_map_##id, (float)(parameter), in, out);                              \
  }                                                                                                                    \
  const nn_layer_ops nn__##id##_ops = {                                                                                \
      .schema = {.name = #id, .help = text, .size = sizeof(activation_options), .keys = option_keys},                  \
      .create = id##_create,                                                                                           \
      .forward = activation_forward,                                                                                   \
      .backward = activation_backward,                                                                                 \
      .elementwise = true,                                                                                             \
  };

/* clang-format off */
ACTIVATION(identity,   plain_keys, 0,        "x")
ACTIVATION(relu,       plain_keys, 0,        "max(0, x)")
ACTIVATION(leaky_relu, leaky_keys, o->slope, "x where x > 0, else slope x")
ACTIVATION(sigmoid,    plain_keys, 0,        "1 / (1 + exp(-x))")
ACTIVATION(tanh,       plain_keys, 0,        "tanh(x)")
ACTIVATION(gelu,       plain_keys, 0,        "x times the standard normal's distribution function at x (the exact gelu)")
ACTIVATION(softplus,   plain_keys, 0,        "log(1 + exp(x))")
ACTIVATION(arctan,     plain_keys, 0,        "arctan(x) / pi + 1/2")
ACTIVATION(step,       plain_keys, 0,        "1 where x >= 0, else 0; its gradient is zero")
/* clang-format on */
