/* What the configuration calls things: the list of layers, their names, the frozen ones. */
#include "model/internal.h"

#include <string.h>

/* ---- the list of layers ----------------------------------------------------------------------- */

/* The number of units of a dense layer, by its table: its options are its own business. */
static void set_units(nn_choice *dense, int64_t units) {
  for (const nn_key *key = dense->schema->keys; key->name != NULL; key++) {
    if (strcmp(key->name, "units") != 0) continue;
    memcpy((char *)dense->options + key->offset, &units, sizeof units);
    return;
  }
  NN_ASSERT(false);
}

/* `hidden: [256, 128]` is dense 256, activation, dense 128, activation, dense auto; `hidden: []` only the last. */
static nn_status expand_hidden(nn_model *model, const nn_registry *registry, const nn_choice **choices) {
  const nn_model_config *config = model->config;
  const nn_layer_ops *dense = nn_layer_find("dense");
  for (size_t i = 0; i <= config->hidden.count; i++) {
    nn_choice *choice = &model->owned[i];
    NN_TRY(nn_choice_default(&dense->schema, registry, choice));
    model->owned_count = i + 1;
    choices[2 * i] = choice;
    if (i == config->hidden.count) break;
    set_units(choice, config->hidden.at[i]);
    choices[2 * i + 1] = &config->activation;
  }
  return NN_OK;
}

nn_status nn__model_expand(nn_model *model, const nn_registry *registry, const nn_choice ***choices, size_t *count) {
  const nn_model_config *config = model->config;
  const bool listed = config->layers.count > 0;
  if (listed && config->hidden.count > 0)
    return NN_FAIL(NN_ERR_CONFIG, "model: `hidden` and `layers` both describe the network: keep one of them");
  if (config->hidden.count > 0 && config->activation.schema == NULL)
    return NN_FAIL(NN_ERR_CONFIG, "model: `hidden` needs an `activation`");

  void *memory = NULL;
  *count = listed ? config->layers.count : 2 * config->hidden.count + 1;
  NN_TRY(nn_alloc(*count, sizeof(const nn_choice *), "the list of layers", &memory));
  const nn_choice **list = memory;
  nn_status status = NN_OK;
  if (listed) {
    for (size_t i = 0; i < *count; i++) list[i] = &config->layers.at[i];
  } else {
    NN_TRY_DONE(nn_alloc(config->hidden.count + 1, sizeof *model->owned, "the list of layers", &memory));
    model->owned = memory;
    NN_TRY_DONE(expand_hidden(model, registry, list));
  }
done:
  if (status != NN_OK)
    nn_free(list);
  else
    *choices = list;
  return status;
}

/* ---- names ------------------------------------------------------------------------------------ */

void nn_model_error_prefix(const nn_model *model, size_t layer) {
  const nn__model_layer *at = &model->layers[layer];
  char line[32] = "";
  if (at->choice->line > 0) snprintf(line, sizeof line, "line %d: ", at->choice->line);
  nn_error_prefix("model: %slayer %s (%s): ", line, at->name, at->choice->schema->name);
}

/* Names are parts of paths in HDF5 files and of column names. */
static bool is_name(const char *name) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
  enum { LONGEST = 63 };
  const size_t length = strlen(name);
  return length > 0 && length <= LONGEST && strspn(name, allowed) == length && strspn(name, ".") != length;
}

nn_status nn__model_name_layers(nn_model *model) {
  for (size_t i = 0; i < model->layer_count; i++) {
    const nn_layer_options *options = model->layers[i].choice->options;
    const char *given = options->name;
    if (given == NULL) {
      NN_TRY(nn_string_format(&model->layers[i].name, "layers.%zu", i));
    } else {
      NN_TRY(nn_string_copy(given, &model->layers[i].name));
      if (!is_name(given)) {
        (void)NN_FAIL(NN_ERR_CONFIG, "a name has 1 to 63 letters, digits, `_`, `-` or `.`");
        nn_model_error_prefix(model, i);
        return NN_ERR_CONFIG;
      }
    }
    for (size_t j = 0; j < i; j++) {
      if (strcmp(model->layers[i].name, model->layers[j].name) != 0) continue;
      (void)NN_FAIL(NN_ERR_CONFIG, "layer %zu has that name already: give each its own", j);
      nn_model_error_prefix(model, i);
      return NN_ERR_CONFIG;
    }
  }
  return NN_OK;
}

/* ---- frozen ----------------------------------------------------------------------------------- */

/* The known name that is closest, NULL if none is close. */
static const char *suggest(const nn_model *model, const char *name) {
  const char *best = NULL;
  int distance = (int)(strlen(name) / 3) + 2; /* further away is no misspelling */
  for (size_t t = 0; t < model->tensor_count; t++) {
    const char *known[] = {model->layers[model->tensors[t].layer].name, model->tensors[t].name};
    for (size_t i = 0; i < 2; i++) {
      const int d = nn_edit_distance(name, known[i]);
      if (d >= distance) continue;
      distance = d;
      best = known[i];
    }
  }
  return best;
}

static nn_status freeze_one(nn_model *model, const char *name) {
  bool found = false;
  for (size_t t = 0; t < model->tensor_count; t++) {
    nn_model_tensor *tensor = &model->tensors[t];
    if (strcmp(name, tensor->name) != 0 && strcmp(name, model->layers[tensor->layer].name) != 0) continue;
    tensor->frozen = true;
    found = true;
  }
  if (found) return NN_OK;
  for (size_t i = 0; i < model->layer_count; i++)
    if (strcmp(name, model->layers[i].name) == 0)
      return NN_FAIL(NN_ERR_CONFIG, "model.freeze: layer %s (%s) has no parameters", name,
                     model->layers[i].choice->schema->name);
  const char *close = suggest(model, name);
  if (close != NULL)
    return NN_FAIL(NN_ERR_CONFIG, "model.freeze: no layer or parameter is named %s: did you mean %s?", name, close);
  return NN_FAIL(NN_ERR_CONFIG, "model.freeze: no layer or parameter is named %s", name);
}

nn_status nn__model_freeze(nn_model *model) {
  for (size_t i = 0; i < model->config->freeze.count; i++) NN_TRY(freeze_one(model, model->config->freeze.at[i]));
  return NN_OK;
}
