/* --trace: every number of the first steps, as one would write them on a blackboard. */
#include "train_internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { ROWS_SHOWN = 32, COLUMNS_SHOWN = 16, LABEL_WIDTH = 24 };

/* What is kept between the calls of one step; allocated only where somebody looks. */
struct nn__trace {
  nn__trainer *trainer;
  nn_text text;
  nn_text *deltas; /* [layers] gradient with respect to each layer's output */
  size_t rows;     /* of the piece that is under way */
  uint64_t left;   /* steps still to show */
};

/* A matrix, one line a row, with its name in front of the first; the corner of it where it is large. */
static void add_matrix(nn_text *out, const char *label, size_t rows, size_t columns, const float *values) {
  const size_t shown = columns < COLUMNS_SHOWN ? columns : COLUMNS_SHOWN;
  for (size_t r = 0; r < rows && r < ROWS_SHOWN; r++) {
    nn_text_add(out, "  %-*s [", LABEL_WIDTH, r == 0 ? label : "");
    for (size_t c = 0; c < shown; c++)
      nn_text_add(out, " %13.7g", (double)values[r * columns + c] + 0.0); /* +0.0: no "-0" */
    nn_text_add(out, shown < columns ? " ... (%zu in all) ]\n" : " ]\n", columns);
  }
  if (rows > ROWS_SHOWN) nn_text_add(out, "  %-*s ... (%zu rows in all)\n", LABEL_WIDTH, "", rows);
}

static bool is_dense(const nn_layer *layer) {
  return strcmp(layer->ops->schema.name, "dense") == 0;
}

/* Values of all samples at one layer; a sequence has a line for every time step. */
static void add_values(nn_text *out, const char *label, const nn_shape *shape, size_t rows, const float *values) {
  const size_t columns = shape->rank > 0 ? shape->dims[shape->rank - 1] : 1;
  add_matrix(out, label, rows * nn_shape_size(shape) / columns, columns, values);
}

static void watch(void *context, size_t layer, const float *gradient) {
  nn__trace *trace = context;
  const nn_layer *at = nn_model_layer(trace->trainer->model, layer);
  if (trace->left > 0)
    add_values(&trace->deltas[layer], is_dense(at) ? "delta = dL/dz" : "dL/da", &at->out, trace->rows, gradient);
}

nn_status nn__trace_create(nn__trainer *t) {
  if (t->options->trace == 0) return NN_OK;
  if (nn_comm_size(t->comm) > 1)
    return NN_FAIL(NN_ERR_USAGE,
                   "--trace shows the numbers of one process: start it without mpirun, or with -np 1; "
                   "--set parallel.virtual_ranks=%d computes and shows what %d ranks would",
                   nn_comm_size(t->comm), nn_comm_size(t->comm));
  void *memory = NULL;
  NN_TRY(nn_alloc(1, sizeof *t->trace, "the trace", &memory));
  t->trace = memory;
  t->trace->trainer = t;
  t->trace->left = t->options->trace;
  NN_TRY(nn_alloc(nn_model_layer_count(t->model), sizeof(nn_text), "the trace", &memory));
  t->trace->deltas = memory;
  nn_workspace_watch(t->workspace, watch, t->trace);
  return NN_OK;
}

void nn__trace_destroy(nn__trainer *t) {
  if (t->trace == NULL) return;
  for (size_t i = 0; t->trace->deltas != NULL && i < nn_model_layer_count(t->model); i++)
    nn_text_clear(&t->trace->deltas[i]);
  nn_text_clear(&t->trace->text);
  nn_free(t->trace->deltas);
  nn_free(t->trace);
  t->trace = NULL;
}

bool nn__trace_on(const nn__trainer *t) {
  return t->trace != NULL && t->trace->left > 0;
}

void nn__trace_begin(nn__trainer *t, uint64_t epoch) {
  if (!nn__trace_on(t)) return;
  nn_text_add(&t->trace->text, "step %" PRIu64 " (epoch %" PRIu64 "): %zu sample%s, learning rate %.7g\n",
              t->progress.step + 1, epoch + 1, t->step.samples, NN_PLURAL(t->step.samples), t->step.lr);
}

/* "hidden (dense): z" */
static void layer_label(const nn__trainer *t, size_t layer, const char *what, char *label, size_t size) {
  const nn_layer *at = nn_model_layer(t->model, layer);
  snprintf(label, size, "%s (%s)%s", nn_model_layer_name(t->model, layer), at->ops->schema.name, what);
}

static void add_targets(nn__trainer *t, nn_text *out, size_t rows) {
  if (!t->task.target->classes) {
    add_matrix(out, "target", rows, t->task.width, t->rows.values);
    return;
  }
  nn_text_add(out, "  %-*s [", LABEL_WIDTH, "class of each sample");
  for (size_t r = 0; r < rows && r < ROWS_SHOWN; r++) nn_text_add(out, " %d", (int)t->rows.labels[r]);
  nn_text_add(out, rows > ROWS_SHOWN ? " ... (%zu in all) ]\n" : " ]\n", rows);
}

/* The loss sees the raw outputs; people want to see what it makes of them. */
static void add_probabilities(nn__trainer *t, nn_text *out, size_t rows) {
  const float *outputs = nn_workspace_output(t->workspace);
  const size_t width = t->task.width < COLUMNS_SHOWN ? t->task.width : COLUMNS_SHOWN;
  const bool softmax = strcmp(t->task.loss->schema.name, "cross_entropy") == 0;
  if (!softmax && strcmp(t->task.loss->schema.name, "bce_with_logits") != 0) return;
  for (size_t r = 0; r < rows && r < ROWS_SHOWN; r++) {
    const float *z = outputs + r * t->task.width;
    double largest = (double)z[0], sum = 0;
    float p[COLUMNS_SHOWN];
    for (size_t j = 1; j < t->task.width; j++) largest = fmax(largest, (double)z[j]);
    for (size_t j = 0; j < t->task.width; j++) sum += exp((double)z[j] - largest);
    for (size_t j = 0; j < width; j++)
      p[j] = (float)(softmax ? exp((double)z[j] - largest) / sum : 1 / (1 + exp(-(double)z[j])));
    add_matrix(out, r > 0 ? "" : softmax ? "p = softmax" : "p = sigmoid", 1, width, p);
  }
}

static void add_loss(nn__trainer *t, nn_text *out, size_t rows) {
  double sum = 0;
  nn_text_add(out, "  %-*s [", LABEL_WIDTH, "loss of each sample");
  for (size_t r = 0; r < rows; r++) {
    if (r < ROWS_SHOWN) nn_text_add(out, " %13.7g", t->rows.loss[r]);
    sum += t->rows.loss[r];
  }
  nn_text_add(out, rows > ROWS_SHOWN ? " ... (%zu in all) ]\n" : " ]\n", rows);
  nn_text_add(out, "  %-*s   %13.7g\n", LABEL_WIDTH, "mean of them", sum / (double)rows);
}

void nn__trace_forward(nn__trainer *t, int piece, size_t rows) {
  nn_text *out = &t->trace->text;
  char label[192];
  t->trace->rows = rows;
  if (t->virtual_ranks > 1) nn_text_add(out, " virtual rank %d of %d\n", piece, t->virtual_ranks);
  nn_text_add(out, " forward\n");
  add_values(out, "x", nn_dataset_shape(t->dataset), rows, nn_workspace_input(t->workspace, rows, 0));
  for (size_t i = 0; i < nn_model_layer_count(t->model); i++) {
    const nn_layer *layer = nn_model_layer(t->model, i);
    layer_label(t, i, is_dense(layer) ? ": z" : ": a", label, sizeof label);
    add_values(out, label, &layer->out, rows, nn_workspace_activation(t->workspace, i));
  }
  add_probabilities(t, out, rows);
  add_targets(t, out, rows);
  add_loss(t, out, rows);
}

/* Tensors of one layer (or of all: `layer` SIZE_MAX) in an arena. */
static void add_tensors(nn__trainer *t, size_t layer, const char *prefix, const float *arena) {
  char label[192];
  for (size_t i = 0; i < nn_model_tensor_count(t->model); i++) {
    const nn_model_tensor *tensor = nn_model_tensor_at(t->model, i);
    const nn_param *param = tensor->param;
    if ((layer != SIZE_MAX && tensor->layer != layer) || (prefix[0] != '\0' && tensor->frozen)) continue;
    snprintf(label, sizeof label, "%s%s %s", prefix, param->is_bias ? "b" : "W", tensor->name);
    const size_t columns = param->dims[param->rank - 1];
    add_matrix(&t->trace->text, label, nn_param_size(param) / columns, columns, arena + param->offset);
  }
}

void nn__trace_backward(nn__trainer *t, const float *gradients) {
  nn_text *out = &t->trace->text;
  char label[192];
  nn_text_add(out, " backward\n");
  for (size_t i = nn_model_layer_count(t->model); i-- > 0;) {
    nn_text *delta = &t->trace->deltas[i];
    if (delta->length == 0) continue;
    layer_label(t, i, ":", label, sizeof label);
    nn_text_add(out, "  %s\n%s", label, delta->at);
    nn_text_clear(delta);
    add_tensors(t, i, "d", gradients);
  }
}

nn_status nn__trace_end(nn__trainer *t) {
  if (!nn__trace_on(t)) return NN_OK;
  nn_text *out = &t->trace->text;
  if (t->virtual_ranks > 1) {
    nn_text_add(out, " sum over the virtual ranks\n");
    add_tensors(t, SIZE_MAX, "d", t->step.sum);
  }
  nn_text_add(out, " after the step\n");
  add_tensors(t, SIZE_MAX, "", t->params);
  nn_text_add(out, "\n");
  const nn_observer *observer = &t->options->observer;
  const nn_status status = nn_text_status(out);
  if (status == NN_OK && observer->trace != NULL) observer->trace(observer->context, out->at);
  nn_text_clear(out);
  if (--t->trace->left == 0) nn_workspace_watch(t->workspace, NULL, NULL);
  return status;
}
