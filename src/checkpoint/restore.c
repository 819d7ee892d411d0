/* Tensors of a checkpoint into arenas, and their digests. */
#include "checkpoint/internal.h"

#include <inttypes.h>
#include <string.h>

char *nn__dims_text(int rank, const uint64_t *dims, char buffer[64]) {
  size_t used = 0;
  buffer[used++] = '[';
  for (int d = 0; d < rank && used < 40; d++)
    used += (size_t)snprintf(buffer + used, 64 - used, "%s%" PRIu64, d > 0 ? ", " : "", dims[d]);
  snprintf(buffer + used, 64 - used, "]");
  return buffer;
}

static void wanted_dims(const nn_model_tensor *tensor, uint64_t dims[NN_PARAM_RANK_MAX], char text[64]) {
  for (int d = 0; d < tensor->param->rank; d++) dims[d] = tensor->param->dims[d];
  nn__dims_text(tensor->param->rank, dims, text);
}

static bool same_dims(const nn_model_tensor *tensor, const nn_h5_info *info) {
  if (info->rank != tensor->param->rank) return false;
  for (int d = 0; d < info->rank; d++)
    if (info->dims[d] != tensor->param->dims[d]) return false;
  return true;
}

/* ---- comparing ------------------------------------------------------------------------------------------ */

static nn_status fail_other(const nn_checkpoint *c, const char *what, const char *name, const char *there,
                            const char *here) {
  return NN_FAIL(NN_ERR_CHECKPOINT, "%s: is a checkpoint of another network: %s%s is %s there and %s here", c->path,
                 what, name, there, here);
}

/* Every tensor of the model is in the group, with its shape. */
static nn_status compare_tensors(const nn_checkpoint *c, const char *group, const nn_model *model) {
  const bool parameters = strcmp(group, "parameters") == 0;
  char name[NN__NAME_MAX], here[64], there[64];
  for (size_t i = 0; i < nn_model_tensor_count(model); i++) {
    const nn_model_tensor *tensor = nn_model_tensor_at(model, i);
    uint64_t dims[NN_PARAM_RANK_MAX];
    nn_h5_info info;
    wanted_dims(tensor, dims, here);
    snprintf(name, sizeof name, "%s/%s", group, tensor->name);
    const char *shown = parameters ? tensor->name : name;
    if (!nn_h5_has(c->file, name)) return fail_other(c, "", shown, "missing", here);
    NN_TRY(nn_h5_info_read(c->file, name, &info));
    if (!same_dims(tensor, &info)) return fail_other(c, "", shown, nn__dims_text(info.rank, info.dims, there), here);
  }
  return NN_OK;
}

typedef struct search_extra {
  const nn_checkpoint *checkpoint;
  const nn_model *model;
} search_extra;

static nn_status refuse_extra(void *context, const char *name, const nn_h5_info *info) {
  const search_extra *s = context;
  const char *short_name = name + strlen("parameters/");
  char there[64];
  for (size_t i = 0; i < nn_model_tensor_count(s->model); i++)
    if (strcmp(nn_model_tensor_at(s->model, i)->name, short_name) == 0) return NN_OK;
  return fail_other(s->checkpoint, "", short_name, nn__dims_text(info->rank, info->dims, there), "missing");
}

/* Equal tensors, but other layers between them: the first line that differs. */
static nn_status compare_signatures(const nn_checkpoint *c, const nn_model *model) {
  nn_text text = {0};
  nn_status status = nn_model_signature(model, &text);
  const char *there = c->signature, *here = text.at;
  if (status != NN_OK || strcmp(there, here) == 0) goto done;
  for (int line = 1;; line++) {
    const size_t a = strcspn(there, "\n"), b = strcspn(here, "\n");
    if (a != b || strncmp(there, here, a) != 0) {
      status = NN_FAIL(NN_ERR_CHECKPOINT,
                       "%s: is a checkpoint of another network: its layer %d is \"%.*s\" there and \"%.*s\" here",
                       c->path, line - 1, (int)a, there, (int)b, here);
      break;
    }
    there += a + (there[a] == '\n');
    here += b + (here[b] == '\n');
  }
done:
  nn_text_clear(&text);
  return status;
}

static nn_status compare_optimizer(const nn_checkpoint *c, const nn_model *model, nn_optim *optim) {
  char *name = NULL;
  bool found = false;
  char group[NN__NAME_MAX / 2];
  NN_TRY(nn_h5_attribute_text(c->file, "optimizer", "name", &name, &found));
  if (!found) return NN_FAIL(NN_ERR_CHECKPOINT, "%s: holds no state of an optimizer: it cannot be continued", c->path);
  nn_status status = NN_OK;
  if (strcmp(name, nn_optim_name(optim)) != 0)
    status = NN_FAIL(NN_ERR_CHECKPOINT, "%s: was written with the optimizer %s; %s cannot continue from it", c->path,
                     name, nn_optim_name(optim));
  nn_free(name);
  for (int s = 0; s < nn_optim_slot_count(optim) && status == NN_OK; s++) {
    snprintf(group, sizeof group, "optimizer/%s", nn_optim_slot_name(optim, s));
    status = compare_tensors(c, group, model);
  }
  return status;
}

/* ---- restoring -------------------------------------------------------------------------------------------- */

static nn_status read_arena(const nn_checkpoint *c, const char *group, const nn_model *model, float *arena) {
  char name[NN__NAME_MAX];
  for (size_t i = 0; i < nn_model_tensor_count(model); i++) {
    const nn_model_tensor *tensor = nn_model_tensor_at(model, i);
    snprintf(name, sizeof name, "%s/%s", group, tensor->name);
    NN_TRY(nn_h5_read(c->file, name, NN_H5_F32, nn_param_size(tensor->param), arena + tensor->param->offset));
  }
  return NN_OK;
}

nn_status nn_checkpoint_restore(nn_checkpoint *checkpoint, const nn_model *model, float *params, nn_optim *optim) {
  search_extra extra = {checkpoint, model};
  char group[NN__NAME_MAX / 2];
  NN_TRY(compare_tensors(checkpoint, "parameters", model));
  if (nn_h5_has(checkpoint->file, "parameters"))
    NN_TRY(nn_h5_each(checkpoint->file, "parameters", refuse_extra, &extra));
  NN_TRY(compare_signatures(checkpoint, model));
  if (optim != NULL) NN_TRY(compare_optimizer(checkpoint, model, optim));
  NN_TRY(read_arena(checkpoint, "parameters", model, params));
  for (int s = 0; optim != NULL && s < nn_optim_slot_count(optim); s++) {
    snprintf(group, sizeof group, "optimizer/%s", nn_optim_slot_name(optim, s));
    NN_TRY(read_arena(checkpoint, group, model, nn_optim_slot(optim, s)));
  }
  return NN_OK;
}

nn_status nn_checkpoint_read_epochs(nn_checkpoint *checkpoint, nn_history *history) {
  if (!nn_h5_has(checkpoint->file, "history/epochs")) return NN_OK;
  const nn_status status = nn_history_read_epochs(history, checkpoint->file, "history/epochs");
  if (status != NN_OK && strstr(nn_error_last()->message, checkpoint->path) == NULL)
    nn_error_prefix("%s: ", checkpoint->path);
  return status;
}

/* ---- taking what matches ------------------------------------------------------------------------------------- */

typedef struct taking {
  const nn_model *model;
  nn_text *report;
  size_t left; /* tensors of the file that the model does not have */
} taking;

static nn_status note_unused(void *context, const char *name, const nn_h5_info *info) {
  taking *t = context;
  const char *short_name = name + strlen("parameters/");
  char there[64];
  for (size_t i = 0; i < nn_model_tensor_count(t->model); i++)
    if (strcmp(nn_model_tensor_at(t->model, i)->name, short_name) == 0) return NN_OK;
  nn_text_add(t->report, "  %s: only in the checkpoint, %s\n", short_name,
              nn__dims_text(info->rank, info->dims, there));
  t->left++;
  return NN_OK;
}

nn_status nn_checkpoint_take(nn_checkpoint *checkpoint, const nn_model *model, float *params, nn_text *report) {
  taking t = {model, report, 0};
  size_t taken = 0;
  char name[NN__NAME_MAX], here[64], there[64];
  for (size_t i = 0; i < nn_model_tensor_count(model); i++) {
    const nn_model_tensor *tensor = nn_model_tensor_at(model, i);
    uint64_t dims[NN_PARAM_RANK_MAX];
    nn_h5_info info;
    wanted_dims(tensor, dims, here);
    snprintf(name, sizeof name, "parameters/%s", tensor->name);
    if (!nn_h5_has(checkpoint->file, name)) {
      nn_text_add(report, "  %s: not in the checkpoint\n", tensor->name);
      continue;
    }
    NN_TRY(nn_h5_info_read(checkpoint->file, name, &info));
    if (!same_dims(tensor, &info)) {
      nn_text_add(report, "  %s: not taken, it is %s there and %s here\n", tensor->name,
                  nn__dims_text(info.rank, info.dims, there), here);
      continue;
    }
    NN_TRY(nn_h5_read(checkpoint->file, name, NN_H5_F32, nn_param_size(tensor->param), params + tensor->param->offset));
    nn_text_add(report, "  %s: taken, %s\n", tensor->name, here);
    taken++;
  }
  if (nn_h5_has(checkpoint->file, "parameters")) NN_TRY(nn_h5_each(checkpoint->file, "parameters", note_unused, &t));
  NN_TRY(nn_text_status(report));
  if (taken > 0) return NN_OK;
  return NN_FAIL(NN_ERR_CHECKPOINT, "%s: none of its parameters fits this network by name and shape:\n%s",
                 checkpoint->path, report->at != NULL ? report->at : "");
}

/* ---- digests --------------------------------------------------------------------------------------------------- */

typedef struct digesting {
  nn_h5_file *file;
  uint64_t digest;
} digesting;

static nn_status digest_dataset(void *context, const char *name, const nn_h5_info *info) {
  digesting *d = context;
  size_t elements = 1;
  void *values = NULL;
  for (int i = 0; i < info->rank; i++) elements *= (size_t)info->dims[i]; /* h5io has checked that it fits */
  d->digest = nn_digest(d->digest, name, strlen(name) + 1);
  d->digest = nn_digest(d->digest, info->dims, (size_t)info->rank * sizeof *info->dims);
  NN_TRY(nn_alloc(elements, sizeof(float), name, &values));
  const nn_status status = nn_h5_read(d->file, name, NN_H5_F32, elements, values);
  if (status == NN_OK) d->digest = nn_digest(d->digest, values, elements * sizeof(float));
  nn_free(values);
  return status;
}

nn_status nn_checkpoint_digest(nn_checkpoint *checkpoint, nn_checkpoint_digests *out) {
  digesting parameters = {checkpoint->file, NN_DIGEST_START}, optimizer = {checkpoint->file, NN_DIGEST_START};
  char *name = NULL;
  bool found = false;
  if (nn_h5_has(checkpoint->file, "parameters"))
    NN_TRY(nn_h5_each(checkpoint->file, "parameters", digest_dataset, &parameters));
  NN_TRY(nn_h5_attribute_text(checkpoint->file, "optimizer", "name", &name, &found));
  if (found) {
    optimizer.digest = nn_digest(optimizer.digest, name, strlen(name) + 1);
    nn_free(name);
    NN_TRY(nn_h5_each(checkpoint->file, "optimizer", digest_dataset, &optimizer));
  }
  const uint64_t state[3] = {parameters.digest, optimizer.digest, checkpoint->progress.step};
  *out = (nn_checkpoint_digests){
      .parameters = parameters.digest,
      .optimizer = optimizer.digest,
      .state = nn_digest(NN_DIGEST_START, state, sizeof state),
  };
  return NN_OK;
}
