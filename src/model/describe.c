/* The network in words: its signature for comparing, a table for people. */
#include "model/internal.h"

#include <string.h>

/* ---- signature -------------------------------------------------------------------------------- */

nn_status nn_model_signature(const nn_model *model, nn_text *out) {
  char shape[96];
  nn_text_add(out, "input %s\n", nn_shape_text(&model->in, shape));
  for (size_t i = 0; i < model->layer_count; i++) {
    const nn_layer *layer = model->layers[i].layer;
    nn_text_add(out, "%s %s %s", model->layers[i].name, layer->ops->schema.name, nn_shape_text(&layer->out, shape));
    for (int p = 0; p < layer->param_count; p++) {
      nn_text_add(out, "%s %s", p == 0 ? ":" : ",", layer->params[p].name);
      for (int d = 0; d < layer->params[p].rank; d++)
        nn_text_add(out, "%s%zu", d == 0 ? " " : " x ", layer->params[p].dims[d]);
    }
    nn_text_add(out, "\n");
  }
  return nn_text_status(out);
}

/* ---- table ------------------------------------------------------------------------------------ */

enum { NUMBER_TEXT = 32 };

/* "235,146", whatever the locale. */
static const char *grouped(size_t number, char buffer[NUMBER_TEXT]) {
  char *at = buffer + NUMBER_TEXT - 1;
  *at = '\0';
  for (int digits = 0; digits == 0 || number > 0; digits++) {
    if (digits > 0 && digits % 3 == 0) *--at = ',';
    *--at = (char)('0' + number % 10);
    number /= 10;
  }
  return at;
}

static size_t layer_params(const nn_layer *layer) {
  size_t count = 0;
  for (int p = 0; p < layer->param_count; p++) count += nn_param_size(&layer->params[p]);
  return count;
}

/* Widths of the columns name, kind, output. */
typedef struct widths {
  int name, kind, output;
} widths;

static int wider(int width, const char *text) {
  const int length = (int)strlen(text);
  return length > width ? length : width;
}

static widths measure(const nn_model *model) {
  widths w = {.name = 5, .kind = 4, .output = 6};
  char shape[96];
  w.output = wider(w.output, nn_shape_text(&model->in, shape));
  for (size_t i = 0; i < model->layer_count; i++) {
    const nn_layer *layer = model->layers[i].layer;
    w.name = wider(w.name, model->layers[i].name);
    w.kind = wider(w.kind, layer->ops->schema.name);
    w.output = wider(w.output, nn_shape_text(&layer->out, shape));
  }
  return w;
}

/* " (frozen)", " (weight frozen)", or nothing. */
static void add_frozen(const nn_model *model, size_t layer, nn_text *out) {
  size_t frozen = 0, all = 0;
  for (size_t t = 0; t < model->tensor_count; t++) {
    if (model->tensors[t].layer != layer) continue;
    all++;
    frozen += model->tensors[t].frozen;
  }
  if (frozen == 0) return;
  nn_text_add(out, "  (");
  for (size_t t = 0; t < model->tensor_count && frozen < all; t++)
    if (model->tensors[t].layer == layer && model->tensors[t].frozen)
      nn_text_add(out, "%s ", model->tensors[t].param->name);
  nn_text_add(out, "frozen)");
}

nn_status nn_model_describe(const nn_model *model, nn_text *out) {
  enum { PARAMS_WIDTH = 14 };
  const widths w = measure(model);
  char shape[96], number[NUMBER_TEXT];
  size_t total = 0;
  nn_text_add(out, "  %-*s  %-*s  %*s  %*s\n", w.name, "layer", w.kind, "kind", w.output, "output", PARAMS_WIDTH,
              "parameters");
  nn_text_add(out, "  %-*s  %-*s  %*s\n", w.name, "input", w.kind, "", w.output, nn_shape_text(&model->in, shape));
  for (size_t i = 0; i < model->layer_count; i++) {
    const nn_layer *layer = model->layers[i].layer;
    const size_t params = layer_params(layer);
    total += params;
    nn_text_add(out, "  %-*s  %-*s  %*s", w.name, model->layers[i].name, w.kind, layer->ops->schema.name, w.output,
                nn_shape_text(&layer->out, shape));
    if (params > 0) nn_text_add(out, "  %*s", PARAMS_WIDTH, grouped(params, number));
    add_frozen(model, i, out);
    nn_text_add(out, "\n");
  }
  nn_text_add(out, "  %s parameters", grouped(total, number));
  if (model->trainable_count != total)
    nn_text_add(out, ", %s of them trained", grouped(model->trainable_count, number));
  nn_text_add(out, "\n");
  return nn_text_status(out);
}
