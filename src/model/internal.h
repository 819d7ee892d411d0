/* What the files of the model module share. */
#ifndef NNMPI_MODEL_INTERNAL_H
#define NNMPI_MODEL_INTERNAL_H

#include "nnmpi/model.h"

enum { NN__ARENA_GRAIN = 16 /* floats: every tensor and every buffer begins at a multiple, a cache line */ };

static inline size_t nn__grain_round(size_t count) {
  return (count + NN__ARENA_GRAIN - 1) / NN__ARENA_GRAIN * NN__ARENA_GRAIN;
}

/** A layer with what only the model knows of it. */
typedef struct nn__model_layer {
  nn_layer *layer;
  char *name;
  const nn_choice *choice; /* as configured; borrowed, or one of `owned` */
} nn__model_layer;

struct nn_model {
  const nn_model_config *config;
  nn_shape in;
  size_t layer_count, tensor_count;
  nn__model_layer *layers;
  nn_model_tensor *tensors;
  size_t param_count, trainable_count; /* floats of the arena; numbers that are trained */
  size_t first_trained;                /* layers before it need no backward; layer_count: nothing is trained */
  nn_choice *owned;                    /* dense layers that stand for `hidden` */
  size_t owned_count;
  size_t block_count;
  nn_model_block *blocks; /* what is trained, in order of the arena */
};

/** The list of layers: config->layers, or what `hidden` stands for. `*choices` is [*count], for nn_free(). */
nn_status nn__model_expand(nn_model *model, const nn_registry *registry, const nn_choice ***choices, size_t *count);

/** Cut what is trained into blocks. */
nn_status nn__model_cut(nn_model *model);

/** Give every layer its name; names are valid in files and differ. */
nn_status nn__model_name_layers(nn_model *model);

/** Fails where a layer's initialisation gives what the layer does not have. */
nn_status nn__model_check_init(const nn_model *model, size_t layer);

/** Of layer `layer` in a pass: its input, the gradient of its output, its workspace. */
const float *nn__workspace_x(const nn_workspace *workspace, const nn_pass *pass, size_t layer);
const float *nn__workspace_dy(const nn_workspace *workspace, size_t layer);
float *nn__workspace_work(const nn_workspace *workspace, size_t layer);
/** Sets x and y of the gradient of the first layer's weights, where the next input has come: nn_workspace_next(). */
void nn__workspace_begin_next(nn_workspace *workspace, nn_outer *outer);
/** What began at `start`, a time of nn__workspace_clock(), is over: see nn_workspace_time(). */
double nn__workspace_clock(const nn_workspace *workspace);
void nn__workspace_add_time(const nn_workspace *workspace, const nn_team *team, size_t which, double start);

/** Mark what config->freeze names; fails where a name matches nothing. */
nn_status nn__model_freeze(nn_model *model);

#endif
