/* train.run: training over ranks, from the start and continued. Run at 1, 2, 3 and 4 ranks. */
#include "train_testing.h"

static char data_path[300];

static int open_blobs(void **state) {
  if (nn_test_open_scratch(state) != 0) return -1;
  nn_comm *comm = *state;
  unsetenv("OMP_NUM_THREADS"); /* the configurations say how many threads */
  snprintf(data_path, sizeof data_path, "%s/blobs.h5", nn_scratch);
  if (nn_comm_rank(comm) == 0) nn_test_write_blobs(data_path, 205, 61, 12, 4);
  return nn_comm_barrier(comm) == NN_OK ? 0 : -1;
}

/* `who` keeps runs apart that would share a folder. */
static void configure(char yaml[2048], const char *run, const char *who, const char *model, const char *train,
                      const char *rest) {
  snprintf(yaml, 2048,
           "run: {name: %s%s, folder: %s/runs, seed: 3}\n"
           "data: {file: %s, scale: 255, valid: test}\n"
           "model: {%s}\n"
           "train: {loss: cross_entropy, batch_size: 20, %s}\n"
           "%s\n",
           run, who, nn_scratch, data_path, model, train, rest);
}

static void folder_of(char folder[600], const char *run, const char *who) {
  snprintf(folder, 600, "%s/runs/%s%s", nn_scratch, run, who);
}

/* Digests of the newest checkpoint of a run. */
static nn_checkpoint_digests digests_of(const char *run, const char *who) {
  char folder[600];
  nn_checkpoint *checkpoint = NULL;
  nn_checkpoint_digests digests = {0};
  nn_text report = {0};
  folder_of(folder, run, who);
  assert_int_equal(nn_checkpoint_newest(folder, &report, &checkpoint), NN_OK);
  assert_non_null(checkpoint);
  assert_int_equal(nn_checkpoint_digest(checkpoint, &digests), NN_OK);
  nn_checkpoint_close(&checkpoint);
  nn_text_clear(&report);
  return digests;
}

static void a_small_network_learns_to_tell_the_classes_apart(void **state) {
  nn_comm *comm = *state;
  char yaml[2048];
  nn_train_result result;
  configure(yaml, "learns", "", "hidden: [16]", "epochs: 10, optimizer: {name: sgd, lr: 0.2, momentum: 0.9}", "");
  const nn_status status = nn_test_train(comm, yaml, NULL, &result);
  nn_test_same_everywhere(comm, status);
  assert_int_equal(status, NN_OK);
  assert_false(result.was_finished);
  assert_int_equal(result.epochs, 10);
  assert_int_equal(result.steps, 110);
  assert_true(result.train.loss < 0.2);
  assert_true(result.test.accuracy > 0.9);
  assert_true(result.test.accuracy == result.valid.accuracy); /* valid: test */
}

/* Of 61 test samples 16 have label 0, and 15 each label 1, 2, 3. */
static void of_equal_outputs_the_first_is_the_answer(void **state) {
  nn_comm *comm = *state;
  char yaml[2048];
  nn_train_result result;
  configure(yaml, "equal", "", "hidden: [3], init: zeros", "epochs: 1, top_k: 2, optimizer: {name: sgd, lr: 0}", "");
  assert_int_equal(nn_test_train(comm, yaml, NULL, &result), NN_OK);
  assert_true(fabs(result.test.accuracy - 16.0 / 61) < 1e-12);
  assert_true(fabs(result.test.top_k - 31.0 / 61) < 1e-12);
}

/* As where ranks share sockets unevenly. Layers have enough blocks to be divided each by itself for some of
 * these numbers of threads, not for others. */
static void ranks_may_have_different_numbers_of_threads(void **state) {
  nn_comm *comm = *state;
  char yaml[2048];
  nn_checkpoint_digests digests[2];
  for (int uneven = 0; uneven < 2; uneven++) {
    const char *run = uneven ? "uneven" : "even";
    configure(yaml, run, "", "hidden: [300, 200, 200]", "epochs: 1, clip_norm: 1, optimizer: {name: sgd, lr: 0.1}",
              "parallel: {virtual_ranks: 4}");
    setenv("OMP_NUM_THREADS", uneven && nn_comm_rank(comm) % 2 == 1 ? "5" : "1", 1);
    assert_int_equal(nn_test_train(comm, yaml, NULL, NULL), NN_OK);
    unsetenv("OMP_NUM_THREADS");
    assert_int_equal(nn_comm_barrier(comm), NN_OK);
    digests[uneven] = digests_of(run, "");
  }
  assert_true(digests[0].parameters == digests[1].parameters);
}

static void every_file_of_a_run_is_there(void **state) {
  static const char *const names[] = {"config.yaml", "metrics.csv",         "summary.json",
                                      "history.h5",  "checkpoints/best.h5", "checkpoints/step-000000110.h5"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[700];
    struct stat about;
    snprintf(path, sizeof path, "%s/runs/learns/%s", nn_scratch, names[i]);
    if (stat(path, &about) != 0) fail_msg("%s is missing", path);
    assert_true(about.st_size > 0);
  }
}

static void the_same_command_again_says_that_the_run_is_finished(void **state) {
  nn_comm *comm = *state;
  char yaml[2048];
  nn_train_result result;
  configure(yaml, "learns", "", "hidden: [16]", "epochs: 10, optimizer: {name: sgd, lr: 0.2, momentum: 0.9}", "");
  assert_int_equal(nn_test_train(comm, yaml, NULL, &result), NN_OK);
  assert_true(result.was_finished);
  assert_int_equal(result.steps, 110);
  if (nn_comm_rank(comm) == 0) assert_true(result.train.loss < 0.2);
  assert_true(result.test.accuracy > 0.9);
}

static void another_configuration_is_refused_with_the_difference(void **state) {
  nn_comm *comm = *state;
  char yaml[2048];
  configure(yaml, "learns", "", "hidden: [17]", "epochs: 10, optimizer: {name: sgd, lr: 0.2, momentum: 0.9}", "");
  const nn_status status = nn_test_train(comm, yaml, NULL, NULL);
  nn_test_same_everywhere(comm, status);
  assert_int_equal(status, NN_ERR_CHECKPOINT);
  assert_non_null(strstr(nn_error_last()->message, "model.hidden: [16] -> [17]"));
  assert_non_null(strstr(nn_error_last()->message, "--restart"));
}

static void restart_keeps_the_old_run_aside(void **state) {
  nn_comm *comm = *state;
  char yaml[2048], folder[600], aside[700];
  struct stat about;
  const nn_train_options options = {.restart = true};
  nn_train_result result;
  configure(yaml, "learns", "", "hidden: [17]", "epochs: 1, optimizer: {name: sgd, lr: 0.2}", "");
  assert_int_equal(nn_test_train(comm, yaml, &options, &result), NN_OK);
  assert_false(result.was_finished);
  assert_int_equal(result.steps, 11);
  folder_of(folder, "learns", "");
  snprintf(aside, sizeof aside, "%s.old-1/checkpoints/step-000000110.h5", folder);
  assert_int_equal(stat(aside, &about), 0);
}

typedef struct variety {
  const char *name, *model, *train, *parallel;
} variety;

static const variety varieties[] = {
    {"sgd", "hidden: [16, 8]", "epochs: 3, optimizer: {name: sgd, lr: 0.1}", ""},
    {"momentum", "hidden: [16]", "epochs: 3, optimizer: {name: sgd, lr: 0.1, momentum: 0.9, nesterov: true}", ""},
    {"adam", "hidden: [16], activation: gelu", "epochs: 3, optimizer: {name: adam, lr: 0.01}", ""},
    {"adamw", "hidden: [16], activation: tanh", "epochs: 3, optimizer: {name: adamw, lr: 0.01}, clip_norm: 0.5", ""},
    {"rmsprop", "hidden: [16], activation: sigmoid", "epochs: 3, optimizer: {name: rmsprop, lr: 0.01}", ""},
    {"dropout", "layers: [{dense: {units: 16}}, relu, {dropout: {rate: 0.3}}, dense]",
     "epochs: 3, optimizer: {name: sgd, lr: 0.1}, schedule: {name: cosine, warmup_epochs: 1}", ""},
    {"tree", "hidden: [16]", "epochs: 2, optimizer: {name: sgd, lr: 0.1}", ", reduction: tree"},
};

/* Four virtual ranks on this job's ranks, and on one process: byte for byte the same, with a short last batch of 5. */
static void the_result_does_not_depend_on_ranks_or_threads(void **state) {
  nn_comm *comm = *state;
  for (size_t i = 0; i < sizeof varieties / sizeof *varieties; i++) {
    const variety *v = &varieties[i];
    char yaml[2048], parallel[200], who[32];
    snprintf(parallel, sizeof parallel, "parallel: {virtual_ranks: 4, threads: 1%s}", v->parallel);
    configure(yaml, v->name, "-all", v->model, v->train, parallel);
    assert_int_equal(nn_test_train(comm, yaml, NULL, NULL), NN_OK);
    snprintf(who, sizeof who, "-%d", nn_comm_rank(comm));
    configure(yaml, v->name, who, v->model, v->train, "parallel: {virtual_ranks: 4, threads: 2}");
    assert_int_equal(nn_test_train(NULL, yaml, NULL, NULL), NN_OK);
    const nn_checkpoint_digests all = digests_of(v->name, "-all"), alone = digests_of(v->name, who);
    if (all.state != alone.state) fail_msg("%s: %d ranks and one process differ", v->name, nn_comm_size(comm));
    assert_int_equal(all.parameters, alone.parameters);
    assert_int_equal(all.optimizer, alone.optimizer);
    assert_int_equal(nn_comm_barrier(comm), NN_OK);
  }
}

/* A stop in the middle of an epoch, asked for on the last rank only. */
static void a_stopped_run_continues_to_the_same_bits(void **state) {
  nn_comm *comm = *state;
  char yaml[2048];
  const char *train = "epochs: 3, optimizer: {name: adam, lr: 0.01}";
  const char *rest = "parallel: {virtual_ranks: 4}\ncheckpoint: {every_steps: 4, every_epochs: 0, keep: 1}";
  volatile sig_atomic_t stop = nn_comm_rank(comm) == nn_comm_size(comm) - 1;
  const nn_train_options stopping = {.stop = &stop};
  nn_train_result result;
  configure(yaml, "stopped", "", "hidden: [16]", train, rest);
  for (uint64_t step = 1; step <= 5; step++) {
    const nn_status status = nn_test_train(comm, yaml, &stopping, &result);
    nn_test_same_everywhere(comm, status);
    assert_int_equal(status, NN_STOPPED);
    assert_int_equal(result.steps, step); /* one step each time, then the request is seen */
  }
  assert_int_equal(nn_test_train(comm, yaml, NULL, &result), NN_OK);
  assert_int_equal(result.steps, 33);
  configure(yaml, "whole", "", "hidden: [16]", train, rest);
  assert_int_equal(nn_test_train(comm, yaml, NULL, NULL), NN_OK);
  assert_int_equal(digests_of("stopped", "").state, digests_of("whole", "").state);
}

static void early_stopping_ends_a_run_that_gets_no_better(void **state) {
  nn_comm *comm = *state;
  char yaml[2048];
  nn_train_result result;
  configure(yaml, "early", "", "hidden: [16]", "epochs: 50, optimizer: {name: sgd, lr: 0}, early_stop: {patience: 3}",
            "");
  assert_int_equal(nn_test_train(comm, yaml, NULL, &result), NN_OK);
  assert_true(result.stopped_early);
  assert_int_equal(result.epochs, 4);
  assert_int_equal(result.best_epoch, 1);
}

static void no_epochs_leave_a_checkpoint_of_the_initial_weights(void **state) {
  nn_comm *comm = *state;
  char yaml[2048];
  nn_train_result result;
  configure(yaml, "zero", "", "hidden: [4]", "epochs: 0, optimizer: {name: sgd, lr: 0.1}", "");
  assert_int_equal(nn_test_train(comm, yaml, NULL, &result), NN_OK);
  assert_int_equal(result.steps, 0);
  if (nn_comm_rank(comm) == 0) assert_non_null(strstr(result.checkpoint, "step-000000000.h5"));
  assert_true(result.test.loss > 0);
}

/* Plain allreduce promises no bits, but the same training. */
static void a_plain_reduction_trains_as_well(void **state) {
  nn_comm *comm = *state;
  char yaml[2048];
  nn_train_result tree, plain;
  const char *train = "epochs: 3, optimizer: {name: sgd, lr: 0.1}";
  configure(yaml, "by-tree", "", "hidden: [16]", train, "parallel: {virtual_ranks: 4, reduction: tree}");
  assert_int_equal(nn_test_train(comm, yaml, NULL, &tree), NN_OK);
  configure(yaml, "by-mpi", "", "hidden: [16]", train, "parallel: {virtual_ranks: 4, reduction: allreduce}");
  assert_int_equal(nn_test_train(comm, yaml, NULL, &plain), NN_OK);
  assert_true(fabs(tree.train.loss - plain.train.loss) < 1e-4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_small_network_learns_to_tell_the_classes_apart),
      cmocka_unit_test(of_equal_outputs_the_first_is_the_answer),
      cmocka_unit_test(ranks_may_have_different_numbers_of_threads),
      cmocka_unit_test(every_file_of_a_run_is_there),
      cmocka_unit_test(the_same_command_again_says_that_the_run_is_finished),
      cmocka_unit_test(another_configuration_is_refused_with_the_difference),
      cmocka_unit_test(restart_keeps_the_old_run_aside),
      cmocka_unit_test(the_result_does_not_depend_on_ranks_or_threads),
      cmocka_unit_test(a_stopped_run_continues_to_the_same_bits),
      cmocka_unit_test(early_stopping_ends_a_run_that_gets_no_better),
      cmocka_unit_test(no_epochs_leave_a_checkpoint_of_the_initial_weights),
      cmocka_unit_test(a_plain_reduction_trains_as_well),
  };
  return cmocka_run_group_tests(tests, open_blobs, nn_test_close_scratch);
}
