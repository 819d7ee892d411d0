/* Long short-term memory: with gates i, f, g, o of z = W_ih x_t + b_ih + W_hh h_(t−1) + b_hh,
 * c_t = sigmoid(f) c_(t−1) + sigmoid(i) tanh(g), h_t = sigmoid(o) tanh(c_t). The way through time is recurrent.c's.
 * Hochreiter, Schmidhuber, "Long short-term memory" (1997); forget gate: Gers, Schmidhuber, Cummins (2000). */
#include "layers/recurrent.h"

#include <math.h>

typedef struct lstm_options {
  nn__recurrent_options recurrent;
  double forget_bias;
} lstm_options;

enum { H, C, GATES = 4 };

static void cell_forward(const nn__cell_step *step) {
  nn_lstm_forward(&(nn_lstm_step){.rows = step->rows,
                                  .units = step->units,
                                  .bias_ih = step->bias_ih,
                                  .bias_hh = step->bias_hh,
                                  .zh = step->zh,
                                  .c_before = step->before[C],
                                  .gates = step->z,
                                  .c = step->after[C],
                                  .tanh_c = step->kept,
                                  .h = step->after[H]});
}

static void cell_backward(const nn__cell_gradient *gradient) {
  const nn__cell_step *step = gradient->step;
  nn_lstm_backward(&(nn_lstm_gradient){.rows = step->rows,
                                       .units = step->units,
                                       .gates = step->z,
                                       .tanh_c = step->kept,
                                       .c_before = step->before[C],
                                       .dh = gradient->d_state[H],
                                       .dc = gradient->d_state[C],
                                       .dz = gradient->dz});
}

static const nn__cell lstm_cell = {
    .gates = GATES, .kept = 1, .states = 2, .forward = cell_forward, .backward = cell_backward};

static nn_status lstm_create(const void *options, const nn_shape *in, size_t outputs, nn_layer **out) {
  const lstm_options *o = options;
  const nn_schema *init = o->recurrent.init.schema;
  if (init != NULL && nn_init_find(init->name)->given && fabs(o->forget_bias) > 0)
    return NN_FAIL(NN_ERR_CONFIG, "forget_bias is added to biases that are drawn, but init `%s` gives them: remove one",
                   init->name);
  return nn__recurrent_create(sizeof(nn__recurrent), &nn__lstm_ops, &lstm_cell, &o->recurrent, in, outputs, out);
}

static void lstm_adjust(const nn_layer *layer, int param, float *value) {
  if (param % NN__RECURRENT_PARAMS != NN__BIAS_IH) return;
  const nn__recurrent *r = (const nn__recurrent *)layer;
  const float forget_bias = (float)((const lstm_options *)(const void *)r->options)->forget_bias;
  for (size_t j = r->units; j < 2 * r->units; j++) value[j] += forget_bias;
}

static const nn_key lstm_keys[] = {
    NN__RECURRENT_KEYS,
    {.name = "c0",
     .type = NN_KEY_TENSOR,
     .offset = offsetof(nn__recurrent_options, start[C]),
     .help = "memory before the first step, as h0"},
    {.name = "forget_bias",
     .type = NN_KEY_REAL,
     .offset = offsetof(lstm_options, forget_bias),
     .fallback = "0",
     .help = "added to the forget gate's bias when it is drawn (1 helps to remember from the start)"},
    {.name = NULL},
};

const nn_layer_ops nn__lstm_ops = {
    .schema = {.name = "lstm",
               .help = "long short-term memory over samples of [time, features]; gates in PyTorch's order i, f, g, o",
               .size = sizeof(lstm_options),
               .keys = lstm_keys},
    .has_params = true,
    .create = lstm_create,
    .forward = nn__recurrent_forward,
    .backward = nn__recurrent_backward,
    .gradient = nn__recurrent_gradient,
    .magnitude = nn__recurrent_magnitude,
    .one_piece = true,
    .adjust = lstm_adjust,
};
