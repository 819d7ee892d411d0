/* What the files of the layers module share. */
#ifndef NNMPI_LAYERS_INTERNAL_H
#define NNMPI_LAYERS_INTERNAL_H

#include "nnmpi/layers.h"

#include <math.h>

/* ---- one line per alternative: registry.c makes its tables from these ------------------------- */

#define NN__LAYERS(X)                                                                                                  \
  X(dense)                                                                                                             \
  X(lstm)                                                                                                              \
  X(identity)                                                                                                          \
  X(relu)                                                                                                              \
  X(leaky_relu)                                                                                                        \
  X(sigmoid)                                                                                                           \
  X(tanh)                                                                                                              \
  X(gelu)                                                                                                              \
  X(softplus)                                                                                                          \
  X(arctan)                                                                                                            \
  X(step)                                                                                                              \
  X(softmax)                                                                                                           \
  X(dropout)

#define NN__INITS(X)                                                                                                   \
  X(pytorch)                                                                                                           \
  X(he)                                                                                                                \
  X(xavier)                                                                                                            \
  X(normal)                                                                                                            \
  X(uniform)                                                                                                           \
  X(constant)                                                                                                          \
  X(zeros)                                                                                                             \
  X(values)                                                                                                            \
  X(file)

#define NN__LOSSES(X)                                                                                                  \
  X(cross_entropy)                                                                                                     \
  X(mse)                                                                                                               \
  X(half_sse)                                                                                                          \
  X(bce_with_logits)

#define NN__DECLARE_LAYER(name) extern const nn_layer_ops nn__##name##_ops;
#define NN__DECLARE_INIT(name) extern const nn_init_ops nn__init_##name##_ops;
#define NN__DECLARE_LOSS(name) extern const nn_loss_ops nn__loss_##name##_ops;
NN__LAYERS(NN__DECLARE_LAYER)
NN__INITS(NN__DECLARE_INIT)
NN__LOSSES(NN__DECLARE_LOSS)

/* ---- layers ----------------------------------------------------------------------------------- */

/** The key that every layer's table begins with. */
#define NN__LAYER_NAME_KEY                                                                                             \
  {                                                                                                                    \
    .name = "name", .type = NN_KEY_TEXT, .offset = offsetof(nn_layer_options, name),                                   \
    .help = "name of the layer in checkpoints and tables; default: layers.<position>"                                  \
  }

/** A zeroed layer of `bytes` bytes that begins with an nn_layer; in and out shapes set, both `in`. */
nn_status nn__layer_create(size_t bytes, const nn_layer_ops *ops, const nn_shape *in, nn_layer **out);

/** True where `init` writes a bias in the configuration: a layer without one cannot take it. */
bool nn__init_gives_bias(const nn_choice *init);

/** Of two magnitudes; NaN is larger than all. */
static inline float nn__larger(float a, float b) {
  return isnan(a) || a >= b ? a : b;
}

/* ---- losses ----------------------------------------------------------------------------------- */

enum { NN__LOSS_CHUNK = 256 /* values of a row worked on at a time, on the stack */ };

/** The key that every loss's table begins with. */
#define NN__LOSS_REDUCTION_KEY                                                                                         \
  {                                                                                                                    \
    .name = "reduction", .type = NN_KEY_WORD, .offset = offsetof(nn_loss_options, reduction), .fallback = "mean",      \
    .words = nn__loss_reduction_words, .help = "mean or sum over the samples of a minibatch"                           \
  }
extern const char *const nn__loss_reduction_words[];

/** Target of value `j` of sample `row`: as stored, or of a class label: one-hot, and with a single output the label
 * (0 or 1) itself. */
static inline double nn__loss_target(const int32_t *labels, const float *values, size_t width, size_t row, size_t j) {
  if (values != NULL) return (double)values[row * width + j];
  return width == 1 ? (double)labels[row] : (double)((size_t)labels[row] == j);
}

/** Fails unless the network's width is that of the targets; `one_for_two`: one output for two classes will do too. */
nn_status nn__loss_check_width(const char *name, const nn_target_info *target, size_t width, bool one_for_two);

/** log(1 + x) for x ≥ 0 in double, from +, −, ×, / alone: the same bits with every C library and processor. To a
 *  relative 1e-15, however small x is. */
double nn__loss_log1p(double x);

#endif
