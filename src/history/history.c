/* Rows in memory. */
#include "history/internal.h"

#include <math.h>
#include <string.h>

const nn_metrics nn_metrics_none = {NAN, NAN, NAN, NAN, NAN, NAN};

/* ---- memory ----------------------------------------------------------------------------------- */

nn_status nn__history_reserve(void **array, size_t *capacity, size_t needed, size_t count, size_t size) {
  if (needed <= *capacity) return NN_OK;
  size_t grown = *capacity < 64 ? 64 : 2 * *capacity;
  if (grown < needed) grown = needed;
  void *memory = NULL;
  NN_TRY(nn_alloc(grown, size, "rows of the history", &memory));
  if (*array != NULL) memcpy(memory, *array, count * size);
  nn_free(*array);
  *array = memory;
  *capacity = grown;
  return NN_OK;
}

void nn__weight_rows_free(nn__weight_row *rows, size_t count) {
  for (size_t i = 0; i < count; i++) nn_free(rows[i].params);
  nn_free(rows);
}

uint64_t nn_history_every(const nn_history_config *config, uint64_t total_steps) {
  if (config->every != NN_AUTO) return (uint64_t)config->every;
  return total_steps <= NN__STEP_ROWS ? 1 : (total_steps - 1) / NN__STEP_ROWS + 1;
}

static size_t step_rows(uint64_t every, uint64_t total_steps) {
  return every == 0 || total_steps == 0 ? 0 : (size_t)((total_steps - 1) / every + 1);
}

size_t nn_history_bytes(const nn_history_config *config, uint64_t total_steps, uint64_t epochs, const nn_model *model) {
  const size_t steps = step_rows(nn_history_every(config, total_steps), total_steps) * sizeof(nn_step_row);
  const size_t params = config->weights && model != NULL ? nn_model_param_count(model) * sizeof(float) : 0;
  const size_t rows = steps + (size_t)epochs * sizeof(nn_epoch_row), weights = ((size_t)epochs + 1) * params;
  return 3 * rows + 2 * weights; /* kept, and in the file that is built; rows in the copy that is saved, too */
}

nn_status nn_history_create(const nn_history_config *config, uint64_t total_steps, const nn_model *model,
                            nn_history **out) {
  void *memory = NULL, *steps = NULL;
  const uint64_t every = nn_history_every(config, total_steps);
  const size_t capacity = step_rows(every, total_steps);
  NN_TRY(nn_alloc(1, sizeof(nn_history), "history", &memory));
  const nn_status status = nn_alloc(capacity, sizeof(nn_step_row), "history of steps", &steps);
  if (status != NN_OK) {
    nn_free(memory);
    return status;
  }
  nn_history *history = memory;
  history->model = config->weights ? model : NULL;
  history->total_steps = total_steps;
  history->every = every;
  history->steps = steps;
  history->step_capacity = capacity;
  *out = history;
  return NN_OK;
}

void nn_history_destroy(nn_history **history) {
  if (history == NULL || *history == NULL) return;
  nn_free((*history)->steps);
  nn_free((*history)->epochs);
  nn__weight_rows_free((*history)->weights, (*history)->is_snapshot ? 0 : (*history)->weight_count);
  nn_free(*history);
  *history = NULL;
}

static nn_status copy_rows(const void *rows, size_t count, size_t size, void **out) {
  NN_TRY(nn_alloc(count, size, "a copy of the history", out));
  if (count > 0) memcpy(*out, rows, count * size);
  return NN_OK;
}

nn_status nn_history_snapshot(const nn_history *history, nn_history **out) {
  void *memory = NULL, *steps = NULL, *epochs = NULL, *weights = NULL;
  NN_TRY(copy_rows(history, 1, sizeof *history, &memory));
  nn_history *copy = memory;
  nn_status status = copy_rows(history->steps, history->step_count, sizeof *history->steps, &steps);
  if (status == NN_OK) status = copy_rows(history->epochs, history->epoch_count, sizeof *history->epochs, &epochs);
  if (status == NN_OK) status = copy_rows(history->weights, history->weight_count, sizeof *history->weights, &weights);
  copy->steps = steps;
  copy->epochs = epochs;
  copy->weights = weights;
  copy->is_snapshot = true;
  if (status == NN_OK)
    *out = copy;
  else
    nn_history_destroy(&copy);
  return status;
}

/* ---- rows ------------------------------------------------------------------------------------- */

void nn_history_step(nn_history *history, const nn_step_row *row) {
  if (history->every == 0 || row->step == 0 || (row->step - 1) % history->every != 0) return;
  if (history->step_count == history->step_capacity) return;
  NN_ASSERT(history->step_count == 0 || history->steps[history->step_count - 1].step < row->step);
  history->steps[history->step_count++] = *row;
}

nn_status nn_history_epoch(nn_history *history, const nn_epoch_row *row, const float *params) {
  NN_ASSERT(history->epoch_count == 0 || history->epochs[history->epoch_count - 1].epoch < row->epoch);
  void *array = history->epochs;
  NN_TRY(nn__history_reserve(&array, &history->epoch_capacity, history->epoch_count + 1, history->epoch_count,
                             sizeof *row));
  history->epochs = array;
  NN_TRY(nn_history_weights(history, row->epoch, params));
  history->epochs[history->epoch_count++] = *row;
  return NN_OK;
}

nn_status nn_history_weights(nn_history *history, uint64_t epoch, const float *params) {
  if (history->model == NULL) return NN_OK;
  const size_t size = nn_model_param_count(history->model);
  nn__weight_row *last = history->weight_count > 0 ? &history->weights[history->weight_count - 1] : NULL;
  NN_ASSERT(last == NULL || last->epoch <= epoch);
  if (last == NULL || last->epoch < epoch) {
    void *array = history->weights, *copy = NULL;
    NN_TRY(nn__history_reserve(&array, &history->weight_capacity, history->weight_count + 1, history->weight_count,
                               sizeof *last));
    history->weights = array;
    NN_TRY(nn_alloc(size, sizeof(float), "history of weights", &copy));
    last = &history->weights[history->weight_count++];
    *last = (nn__weight_row){.epoch = epoch, .params = copy};
  }
  memcpy(last->params, params, size * sizeof(float));
  return NN_OK;
}

void nn_history_profile(nn_history *history, const nn_profile_row *rows, size_t count, uint64_t steps) {
  history->profile = rows;
  history->profile_count = count;
  history->profile_steps = steps;
}

size_t nn_history_epoch_count(const nn_history *history) {
  return history->epoch_count;
}

const nn_epoch_row *nn_history_epoch_at(const nn_history *history, size_t index) {
  NN_ASSERT(index < history->epoch_count);
  return &history->epochs[index];
}
