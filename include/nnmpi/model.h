/** @file model.h
 *  Floor 3: a network: its layers, the layout of the parameter and gradient arenas, forward and backward.
 *
 *  The arenas belong to the caller (who may share the parameters between the ranks of a node). Rank-blind and Local. */
#ifndef NNMPI_MODEL_H
#define NNMPI_MODEL_H

#include "nnmpi/layers.h"

typedef struct nn_model nn_model;

/** Build the network that the configuration describes for samples of shape `in` and `outputs` outputs
 *  (nn_loss_outputs()). One output for two, or two for one, is taken as well: two classes can be told apart by either;
 *  nn_loss_check() says whether the loss agrees. Fails with NN_ERR_CONFIG naming the layer. Keeps pointers into
 *  `config`. */
nn_status nn_model_create(const nn_model_config *config, const nn_registry *registry, const nn_shape *in,
                          size_t outputs, nn_model **out);
void nn_model_destroy(nn_model **model);

size_t nn_model_layer_count(const nn_model *model);
const nn_layer *nn_model_layer(const nn_model *model, size_t index);
const char *nn_model_layer_name(const nn_model *model, size_t index);
/** Put "model: line 12: layer fc1 (dense): " in front of this thread's error message. */
void nn_model_error_prefix(const nn_model *model, size_t index);
size_t nn_model_outputs(const nn_model *model);     /**< width of the last layer */
size_t nn_model_param_count(const nn_model *model); /**< floats of the arena, padding between tensors included (offsets
                                                       are multiples of 16, padding stays 0) */
size_t nn_model_trainable_count(const nn_model *model); /**< numbers that are trained, without padding */

/** The tensors in arena order. */
typedef struct nn_model_tensor {
  const nn_param *param; /**< offset, dims */
  char name[128];        /**< "fc1.weight" */
  size_t layer;
  bool frozen;
} nn_model_tensor;

size_t nn_model_tensor_count(const nn_model *model);
const nn_model_tensor *nn_model_tensor_at(const nn_model *model, size_t index);

/** Trainable parts of the arena, as few contiguous ranges [first, last) as possible, for the optimizer. Returns how
 * many there are; fills at most `limit`. */
size_t nn_model_trainable_ranges(const nn_model *model, nn_range *ranges, size_t limit);

/** Names, shapes and layer kinds in one text: two networks with equal signatures can exchange parameters. */
nn_status nn_model_signature(const nn_model *model, nn_text *out);

/** Fill `params` as the configuration says; the same values on every rank. */
nn_status nn_model_init(const nn_model *model, uint64_t seed, float *params);

/** A table of layers for people: name, kind, output shape, parameters. */
nn_status nn_model_describe(const nn_model *model, nn_text *out);

/* ---- forward and backward ------------------------------------------------------------------------- */

/** Memory for passes of at most `rows` samples: inputs, outputs of every layer, their gradients, workspaces. */
typedef struct nn_workspace nn_workspace;

size_t nn_workspace_bytes(const nn_model *model, size_t rows, bool training);
nn_status nn_workspace_create(const nn_model *model, size_t rows, bool training, nn_workspace **out);
void nn_workspace_destroy(nn_workspace **workspace);

float *nn_workspace_input(nn_workspace *workspace);              /**< [rows, in]: the caller fills it */
const float *nn_workspace_output(const nn_workspace *workspace); /**< [rows, outputs] after forward */
const float *nn_workspace_activation(const nn_workspace *workspace, size_t layer); /**< output of one layer */
float *nn_workspace_output_gradient(
    nn_workspace *workspace); /**< [rows, outputs]: the loss fills it before backward; training only */
/** Backward keeps no gradients of activations: whoever wants to see them is told. `gradient` [rows, out of `layer`] is
 *  with respect to the output of `layer` and lives during the call, made on thread 0 from the last layer down to the
 * first one that is trained. NULL: nobody watches. */
typedef void (*nn_gradient_watch)(void *context, size_t layer, const float *gradient);
void nn_workspace_watch(nn_workspace *workspace, nn_gradient_watch watch, void *context);

/** Team functions. `pass` comes with everything but `work` set; rows at most the workspace's. Backward follows a
 * forward of the same pass; it writes the gradients of all layers that are not wholly frozen, and overwrites the output
 * gradient. */
void nn_model_forward(const nn_model *model, nn_workspace *workspace, const nn_pass *pass);
void nn_model_backward(const nn_model *model, nn_workspace *workspace, const nn_pass *pass);

#endif
