/* The values that training starts from. */
#include "model/internal.h"

#include <string.h>

/* The layer's own initialisation, else the model's; `*ops` is what does it. */
static const nn_choice *init_of(const nn_model *model, const nn_layer *layer, const nn_init_ops **ops) {
  const nn_choice *own = layer->init;
  const nn_choice *init = own != NULL && own->schema != NULL ? own : &model->config->init;
  *ops = nn_init_find(init->schema != NULL ? init->schema->name : "pytorch");
  NN_ASSERT(*ops != NULL);
  return init;
}

nn_status nn__model_check_init(const nn_model *model, size_t layer) {
  const nn_layer *at = model->layers[layer].layer;
  const nn_init_ops *ops = NULL;
  const nn_choice *init = init_of(model, at, &ops);
  return at->param_count > 0 && ops->check != NULL ? ops->check(init->options, at) : NN_OK;
}

nn_status nn_model_init(const nn_model *model, uint64_t seed, float *params) {
  memset(params, 0, model->param_count * sizeof *params); /* padding too */
  for (size_t t = 0; t < model->tensor_count; t++) {
    const nn_model_tensor *tensor = &model->tensors[t];
    const nn_layer *layer = model->layers[tensor->layer].layer;
    const nn_init_ops *ops = NULL;
    const nn_choice *init = init_of(model, layer, &ops);
    const nn_status status =
        ops->fill(init->options, tensor->param, tensor->name, seed, t, params + tensor->param->offset);
    if (status != NN_OK) {
      if (init->line > 0)
        nn_error_prefix("model: line %d: init %s: ", init->line, ops->schema.name);
      else
        nn_error_prefix("model: init %s: ", ops->schema.name);
      return status;
    }
    if (layer->ops->adjust != NULL && !ops->given)
      layer->ops->adjust(layer, (int)(tensor->param - layer->params), params + tensor->param->offset);
  }
  return NN_OK;
}
