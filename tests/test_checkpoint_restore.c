/* What is saved comes back bit for bit, and only into the same network. */
#include "checkpoint_testing.h"

#include "h5io/h5io_count.h"

static void everything_comes_back_bit_for_bit(void **state) {
  scene *s = *state;
  small_run r;
  nn_checkpoint *c = NULL;
  small_begin(&r);
  r.normalizer.width = 12;
  r.normalizer.mean = new_floats(12);
  r.normalizer.inverse_deviation = new_floats(12);
  for (size_t i = 0; i < 12; i++) {
    r.normalizer.mean[i] = 0.1f * (float)i;
    r.normalizer.inverse_deviation[i] = 1 / (float)(i + 3);
  }
  const size_t bytes = nn_model_param_count(r.model) * sizeof(float);
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "whole.h5")));
  assert_ok(nn_checkpoint_open(s->path, &c));

  assert_string_equal(nn_checkpoint_config_text(c), r.text.at);
  nn_text signature = {0};
  assert_ok(nn_model_signature(r.model, &signature));
  assert_string_equal(nn_checkpoint_signature(c), signature.at);
  nn_text_clear(&signature);
  const nn_progress_state *p = nn_checkpoint_progress(c);
  assert_true(p->step == 23 && p->epoch == 2 && p->position == 24);
  assert_true(p->best_epoch == 1 && p->best_step == 10 && p->stale == 1 && !p->stopped_early);
  assert_memory_equal(&p->best_value, &r.progress.best_value, sizeof p->best_value);
  assert_memory_equal(p->epoch_sums, r.progress.epoch_sums, sizeof p->epoch_sums);
  assert_int_equal(nn_checkpoint_virtual_ranks(c), 4);
  assert_true(nn_checkpoint_data_digest(c) == r.parts.data_digest);
  assert_int_equal(nn_checkpoint_shape(c)->rank, 2);
  assert_int_equal(nn_checkpoint_shape(c)->dims[0], 6);
  assert_int_equal(nn_checkpoint_shape(c)->dims[1], 2);
  const nn_target_info *target = nn_checkpoint_target(c);
  assert_true(target->classes && target->width == 3);
  for (size_t i = 0; i < 3; i++) assert_string_equal(target->names[i], animals[i]);
  const nn_normalizer *n = nn_checkpoint_normalizer(c);
  assert_true(n->scale == 255 && n->width == 12 && n->target_mean == NULL);
  assert_memory_equal(n->mean, r.normalizer.mean, 12 * sizeof(float));
  assert_memory_equal(n->inverse_deviation, r.normalizer.inverse_deviation, 12 * sizeof(float));

  small_run again;
  small_begin(&again);
  memset(again.params, 0, bytes);
  for (int k = 0; k < nn_optim_slot_count(again.optim); k++) memset(nn_optim_slot(again.optim, k), 0, bytes);
  assert_int_equal(nn_optim_slot_count(again.optim), 2);
  assert_ok(nn_checkpoint_restore(c, again.model, again.params, again.optim));
  assert_memory_equal(again.params, r.params, bytes);
  for (int k = 0; k < 2; k++) assert_memory_equal(nn_optim_slot(again.optim, k), nn_optim_slot(r.optim, k), bytes);

  nn_history *history = NULL;
  assert_ok(nn_history_create(&r.config->history, 30, NULL, &history));
  assert_ok(nn_checkpoint_read_epochs(c, history));
  assert_int_equal(nn_history_epoch_count(history), 2);
  const nn_epoch_row *row = nn_history_epoch_at(history, 1);
  assert_true(row->epoch == 2 && row->step == 20 && row->train.loss == 0.25 && isnan(row->valid.loss));
  nn_history_destroy(&history);
  nn_checkpoint_close(&c);
  assert_null(c);
  run_end(&again);
  run_end(&r);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void targets_and_progress_at_their_edges_come_back(void **state) {
  scene *s = *state;
  small_run r;
  nn_checkpoint *c = NULL;
  void *memory = NULL;
  run_begin(&r,
            "run: {name: values}\ndata: {file: small.h5}\nmodel: {hidden: [], activation: relu}\n"
            "train: {loss: mse, epochs: 3, batch_size: 8, optimizer: {name: sgd, lr: 0.1}}\n",
            (nn_shape){.rank = 1, .dims = {3}}, (nn_target_info){.width = 2});
  r.normalizer.scale = 1;
  r.normalizer.target_width = 2;
  assert_ok(nn_alloc(2, sizeof(double), "mean", &memory));
  r.normalizer.target_mean = memory;
  assert_ok(nn_alloc(2, sizeof(double), "deviation", &memory));
  r.normalizer.target_deviation = memory;
  r.normalizer.target_mean[1] = 0.1;
  r.normalizer.target_deviation[0] = 1e-300;
  r.normalizer.target_deviation[1] = 3;
  r.progress = (nn_progress_state){.step = (uint64_t)INT64_MAX, .best_value = (double)NAN, .stopped_early = true};
  r.parts.optim = NULL;
  r.parts.history = NULL;
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "values.h5")));
  assert_ok(nn_checkpoint_open(s->path, &c));
  const nn_progress_state *p = nn_checkpoint_progress(c);
  assert_true(p->step == (uint64_t)INT64_MAX && isnan(p->best_value) && p->stopped_early);
  const nn_normalizer *n = nn_checkpoint_normalizer(c);
  assert_memory_equal(n->target_mean, r.normalizer.target_mean, 2 * sizeof(double));
  assert_memory_equal(n->target_deviation, r.normalizer.target_deviation, 2 * sizeof(double));
  assert_null(nn_checkpoint_target(c)->names);
  assert_fails(nn_checkpoint_restore(c, r.model, r.params, r.optim), NN_ERR_CHECKPOINT, "values.h5",
               "no state of an optimizer");
  assert_ok(nn_checkpoint_restore(c, r.model, r.params, NULL));
  assert_ok(nn_checkpoint_read_epochs(c, r.history));
  assert_int_equal(nn_history_epoch_count(r.history), 2); /* as before: the checkpoint has none */
  nn_checkpoint_close(&c);
  run_end(&r);
}

static void the_same_state_gives_the_same_file(void **state) {
  scene *s = *state;
  char *bytes[2];
  size_t count[2];
  for (int round = 0; round < 2; round++) {
    small_run r;
    small_begin(&r);
    assert_ok(nn_checkpoint_save(&r.parts, at(s, "same.h5")));
    assert_ok(nn_file_read(s->path, 1 << 20, &bytes[round], &count[round]));
    run_end(&r);
  }
  assert_int_equal(count[0], count[1]);
  assert_memory_equal(bytes[0], bytes[1], count[0]);
  nn_free(bytes[0]);
  nn_free(bytes[1]);
}

/* ---- other networks ----------------------------------------------------------------------------------- */

static void restore_fails(scene *s, const char *config, nn_shape shape, size_t outputs, const char *word1,
                          const char *word2, const char *word3) {
  small_run r, other;
  nn_checkpoint *c = NULL;
  small_begin(&r);
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "first.h5")));
  assert_ok(nn_checkpoint_open(s->path, &c));
  run_begin(&other, config, shape, (nn_target_info){.classes = true, .width = outputs});
  float *before = new_floats(nn_model_param_count(other.model));
  memcpy(before, other.params, nn_model_param_count(other.model) * sizeof(float));
  assert_fails(nn_checkpoint_restore(c, other.model, other.params, other.optim), NN_ERR_CHECKPOINT, "first.h5", word1,
               word2, word3);
  assert_memory_equal(before, other.params, nn_model_param_count(other.model) * sizeof(float));
  nn_free(before);
  nn_checkpoint_close(&c);
  run_end(&other);
  run_end(&r);
}

static void another_network_is_refused_naming_the_first_difference(void **state) {
  scene *s = *state;
  const nn_shape in = {.rank = 2, .dims = {6, 2}};
#define ADAM "{name: adam, lr: 0.001}"
  restore_fails(s, SMALL_CONFIG("[7, 4]", "relu", ADAM), in, 3, "another network", "layers.2.weight",
                "[5, 7] there and [4, 7] here");
  restore_fails(s, SMALL_CONFIG("[7, 5]", "relu", ADAM), (nn_shape){.rank = 1, .dims = {13}}, 3, "another network",
                "layers.0.weight", "[7, 12] there and [7, 13] here");
  restore_fails(s, SMALL_CONFIG("[7, 5, 5]", "relu", ADAM), in, 3, "another network", "layers.4.weight",
                "[3, 5] there and [5, 5] here");
  restore_fails(s, SMALL_CONFIG("[7, 5]", "tanh", ADAM), in, 3, "another network", "layers.1 relu", "layers.1 tanh");
  restore_fails(s, SMALL_CONFIG("[7, 5]", "relu", "{name: sgd, lr: 0.1}"), in, 3, "optimizer adam", "sgd", "continue");
  restore_fails(s,
                "run: {name: small}\ndata: {file: small.h5}\n"
                "model: {layers: [{dense: {units: 7}}, relu: {}, {dense: {units: 5}}, relu, {dense: {name: head}}]}\n"
                "train: {loss: cross_entropy, epochs: 3, batch_size: 8, optimizer: adam}\n",
                in, 3, "another network", "head.weight", "missing there and [3, 5] here");
  restore_fails(s,
                "run: {name: small}\ndata: {file: small.h5}\nmodel: {layers: [{dense: {units: 7}}, relu, dense]}\n"
                "train: {loss: cross_entropy, epochs: 3, batch_size: 8, optimizer: adam}\n",
                in, 5, "another network", "layers.4.bias", "[3] there and missing here");
#undef ADAM
}

static void taking_reports_every_tensor(void **state) {
  scene *s = *state;
  small_run r, other;
  nn_checkpoint *c = NULL;
  nn_text report = {0};
  small_begin(&r);
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "first.h5")));
  assert_ok(nn_checkpoint_open(s->path, &c));
  run_begin(&other,
            "run: {name: small}\ndata: {file: small.h5}\n"
            "model: {layers: [{dense: {units: 7}}, tanh, {dense: {units: 6}}, tanh, {dense: {name: head}}]}\n"
            "train: {loss: cross_entropy, epochs: 3, batch_size: 8, optimizer: sgd}\n",
            r.shape, r.target);
  memset(other.params, 0, nn_model_param_count(other.model) * sizeof(float));
  assert_ok(nn_checkpoint_take(c, other.model, other.params, &report));
  assert_string_equal(report.at, "  layers.0.weight: taken, [7, 12]\n"
                                 "  layers.0.bias: taken, [7]\n"
                                 "  layers.2.weight: not taken, it is [5, 7] there and [6, 7] here\n"
                                 "  layers.2.bias: not taken, it is [5] there and [6] here\n"
                                 "  head.weight: not in the checkpoint\n"
                                 "  head.bias: not in the checkpoint\n"
                                 "  layers.4.bias: only in the checkpoint, [3]\n"
                                 "  layers.4.weight: only in the checkpoint, [3, 5]\n");
  const nn_param *mine = nn_model_tensor_at(other.model, 0)->param, *theirs = nn_model_tensor_at(r.model, 0)->param;
  assert_memory_equal(other.params + mine->offset, r.params + theirs->offset, 84 * sizeof(float));
  const nn_param *bias = nn_model_tensor_at(other.model, 3)->param;
  for (size_t i = 0; i < 6; i++) assert_true(other.params[bias->offset + i] == 0);
  nn_text_clear(&report);
  run_end(&other);

  run_begin(&other, SMALL_CONFIG("[9]", "relu", "sgd"), (nn_shape){.rank = 1, .dims = {2}}, r.target);
  assert_fails(nn_checkpoint_take(c, other.model, other.params, &report), NN_ERR_CHECKPOINT, "first.h5", "none",
               "layers.0.weight: not taken, it is [7, 12] there and [9, 2] here");
  nn_text_clear(&report);
  run_end(&other);
  nn_checkpoint_close(&c);
  run_end(&r);
  assert_int_equal(nn__h5_open_count(), 0);
}

/* ---- digests ------------------------------------------------------------------------------------------- */

static nn_checkpoint_digests digests_of(scene *s, const small_run *r) {
  nn_checkpoint *c = NULL;
  nn_checkpoint_digests digests;
  assert_ok(nn_checkpoint_save(&r->parts, at(s, "digest.h5")));
  assert_ok(nn_checkpoint_open(s->path, &c));
  assert_ok(nn_checkpoint_digest(c, &digests));
  nn_checkpoint_close(&c);
  return digests;
}

static void digests_tell_states_apart_and_nothing_else(void **state) {
  scene *s = *state;
  small_run r;
  small_begin(&r);
  const nn_checkpoint_digests first = digests_of(s, &r);
  r.parts.config = "run: {name: elsewhere}\n"; /* neither paths nor ranks nor seconds */
  r.parts.virtual_ranks = 8;
  r.parts.data_digest = 1;
  r.parts.history = NULL;
  nn_checkpoint_digests d = digests_of(s, &r);
  assert_true(d.parameters == first.parameters && d.optimizer == first.optimizer && d.state == first.state);

  const nn_model_tensor *last = nn_model_tensor_at(r.model, nn_model_tensor_count(r.model) - 1);
  float *value = &r.params[last->param->offset + nn_param_size(last->param) - 1];
  const float kept = *value;
  *value = nextafterf(kept, 10);
  d = digests_of(s, &r);
  assert_true(d.parameters != first.parameters && d.optimizer == first.optimizer && d.state != first.state);
  *value = kept;
  value = &nn_optim_slot(r.optim, 1)[last->param->offset];
  *value = nextafterf(*value, 10);
  d = digests_of(s, &r);
  assert_true(d.parameters == first.parameters && d.optimizer != first.optimizer && d.state != first.state);
  r.parts.optim = NULL;
  d = digests_of(s, &r);
  assert_true(d.parameters == first.parameters && d.optimizer != first.optimizer && d.state != first.state);
  run_end(&r);
  small_begin(&r);
  r.progress.step++;
  d = digests_of(s, &r);
  assert_true(d.parameters == first.parameters && d.optimizer == first.optimizer && d.state != first.state);
  run_end(&r);
}

/* ---- failing to write ------------------------------------------------------------------------------------ */

static void a_failed_save_leaves_what_was_there(void **state) {
  scene *s = *state;
  small_run r;
  char *before = NULL, *after = NULL;
  size_t count = 0, count_after = 0;
  small_begin(&r);
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "kept.h5")));
  assert_ok(nn_file_read(s->path, 1 << 20, &before, &count));
  fill_arena(r.model, 8, r.params);
  setenv("NNMPI_FAULT", "checkpoint:23@0", 1);
  assert_fails(nn_checkpoint_save(&r.parts, s->path), NN_ERR_IO, "kept.h5", "cannot be written");
  setenv("NNMPI_FAULT", "checkpoint:24@0", 1);
  assert_ok(nn_file_read(s->path, 1 << 20, &after, &count_after));
  assert_int_equal(count, count_after);
  assert_memory_equal(before, after, count);
  assert_ok(nn_checkpoint_save(&r.parts, s->path)); /* another step's fault is not ours */
  unsetenv("NNMPI_FAULT");
  nn_free(after);
  assert_ok(nn_file_read(s->path, 1 << 20, &after, &count_after));
  assert_true(count != count_after || memcmp(before, after, count) != 0);
  assert_fails(nn_checkpoint_save(&r.parts, at(s, "no/such/folder.h5")), NN_ERR_IO, "no/such/folder.h5");
  nn_free(before);
  nn_free(after);
  run_end(&r);
  assert_int_equal(nn__h5_open_count(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everything_comes_back_bit_for_bit),
      cmocka_unit_test(targets_and_progress_at_their_edges_come_back),
      cmocka_unit_test(the_same_state_gives_the_same_file),
      cmocka_unit_test(another_network_is_refused_naming_the_first_difference),
      cmocka_unit_test(taking_reports_every_tensor),
      cmocka_unit_test(digests_tell_states_apart_and_nothing_else),
      cmocka_unit_test(a_failed_save_leaves_what_was_there),
  };
  return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
