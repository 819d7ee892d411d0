/* train.bits: byte for byte the same results on any number of ranks and threads. Eight virtual ranks on the ranks of
 * this job with 1, 2 and 3 threads each, against one process without MPI and with one thread. Run at 1, 2, 3, 4, 5, 7
 * and 8 ranks. */
#include "bits_testing.h"

enum { V = 8 };

/* What the table cannot say by name: every optimizer has a case of its own, too. Batches of 20 are no multiple of 8
 * pieces, and the last of 205 samples has 5: three pieces are empty. */
static const bits_case cases[] = {
    {"deep", "classes", ", valid: test", "hidden: [16, 8]",
     "loss: cross_entropy, epochs: 1, batch_size: 20, top_k: 2, optimizer: {name: sgd, lr: 0.05}"},
    {"nesterov", "classes", ", valid: test", "hidden: [16], activation: leaky_relu",
     "loss: cross_entropy, epochs: 1, batch_size: 64, "
     "optimizer: {name: sgd, lr: 0.02, momentum: 0.9, nesterov: true, weight_decay: 0.01}"},
    {"clipped", "classes", ", valid: test, normalize: standard", "hidden: [17, 5], activation: tanh",
     "loss: cross_entropy, epochs: 2, batch_size: 21, clip_norm: 0.3, optimizer: {name: adamw, lr: 0.01}"},
    {"dropout", "classes", ", valid: test, normalize: standard",
     "layers: [{dropout: {rate: 0.1}}, {dense: {units: 33}}, relu, {dropout: {rate: 0.4}}, dense]",
     "loss: cross_entropy, epochs: 2, batch_size: 20, optimizer: {name: adam, lr: 0.01}, "
     "schedule: {name: cosine, warmup_epochs: 1}"},
    {"weighted", "classes", ", valid: test, normalize: standard, class_weights: balanced",
     "hidden: [16], activation: gelu",
     "loss: cross_entropy, epochs: 1, batch_size: 19, optimizer: {name: rmsprop, lr: 0.01}"},
    {"values", "values", ", valid: test, normalize: standard, normalize_targets: standard",
     "hidden: [16], activation: softplus",
     "loss: mse, epochs: 2, batch_size: 30, clip_norm: 1, optimizer: {name: adam, lr: 0.02}"},
    {"two-classes", "two", ", valid: test, normalize: standard", "hidden: [9], activation: sigmoid",
     "loss: bce_with_logits, epochs: 1, batch_size: 17, optimizer: {name: sgd, lr: 0.1, momentum: 0.5}"},
    {"single-rows", "classes", ", valid: test, normalize: standard", "hidden: [16], activation: arctan, init: he",
     "loss: half_sse, epochs: 1, batch_size: 8, optimizer: {name: sgd, lr: 0.01}"},
    {"a-batch-of-all", "classes", ", valid: test, normalize: standard, shuffle: false",
     "hidden: [16], freeze: [layers.0.bias]",
     "loss: cross_entropy, epochs: 3, batch_size: 1000, optimizer: {name: sgd, lr: 0.5}"},
    {"early", "classes", ", normalize: standard, valid_fraction: 0.3", "hidden: [6]",
     "loss: {name: cross_entropy, reduction: sum}, epochs: 6, batch_size_per_rank: 3, "
     "optimizer: {name: sgd, lr: 0.02}, early_stop: {patience: 1, metric: accuracy}"},
    {"sequences", "sequences", ", valid: test, normalize: standard", "layers: [{lstm: {units: 9}}, dense]",
     "loss: cross_entropy, epochs: 1, batch_size: 20, optimizer: {name: adam, lr: 0.01}"},
};

static bool offered(nn_kind kind, const char *name) {
  nn_registry registry;
  nn_registry_fill(&registry);
  for (size_t i = 0; i < registry.kinds[kind].count; i++)
    if (strcmp(registry.kinds[kind].at[i]->name, name) == 0) return true;
  return false;
}

/* One process alone, then all ranks with each number of threads: the same files, the same metrics. */
static void compare_threads(nn_comm *comm, const bits_case *c) {
  char yaml[2048], who[16], parallel[64];
  nn_train_result alone, all;
  snprintf(bits_about, sizeof bits_about, "%s, alone", c->name);
  bits_configure(yaml, c, "alone", V, ", threads: 1");
  bits_train_alone(comm, yaml, 0, &alone);
  for (int threads = 1; threads <= 3; threads++) {
    snprintf(bits_about, sizeof bits_about, "%s, %d threads", c->name, threads);
    snprintf(who, sizeof who, "by-%d", threads);
    snprintf(parallel, sizeof parallel, ", threads: %d%s", threads, threads == 2 ? ", reduction: tree" : "");
    bits_configure(yaml, c, who, V, parallel);
    bits_train(comm, yaml, 0, &all);
    bits_assert_same_result(comm, &all, &alone);
    bits_assert_same_runs(comm, c, "alone", who);
  }
}

static void every_kind_of_training_gives_the_same_bits(void **state) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (strstr(cases[i].model, "lstm") == NULL || offered(NN_KIND_LAYER, "lstm")) compare_threads(*state, &cases[i]);
}

static void every_optimizer_gives_the_same_bits(void **state) {
  nn_registry registry;
  nn_registry_fill(&registry);
  assert_true(registry.kinds[NN_KIND_OPTIMIZER].count >= 4);
  for (size_t i = 0; i < registry.kinds[NN_KIND_OPTIMIZER].count; i++) {
    const char *name = registry.kinds[NN_KIND_OPTIMIZER].at[i]->name;
    char run[64], train[200];
    snprintf(run, sizeof run, "optimizer-%s", name);
    snprintf(train, sizeof train,
             "loss: cross_entropy, epochs: 1, batch_size: 20, clip_norm: 2, optimizer: {name: %s, lr: 0.01}", name);
    const bits_case c = {run, "classes", ", valid: test", "hidden: [16]", train};
    compare_threads(*state, &c);
  }
}

static const bits_case resumed = {
    "resumed", "classes", ", valid: test, normalize: standard",
    "layers: [{dense: {units: 16}}, tanh, {dropout: {rate: 0.3}}, dense]",
    "loss: cross_entropy, epochs: 2, batch_size: 20, clip_norm: 1, optimizer: {name: adam, lr: 0.01}"};

/* Stopped after 4 of 11 steps of an epoch by one number of ranks, continued by another. */
static void a_run_goes_on_with_the_same_bits_on_another_number_of_ranks(void **state) {
  nn_comm *comm = *state;
  char yaml[2048];
  nn_train_result result;
  snprintf(bits_about, sizeof bits_about, "resumed by all ranks, and by one");
  bits_configure(yaml, &resumed, "whole", V, ", threads: 1");
  bits_train_alone(comm, yaml, 0, &result);
  bits_configure(yaml, &resumed, "from-one", V, ", threads: 3");
  bits_train_alone(comm, yaml, 4, &result);
  bits_configure(yaml, &resumed, "from-one", V, ", threads: 2");
  bits_train(comm, yaml, 0, &result);
  bits_assert_same_runs(comm, &resumed, "whole", "from-one");
  bits_configure(yaml, &resumed, "to-one", V, ", threads: 2");
  bits_train(comm, yaml, 4, &result);
  bits_configure(yaml, &resumed, "to-one", V, ", threads: 1");
  bits_train_alone(comm, yaml, 0, &result);
  bits_assert_same_runs(comm, &resumed, "whole", "to-one");
}

/* The networks that the cases above left behind, asked by one process and by all. */
static void evaluation_and_prediction_give_the_same_bits(void **state) {
  static const struct {
    const char *run, *data;
  } asked[] = {{"weighted", "classes"}, {"values", "values"}, {"two-classes", "two"}};
  nn_comm *comm = *state;
  for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
    char checkpoint[500], data[400], alone_path[400], path[400];
    bits_comparison comparison = {0};
    nn_text alone = {0}, all = {0};
    nn_status status = NN_OK;
    snprintf(bits_about, sizeof bits_about, "evaluation and prediction, %s", asked[i].run);
    snprintf(checkpoint, sizeof checkpoint, "%s/runs/%s-alone/checkpoints/best.h5", nn_scratch, asked[i].run);
    snprintf(data, sizeof data, "%s/%s.h5", nn_scratch, asked[i].data);
    snprintf(alone_path, sizeof alone_path, "%s/%s-alone.csv", nn_scratch, asked[i].run);
    snprintf(path, sizeof path, "%s/%s-all.csv", nn_scratch, asked[i].run);
    if (nn_evaluate_file(comm, checkpoint, data, "test", 2, &all) != NN_OK ||
        nn_predict_file(comm, checkpoint, data, "test", 3, false, path, &all) != NN_OK)
      fail_msg("%s: %s", bits_about, nn_error_last()->message);
    if (nn_comm_rank(comm) == 0) {
      status = nn_evaluate_file(NULL, checkpoint, data, "test", 1, &alone);
      if (status == NN_OK && strncmp(alone.at, all.at, alone.length) != 0) bits_note(&comparison, "metrics of", data);
      if (status == NN_OK) status = nn_predict_file(NULL, checkpoint, data, "test", 1, false, alone_path, &alone);
      if (status == NN_OK) status = bits_compare_text(&comparison, alone_path, path, -1);
    }
    nn_text_clear(&alone);
    nn_text_clear(&all);
    bits_verdict(comm, status, &comparison);
  }
}

/* Norms of the gradients of all steps; single samples, the last run's `who`. Returns their number. */
static size_t bits_norms(const char *who, float norms[], size_t room) {
  char path[400];
  nn_h5_file *file = NULL;
  nn_h5_info info;
  snprintf(path, sizeof path, "%s/runs/single-%s/history.h5", nn_scratch, who);
  assert_int_equal(nn_h5_open(path, NN_ERR_DATA, &file), NN_OK);
  assert_int_equal(nn_h5_info_read(file, "steps/gradient_norm", &info), NN_OK);
  assert_true(info.dims[0] > 0 && info.dims[0] <= room && nn_h5_type_size(info.type) == sizeof *norms);
  assert_int_equal(nn_h5_read_rows(file, "steps/gradient_norm", 0, info.dims[0], norms), NN_OK);
  nn_h5_close(&file);
  return (size_t)info.dims[0];
}

/* With clip_norm a gradient is made; else a sample's update is by its factors, and on one thread begins with the next
 * sample at the same time. */
static void steps_of_one_sample_give_the_same_bits_whether_their_norms_are_kept_or_not(void **state) {
  static const struct {
    const char *data, *sets, *model, *loss, *optimizer;
  } kinds[] = {
      {"classes", "", "hidden: [18, 9]", "cross_entropy", "name: sgd, lr: 0.05"},
      {"classes", "", "hidden: [16, 9]", "cross_entropy",
       "name: sgd, lr: 0.02, momentum: 0.9, nesterov: true, weight_decay: 0.01"},
      {"classes", "", "hidden: [16, 9]", "cross_entropy", "name: sgd, lr: 0.02, momentum: 0.9"},
      {"classes", "", "hidden: [16, 9]", "cross_entropy", "name: adam, lr: 0.01"},
      {"classes", "", "hidden: [16, 9]", "cross_entropy", "name: adamw, lr: 0.01"},
      {"classes", "", "hidden: [16, 9]", "cross_entropy", "name: rmsprop, lr: 0.01"},
      {"classes", "", "hidden: [16, 9]", "cross_entropy", "name: rmsprop, lr: 0.01, momentum: 0.5"},
      {"values", ", normalize: standard, normalize_targets: standard", "hidden: [7]", "mse", "name: sgd, lr: 0.01"},
      {"classes", ", class_weights: balanced", "hidden: [6], freeze: [layers.0.weight]", "cross_entropy",
       "name: sgd, lr: 0.05, weight_decay: 0.01"},
      {"classes", "", "layers: [{dropout: {rate: 0.2}}, {dense: {units: 9}}, relu, dense]", "cross_entropy",
       "name: sgd, lr: 0.05"},
  };
  static const struct {
    int norms_every, threads;
    uint64_t stop; /* after so many steps, to be continued; 0: not */
    const char *sets, *train;
  } ways[] = {{1, 1, 0, "", ", clip_norm: 1e30"},
              {1, 1, 0, "", ""},
              {3, 1, 0, "", ""},
              {1000000, 1, 0, "", ""},
              {1000000, 3, 0, "", ""},
              {1, 3, 0, "", ""},
              {1000000, 1, 100, "", ""},
              {1000000, 1, 0, ", valid: test", ""}};
  enum { STEPS_MOST = 1000 };
  enum { KINDS = sizeof kinds / sizeof *kinds, WAYS = sizeof ways / sizeof *ways };
  nn_comm *comm = *state;
  if (nn_comm_size(comm) > 1) return; /* one process trains: once is enough */
  for (size_t k = 0; k < KINDS; k++) {
    char yaml[2048], train[200], sets[120];
    nn_checkpoint_digests digests[WAYS];
    float norms[2][STEPS_MOST];
    snprintf(bits_about, sizeof bits_about, "single samples, %s, %s", kinds[k].model, kinds[k].optimizer);
    for (int i = 0; i < WAYS; i++) {
      const bits_case c = {"single", kinds[k].data, sets, kinds[k].model, train};
      char who[32], parallel[32];
      nn_train_result result;
      nn_checkpoint *checkpoint = NULL;
      snprintf(train, sizeof train, "loss: %s, epochs: 2, batch_size: 1, optimizer: {%s}%s", kinds[k].loss,
               kinds[k].optimizer, ways[i].train);
      snprintf(sets, sizeof sets, "%s%s", kinds[k].sets, ways[i].sets);
      snprintf(who, sizeof who, "%zu-%d", k, i);
      snprintf(parallel, sizeof parallel, ", threads: %d", ways[i].threads);
      bits_configure(yaml, &c, who, 1, parallel);
      snprintf(strstr(yaml, "history:"), 40, "history: {every: %d}\n", ways[i].norms_every);
      if (ways[i].stop > 0) bits_train(NULL, yaml, ways[i].stop, &result);
      bits_train(NULL, yaml, 0, &result);
      assert_int_equal(nn_checkpoint_open(result.checkpoint, &checkpoint), NN_OK);
      assert_int_equal(nn_checkpoint_digest(checkpoint, &digests[i]), NN_OK);
      nn_checkpoint_close(&checkpoint);
      if (ways[i].norms_every != 1) continue;
      const size_t steps = bits_norms(who, norms[i > 0], STEPS_MOST);
      for (size_t s = 0; s < steps && i > 0; s++)
        if (!(fabsf(norms[1][s] - norms[0][s]) <= 1e-6f * norms[0][s]))
          fail_msg("%s: way %d, step %zu: norm %.9g, not %.9g", bits_about, i, s, (double)norms[1][s],
                   (double)norms[0][s]);
    }
    for (int i = 1; i < WAYS; i++)
      if (digests[i].parameters != digests[0].parameters || digests[i].optimizer != digests[0].optimizer)
        fail_msg("%s: way %d differs", bits_about, i);
  }
}

/* The comparison itself: it sees that a run had a slightly larger learning rate. */
static void runs_that_differ_are_told_apart(void **state) {
  nn_comm *comm = *state;
  bits_case other = cases[0];
  char yaml[2048];
  bits_comparison comparison = {0};
  nn_train_result result;
  other.train = "loss: cross_entropy, epochs: 1, batch_size: 20, top_k: 2, optimizer: {name: sgd, lr: 0.05000001}";
  snprintf(bits_about, sizeof bits_about, "runs that differ");
  bits_configure(yaml, &other, "other", V, "");
  bits_train_alone(comm, yaml, 0, &result);
  if (nn_comm_rank(comm) != 0) return;
  assert_int_equal(bits_compare_runs(&comparison, "deep-alone", "deep-other"), NN_OK);
  assert_non_null(comparison.what);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_kind_of_training_gives_the_same_bits),
      cmocka_unit_test(every_optimizer_gives_the_same_bits),
      cmocka_unit_test(a_run_goes_on_with_the_same_bits_on_another_number_of_ranks),
      cmocka_unit_test(evaluation_and_prediction_give_the_same_bits),
      cmocka_unit_test(steps_of_one_sample_give_the_same_bits_whether_their_norms_are_kept_or_not),
      cmocka_unit_test(runs_that_differ_are_told_apart),
  };
  return cmocka_run_group_tests(tests, bits_open, nn_test_close_scratch);
}
