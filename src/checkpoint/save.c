/* A checkpoint as a file in memory, and on disk. */
#include "checkpoint/internal.h"

#include "nnmpi/kernels.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static nn_status write_progress(nn_h5_image *image, const nn_progress_state *p) {
  const uint64_t sums = sizeof p->epoch_sums / sizeof *p->epoch_sums;
  const struct {
    const char *name;
    uint64_t value;
  } numbers[] = {{"step", p->step},
                 {"epoch", p->epoch},
                 {"position", p->position},
                 {"best_epoch", p->best_epoch},
                 {"best_step", p->best_step},
                 {"stale", p->stale},
                 {"stopped_early", p->stopped_early}};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    NN_TRY(nn_h5_image_attribute_int(image, "/", numbers[i].name, (int64_t)numbers[i].value));
  NN_TRY(nn_h5_image_attribute_real(image, "/", "best_value", p->best_value));
  return nn_h5_image_write(image, "progress/epoch_sums", NN_H5_F64, 1, &sums, 0, p->epoch_sums);
}

/* The tensors of an arena, which is lent, as datasets <group>/<name>. */
static nn_status write_arena(nn_h5_image *image, const char *group, const nn_model *model, const float *arena) {
  char name[NN__NAME_MAX];
  for (size_t i = 0; i < nn_model_tensor_count(model); i++) {
    const nn_model_tensor *tensor = nn_model_tensor_at(model, i);
    uint64_t dims[NN_PARAM_RANK_MAX];
    for (int d = 0; d < tensor->param->rank; d++) dims[d] = tensor->param->dims[d];
    snprintf(name, sizeof name, "%s/%s", group, tensor->name);
    NN_TRY(nn_h5_image_lend(image, name, NN_H5_F32, tensor->param->rank, dims, arena + tensor->param->offset));
  }
  return NN_OK;
}

static nn_status write_optimizer(nn_h5_image *image, const nn_checkpoint_parts *parts) {
  char group[NN__NAME_MAX / 2];
  nn_optim *optim = parts->optim;
  const size_t size = nn_model_param_count(parts->model);
  NN_TRY(nn_h5_image_attribute_text(image, "optimizer", "name", nn_optim_name(optim)));
  for (int s = 0; s < nn_optim_slot_count(optim); s++) {
    snprintf(group, sizeof group, "optimizer/%s", nn_optim_slot_name(optim, s));
    const float *slot = parts->slots != NULL ? parts->slots + (size_t)s * size : nn_optim_slot(optim, s);
    NN_TRY(write_arena(image, group, parts->model, slot));
  }
  return NN_OK;
}

/* An array that may not be there. */
static nn_status write_row(nn_h5_image *image, const char *name, nn_h5_type type, size_t count, const void *values) {
  const uint64_t dims[1] = {count};
  return values == NULL ? NN_OK : nn_h5_image_write(image, name, type, 1, dims, 0, values);
}

static nn_status write_data(nn_h5_image *image, const nn_checkpoint_parts *parts) {
  const nn_normalizer *n = parts->normalizer;
  const nn_target_info *target = parts->target;
  char digest[32];
  uint64_t shape[NN_SHAPE_RANK_MAX];
  for (int d = 0; d < parts->shape->rank; d++) shape[d] = parts->shape->dims[d];
  snprintf(digest, sizeof digest, "%016" PRIx64, parts->data_digest);
  NN_TRY(nn_h5_image_attribute_text(image, "data", "digest", digest));
  NN_TRY(nn_h5_image_attribute_int(image, "data", "classes", target->classes));
  NN_TRY(nn_h5_image_attribute_int(image, "data", "width", (int64_t)target->width));
  NN_TRY(nn_h5_image_attribute_real(image, "data", "scale", n->scale));
  NN_TRY(write_row(image, "data/shape", NN_H5_U64, (size_t)parts->shape->rank, shape));
  NN_TRY(write_row(image, "data/mean", NN_H5_F32, n->width, n->mean));
  NN_TRY(write_row(image, "data/inverse_deviation", NN_H5_F32, n->width, n->inverse_deviation));
  NN_TRY(write_row(image, "data/target_mean", NN_H5_F64, n->target_width, n->target_mean));
  NN_TRY(write_row(image, "data/target_deviation", NN_H5_F64, n->target_width, n->target_deviation));
  if (target->names == NULL) return NN_OK;
  return nn_h5_image_texts(image, "data/class_names", (const char *const *)target->names, target->width);
}

static nn_status write_software(nn_h5_image *image) {
  NN_TRY(nn_h5_image_attribute_text(image, "software", "nnmpi", nn_version()));
  NN_TRY(nn_h5_image_attribute_text(image, "software", "commit", nn_commit()));
  NN_TRY(nn_h5_image_attribute_text(image, "software", "files", nn_h5_library()));
  return nn_h5_image_attribute_text(image, "software", "isa", nn_cpu_isa());
}

static nn_status write_all(nn_h5_image *image, const nn_checkpoint_parts *parts) {
  nn_text signature = {0};
  NN_TRY(nn_h5_image_attribute_text(image, "/", "format", NN__CHECKPOINT_FORMAT));
  NN_TRY(nn_h5_image_attribute_int(image, "/", "format_version", NN__CHECKPOINT_VERSION));
  NN_TRY(nn_h5_image_attribute_int(image, "/", "virtual_ranks", parts->virtual_ranks));
  NN_TRY(write_progress(image, parts->progress));
  NN_TRY(nn_h5_image_text(image, "config", parts->config));
  nn_status status = nn_model_signature(parts->model, &signature);
  if (status == NN_OK) status = nn_h5_image_text(image, "signature", signature.at);
  nn_text_clear(&signature);
  NN_TRY(status);
  NN_TRY(write_arena(image, "parameters", parts->model, parts->params));
  if (parts->optim != NULL) NN_TRY(write_optimizer(image, parts));
  if (parts->history != NULL) NN_TRY(nn_history_write_epochs(parts->history, image, "history/epochs"));
  NN_TRY(write_data(image, parts));
  return write_software(image);
}

nn_status nn_checkpoint_build(const nn_checkpoint_parts *parts, nn_h5_image **out) {
  nn_h5_image *image = NULL;
  const size_t arrays = 1 + (size_t)(parts->optim != NULL ? nn_optim_slot_count(parts->optim) : 0);
  NN_TRY(nn_h5_image_create_for(arrays * nn_model_param_count(parts->model) * sizeof(float), &image));
  const nn_status status = write_all(image, parts);
  if (status == NN_OK)
    *out = image;
  else
    nn_h5_image_destroy(&image);
  return status;
}

nn_status nn_checkpoint_put(nn_h5_image *image, uint64_t step, const char *path) {
  bool trailed = false;
  if (nn_fault("checkpoint", step)) return NN_FAIL(NN_ERR_IO, "%s: cannot be written: %s", path, strerror(ENOSPC));
  NN_TRY(nn_h5_image_save(image, path));
  NN_TRY(nn_h5_check(path, NN_ERR_IO, true, &trailed)); /* as it can be read: older ones may be removed after this */
  return trailed ? NN_OK : NN_FAIL(NN_ERR_IO, "%s: is not what was written", path);
}

nn_status nn_checkpoint_save(const nn_checkpoint_parts *parts, const char *path) {
  nn_h5_image *image = NULL;
  NN_TRY(nn_checkpoint_build(parts, &image));
  const nn_status status = nn_checkpoint_put(image, parts->progress->step, path);
  nn_h5_image_destroy(&image);
  return status;
}
