/** @file model_testing.h
 *  Networks for tests: configurations built by hand or from text, passes, plain gradient descent. */
#ifndef NNMPI_TESTS_MODEL_TESTING_H
#define NNMPI_TESTS_MODEL_TESTING_H

#include "losses_testing.h"
#include "nnmpi/train.h"

/* ---- configurations --------------------------------------------------------------------------- */

enum { NET_LAYERS_MAX = 16 };

/** A configuration and the network made of it. */
typedef struct net {
  nn_model_config config;
  nn_registry registry;
  nn_choice layers[NET_LAYERS_MAX];
  int64_t hidden[NET_LAYERS_MAX];
  char *freeze[NET_LAYERS_MAX];
  nn_model *model;
} net;

static inline void net_start(net *n) {
  *n = (net){.registry = testing_registry()};
}

/** The options of a layer that is put behind the others, as if it stood in line `10 + its index`. */
static inline nn_choice *net_add(net *n, const char *layer) {
  nn_choices *layers = &n->config.layers;
  assert_true(layers->count < NET_LAYERS_MAX);
  layers->at = n->layers;
  nn_choice *choice = &n->layers[layers->count++];
  *choice = layer_choice(layer);
  choice->line = 9 + (int)layers->count;
  choice->column = 5;
  return choice;
}

static inline nn_choice *net_dense(net *n, int64_t units, const char *name) {
  nn_choice *choice = net_add(n, "dense");
  if (units > 0) set_int(choice, "units", units);
  if (name != NULL) set_text(choice, "name", name);
  return choice;
}

static inline void net_hidden(net *n, size_t count, const int64_t *units, const char *activation) {
  memcpy(n->hidden, units, count * sizeof *units);
  n->config.hidden = (nn_ints){count, n->hidden};
  n->config.activation = layer_choice(activation);
}

static inline void net_freeze(net *n, const char *name) {
  n->config.freeze.at = n->freeze;
  assert_int_equal(nn_string_copy(name, &n->freeze[n->config.freeze.count++]), NN_OK);
}

static inline nn_status net_try(net *n, nn_shape in, size_t outputs) {
  return nn_model_create(&n->config, &n->registry, &in, outputs, &n->model);
}

static inline void net_build(net *n, nn_shape in, size_t outputs) {
  if (net_try(n, in, outputs) != NN_OK) fail_msg("%s", nn_error_last()->message);
}

static inline void net_clear(net *n) {
  nn_model_destroy(&n->model);
  for (size_t i = 0; i < n->config.layers.count; i++) nn_choice_clear(&n->layers[i]);
  for (size_t i = 0; i < n->config.freeze.count; i++) nn_free(n->freeze[i]);
  nn_choice_clear(&n->config.activation);
  nn_choice_clear(&n->config.init);
}

static inline nn_shape vector_of(size_t size) {
  return (nn_shape){.rank = 1, .dims = {size}};
}

/** Where a tensor begins in the arenas. */
static inline const nn_model_tensor *net_tensor(const net *n, const char *name) {
  for (size_t t = 0; t < nn_model_tensor_count(n->model); t++)
    if (strcmp(nn_model_tensor_at(n->model, t)->name, name) == 0) return nn_model_tensor_at(n->model, t);
  fail_msg("there is no tensor %s", name);
  return NULL;
}

/* ---- passes ----------------------------------------------------------------------------------- */

/** A forward and a backward pass of `rows` samples with a loss. */
typedef struct trial {
  const nn_model *model;
  nn_workspace *workspace;
  nn_choice loss;
  size_t rows;
  float *params, *grads, *weights;
  int32_t *labels;
  double *row_loss;
  uint32_t *samples;
  bool gradient; /* backward too */
} trial;

/** Everything for `rows` samples; parameters, inputs and labels are random. */
static inline void trial_open_for(trial *t, const nn_model *model, const char *loss, size_t rows, numbers *n,
                                  nn_workspace_use use, int threads) {
  const size_t params = nn_model_param_count(model), outputs = nn_model_outputs(model);
  *t = (trial){.model = model, .loss = loss_choice(loss), .rows = rows, .gradient = true};
  assert_int_equal(nn_workspace_create(model, rows, use, threads, &t->workspace), NN_OK);
  t->params = zeros(params);
  t->grads = zeros(params);
  t->weights = zeros(rows);
  t->labels = calloc(rows, sizeof *t->labels);
  t->row_loss = calloc(rows, sizeof *t->row_loss);
  t->samples = sample_ids(rows, 3);
  assert_int_equal(nn_model_init(model, 17, t->params), NN_OK);
  float *x = random_floats(n, rows * nn_shape_size(&nn_model_layer(model, 0)->in), 1.5);
  for (int i = 0; i < (nn_workspace_each(t->workspace, rows) ? threads : 1); i++)
    memcpy(nn_workspace_input(t->workspace, rows, i), x,
           rows * nn_shape_size(&nn_model_layer(model, 0)->in) * sizeof *x);
  free(x);
  for (size_t r = 0; r < rows; r++) {
    t->labels[r] = (int32_t)number_below(n, outputs == 1 ? 2 : outputs);
    t->weights[r] = 1.0f / (float)rows;
  }
}

static inline void trial_open(trial *t, const nn_model *model, const char *loss, size_t rows, numbers *n) {
  trial_open_for(t, model, loss, rows, n, NN_WORKSPACE_TRAINING, 1);
}

static inline void trial_close(trial *t) {
  nn_workspace_destroy(&t->workspace);
  nn_choice_clear(&t->loss);
  free(t->params), free(t->grads), free(t->weights), free(t->labels), free(t->row_loss), free(t->samples);
}

static inline void trial_on(const nn_team *team, void *context) {
  const trial *t = context;
  const nn_pass pass = {.team = team,
                        .rows = t->rows,
                        .training = true,
                        .seed = 7,
                        .step = 1,
                        .samples = t->samples,
                        .params = t->params};
  nn_model_forward(t->model, t->workspace, &pass);
  nn_loss_find(t->loss.schema->name)
      ->compute(t->loss.options, team, t->rows, nn_model_outputs(t->model), nn_workspace_output(t->workspace),
                t->labels, NULL, t->weights, t->row_loss,
                t->gradient ? nn_workspace_output_gradient(t->workspace) : NULL);
  if (!t->gradient) return;
  nn_model_backward(t->model, t->workspace, &pass);
  size_t first, last;
  for (size_t p = 0; nn_model_block_share(t->model, (size_t)team->size, (size_t)team->id, p, &first, &last); p++)
    for (; first < last; first++)
      nn_model_gradient(t->model, t->workspace, &pass, 0, t->rows, first, first + 1,
                        t->grads + nn_model_block_at(t->model, first)->range.first);
}

/** The weighted loss. */
static inline double trial_run(trial *t, int threads) {
  double sum = 0;
  nn_team_run(threads, trial_on, t);
  for (size_t r = 0; r < t->rows; r++) sum += (double)t->weights[r] * t->row_loss[r];
  return sum;
}

/* A whole configuration around the text of its `model`. */
static inline void parse_model(const char *model, nn_registry *registry, nn_config **config) {
  nn_text text = {0};
  nn_registry_fill(registry);
  nn_text_add(&text,
              "run: {name: test}\n"
              "data: {inline: {x: [[0, 0]], y: [0.5]}}\n"
              "train: {loss: mse, epochs: 1, batch_size: 1, optimizer: {name: sgd, lr: 1}}\n"
              "model:\n%s",
              model);
  if (nn_config_parse(text.at, text.length, "test.yaml", NULL, 0, registry, config) != NN_OK)
    fail_msg("%s", nn_error_last()->message);
  nn_text_clear(&text);
}

#endif
