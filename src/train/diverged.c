/* Loss or gradient that are not finite: where it began, and whether the step is passed over. Nothing here is in the way
 * of a step that is well: the parameters are those before it, so the forward passes can be made once more. */
#include "train_internal.h"

#include <inttypes.h>
#include <math.h>

enum { SKIPPED_MAX = 100 /* in a row: the data will not get better */ };

/* The first layer of which an output is not finite, in the pieces of this rank. */
typedef struct search {
  nn__trainer *t;
  nn_workspace *workspace;
  size_t layer;
} search;

static void look_at_outputs(const nn_team *team, void *context) {
  search *s = context;
  nn__trainer *t = s->t;
  for (int i = 0; i < t->pieces; i++) {
    size_t first = 0, rows = 0;
    nn__piece_rows(t->step.samples, t->virtual_ranks, t->first_piece + i, &first, &rows);
    if (rows == 0) continue;
    const uint32_t *ids = t->step.ids + first;
    nn__gather(t->dataset, NN_SET_TRAIN, team, ids, rows, s->workspace, &t->rows);
    const nn_pass pass = {.team = team,
                          .rows = rows,
                          .training = true,
                          .seed = (uint64_t)t->config->run.seed,
                          .step = t->progress.step,
                          .samples = ids,
                          .params = t->params};
    nn_model_forward(t->model, s->workspace, &pass);
    for (size_t layer = 0; team->id == 0 && layer < s->layer; layer++) {
      const size_t width = nn_shape_size(&nn_model_layer(t->model, layer)->out);
      if (!nn_all_finite(rows * width, nn_workspace_activation(s->workspace, layer))) s->layer = layer;
    }
    nn_team_barrier(team);
  }
}

/* The last tensor of the parameters that is not finite; NULL: all are. */
static const nn_model_tensor *broken_tensor(const nn__trainer *t) {
  for (size_t i = nn_model_tensor_count(t->model); i-- > 0;) {
    const nn_model_tensor *tensor = nn_model_tensor_at(t->model, i);
    if (!tensor->frozen && !nn_all_finite(nn_param_size(tensor->param), t->params + tensor->param->offset))
      return tensor;
  }
  return NULL;
}

/* Collective: a layer's output may be broken on one rank only. */
static nn_status find_cause(nn__trainer *t, const nn_model_tensor *parameter, nn_text *out) {
  const size_t layers = nn_model_layer_count(t->model);
  search s = {.t = t, .layer = layers};
  if (parameter != NULL) {
    nn_text_add(out, "the parameters '%s' are not finite after the step before", parameter->name);
    return NN_OK;
  }
  if (isfinite(t->step.tail[NN__SUM_LOSS])) {
    const size_t block = nn_optim_broken(t->optim);
    NN_ASSERT(block != SIZE_MAX);
    const nn_model_tensor *tensor = nn_model_tensor_at(t->model, nn_model_block_at(t->model, block)->tensor);
    nn_text_add(out, "the gradient is not finite, first that of '%s' in layer '%s'", tensor->name,
                nn_model_layer_name(t->model, tensor->layer));
    return NN_OK;
  }
  const size_t rows = nn__piece_rows_most(t->step.samples, t->virtual_ranks);
  const nn_status status =
      nn_comm_agree(t->comm, nn_workspace_create(t->model, rows, NN_WORKSPACE_FORWARD, t->threads, &s.workspace));
  if (status == NN_OK) nn_team_run(t->threads, look_at_outputs, &s);
  nn_workspace_destroy(&s.workspace);
  if (status != NN_OK) { /* no memory to look */
    nn_text_add(out, "the loss is not finite");
    return NN_OK;
  }
  double first = -(double)s.layer;
  NN_TRY(nn_comm_max_double(t->comm, &first, 1));
  const size_t layer = (size_t)-first;
  if (layer < layers)
    nn_text_add(out, "the loss is not finite, and before it the output of layer '%s'",
                nn_model_layer_name(t->model, layer));
  else
    nn_text_add(out, "the loss is not finite, though the network's outputs are");
  return NN_OK;
}

/* Numbers far from 1 are the commonest cause; pictures and such are brought near it by `scale`. */
static const char *advice(const nn__trainer *t) {
  const nn_data_config *data = &t->config->data;
  const bool raw = data->normalize == NN_NORMALIZE_NONE && !(data->scale < 1) && !(data->scale > 1);
  if (!nn_dataset_target(t->dataset)->classes && data->normalize_targets == NN_NORMALIZE_NONE)
    return raw ? ", data.normalize and data.normalize_targets: standard" : ", data.normalize_targets: standard";
  return raw ? ", data.normalize: standard" : "";
}

nn_status nn__diverged(nn__trainer *t) {
  nn_text cause = {0};
  const nn_model_tensor *parameter = broken_tensor(t);
  nn_status status = find_cause(t, parameter, &cause);
  if (status == NN_OK) status = nn_comm_agree(t->comm, nn_text_status(&cause));
  if (status != NN_OK) goto done;
  const bool skip = t->config->train.on_divergence == NN_DIVERGENCE_SKIP && parameter == NULL;
  if (skip && t->skipped + 1 < SKIPPED_MAX) {
    nn_log_warn(t->log, "epoch %" PRIu64 ", step %" PRIu64 " is skipped: %s (learning rate %g)", t->progress.epoch + 1,
                t->progress.step + 1, cause.at, t->step.lr);
    goto done;
  }
  status = NN_FAIL(NN_ERR_DIVERGED,
                   "training diverged in epoch %" PRIu64 ", step %" PRIu64 ": %s (learning rate %g)%s; try a smaller "
                   "learning rate, train.clip_norm, a warm-up%s",
                   t->progress.epoch + 1, t->progress.step + 1, cause.at, t->step.lr,
                   skip ? ", and so many steps in a row were skipped" : "", advice(t));
done:
  nn_text_clear(&cause);
  return status;
}
