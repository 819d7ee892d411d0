/* What recurrent layers have in common: stacked layers that go through time, one time step of which is a cell's
 * business. A new kind of layer is a cell and its table of options (lstm.c).
 *
 * Layer l takes x_t [rows, in] (the sample's, or the states h_t of layer l − 1) and has states of `units` values: h,
 * and where the cell has two, c. Parameters are PyTorch's, four for each layer: weight_ih [gates × units, in],
 * weight_hh [gates × units, units], bias_ih and bias_hh [gates × units]. */
#ifndef NNMPI_LAYERS_RECURRENT_H
#define NNMPI_LAYERS_RECURRENT_H

#include "layers/internal.h"

enum { NN__RECURRENT_LAYERS_MAX = NN_LAYER_PARAMS_MAX / 4, NN__STATES_MAX = 2 };

/** One time step of some rows, one after another. Forward: z [rows, gates × units] holds W_ih x_t, and keeps what
 *  backward needs of it; zh is W_hh h of the step before. */
typedef struct nn__cell_step {
  size_t rows, units;
  const float *bias_ih, *bias_hh, *zh;
  const float *before[NN__STATES_MAX]; /**< [rows, units]: the states before this step */
  float *after[NN__STATES_MAX];        /**< the states after it, to be filled */
  float *z;
  float *kept; /**< [rows, kept × units] for backward */
} nn__cell_step;

/** The gradients of one step. */
typedef struct nn__cell_gradient {
  const nn__cell_step *step;      /**< as forward left it */
  float *d_state[NN__STATES_MAX]; /**< [rows, units]: of h after the step, complete; of c after the step, from the step
                                    behind, to become that of c before it */
  float *dz; /**< [rows, gates × units]: of both W_ih x and W_hh h, to be filled; may be step->z */
} nn__cell_gradient;

typedef struct nn__cell {
  size_t gates, kept;
  int states; /**< 1: h; 2: h and c */
  void (*forward)(const nn__cell_step *step);
  void (*backward)(const nn__cell_gradient *gradient);
} nn__cell;

/** The options of every recurrent layer, at the beginning of its own. */
typedef struct nn__recurrent_options {
  nn_layer_options base;
  int64_t units, layers;
  int output;
  nn_tensor start[NN__STATES_MAX]; /**< h0, c0 */
  nn_choice init;
} nn__recurrent_options;

typedef struct nn__recurrent {
  nn_layer base;
  const nn__cell *cell;
  const nn__recurrent_options *options;
  size_t time, features, units, layers;
  bool sequence; /**< puts out all h of the last layer, [time, units], else the last one */
} nn__recurrent;

extern const char *const nn__recurrent_outputs[];

/* The keys of nn__recurrent_options but for c0, which not all have. */
#define NN__RECURRENT_KEYS                                                                                             \
  NN__LAYER_NAME_KEY,                                                                                                  \
      {.name = "units",                                                                                                \
       .type = NN_KEY_INT,                                                                                             \
       .offset = offsetof(nn__recurrent_options, units),                                                               \
       .flags = NN_KEY_AUTO,                                                                                           \
       .fallback = "auto",                                                                                             \
       .min = 1,                                                                                                       \
       .max = 1 << 20,                                                                                                 \
       .help = "size of the state; auto: what the data asks for (last layer with parameters only)"},                   \
      {.name = "layers",                                                                                               \
       .type = NN_KEY_INT,                                                                                             \
       .offset = offsetof(nn__recurrent_options, layers),                                                              \
       .fallback = "1",                                                                                                \
       .min = 1,                                                                                                       \
       .max = NN__RECURRENT_LAYERS_MAX,                                                                                \
       .help = "stacked layers, each reading the states of the one below"},                                            \
      {.name = "output",                                                                                               \
       .type = NN_KEY_WORD,                                                                                            \
       .offset = offsetof(nn__recurrent_options, output),                                                              \
       .fallback = "last",                                                                                             \
       .words = nn__recurrent_outputs,                                                                                 \
       .help = "the state after the last time step, [units]; or after each, [time, units] (dense flattens that)"},     \
      {.name = "h0",                                                                                                   \
       .type = NN_KEY_TENSOR,                                                                                          \
       .offset = offsetof(nn__recurrent_options, start[0]),                                                            \
       .help = "state before the first step, [units] or [layers, units]; default: 0"},                                 \
  {                                                                                                                    \
    .name = "init", .type = NN_KEY_CHOICE, .offset = offsetof(nn__recurrent_options, init), .kind = NN_KIND_INIT,      \
    .help = "initialisation of this layer; default: model.init"                                                        \
  }

/** The layer; `bytes` as of nn__layer_create(), for one that begins with an nn__recurrent. */
nn_status nn__recurrent_create(size_t bytes, const nn_layer_ops *ops, const nn__cell *cell,
                               const nn__recurrent_options *options, const nn_shape *in, size_t outputs,
                               nn_layer **out);
void nn__recurrent_forward(const nn_layer *layer, const nn_pass *pass, const float *x, float *y);
void nn__recurrent_backward(const nn_layer *layer, const nn_pass *pass, const float *x, const float *y, const float *dy,
                            float *dx);
void nn__recurrent_gradient(const nn_layer *layer, const nn_pass *pass, const float *x, const float *dy, int param,
                            size_t first, size_t last, float *out);

float nn__recurrent_magnitude(const nn_layer *layer, const nn_pass *pass, const float *x, const float *dy);

/* The parameters of layer l are params[4 l + …]. */
enum { NN__WEIGHT_IH, NN__WEIGHT_HH, NN__BIAS_IH, NN__BIAS_HH, NN__RECURRENT_PARAMS };

#endif
