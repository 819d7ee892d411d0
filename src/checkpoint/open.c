/* Opening a checkpoint: everything but the tensors is read and checked here. */
#include "checkpoint/internal.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

static nn_status fail(const nn_checkpoint *c, const char *what) {
  return NN_FAIL(NN_ERR_CHECKPOINT, "%s: is not a valid checkpoint: %s", c->path, what);
}

/* ---- attributes -------------------------------------------------------------------------------------- */

static nn_status need_int(nn_checkpoint *c, const char *object, const char *name, int64_t max, int64_t *out) {
  bool found = false;
  NN_TRY(nn_h5_attribute_int(c->file, object, name, out, &found));
  if (found && *out >= 0 && *out <= max) return NN_OK;
  return NN_FAIL(NN_ERR_CHECKPOINT, "%s: is not a valid checkpoint: attribute '%s' of '%s' is %s", c->path, name,
                 object, found ? "out of range" : "missing");
}

static nn_status need_real(nn_checkpoint *c, const char *object, const char *name, double *out) {
  bool found = false;
  NN_TRY(nn_h5_attribute_real(c->file, object, name, out, &found));
  if (found) return NN_OK;
  return NN_FAIL(NN_ERR_CHECKPOINT, "%s: is not a valid checkpoint: attribute '%s' of '%s' is missing", c->path, name,
                 object);
}

nn_status nn__checkpoint_format(nn_h5_file *file, char **out) {
  bool found = false;
  NN_TRY(nn_h5_attribute_text(file, "/", "format", out, &found));
  return found ? NN_OK : nn_string_copy("", out);
}

static nn_status check_format(nn_checkpoint *c) {
  char *format = NULL;
  int64_t version = 0;
  NN_TRY(nn__checkpoint_format(c->file, &format));
  nn_status status = NN_OK;
  if (strcmp(format, NN__CHECKPOINT_FORMAT) != 0)
    status = NN_FAIL(NN_ERR_CHECKPOINT, "%s: is not a checkpoint of nnmpi%s%s", c->path,
                     format[0] != '\0' ? ", but: " : "", format);
  nn_free(format);
  NN_TRY(status);
  NN_TRY(need_int(c, "/", "format_version", INT64_MAX, &version));
  if (version == NN__CHECKPOINT_VERSION) return NN_OK;
  return NN_FAIL(NN_ERR_CHECKPOINT,
                 "%s: is a checkpoint of format %" PRId64
                 ", this nnmpi (%s) reads format %d: use the nnmpi that wrote it",
                 c->path, version, nn_version(), NN__CHECKPOINT_VERSION);
}

/* ---- progress ------------------------------------------------------------------------------------------ */

static nn_status read_progress(nn_checkpoint *c) {
  nn_progress_state *p = &c->progress;
  int64_t stopped = 0, virtual_ranks = 0;
  const struct {
    const char *name;
    uint64_t *value;
  } numbers[] = {{"step", &p->step},           {"epoch", &p->epoch},
                 {"position", &p->position},   {"best_epoch", &p->best_epoch},
                 {"best_step", &p->best_step}, {"stale", &p->stale}};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    int64_t value = 0;
    NN_TRY(need_int(c, "/", numbers[i].name, INT64_MAX, &value));
    *numbers[i].value = (uint64_t)value;
  }
  NN_TRY(need_int(c, "/", "stopped_early", 1, &stopped));
  NN_TRY(need_int(c, "/", "virtual_ranks", INT_MAX, &virtual_ranks));
  p->stopped_early = stopped != 0;
  c->virtual_ranks = (int)virtual_ranks;
  NN_TRY(need_real(c, "/", "best_value", &p->best_value));
  return nn_h5_read(c->file, "progress/epoch_sums", NN_H5_F64, sizeof p->epoch_sums / sizeof *p->epoch_sums,
                    p->epoch_sums);
}

/* ---- data ------------------------------------------------------------------------------------------------ */

static nn_status read_digest(nn_checkpoint *c) {
  char *text = NULL;
  bool found = false;
  NN_TRY(nn_h5_attribute_text(c->file, "data", "digest", &text, &found));
  const bool right = found && strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16 &&
                     sscanf(text, "%" SCNx64, &c->data_digest) == 1;
  nn_free(text);
  return right ? NN_OK : fail(c, "attribute 'digest' of 'data' is not a digest");
}

static nn_status read_shape(nn_checkpoint *c) {
  nn_h5_info info;
  uint64_t dims[NN_SHAPE_RANK_MAX];
  size_t size = 1;
  NN_TRY(nn_h5_info_read(c->file, "data/shape", &info));
  if (info.rank != 1 || info.dims[0] < 1 || info.dims[0] > NN_SHAPE_RANK_MAX)
    return fail(c, "'data/shape' has an impossible size");
  NN_TRY(nn_h5_read(c->file, "data/shape", NN_H5_U64, info.dims[0], dims));
  c->shape.rank = (int)info.dims[0];
  for (int d = 0; d < c->shape.rank; d++) {
    if (dims[d] < 1 || dims[d] > INT_MAX || !nn_size_multiply(size, (size_t)dims[d], &size) || size > INT_MAX)
      return fail(c, "'data/shape' is not the shape of a sample");
    c->shape.dims[d] = (size_t)dims[d];
  }
  return NN_OK;
}

/* A row of `count` numbers that may be missing: then *out stays NULL. */
static nn_status read_row(nn_checkpoint *c, const char *name, nn_h5_type type, size_t count, void **out) {
  void *values = NULL;
  if (!nn_h5_has(c->file, name)) return NN_OK;
  NN_TRY(nn_alloc(count, nn_h5_type_size(type), name, &values));
  const nn_status status = nn_h5_read(c->file, name, type, count, values);
  if (status == NN_OK)
    *out = values;
  else
    nn_free(values);
  return status;
}

static nn_status read_normalizer(nn_checkpoint *c) {
  nn_normalizer *n = &c->normalizer;
  void *row = NULL;
  NN_TRY(need_real(c, "data", "scale", &n->scale));
  n->width = nn_shape_size(&c->shape);
  n->target_width = c->target.classes ? 0 : c->target.width;
  NN_TRY(read_row(c, "data/mean", NN_H5_F32, n->width, &row));
  n->mean = row;
  row = NULL;
  NN_TRY(read_row(c, "data/inverse_deviation", NN_H5_F32, n->width, &row));
  n->inverse_deviation = row;
  row = NULL;
  NN_TRY(read_row(c, "data/target_mean", NN_H5_F64, n->target_width, &row));
  n->target_mean = row;
  row = NULL;
  NN_TRY(read_row(c, "data/target_deviation", NN_H5_F64, n->target_width, &row));
  n->target_deviation = row;
  if (!(n->scale > 0 || n->scale < 0)) return fail(c, "attribute 'scale' of 'data' is not a number to divide by");
  if ((n->mean == NULL) != (n->inverse_deviation == NULL) || (n->target_mean == NULL) != (n->target_deviation == NULL))
    return fail(c, "its normalisation has a mean without a deviation, or the reverse");
  return NN_OK;
}

static nn_status read_target(nn_checkpoint *c) {
  int64_t classes = 0, width = 0;
  char **names = NULL;
  size_t count = 0;
  NN_TRY(need_int(c, "data", "classes", 1, &classes));
  NN_TRY(need_int(c, "data", "width", INT_MAX, &width));
  c->target.classes = classes != 0;
  c->target.width = (size_t)width;
  if (width == 0) return fail(c, "attribute 'width' of 'data' is 0");
  if (!nn_h5_has(c->file, "data/class_names")) return NN_OK;
  NN_TRY(nn_h5_read_texts(c->file, "data/class_names", NN__CLASSES_MAX, &names, &count));
  if (count != c->target.width) {
    nn_h5_texts_free(&names, count);
    return fail(c, "it has another number of class names than of classes");
  }
  c->target.names = names;
  return NN_OK;
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

static nn_status read_all(nn_checkpoint *c) {
  NN_TRY(check_format(c));
  NN_TRY(nn_h5_read_text(c->file, "config", NN__TEXT_MAX, &c->config));
  NN_TRY(nn_h5_read_text(c->file, "signature", NN__TEXT_MAX, &c->signature));
  NN_TRY(read_progress(c));
  NN_TRY(read_digest(c));
  NN_TRY(read_shape(c));
  NN_TRY(read_target(c));
  return read_normalizer(c);
}

nn_status nn__checkpoint_from_image(const char *path, const void *image, size_t bytes, nn_checkpoint **out) {
  void *memory = NULL;
  NN_TRY(nn_alloc(1, sizeof(nn_checkpoint), "a checkpoint", &memory));
  nn_checkpoint *c = memory;
  nn_status status = nn_string_copy(path, &c->path);
  if (status == NN_OK) status = nn_h5_open_image(image, bytes, path, NN_ERR_CHECKPOINT, &c->file);
  if (status == NN_OK) status = read_all(c);
  if (status == NN_OK)
    *out = c;
  else
    nn_checkpoint_close(&c);
  return status;
}

nn_status nn_checkpoint_open(const char *path, nn_checkpoint **out) {
  void *image = NULL;
  size_t bytes = 0;
  NN_TRY(nn_h5_load_checked(path, NN_ERR_CHECKPOINT, &image, &bytes));
  const nn_status status = nn__checkpoint_from_image(path, image, bytes, out);
  nn_free(image);
  return status;
}

void nn_checkpoint_close(nn_checkpoint **checkpoint) {
  if (checkpoint == NULL || *checkpoint == NULL) return;
  nn_checkpoint *c = *checkpoint;
  char **names = (char **)(uintptr_t)c->target.names; /* ours, lent as const */
  nn_h5_close(&c->file);
  nn_h5_texts_free(&names, c->target.width);
  nn_normalizer_clear(&c->normalizer);
  nn_free(c->config);
  nn_free(c->signature);
  nn_free(c->path);
  nn_free(c);
  *checkpoint = NULL;
}

const char *nn_checkpoint_config_text(const nn_checkpoint *checkpoint) {
  return checkpoint->config;
}

const char *nn_checkpoint_signature(const nn_checkpoint *checkpoint) {
  return checkpoint->signature;
}

const nn_progress_state *nn_checkpoint_progress(const nn_checkpoint *checkpoint) {
  return &checkpoint->progress;
}

int nn_checkpoint_virtual_ranks(const nn_checkpoint *checkpoint) {
  return checkpoint->virtual_ranks;
}

uint64_t nn_checkpoint_data_digest(const nn_checkpoint *checkpoint) {
  return checkpoint->data_digest;
}

const nn_normalizer *nn_checkpoint_normalizer(const nn_checkpoint *checkpoint) {
  return &checkpoint->normalizer;
}

const nn_shape *nn_checkpoint_shape(const nn_checkpoint *checkpoint) {
  return &checkpoint->shape;
}

const nn_target_info *nn_checkpoint_target(const nn_checkpoint *checkpoint) {
  return &checkpoint->target;
}
