/* A trained network, ready to predict. */
#include "checkpoint/internal.h"

#include <math.h>
#include <string.h>

/* ---- loading ------------------------------------------------------------------------------------------------ */

/* The names of the classes, owned by the copy. */
static nn_status copy_target(const nn_target_info *from, nn_target_info *to) {
  *to = (nn_target_info){.classes = from->classes, .width = from->width};
  if (from->names == NULL) return NN_OK;
  void *memory = NULL;
  NN_TRY(nn_alloc(from->width, sizeof(char *), "class names", &memory));
  char **names = memory;
  to->names = names;
  for (size_t i = 0; i < from->width; i++) NN_TRY(nn_string_copy(from->names[i], &names[i]));
  return NN_OK;
}

static nn_status fill(nn_trained *t, nn_checkpoint *c, const char *path) {
  nn_registry registry = {0};
  void *params = NULL;
  const char *config = nn_checkpoint_config_text(c);
  nn_layers_register(&registry);
  nn_optim_register(&registry);
  NN_TRY(nn_config_parse(config, strlen(config), path, NULL, 0, &registry, &t->config));
  t->shape = *nn_checkpoint_shape(c);
  NN_TRY(copy_target(nn_checkpoint_target(c), &t->target));
  NN_TRY(nn_normalizer_copy(nn_checkpoint_normalizer(c), &t->normalizer));
  const size_t outputs = nn_loss_outputs(&t->config->train.loss, &t->target);
  NN_TRY(nn_model_create(&t->config->model, &registry, &t->shape, outputs, &t->model));
  NN_TRY(nn_alloc(nn_model_param_count(t->model), sizeof(float), "the parameters of the network", &params));
  t->params = params;
  return nn_checkpoint_restore(c, t->model, t->params, NULL);
}

nn_status nn_trained_load(const char *path, nn_trained **out) {
  nn_checkpoint *c = NULL;
  nn_trained *t = NULL;
  void *memory = NULL;
  NN_TRY(nn_checkpoint_open(path, &c));
  nn_status status = nn_alloc(1, sizeof *t, "a trained network", &memory);
  t = memory;
  if (status == NN_OK) status = fill(t, c, path);
  nn_checkpoint_close(&c);
  if (status == NN_OK)
    *out = t;
  else
    nn_trained_destroy(&t);
  return status;
}

void nn_trained_destroy(nn_trained **trained) {
  if (trained == NULL || *trained == NULL) return;
  nn_trained *t = *trained;
  char **names = (char **)(uintptr_t)t->target.names; /* ours, lent as const */
  nn_h5_texts_free(&names, t->target.width);
  nn_normalizer_clear(&t->normalizer);
  nn_free(t->params);
  nn_model_destroy(&t->model);
  nn_config_destroy(&t->config);
  nn_free(t);
  *trained = NULL;
}

/* ---- what the outputs mean ------------------------------------------------------------------------------------ */

static bool has_loss(const nn_trained *trained, const char *name) {
  return strcmp(trained->config->train.loss.schema->name, name) == 0;
}

void nn_trained_answer(const nn_trained *trained, const nn_team *team, size_t rows, const float *outputs,
                       float *answers) {
  const size_t width = nn_model_outputs(trained->model);
  if (has_loss(trained, "cross_entropy")) {
    nn_softmax_rows(team, rows, width, 1, outputs, answers);
    return;
  }
  if (has_loss(trained, "bce_with_logits")) {
    nn_map_apply(team, &nn_map_sigmoid, 0, rows * width, outputs, answers);
  } else if (answers != outputs) {
    nn_copy(team, rows * width, outputs, answers);
  }
  if (trained->target.classes) return;
  if (team->id == 0) nn_normalizer_restore(&trained->normalizer, rows, answers);
  nn_team_barrier(team);
}

int32_t nn_trained_class(const nn_trained *trained, const float *answers, float *probability) {
  const size_t width = nn_model_outputs(trained->model);
  const bool probabilities = has_loss(trained, "cross_entropy") || has_loss(trained, "bce_with_logits");
  size_t best = 0;
  float sure = NAN;
  if (width == 1) { /* two classes told apart by one value */
    best = (double)answers[0] >= trained->config->train.threshold;
    sure = best == 1 ? answers[0] : 1 - answers[0];
  } else {
    for (size_t j = 1; j < width; j++)
      if (answers[j] > answers[best]) best = j;
    sure = answers[best];
  }
  if (probability != NULL) *probability = probabilities ? sure : NAN;
  return (int32_t)best;
}

/* ---- predicting ------------------------------------------------------------------------------------------------- */

typedef struct prediction {
  const nn_trained *trained;
  nn_workspace *workspace;
  size_t rows;
  const float *x;
  float *outputs;
} prediction;

static void predict_on_team(const nn_team *team, void *context) {
  const prediction *p = context;
  const nn_trained *t = p->trained;
  const nn_normalizer *n = &t->normalizer;
  const size_t in = nn_shape_size(&t->shape), out = nn_model_outputs(t->model);
  uint32_t samples[NN_PREDICT_ROWS] = {0};
  for (size_t start = 0; start < p->rows; start += NN_PREDICT_ROWS) {
    const size_t rows = p->rows - start < NN_PREDICT_ROWS ? p->rows - start : NN_PREDICT_ROWS;
    size_t first = 0, last = 0;
    nn_team_share(team, rows, 1, &first, &last);
    for (size_t r = first; r < last; r++)
      nn_row_convert(NN_ELEMENT_F32, in, p->x + (start + r) * in, n->scale, n->mean, n->inverse_deviation,
                     nn_workspace_input(p->workspace, rows, 0) + r * in);
    nn_team_barrier(team);
    const nn_pass pass = {.team = team, .rows = rows, .params = t->params, .samples = samples};
    nn_model_forward(t->model, p->workspace, &pass);
    nn_trained_answer(t, team, rows, nn_workspace_output(p->workspace), p->outputs + start * out);
  }
}

nn_status nn_trained_predict(const nn_trained *trained, int threads, size_t rows, const float *x, float *outputs) {
  prediction p = {.trained = trained, .rows = rows, .x = x, .outputs = outputs};
  NN_TRY(nn_workspace_create(trained->model, NN_PREDICT_ROWS, NN_WORKSPACE_FORWARD, 1, &p.workspace));
  nn_team_run(threads > 0 ? threads : 1, predict_on_team, &p);
  nn_workspace_destroy(&p.workspace);
  return NN_OK;
}

/* ---- what every layer puts out ------------------------------------------------------------------------------------
 */

typedef struct one_sample {
  const nn_trained *trained;
  nn_workspace *workspace;
  const float *x;
} one_sample;

static void forward_on_team(const nn_team *team, void *context) {
  const one_sample *p = context;
  const nn_trained *t = p->trained;
  const nn_normalizer *n = &t->normalizer;
  const uint32_t sample = 0;
  nn_row_convert(NN_ELEMENT_F32, nn_shape_size(&t->shape), p->x, n->scale, n->mean, n->inverse_deviation,
                 nn_workspace_input(p->workspace, 1, 0));
  const nn_pass pass = {.team = team, .rows = 1, .params = t->params, .samples = &sample};
  nn_model_forward(t->model, p->workspace, &pass);
}

nn_status nn_trained_activations(const nn_trained *trained, const float *x, nn_layer_watch see, void *context) {
  one_sample p = {.trained = trained, .x = x};
  NN_TRY(nn_workspace_create(trained->model, 1, NN_WORKSPACE_FORWARD, 1, &p.workspace));
  nn_team_run(1, forward_on_team, &p);
  for (size_t i = 0; i < nn_model_layer_count(trained->model); i++)
    see(context, i, nn_workspace_activation(p.workspace, i));
  nn_workspace_destroy(&p.workspace);
  return NN_OK;
}
