/* Histories of every weight and bias. */
#include "history_testing.h"

#include <string.h>

/* Inputs 2, hidden 3, outputs 2. */
typedef struct network {
  nn_registry registry;
  nn_model_config config;
  int64_t hidden[1];
  nn_model *model;
} network;

static void network_make(network *n, int64_t hidden) {
  *n = (network){.hidden = {hidden}};
  nn_layers_register(&n->registry);
  n->config.hidden = (nn_ints){.count = 1, .at = n->hidden};
  assert_ok(nn_choice_default(&nn_layer_find("relu")->schema, &n->registry, &n->config.activation));
  assert_ok(nn_model_create(&n->config, &n->registry, &(nn_shape){.rank = 1, .dims = {2}}, 2, &n->model));
}

static void network_clear(network *n) {
  nn_model_destroy(&n->model);
  nn_choice_clear(&n->config.activation);
}

static const nn_history_config with_weights = {.every = NN_AUTO, .weights = true};

/* Parameter i after an epoch. */
static float weight(size_t i, uint64_t epoch) {
  return (float)i + 1000 * (float)epoch;
}

static void fill(const network *n, uint64_t epoch, float *params) {
  for (size_t i = 0; i < nn_model_param_count(n->model); i++) params[i] = weight(i, epoch);
}

static nn_history *run(const network *n, uint64_t epochs) {
  nn_history *history = NULL;
  float params[256];
  assert_true(nn_model_param_count(n->model) <= 256);
  assert_ok(nn_history_create(&with_weights, 1000, n->model, &history));
  fill(n, 0, params);
  assert_ok(nn_history_weights(history, 0, params));
  for (uint64_t e = 1; e <= epochs; e++) {
    const nn_epoch_row row = epoch_row(e);
    fill(n, e, params);
    assert_ok(nn_history_epoch(history, &row, params));
  }
  return history;
}

/* Every tensor of the file holds what its parameters were, in epochs 0 to `last`. */
static void assert_weights(const network *n, const char *path, uint64_t last) {
  nn_h5_file *file = open_history(path);
  uint64_t epochs[64];
  assert_int_equal(rows_of(file, "weights/epochs"), last + 1);
  assert_ok(nn_h5_read(file, "weights/epochs", NN_H5_U64, last + 1, epochs));
  for (uint64_t e = 0; e <= last; e++) assert_int_equal(epochs[e], e);
  for (size_t t = 0; t < nn_model_tensor_count(n->model); t++) {
    const nn_model_tensor *tensor = nn_model_tensor_at(n->model, t);
    const nn_param *param = tensor->param;
    const size_t size = nn_param_size(param);
    char name[160];
    nn_h5_info info;
    snprintf(name, sizeof name, "weights/%s", tensor->name);
    assert_ok(nn_h5_info_read(file, name, &info));
    assert_int_equal(info.rank, 1 + param->rank);
    for (int d = 0; d < param->rank; d++) assert_int_equal(info.dims[1 + d], param->dims[d]);
    float values[2048];
    assert_true((last + 1) * size <= 2048);
    assert_ok(nn_h5_read(file, name, NN_H5_F32, (last + 1) * size, values));
    for (uint64_t e = 0; e <= last; e++)
      for (size_t i = 0; i < size; i++) assert_true(values[e * size + i] == weight(param->offset + i, e));
  }
  nn_h5_close(&file);
}

static void every_weight_of_every_epoch_is_saved_and_comes_back(void **state) {
  scene *s = *state;
  network n;
  network_make(&n, 3);
  nn_history *before = run(&n, 4), *after = NULL;
  bool found = false;
  assert_ok(nn_history_save(before, at(s, "a.h5")));
  assert_weights(&n, at(s, "a.h5"), 4);
  assert_ok(nn_history_create(&with_weights, 1000, n.model, &after));
  assert_ok(nn_history_restore(after, at(s, "a.h5"), 3 * STEPS_PER_EPOCH + 5, &found));
  assert_true(found);
  assert_ok(nn_history_save(after, at(s, "b.h5")));
  assert_weights(&n, at(s, "b.h5"), 3);
  float params[256];
  const nn_epoch_row row = epoch_row(4);
  fill(&n, 4, params);
  assert_ok(nn_history_epoch(after, &row, params));
  assert_ok(nn_history_save(after, at(s, "b.h5")));
  assert_weights(&n, at(s, "b.h5"), 4);
  nn_history_destroy(&before);
  nn_history_destroy(&after);
  network_clear(&n);
}

static void the_weights_of_an_epoch_can_be_given_again(void **state) {
  scene *s = *state;
  network n;
  network_make(&n, 3);
  nn_history *history = NULL;
  float params[256] = {0};
  assert_ok(nn_history_create(&with_weights, 1000, n.model, &history));
  assert_ok(nn_history_weights(history, 0, params));
  fill(&n, 0, params);
  assert_ok(nn_history_weights(history, 0, params));
  assert_ok(nn_history_save(history, at(s, "a.h5")));
  assert_weights(&n, at(s, "a.h5"), 0);
  nn_history_destroy(&history);
  network_clear(&n);
}

static void the_weights_of_another_network_are_not_taken(void **state) {
  scene *s = *state;
  network three, four;
  network_make(&three, 3);
  network_make(&four, 4);
  nn_history *before = run(&three, 2), *after = NULL;
  bool found = true;
  assert_ok(nn_history_save(before, at(s, "a.h5")));
  assert_ok(nn_history_create(&with_weights, 1000, four.model, &after));
  assert_ok(nn_history_restore(after, at(s, "a.h5"), 1000, &found));
  assert_false(found);
  assert_int_equal(nn_history_epoch_count(after), 0);
  nn_history_destroy(&before);
  nn_history_destroy(&after);
  network_clear(&three);
  network_clear(&four);
}

static void without_weights_in_the_configuration_none_are_kept(void **state) {
  scene *s = *state;
  network n;
  network_make(&n, 3);
  nn_history *history = NULL, *with = run(&n, 2);
  const nn_history_config none = {.every = NN_AUTO};
  float params[256] = {0};
  bool found = false;
  assert_ok(nn_history_save(with, at(s, "a.h5")));
  assert_ok(nn_history_create(&none, 1000, n.model, &history));
  assert_ok(nn_history_weights(history, 0, params));
  assert_ok(nn_history_restore(history, at(s, "a.h5"), 1000, &found));
  assert_true(found);
  assert_ok(nn_history_save(history, at(s, "b.h5")));
  nn_h5_file *file = open_history(at(s, "b.h5"));
  assert_false(nn_h5_has(file, "weights"));
  nn_h5_close(&file);
  assert_true(nn_history_bytes(&none, 10, 5, n.model) < nn_history_bytes(&with_weights, 10, 5, n.model));
  nn_history_destroy(&history);
  nn_history_destroy(&with);
  network_clear(&n);
}

static void weights_that_are_saved_can_be_drawn(void **state) {
  scene *s = *state;
  network n;
  network_make(&n, 3);
  nn_history *history = run(&n, 4);
  assert_ok(nn_history_save(history, at(s, "history.h5")));
  assert_drawn(s, "--weights");
  nn_history_destroy(&history);
  network_clear(&n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_weight_of_every_epoch_is_saved_and_comes_back),
      cmocka_unit_test(the_weights_of_an_epoch_can_be_given_again),
      cmocka_unit_test(the_weights_of_another_network_are_not_taken),
      cmocka_unit_test(weights_that_are_saved_can_be_drawn),
      cmocka_unit_test(without_weights_in_the_configuration_none_are_kept),
  };
  return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
