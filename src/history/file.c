/* history.h5, and the epochs inside a checkpoint. */
#include "history/internal.h"

#include <inttypes.h>
#include <string.h>

enum { VERSION = 1, EPOCHS_MAX = 1 << 24 /* bounds what a damaged file can ask for */ };

#define FORMAT "nnmpi history"

/* ---- saving ----------------------------------------------------------------------------------- */

/* weights/<tensor> [rows, dims…] */
static nn_status write_tensor(const nn_history *history, const nn_model_tensor *tensor, nn_h5_image *image) {
  const nn_param *param = tensor->param;
  const size_t size = nn_param_size(param), rows = history->weight_count;
  uint64_t dims[1 + NN_PARAM_RANK_MAX] = {rows};
  char name[sizeof tensor->name + 16];
  void *memory = NULL;
  for (int i = 0; i < param->rank; i++) dims[1 + i] = param->dims[i];
  NN_TRY(nn_alloc(rows * size, sizeof(float), "history of a tensor", &memory));
  float *values = memory;
  for (size_t i = 0; i < rows; i++)
    memcpy(values + i * size, history->weights[i].params + param->offset, size * sizeof *values);
  snprintf(name, sizeof name, "weights/%s", tensor->name);
  const nn_status status = nn_h5_image_write(image, name, NN_H5_F32, 1 + param->rank, dims, 0, values);
  nn_free(memory);
  return status;
}

static nn_status write_weights(const nn_history *history, nn_h5_image *image) {
  void *memory = NULL;
  NN_TRY(nn_alloc(history->weight_count, sizeof(uint64_t), "history of weights", &memory));
  uint64_t *epochs = memory;
  for (size_t i = 0; i < history->weight_count; i++) epochs[i] = history->weights[i].epoch;
  nn_status status =
      nn_h5_image_write(image, "weights/epochs", NN_H5_U64, 1, &(uint64_t){history->weight_count}, 0, epochs);
  nn_free(memory);
  for (size_t i = 0; i < nn_model_tensor_count(history->model) && status == NN_OK; i++)
    status = write_tensor(history, nn_model_tensor_at(history->model, i), image);
  return status;
}

nn_status nn_history_write_epochs(const nn_history *history, nn_h5_image *image, const char *group) {
  return nn__columns_write(image, group, nn__epoch_columns, history->epochs, sizeof(nn_epoch_row),
                           history->epoch_count);
}

static nn_status write_profile(const nn_history *history, nn_h5_image *image) {
  static const struct {
    const char *name;
    size_t offset;
  } columns[] = {{"profile/seconds", offsetof(nn_profile_row, seconds)},
                 {"profile/seconds_least", offsetof(nn_profile_row, least)},
                 {"profile/seconds_most", offsetof(nn_profile_row, most)},
                 {"profile/gflops", offsetof(nn_profile_row, gflops)},
                 {"profile/share_of_peak", offsetof(nn_profile_row, share)}};
  const size_t rows = history->profile_count;
  void *values = NULL, *names = NULL;
  nn_status status = nn_alloc(rows, sizeof(double), "the profile", &values);
  if (status == NN_OK) status = nn_alloc(rows, sizeof(char *), "the profile", &names);
  if (status != NN_OK) goto done;
  for (size_t i = 0; i < rows; i++) ((const char **)names)[i] = history->profile[i].name;
  NN_TRY_DONE(nn_h5_image_texts(image, "profile/name", names, rows));
  for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
    for (size_t i = 0; i < rows; i++)
      memcpy((double *)values + i, (const char *)&history->profile[i] + columns[c].offset, sizeof(double));
    NN_TRY_DONE(nn_h5_image_write(image, columns[c].name, NN_H5_F64, 1, &(uint64_t){rows}, 0, values));
  }
  status = nn_h5_image_attribute_int(image, "profile", "steps", (int64_t)history->profile_steps);
done:
  nn_free(names);
  nn_free(values);
  return status;
}

nn_status nn_history_save(const nn_history *history, const char *path) {
  nn_h5_image *image = NULL;
  NN_TRY(nn_h5_image_create(&image));
  nn_status status = NN_OK;
  NN_TRY_DONE(nn_h5_image_attribute_text(image, "/", "format", FORMAT));
  NN_TRY_DONE(nn_h5_image_attribute_int(image, "/", "format_version", VERSION));
  NN_TRY_DONE(
      nn__columns_write(image, "steps", nn__step_columns, history->steps, sizeof(nn_step_row), history->step_count));
  NN_TRY_DONE(nn_history_write_epochs(history, image, "epochs"));
  if (history->weight_count > 0) NN_TRY_DONE(write_weights(history, image));
  if (history->profile_count > 0) NN_TRY_DONE(write_profile(history, image));
  status = nn_h5_image_save(image, path);
done:
  nn_h5_image_destroy(&image);
  return status;
}

/* ---- restoring -------------------------------------------------------------------------------- */

/* What a file holds, before anything of it is taken over. */
typedef struct loaded {
  size_t step_count, epoch_count, weight_count;
  nn_step_row *steps;
  nn_epoch_row *epochs;
  nn__weight_row *weights;
} loaded;

static void loaded_clear(loaded *l) {
  nn_free(l->steps);
  nn_free(l->epochs);
  nn__weight_rows_free(l->weights, l->weight_count);
  *l = (loaded){0};
}

static nn_status check_format(nn_h5_file *file, const char *path) {
  char *format = NULL;
  int64_t version = 0;
  bool found = false;
  NN_TRY(nn_h5_attribute_text(file, "/", "format", &format, &found));
  const bool ours = found && strcmp(format, FORMAT) == 0;
  nn_free(format);
  if (!ours) return NN_FAIL(NN_ERR_IO, "%s: is not a history of nnmpi", path);
  NN_TRY(nn_h5_attribute_int(file, "/", "format_version", &version, &found));
  if (!found || version != VERSION)
    return NN_FAIL(NN_ERR_IO, "%s: is a history of format %" PRId64 "; this nnmpi reads format %d", path, version,
                   VERSION);
  return NN_OK;
}

/* Rows up to `step`, at most one per spacing: a former run may have kept more of them. */
static void thin_steps(loaded *l, uint64_t every, uint64_t step) {
  size_t kept = 0;
  for (size_t i = 0; i < l->step_count && l->steps[i].step <= step; i++) {
    const bool same = kept > 0 && every > 0 && (l->steps[i].step - 1) / every == (l->steps[kept - 1].step - 1) / every;
    if (!same) l->steps[kept++] = l->steps[i];
  }
  l->step_count = every > 0 ? kept : 0;
}

/* Room for the rows to come behind those that were kept. */
static nn_status make_room(const nn_history *history, loaded *l, uint64_t step, size_t *capacity) {
  const uint64_t left = history->total_steps > step ? history->total_steps - step : 0;
  const size_t more = history->every > 0 ? (size_t)(left / history->every + 1) : 0;
  size_t have = 0;
  void *array = l->steps;
  NN_TRY(nn__history_reserve(&array, &have, l->step_count + more, l->step_count, sizeof *l->steps));
  l->steps = array;
  *capacity = have;
  return NN_OK;
}

static nn_status read_tensor(nn_h5_file *file, const nn_model_tensor *tensor, loaded *l) {
  const size_t size = nn_param_size(tensor->param), rows = l->weight_count;
  char name[sizeof tensor->name + 16];
  void *memory = NULL;
  NN_TRY(nn_alloc(rows * size, sizeof(float), "history of a tensor", &memory));
  const float *values = memory;
  snprintf(name, sizeof name, "weights/%s", tensor->name);
  const nn_status status = nn_h5_read(file, name, NN_H5_F32, rows * size, memory);
  for (size_t i = 0; i < rows && status == NN_OK; i++)
    memcpy(l->weights[i].params + tensor->param->offset, values + i * size, size * sizeof *values);
  nn_free(memory);
  return status;
}

static nn_status read_weights(nn_h5_file *file, const nn_model *model, loaded *l) {
  nn_h5_info info;
  void *memory = NULL;
  if (!nn_h5_has(file, "weights/epochs")) return NN_OK;
  NN_TRY(nn_h5_info_read(file, "weights/epochs", &info));
  if (info.rank != 1 || info.dims[0] > EPOCHS_MAX)
    return NN_FAIL(NN_ERR_IO, "'weights/epochs' of the history has an impossible shape");
  const size_t rows = (size_t)info.dims[0];
  NN_TRY(nn_alloc(rows, sizeof *l->weights, "history of weights", &memory));
  l->weights = memory;
  NN_TRY(nn_alloc(rows, sizeof(uint64_t), "history of weights", &memory));
  uint64_t *epochs = memory;
  nn_status status = nn_h5_read(file, "weights/epochs", NN_H5_U64, rows, epochs);
  for (size_t i = 0; i < rows && status == NN_OK; i++) {
    if (i > 0 && epochs[i] <= epochs[i - 1]) status = NN_FAIL(NN_ERR_IO, "'weights/epochs' does not ascend");
    if (status == NN_OK) status = nn_alloc(nn_model_param_count(model), sizeof(float), "history of weights", &memory);
    if (status != NN_OK) break;
    l->weights[l->weight_count++] = (nn__weight_row){.epoch = epochs[i], .params = memory};
  }
  nn_free(epochs);
  for (size_t i = 0; i < nn_model_tensor_count(model) && status == NN_OK; i++)
    status = read_tensor(file, nn_model_tensor_at(model, i), l);
  return status;
}

static nn_status load(const char *path, const nn_model *model, loaded *l) {
  void *image = NULL, *rows = NULL;
  size_t bytes = 0;
  nn_h5_file *file = NULL;
  NN_TRY(nn_h5_load_checked(path, NN_ERR_IO, &image, &bytes));
  nn_status status = nn_h5_open_image(image, bytes, path, NN_ERR_IO, &file);
  nn_free(image);
  NN_TRY(status);
  NN_TRY_DONE(check_format(file, path));
  NN_TRY_DONE(nn__columns_read(file, NN_ERR_IO, "steps", nn__step_columns, sizeof *l->steps, UINT32_MAX, &rows,
                               &l->step_count));
  l->steps = rows;
  NN_TRY_DONE(nn__columns_read(file, NN_ERR_IO, "epochs", nn__epoch_columns, sizeof *l->epochs, EPOCHS_MAX, &rows,
                               &l->epoch_count));
  l->epochs = rows;
  if (model != NULL) status = read_weights(file, model, l);
done:
  nn_h5_close(&file);
  return status;
}

/* Forget everything after `step`. */
static void cut(loaded *l, uint64_t every, uint64_t step) {
  thin_steps(l, every, step);
  while (l->epoch_count > 0 && l->epochs[l->epoch_count - 1].step > step) l->epoch_count--;
  const uint64_t epoch = l->epoch_count > 0 ? l->epochs[l->epoch_count - 1].epoch : 0;
  while (l->weight_count > 0 && l->weights[l->weight_count - 1].epoch > epoch)
    nn_free(l->weights[--l->weight_count].params);
}

nn_status nn_history_restore(nn_history *history, const char *path, uint64_t step, bool *found) {
  loaded l = {0};
  size_t capacity = 0;
  nn_status status = load(path, history->model, &l);
  *found = status == NN_OK;
  if (status != NN_OK) {
    if (status != NN_ERR_MEMORY) status = NN_OK;
    goto done;
  }
  cut(&l, history->every, step);
  NN_TRY_DONE(make_room(history, &l, step, &capacity));
  nn_free(history->steps);
  history->steps = l.steps;
  history->step_count = l.step_count;
  history->step_capacity = capacity;
  l.steps = NULL;
  if (history->epoch_count == 0) { /* those of a checkpoint go first */
    nn_free(history->epochs);
    history->epochs = l.epochs;
    history->epoch_count = history->epoch_capacity = l.epoch_count;
    l.epochs = NULL;
  }
  nn__weight_rows_free(history->weights, history->weight_count);
  history->weights = l.weights;
  history->weight_count = history->weight_capacity = l.weight_count;
  l.weights = NULL;
  l.weight_count = 0;
done:
  loaded_clear(&l);
  return status;
}

nn_status nn_history_read_epochs(nn_history *history, nn_h5_file *file, const char *group) {
  void *rows = NULL;
  size_t count = 0;
  NN_TRY(nn__columns_read(file, NN_ERR_CHECKPOINT, group, nn__epoch_columns, sizeof(nn_epoch_row), EPOCHS_MAX, &rows,
                          &count));
  nn_free(history->epochs);
  history->epochs = rows;
  history->epoch_count = history->epoch_capacity = count;
  return NN_OK;
}
