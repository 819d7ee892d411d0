/* train.diverge: loss or gradients that are not finite. Run at 1 and 3 ranks. */
#include "train_testing.h"

static char data_path[300];

static int open_blobs(void **state) {
  if (nn_test_open_scratch(state) != 0) return -1;
  nn_comm *comm = *state;
  snprintf(data_path, sizeof data_path, "%s/blobs.h5", nn_scratch);
  if (nn_comm_rank(comm) == 0) nn_test_write_blobs(data_path, 120, 30, 12, 4);
  return nn_comm_barrier(comm) == NN_OK ? 0 : -1;
}

/* Two epochs of six steps. */
static nn_status train(nn_comm *comm, const char *run, const char *model, const char *train, const char *fault,
                       nn_train_result *result) {
  char yaml[2048];
  snprintf(yaml, sizeof yaml,
           "run: {name: %s, folder: %s/runs, seed: 3}\ndata: {file: %s, scale: 255}\nmodel: {%s}\n"
           "train: {epochs: 2, batch_size: 20, %s}\n"
           "parallel: {virtual_ranks: 3}\ncheckpoint: {every_steps: 4, every_epochs: 0}\n",
           run, nn_scratch, data_path, model, train);
  if (fault != NULL) setenv("NNMPI_FAULT", fault, 1);
  const nn_status status = nn_test_train(comm, yaml, NULL, result);
  unsetenv("NNMPI_FAULT");
  nn_test_same_everywhere(comm, status);
  return status;
}

static uint64_t state_of(nn_comm *comm, const nn_train_result *result) {
  nn_checkpoint_digests digests = {0};
  nn_checkpoint *checkpoint = NULL;
  if (nn_comm_rank(comm) == 0) {
    assert_int_equal(nn_checkpoint_open(result->checkpoint, &checkpoint), NN_OK);
    assert_int_equal(nn_checkpoint_digest(checkpoint, &digests), NN_OK);
    nn_checkpoint_close(&checkpoint);
  }
  return digests.state;
}

static void assert_said(nn_comm *comm, const char *words) {
  if (nn_comm_rank(comm) == 0 && strstr(nn_error_last()->message, words) == NULL)
    fail_msg("'%s' does not say '%s'", nn_error_last()->message, words);
}

static const char *const plain = "loss: cross_entropy, optimizer: {name: adam, lr: 0.01}";

static void a_broken_gradient_on_any_rank_stops_all_before_the_update(void **state) {
  nn_comm *comm = *state;
  nn_train_result result, whole;
  assert_int_equal(train(comm, "whole", "hidden: [5]", plain, NULL, &whole), NN_OK);
  for (int rank = 0; rank < nn_comm_size(comm); rank++) {
    char run[32], fault[32];
    snprintf(run, sizeof run, "broken-%d", rank);
    snprintf(fault, sizeof fault, "gradient:5@%d", rank);
    assert_int_equal(train(comm, run, "hidden: [5]", plain, fault, &result), NN_ERR_DIVERGED);
    assert_int_equal(result.steps, 5);
    assert_said(comm,
                "epoch 1, step 6: the gradient is not finite, first that of 'layers.0.weight' in layer 'layers.0'");
    assert_said(comm, "the last good checkpoint is ");
    assert_said(comm, "step-000000004.h5");
    assert_int_equal(train(comm, run, "hidden: [5]", plain, NULL, &result), NN_OK);
    assert_int_equal(state_of(comm, &result), state_of(comm, &whole));
  }
}

static void a_step_is_skipped_alike_whichever_rank_it_breaks_on(void **state) {
  nn_comm *comm = *state;
  nn_train_result result, first;
  const char *skipping = "loss: cross_entropy, on_divergence: skip, optimizer: {name: adam, lr: 0.01}";
  uint64_t before = 0;
  for (int rank = 0; rank < nn_comm_size(comm); rank++) {
    char run[32], fault[32];
    snprintf(run, sizeof run, "skip-%d", rank);
    snprintf(fault, sizeof fault, "gradient:5@%d", rank);
    assert_int_equal(train(comm, run, "hidden: [5]", skipping, fault, &result), NN_OK);
    assert_int_equal(result.steps, 12);
    if (rank > 0) assert_int_equal(state_of(comm, &result), before);
    before = state_of(comm, &result);
  }
  assert_int_equal(train(comm, "whole", "hidden: [5]", plain, NULL, &first), NN_OK);
  if (nn_comm_rank(comm) == 0) assert_int_not_equal(state_of(comm, &first), before);
}

static void the_layer_whose_output_broke_first_is_named(void **state) {
  nn_comm *comm = *state;
  nn_train_result result;
  const char *hot = "loss: cross_entropy, optimizer: {name: sgd, lr: 1e22}";
  const char *model =
      "layers: [{dense: {units: 5, name: low}}, relu, {dense: {units: 5, name: high}}, {dense: {name: out}}]";
  assert_int_equal(train(comm, "hot", model, hot, NULL, &result), NN_ERR_DIVERGED);
  assert_said(comm, "step 2: the loss is not finite, and before it the output of layer 'high'");
  assert_said(comm, "there is no checkpoint yet");
  if (nn_comm_rank(comm) == 0) assert_null(strstr(nn_error_last()->message, "normalize")); /* there is a data.scale */
}

static void raw_inputs_and_targets_are_pointed_at(void **state) {
  nn_comm *comm = *state;
  nn_train_result result;
  static const char *const said[] = {"a warm-up, data.normalize and data.normalize_targets: standard",
                                     "a warm-up, data.normalize_targets: standard",
                                     "a warm-up, data.normalize: standard"};
  static const char *const data[] = {"target: value", "target: value, normalize: standard",
                                     "target: value, normalize_targets: standard"};
  for (size_t i = 0; i < 3; i++) {
    char yaml[1024];
    snprintf(yaml, sizeof yaml,
             "run: {name: raw-%zu, folder: %s/runs}\ndata: {file: %s, %s}\nmodel: {hidden: [5]}\n"
             "train: {epochs: 9, batch_size: 20, loss: mse, optimizer: {name: sgd, lr: 1e22}}\n"
             "parallel: {virtual_ranks: 3}\n",
             i, nn_scratch, data_path, data[i]);
    assert_int_equal(nn_test_train(comm, yaml, NULL, &result), NN_ERR_DIVERGED);
    assert_said(comm, said[i]);
  }
}

/* The update itself ran over: that is nothing to skip, and nothing to save. */
static void parameters_that_are_not_finite_are_neither_saved_nor_skipped(void **state) {
  nn_comm *comm = *state;
  nn_train_result result;
  const char *hot = "loss: cross_entropy, on_divergence: skip, optimizer: {name: sgd, lr: 1e300}";
  assert_int_equal(train(comm, "burnt", "hidden: [5]", hot, NULL, &result), NN_ERR_DIVERGED);
  assert_int_equal(result.steps, 1);
  assert_said(comm, "step 2: the parameters '");
  assert_said(comm, "are not finite after the step before");
  char yaml[1024];
  snprintf(yaml, sizeof yaml,
           "run: {name: last, folder: %s/runs}\ndata: {file: %s}\nmodel: {hidden: [5]}\n"
           "train: {epochs: 1, batch_size: 120, loss: cross_entropy, optimizer: {name: sgd, lr: 1e300}}\n",
           nn_scratch, data_path);
  const nn_status status = nn_test_train(comm, yaml, NULL, &result);
  nn_test_same_everywhere(comm, status);
  assert_int_equal(status, NN_ERR_DIVERGED);
  assert_int_equal(result.checkpoint[0], '\0');
}

static void skipping_for_ever_is_a_divergence(void **state) {
  nn_comm *comm = *state;
  char yaml[1024];
  nn_train_result result;
  snprintf(yaml, sizeof yaml,
           "run: {name: never, folder: %s/runs}\ndata: {file: %s}\nmodel: {hidden: [5]}\n"
           "train: {epochs: 40, batch_size: 20, loss: cross_entropy, on_divergence: skip, optimizer: sgd}\n",
           nn_scratch, data_path);
  setenv("NNMPI_FAULT", "gradient@0", 1);
  const nn_status status = nn_test_train(comm, yaml, NULL, &result);
  unsetenv("NNMPI_FAULT");
  assert_int_equal(status, NN_ERR_DIVERGED);
  assert_int_equal(result.steps, 99);
  assert_said(comm, "step 100: ");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_broken_gradient_on_any_rank_stops_all_before_the_update),
      cmocka_unit_test(a_step_is_skipped_alike_whichever_rank_it_breaks_on),
      cmocka_unit_test(the_layer_whose_output_broke_first_is_named),
      cmocka_unit_test(raw_inputs_and_targets_are_pointed_at),
      cmocka_unit_test(parameters_that_are_not_finite_are_neither_saved_nor_skipped),
      cmocka_unit_test(skipping_for_ever_is_a_divergence),
  };
  return cmocka_run_group_tests(tests, open_blobs, nn_test_close_scratch);
}
