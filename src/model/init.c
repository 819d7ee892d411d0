/* The values that training starts from. */
#include "model/internal.h"

#include <string.h>

nn_status nn_model_init(const nn_model *model, uint64_t seed, float *params) {
  memset(params, 0, model->param_count * sizeof *params); /* padding too */
  for (size_t t = 0; t < model->tensor_count; t++) {
    const nn_model_tensor *tensor = &model->tensors[t];
    const nn_choice *own = model->layers[tensor->layer].layer->init;
    const nn_choice *init = own != NULL && own->schema != NULL ? own : &model->config->init;
    const nn_init_ops *ops = nn_init_find(init->schema != NULL ? init->schema->name : "pytorch");
    NN_ASSERT(ops != NULL);
    const nn_status status =
        ops->fill(init->options, tensor->param, tensor->name, seed, t, params + tensor->param->offset);
    if (status != NN_OK) {
      if (init->line > 0)
        nn_error_prefix("model: line %d: init %s: ", init->line, ops->schema.name);
      else
        nn_error_prefix("model: init %s: ", ops->schema.name);
      return status;
    }
  }
  return NN_OK;
}
