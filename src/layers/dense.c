/* Dense layer: y = x W' + b, with x [rows, in], W [out, in], b [out], y [rows, out]. */
#include "layers/internal.h"

typedef struct dense_options {
  nn_layer_options base;
  int64_t units; /* NN_AUTO: what the network must put out */
  bool bias;
  nn_choice init;
} dense_options;

enum { WEIGHT, BIAS };

static nn_status dense_create(const void *options, const nn_shape *in, size_t outputs, nn_layer **out) {
  const dense_options *o = options;
  const size_t width = nn_shape_size(in);
  const size_t units = o->units == NN_AUTO ? outputs : (size_t)o->units;
  if (units == 0)
    return NN_FAIL(NN_ERR_CONFIG, "dense needs `units` here: `auto` (the default) is only for the last layer with "
                                  "parameters, which puts out what the data asks for");
  size_t elements = 0, bytes = 0;
  if (!nn_size_multiply(width, units, &elements) || !nn_size_multiply(elements, sizeof(float), &bytes) ||
      bytes > PTRDIFF_MAX)
    return NN_FAIL(NN_ERR_CONFIG, "a weight of %zu x %zu numbers is more than can be addressed", units, width);
  if (!o->bias && nn__init_gives_bias(&o->init))
    return NN_FAIL(NN_ERR_CONFIG, "init gives values for a bias, but the layer says `bias: false`");

  nn_layer *layer = NULL;
  NN_TRY(nn__layer_create(sizeof *layer, &nn__dense_ops, in, &layer));
  layer->out = (nn_shape){.rank = 1, .dims = {units}};
  layer->init = &o->init;
  layer->params[WEIGHT] =
      (nn_param){.name = "weight", .rank = 2, .dims = {units, width}, .fan_in = width, .fan_out = units};
  layer->params[BIAS] =
      (nn_param){.name = "bias", .rank = 1, .dims = {units}, .fan_in = width, .fan_out = units, .is_bias = true};
  layer->param_count = o->bias ? 2 : 1;
  layer->products = layer->products_input = (double)elements;
  *out = layer;
  return NN_OK;
}

static void dense_forward(const nn_layer *layer, const nn_pass *pass, const float *x, float *y) {
  const size_t out = layer->params[WEIGHT].dims[0], in = layer->params[WEIGHT].dims[1];
  const float *weight = pass->params + layer->params[WEIGHT].offset;
  const float *bias = layer->param_count > BIAS ? pass->params + layer->params[BIAS].offset : NULL;
  if (pass->rows > 1) {
    nn_after after = pass->after;
    after.bias = bias;
    nn_gemm_after(pass->team, NN_N, NN_T, pass->rows, out, in, x, weight, y, &after);
    return;
  }
  if (!pass->product_made) nn_gemm(pass->team, NN_N, NN_T, 1, out, in, x, weight, y);
  if (bias != NULL) nn_rows_add(pass->team, 1, out, bias, y);
}

static void dense_backward(const nn_layer *layer, const nn_pass *pass, const float *x, const float *y, const float *dy,
                           float *dx) {
  (void)x, (void)y;
  const size_t out = layer->params[WEIGHT].dims[0], in = layer->params[WEIGHT].dims[1];
  if (dx != NULL)
    nn_gemm(pass->team, NN_N, NN_N, pass->rows, in, out, dy, pass->params + layer->params[WEIGHT].offset, dx);
}

/* dW = dy' x, db = sum of dy over the rows */
static void dense_gradient(const nn_layer *layer, const nn_pass *pass, const float *x, const float *dy, int param,
                           size_t first, size_t last, float *gradient) {
  const size_t out = layer->params[WEIGHT].dims[0], in = layer->params[WEIGHT].dims[1];
  if (param == WEIGHT)
    nn_gemm_block(pass->team, last - first, in, pass->rows, dy + first, out, x, gradient);
  else
    nn_columns_sum(pass->rows, out, last - first, dy + first, gradient);
}

static void dense_outer(const nn_layer *layer, const float *x, const float *dy, int param, size_t first, size_t last,
                        nn_outer *out) {
  static const float one = 1;
  *out = (nn_outer){.rows = last - first, .width = 1, .a = dy + first, .b = &one};
  if (param == WEIGHT) out->width = layer->params[WEIGHT].dims[1], out->b = x;
}

static float dense_magnitude(const nn_layer *layer, const nn_pass *pass, const float *x, const float *dy) {
  const size_t out = layer->params[WEIGHT].dims[0], in = layer->params[WEIGHT].dims[1];
  return nn__larger(x == NULL ? 0 : nn_magnitude(pass->team, pass->rows * in, x),
                    nn_magnitude(pass->team, pass->rows * out, dy));
}

static const nn_key dense_keys[] = {
    NN__LAYER_NAME_KEY,
    {.name = "units",
     .type = NN_KEY_INT,
     .offset = offsetof(dense_options, units),
     .flags = NN_KEY_AUTO,
     .fallback = "auto",
     .min = 1,
     .max = 1 << 30,
     .help = "outputs of the layer; auto: what the data asks for (last layer with parameters only)"},
    {.name = "bias",
     .type = NN_KEY_BOOL,
     .offset = offsetof(dense_options, bias),
     .fallback = "true",
     .help = "add a bias to every output"},
    {.name = "init",
     .type = NN_KEY_CHOICE,
     .offset = offsetof(dense_options, init),
     .kind = NN_KIND_INIT,
     .help = "initialisation of this layer; default: model.init"},
    {.name = NULL},
};

const nn_layer_ops nn__dense_ops = {
    .schema = {.name = "dense",
               .help = "fully connected: y = W x + b; flattens its input",
               .size = sizeof(dense_options),
               .keys = dense_keys},
    .has_params = true,
    .create = dense_create,
    .forward = dense_forward,
    .backward = dense_backward,
    .gradient = dense_gradient,
    .outer = dense_outer,
    .product_first = true,
    .maps_after = true,
    .magnitude = dense_magnitude,
};
