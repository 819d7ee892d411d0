/* Building a network: its layers, its tensors, the layout of the arenas. */
#include "model/internal.h"

#include <string.h>

/* ---- layers ----------------------------------------------------------------------------------- */

/* The last layer with parameters puts out what the data asks for, unless told otherwise. */
static size_t last_with_params(const nn_model *model) {
  for (size_t i = model->layer_count; i-- > 0;)
    if (nn_layer_find(model->layers[i].choice->schema->name)->has_params) return i;
  return model->layer_count;
}

static nn_status create_layers(nn_model *model, size_t outputs) {
  const size_t last = last_with_params(model);
  if (last == model->layer_count)
    return NN_FAIL(NN_ERR_CONFIG, "model: no layer has parameters, so that there is nothing to train: add a layer such "
                                  "as dense (a last `dense` has as many outputs as the data asks for)");
  const nn_shape *in = &model->in;
  for (size_t i = 0; i < model->layer_count; i++) {
    nn__model_layer *at = &model->layers[i];
    const nn_layer_ops *ops = nn_layer_find(at->choice->schema->name);
    nn_status status = ops->create(at->choice->options, in, i == last ? outputs : 0, &at->layer);
    if (status == NN_OK) status = nn__model_check_init(model, i);
    if (status != NN_OK) {
      nn_model_error_prefix(model, i);
      return status;
    }
    at->layer->index = i;
    in = &at->layer->out;
  }
  return NN_OK;
}

/* One output or two can tell two classes apart; whether the loss agrees, nn_loss_check() says. */
static nn_status check_width(const nn_model *model, size_t outputs) {
  const size_t width = nn_model_outputs(model);
  if (width == outputs || (width <= 2 && outputs <= 2)) return NN_OK;
  (void)NN_FAIL(NN_ERR_CONFIG,
                "the network puts out %zu value%s, the data has %zu (classes, or target values a "
                "sample): write `units: auto` in the last dense layer",
                width, NN_PLURAL(width), outputs);
  nn_model_error_prefix(model, model->layer_count - 1);
  return NN_ERR_CONFIG;
}

/* ---- tensors ---------------------------------------------------------------------------------- */

static nn_status list_tensors(nn_model *model) {
  size_t count = 0;
  for (size_t i = 0; i < model->layer_count; i++) count += (size_t)model->layers[i].layer->param_count;
  void *memory = NULL;
  NN_TRY(nn_alloc(count, sizeof *model->tensors, "the list of parameters", &memory));
  model->tensors = memory;

  size_t offset = 0;
  for (size_t i = 0; i < model->layer_count; i++) {
    nn_layer *layer = model->layers[i].layer;
    for (int p = 0; p < layer->param_count; p++) {
      nn_param *param = &layer->params[p];
      const size_t size = nn_param_size(param);
      param->offset = offset;
      if (size > PTRDIFF_MAX / sizeof(float) - offset - NN__ARENA_GRAIN)
        return NN_FAIL(NN_ERR_CONFIG, "model: the network's parameters are more than can be addressed");
      offset += nn__grain_round(size);
      nn_model_tensor *tensor = &model->tensors[model->tensor_count++];
      tensor->param = param;
      tensor->layer = i;
      snprintf(tensor->name, sizeof tensor->name, "%s.%s", model->layers[i].name, param->name);
    }
  }
  model->param_count = offset;
  return NN_OK;
}

static void count_trained(nn_model *model) {
  model->first_trained = model->layer_count;
  for (size_t t = model->tensor_count; t-- > 0;) {
    const nn_model_tensor *tensor = &model->tensors[t];
    if (tensor->frozen) continue;
    model->trainable_count += nn_param_size(tensor->param);
    model->first_trained = tensor->layer;
  }
}

/* ---- the model -------------------------------------------------------------------------------- */

static nn_status build(nn_model *model, const nn_registry *registry, size_t outputs) {
  const nn_choice **choices = NULL;
  size_t count = 0;
  void *memory = NULL;
  nn_status status = NN_OK;
  NN_TRY_DONE(nn__model_expand(model, registry, &choices, &count));
  NN_TRY_DONE(nn_alloc(count, sizeof *model->layers, "the list of layers", &memory));
  model->layers = memory;
  model->layer_count = count;
  for (size_t i = 0; i < count; i++) model->layers[i].choice = choices[i];
  NN_TRY_DONE(nn__model_name_layers(model));
  NN_TRY_DONE(create_layers(model, outputs));
  NN_TRY_DONE(check_width(model, outputs));
  NN_TRY_DONE(list_tensors(model));
  NN_TRY_DONE(nn__model_freeze(model));
  count_trained(model);
  NN_TRY_DONE(nn__model_cut(model));
done:
  nn_free(choices);
  return status;
}

nn_status nn_model_create(const nn_model_config *config, const nn_registry *registry, const nn_shape *in,
                          size_t outputs, nn_model **out) {
  NN_ASSERT(outputs > 0 && nn_shape_size(in) > 0);
  void *memory = NULL;
  NN_TRY(nn_alloc(1, sizeof(nn_model), "the network", &memory));
  nn_model *model = memory;
  model->config = config;
  model->in = *in;
  const nn_status status = build(model, registry, outputs);
  if (status != NN_OK)
    nn_model_destroy(&model);
  else
    *out = model;
  return status;
}

void nn_model_destroy(nn_model **model) {
  nn_model *m = *model;
  if (m == NULL) return;
  for (size_t i = 0; i < m->layer_count; i++) {
    nn_layer_destroy(&m->layers[i].layer);
    nn_free(m->layers[i].name);
  }
  for (size_t i = 0; i < m->owned_count; i++) nn_choice_clear(&m->owned[i]);
  nn_free(m->owned);
  nn_free(m->layers);
  nn_free(m->tensors);
  nn_free(m->blocks);
  nn_free(m);
  *model = NULL;
}

size_t nn_model_layer_count(const nn_model *model) {
  return model->layer_count;
}

const nn_layer *nn_model_layer(const nn_model *model, size_t index) {
  NN_ASSERT(index < model->layer_count);
  return model->layers[index].layer;
}

const char *nn_model_layer_name(const nn_model *model, size_t index) {
  NN_ASSERT(index < model->layer_count);
  return model->layers[index].name;
}

size_t nn_model_outputs(const nn_model *model) {
  return nn_shape_size(&model->layers[model->layer_count - 1].layer->out);
}

size_t nn_model_param_count(const nn_model *model) {
  return model->param_count;
}
size_t nn_model_trainable_count(const nn_model *model) {
  return model->trainable_count;
}
double nn_model_flops_forward(const nn_model *model, size_t layer) {
  return 2 * nn_model_layer(model, layer)->products;
}

double nn_model_flops_backward(const nn_model *model, size_t layer) {
  const nn_layer *l = nn_model_layer(model, layer);
  if (layer < model->first_trained) return 0;
  double products = l->products - l->products_input; /* of states inside */
  if (layer > model->first_trained) products += l->products_input;
  return 2 * products;
}

double nn_model_flops_gradient(const nn_model *model, size_t layer) {
  for (size_t t = 0; t < model->tensor_count; t++)
    if (model->tensors[t].layer == layer && !model->tensors[t].frozen && !model->tensors[t].param->is_bias)
      return 2 * nn_model_layer(model, layer)->products;
  return 0;
}

size_t nn_model_tensor_count(const nn_model *model) {
  return model->tensor_count;
}

const nn_model_tensor *nn_model_tensor_at(const nn_model *model, size_t index) {
  NN_ASSERT(index < model->tensor_count);
  return &model->tensors[index];
}
