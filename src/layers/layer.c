/* What all layers have in common. */
#include "layers/internal.h"

size_t nn_param_size(const nn_param *param) {
  size_t size = 1;
  for (int i = 0; i < param->rank; i++) size *= param->dims[i];
  return size;
}

nn_status nn__layer_create(size_t bytes, const nn_layer_ops *ops, const nn_shape *in, nn_layer **out) {
  void *memory = NULL;
  NN_TRY(nn_alloc(1, bytes, "a layer", &memory));
  nn_layer *layer = memory;
  layer->ops = ops;
  layer->in = *in;
  layer->out = *in;
  *out = layer;
  return NN_OK;
}

void nn_layer_destroy(nn_layer **layer) {
  if (*layer == NULL) return;
  if ((*layer)->ops->destroy != NULL)
    (*layer)->ops->destroy(*layer);
  else
    nn_free(*layer);
  *layer = NULL;
}
