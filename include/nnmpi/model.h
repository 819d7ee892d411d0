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

/** Operations in matrix products that one sample takes in a layer, 2 for each multiplication with a weight: going
 *  forward; going back as far as training asks for it (the gradient of the input where a layer before it is trained);
 * in the gradients of weights that are not frozen. */
double nn_model_flops_forward(const nn_model *model, size_t layer);
double nn_model_flops_backward(const nn_model *model, size_t layer);
double nn_model_flops_gradient(const nn_model *model, size_t layer);

/** The tensors in arena order. */
typedef struct nn_model_tensor {
  const nn_param *param; /**< offset, dims */
  char name[128];        /**< "fc1.weight" */
  size_t layer;
  bool frozen;
} nn_model_tensor;

size_t nn_model_tensor_count(const nn_model *model);
const nn_model_tensor *nn_model_tensor_at(const nn_model *model, size_t index);

/** What is trained, cut into blocks of some rows of a tensor: what gradients are made in, and the optimizer updates.
 *  They depend on the network alone. */
typedef struct nn_model_block {
  size_t tensor, first_row, last_row; /**< of a vector: elements */
  nn_range range;     /**< in the arenas, ascending; padding behind a tensor belongs to its last block */
  size_t cost_before; /**< work of the blocks before this one, in elements; about */
} nn_model_block;

size_t nn_model_block_count(const nn_model *model);
const nn_model_block *nn_model_block_at(const nn_model *model, size_t index);
/** The blocks [*first, *last) of worker `id` of `size`, about equally much work for each, in one of several parts of
 * the network, which are to be asked for from 0 on; false: it has fewer parts. Large tensors are divided each by
 * itself, like the products of their layers, so that workers mostly find in their caches what they changed. */
bool nn_model_block_share(const nn_model *model, size_t size, size_t id, size_t part, size_t *first, size_t *last);
/** Where the blocks before `last` begin (at `first` at the earliest) that are best made at once for `rows` samples: of
 * one tensor, at most `most`. */
size_t nn_model_blocks_together(const nn_model *model, size_t rows, size_t most, size_t first, size_t last);
/** Floats of `most` blocks together, at most. */
size_t nn_model_blocks_floats(const nn_model *model, size_t most);

/** Names, shapes and layer kinds in one text: two networks with equal signatures can exchange parameters. */
nn_status nn_model_signature(const nn_model *model, nn_text *out);

/** Fill `params` as the configuration says; the same values on every rank. */
nn_status nn_model_init(const nn_model *model, uint64_t seed, float *params);

/** A table of layers for people: name, kind, output shape, parameters. */
nn_status nn_model_describe(const nn_model *model, nn_text *out);

/* ---- forward and backward ------------------------------------------------------------------------- */

/** Memory for passes of at most `rows` samples: inputs, outputs of every layer, their gradients, workspaces. */
typedef struct nn_workspace nn_workspace;

typedef enum nn_workspace_use {
  NN_WORKSPACE_FORWARD,  /**< no backward */
  NN_WORKSPACE_TRAINING, /**< an activation may write over what it was made of: less memory to go through */
  NN_WORKSPACE_WATCHED   /**< training, with the outputs of all layers kept */
} nn_workspace_use;

/** For teams of `threads`. */
size_t nn_workspace_bytes(const nn_model *model, size_t rows, nn_workspace_use use, int threads);
nn_status nn_workspace_create(const nn_model *model, size_t rows, nn_workspace_use use, int threads,
                              nn_workspace **out);
void nn_workspace_destroy(nn_workspace **workspace);

/** [rows, in] for the next pass of so many rows: the caller fills it. Of few rows each thread has a copy of its own,
 * and all threads fill theirs: what one core wrote and another reads takes longer than converting it twice. */
float *nn_workspace_input(nn_workspace *workspace, size_t rows, int thread);
bool nn_workspace_each(const nn_workspace *workspace, size_t rows);
const float *nn_workspace_output(const nn_workspace *workspace); /**< [rows, outputs] after forward */
/** Output of one layer; not of NN_WORKSPACE_TRAINING. */
const float *nn_workspace_activation(const nn_workspace *workspace, size_t layer);
float *nn_workspace_output_gradient(
    nn_workspace *workspace); /**< [rows, outputs]: the loss fills it before backward; training only */
/** Single samples: [in] for the one after that which is trained. Filled before nn_model_outer() is asked, it goes
 * through the first layer's weights while they are changed, which are then read once for both. NULL: this network
 * cannot. */
float *nn_workspace_next(nn_workspace *workspace);
/** What was put there is the input of the next pass, of one row; until then nothing but that update changes the
 * parameters. By one thread, as nn_workspace_next(). */
void nn_workspace_turn(nn_workspace *workspace);

/** Gradients of activations may be written over as backward goes on: whoever wants to see them is told. `gradient`
 * [rows, out of `layer`] is with respect to the output of `layer` and lives during the call, made on thread 0 from the
 * last layer down to the first one that is trained. NULL: nobody watches. */
typedef void (*nn_gradient_watch)(void *context, size_t layer, const float *gradient);
void nn_workspace_watch(nn_workspace *workspace, nn_gradient_watch watch, void *context);

/** While `seconds` [threads, 3 × layers] is not NULL, every thread adds to its row what every layer takes: forward,
 *  then backward, then gradients. */
void nn_workspace_time(nn_workspace *workspace, double *seconds);

/** Team functions. `pass` comes with everything but `work` set; rows at most the workspace's. Backward follows a
 * forward of the same pass; it computes the gradients of activations that nn_model_gradient() needs. */
void nn_model_forward(const nn_model *model, nn_workspace *workspace, const nn_pass *pass);
void nn_model_backward(const nn_model *model, nn_workspace *workspace, const nn_pass *pass);

/** True where a pass may hold several pieces of a batch, of two rows each at least, whose gradients are asked for one
 * by one: no bit depends on what else goes through the network. */
bool nn_model_takes_pieces(const nn_model *model);

/** Of a pass of one row: the end of the blocks from `first` on (before `last`) whose gradient is `out`, an outer
 * product; `first` where it is none. The caller uses it, and thereby begins the next pass: nn_workspace_next(). */
size_t nn_model_outer(const nn_model *model, nn_workspace *workspace, const nn_pass *pass, size_t first, size_t last,
                      nn_outer *out);

/** The largest magnitude among the numbers that the gradients of this pass are products of, in this thread's share; NaN
 *  is larger than all. A sum of n such products is at most n times its square. `input` bounds the network's inputs,
 *  which then are not looked at; INFINITY: they are. Team function, NOT synchronised. */
float nn_model_magnitude(const nn_model *model, const nn_workspace *workspace, const nn_pass *pass, float input);
/** Inputs of the widest layer: a number of a gradient is a sum of at most so many products for each sample. */
size_t nn_model_widest(const nn_model *model);

/** The gradient of blocks [first, last) of one tensor, for `rows` samples from `row` on of the pass that went backward
 *  last: into `out`, the blocks' ranges without what comes before them. 0 rows: zeros. By one thread, NOT synchronised:
 *  several may make different blocks at once. */
void nn_model_gradient(const nn_model *model, const nn_workspace *workspace, const nn_pass *pass, size_t row,
                       size_t rows, size_t first, size_t last, float *out);

#endif
