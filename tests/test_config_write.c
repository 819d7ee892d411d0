/* The canonical text, the comparison of two configurations, the reference, defaults of a choice. */
#include <stdarg.h>
#include <stddef.h>

#include "config_fakes.h"

/* Write, parse, compare, write: nothing may change. */
static void want_round_trip(const nn_config *config) {
  nn_text first = {0}, second = {0}, differences = {0};
  size_t count = 99;
  nn_config *again = NULL;
  assert_int_equal(nn_config_write(config, &first), NN_OK);
  again = parse_good(first.at);
  assert_int_equal(nn_config_compare(config, again, &differences, &count), NN_OK);
  if (count != 0) fail_msg("%s", differences.at);
  assert_int_equal(nn_config_write(again, &second), NN_OK);
  assert_string_equal(first.at, second.at);
  nn_config_destroy(&again);
  nn_text_clear(&first);
  nn_text_clear(&second);
  nn_text_clear(&differences);
}

static void every_default_is_spelled_out(void **state) {
  (void)state;
  nn_config *c = parse_good(MINIMAL);
  nn_text text = {0};
  assert_int_equal(nn_config_write(c, &text), NN_OK);
  assert_string_equal(text.at, "run:\n"
                               "  name: my.run\n"
                               "  folder: runs\n"
                               "  seed: 1\n"
                               "  progress: auto\n"
                               "  max_minutes: 0\n"
                               "  stall_seconds: 1800\n"
                               "data:\n"
                               "  file: a.h5\n"
                               "  train_x: train/x\n"
                               "  train_y: train/y\n"
                               "  valid_x: valid/x\n"
                               "  valid_y: valid/y\n"
                               "  test_x: test/x\n"
                               "  test_y: test/y\n"
                               "  valid: auto\n"
                               "  valid_fraction: 0\n"
                               "  target: auto\n"
                               "  scale: 1\n"
                               "  normalize: none\n"
                               "  normalize_targets: none\n"
                               "  shuffle: true\n"
                               "  class_weights: none\n"
                               "model:\n"
                               "  hidden: [4]\n"
                               "  activation: relu\n"
                               "  init: pytorch\n"
                               "  freeze: []\n"
                               "train:\n"
                               "  loss: {name: cross_entropy, reduction: mean, label_smoothing: 0}\n"
                               "  optimizer: {name: adam, lr: 0.001, beta1: 0.9, beta2: 0.999}\n"
                               "  schedule: {name: constant, warmup_epochs: 0}\n"
                               "  epochs: 3\n"
                               "  batch_size: 8\n"
                               "  clip_norm: 0\n"
                               "  top_k: 0\n"
                               "  threshold: 0.5\n"
                               "  on_divergence: stop\n"
                               "  early_stop:\n"
                               "    patience: 0\n"
                               "    min_delta: 0\n"
                               "    metric: loss\n"
                               "parallel:\n"
                               "  threads: auto\n"
                               "  virtual_ranks: auto\n"
                               "  reduction: auto\n"
                               "checkpoint:\n"
                               "  every_epochs: 1\n"
                               "  every_steps: 0\n"
                               "  every_minutes: 0\n"
                               "  keep: 2\n"
                               "  best: true\n"
                               "history:\n"
                               "  every: auto\n"
                               "  weights: false\n");
  nn_text_clear(&text);
  want_round_trip(c);
  nn_config_destroy(&c);
}

static void what_is_written_reads_back_the_same(void **state) {
  (void)state;
  static const char *const texts[] = {
      "data: {inline: {x: [[[1, -2.5]], [[1e-300, 0.1]]], y: [0, 12345678901], test_x: [1], test_y: [0.1]},\n"
      "  scale: 0.1, class_weights: given, class_weight_values: [0.333333333333333333, 1e22, 123456.789]}\n"
      "model:\n"
      "  layers: [{dense: {units: 3, name: 'true', bias: false, init: {name: given, weight: [[1],[2]], names: []}}},\n"
      "    {leaky_relu: {slope: -0}}, relu, {dense: {units: auto, init: normal}}]\n"
      "train: {loss: mse, optimizer: {name: sgd, lr: 1e-3}, epochs: 0, batch_size_per_rank: 7, clip_norm: 1.5}\n",
      "run: {name: \"yes\", folder: '../a b', progress: off, seed: 1000000000000000}\n"
      "data: {file: ./x.h5, valid: test}\n"
      "model: {hidden: [], activation: {name: leaky_relu, slope: 3}, init: {name: normal, std: 1}, init_from: 12}\n"
      "train: {loss: mse, optimizer: adam, epochs: 1, batch_size: 2, schedule: {name: step, every_epochs: 3}}\n"
      "parallel: {threads: 3, virtual_ranks: 4, reduction: allreduce}\n"
      "checkpoint: {every_minutes: 0.1, best: false}\n"
      "history: {every: 1, weights: true}\n",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    nn_config *c = NULL;
    const char *set = "model.freeze=['1', '~', a, \"b c\"]";
    assert_int_equal(parse_with(texts[i], &set, 1, &c), NN_OK);
    want_round_trip(c);
    nn_config_destroy(&c);
  }
}

/* clang-format off */
static const char *const awkward_texts[] = {
    "plain", "a.b-c_d/e+f", "../up", "./here", "/root", ".hidden", "007", "1e3", "null", "Yes", "OFF", "n", "~",
    "-", "- a", "a: b", "a #b", "#a", "[a]", "{a}", "a, b", "&a", "*a", "!a", "|", ">", "%a", "@a", "`a", "'", "\"",
    "\\", "\\n", "a\nb", "a\tb", "\ta", " a ", "a\rb", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
    "\xc2\x85 \xe2\x80\xa8 \xe2\x80\xa9", "\x01\x1b\x7f", "\xc2\x80", "\xef\xbb\xbf", "\xef\xbf\xbf",
    "\xf4\x8f\xbf\xbf", "auto", "---", "..."};
/* clang-format on */

static void texts_of_all_kinds_read_back_the_same(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof awkward_texts / sizeof *awkward_texts; i++) {
    nn_config *c = parse_good(MINIMAL);
    nn_free(c->data.file);
    assert_int_equal(nn_string_copy(awkward_texts[i], &c->data.file), NN_OK);
    nn_text out = {0};
    assert_int_equal(nn_config_write(c, &out), NN_OK);
    nn_config *again = parse_good(out.at);
    assert_string_equal(again->data.file, awkward_texts[i]);
    nn_config_destroy(&again);
    nn_config_destroy(&c);
    nn_text_clear(&out);
  }
}

static void numbers_read_back_to_the_last_bit(void **state) {
  (void)state;
  nn_config *c = parse_good(MINIMAL);
  void *memory = NULL;
  assert_int_equal(nn_alloc(1000, sizeof(double), "numbers", &memory), NN_OK);
  c->data.class_weights = NN_CLASS_WEIGHT_GIVEN;
  c->data.class_weight_values = (nn_tensor){1, {1000}, memory};
  for (size_t i = 0; i < 1000; i++) { /* all bit patterns that are finite and positive */
    const uint64_t bits = nn_random_bits(5, NN_RANDOM_ORDER, 0, i) % UINT64_C(0x7ff0000000000000);
    memcpy(&c->data.class_weight_values.at[i], &bits, sizeof bits);
  }
  nn_text out = {0};
  assert_int_equal(nn_config_write(c, &out), NN_OK);
  nn_config *again = parse_good(out.at);
  assert_int_equal(again->data.class_weight_values.dims[0], 1000);
  assert_memory_equal(again->data.class_weight_values.at, memory, 1000 * sizeof(double));
  nn_config_destroy(&again);
  nn_config_destroy(&c);
  nn_text_clear(&out);
}

/* ---- comparison -------------------------------------------------------------------------------------------- */

static void want_differences(const char *text, const char *const *sets, size_t set_count, size_t count,
                             const char *expected) {
  nn_config *old = parse_good(text), *now = NULL;
  if (parse_with(text, sets, set_count, &now) != NN_OK) fail_msg("%s", nn_error_last()->message);
  nn_text out = {0};
  size_t found = 0;
  nn_text_add(&out, "before\n");
  assert_int_equal(nn_config_compare(old, now, &out, &found), NN_OK);
  assert_string_equal(out.at + 7, expected);
  assert_int_equal(found, count);
  nn_text_clear(&out);
  nn_config_destroy(&old);
  nn_config_destroy(&now);
}

static void what_may_change_is_no_difference(void **state) {
  (void)state;
  const char *sets[] = {
      "run.folder=x",       "run.progress=bar",          "data.file=b.h5",           "train.epochs=99",
      "parallel.threads=4", "checkpoint.every_epochs=3", "checkpoint.every_steps=4", "checkpoint.every_minutes=5",
      "checkpoint.keep=7",  "checkpoint.best=false",     "history.every=7",          "history.weights=true",
      "run.max_minutes=3",  "run.stall_seconds=0",       "train.on_divergence=skip", "run.name=other"};
  want_differences(MINIMAL, sets, sizeof sets / sizeof *sets, 0, "");
}

static void all_else_is_told_old_and_new(void **state) {
  (void)state;
  const char *sets[] = {"run.seed=2",
                        "data.scale=0.5",
                        "data.shuffle=false",
                        "data.normalize=standard",
                        "model.hidden=4,5",
                        "model.activation={name: leaky_relu, slope: 1}",
                        "model.init_from=a.h5",
                        "model.freeze=fc1",
                        "train.optimizer.lr=0.1",
                        "train.batch_size_per_rank=2",
                        "train.early_stop.patience=3",
                        "parallel.virtual_ranks=8"};
  want_differences(MINIMAL, sets, sizeof sets / sizeof *sets, 13,
                   "  run.seed: 1 -> 2\n"
                   "  data.scale: 1 -> 0.5\n"
                   "  data.normalize: none -> standard\n"
                   "  data.shuffle: true -> false\n"
                   "  model.hidden: [4] -> [4, 5]\n"
                   "  model.activation: relu -> {name: leaky_relu, slope: 1}\n"
                   "  model.init_from: (not given) -> a.h5\n"
                   "  model.freeze: [] -> [fc1]\n"
                   "  train.optimizer.lr: 0.001 -> 0.1\n"
                   "  train.batch_size: 8 -> (not given)\n"
                   "  train.batch_size_per_rank: (not given) -> 2\n"
                   "  train.early_stop.patience: 0 -> 3\n"
                   "  parallel.virtual_ranks: auto -> 8\n");
}

static void differences_in_layers_and_arrays_are_pointed_at(void **state) {
  (void)state;
  static const char text[] = "data: {inline: {x: [[0, 1], [2, 3]], y: [0, 1]}}\n"
                             "model: {layers: [{dense: {units: 3}}, relu, {dense: {units: 2, init: {name: given, "
                             "weight: [1, 2]}}}]}\n"
                             "train: {loss: mse, optimizer: adam, epochs: 1, batch_size: 2}\n";
  const char *sets[] = {"data.inline.x=[[0,1],[7,8]]", "data.inline.y=[[0],[1]]", "model.layers.0.dense.units=4",
                        "model.layers.1=tanh", "model.layers.2.dense.init.weight=[1, 3]"};
  want_differences(text, sets, 5, 5,
                   "  data.inline.x.1.0: 2 -> 7\n"
                   "  data.inline.y: [0, 1] -> [[0], [1]]\n"
                   "  model.layers.0.dense.units: 3 -> 4\n"
                   "  model.layers.1: relu -> tanh\n"
                   "  model.layers.2.dense.init.weight.1: 2 -> 3\n");
  const char *fewer[] = {"model.layers=relu,tanh"};
  want_differences(
      text, fewer, 1, 1,
      "  model.layers: [{dense: {units: 3, bias: true}}, relu, {dense: {units: 2, bias: true, init: {name: "
      "given, weight: [1, 2], names: [a, b]}}}] -> [relu, tanh]\n");
  const char *hidden[] = {"model.hidden=3"};
  want_differences(
      text, hidden, 1, 3,
      "  model.hidden: (not given) -> [3]\n"
      "  model.activation: (not given) -> relu\n"
      "  model.layers: [{dense: {units: 3, bias: true}}, relu, {dense: {units: 2, bias: true, init: {name: "
      "given, weight: [1, 2], names: [a, b]}}}] -> (not given)\n");
}

static void long_values_are_cut_unless_they_differ_behind(void **state) {
  (void)state;
  char a[256] = "model.init_from=", b[256];
  memset(a + strlen(a), 'p', 200);
  strcpy(b, a);
  b[20] = 'q';
  nn_config *old = parse_good_set(MINIMAL, a), *now = parse_good_set(MINIMAL, b);
  nn_text out = {0};
  size_t count = 0;
  assert_int_equal(nn_config_compare(old, now, &out, &count), NN_OK);
  assert_int_equal(count, 1);
  assert_non_null(strstr(out.at, "ppp… -> ppppq"));
  assert_non_null(strstr(out.at, "ppp…\n"));
  nn_text_clear(&out);
  nn_config_destroy(&now);
  strcpy(b, a);
  b[210] = 'q';
  now = parse_good_set(MINIMAL, b);
  assert_int_equal(nn_config_compare(old, now, &out, &count), NN_OK);
  assert_non_null(strstr(out.at, "ppqppppp\n"));
  nn_text_clear(&out);
  nn_config_destroy(&old);
  nn_config_destroy(&now);
}

/* ---- the reference, and defaults ------------------------------------------------------------------------------ */

static void the_reference_names_every_key_in_100_columns(void **state) {
  (void)state;
  nn_text out = {0};
  assert_int_equal(nn_config_help(&fake_registry, &out), NN_OK);
  static const char *const expected[] = {
      "\nrun:  # the run and its folder\n",
      "\n  seed                  integer >= 0              1          of all random numbers",
      "\n  epochs*               integer >= 0              required   passes over the training set",
      "\n  early_stop.patience   integer >= 0              0 ",
      "\n  inline.x              list of numbers           required ",
      "\n  threads*              integer 1 to 4096 | auto  auto ",
      "\n  valid_fraction        number >= 0, < 1          0 ",
      "\n  reduction             auto | tree | allreduce   auto ",
      "\nLAYERS\n",
      "\n  each of them:\n    name                text                                 name in files and messages\n",
      "\n  dense: y = x W' + b\n    units ",
      "\n\n  relu: max(0, x)\n  tanh: tanh(x)\n\n  leaky_relu: x or slope x\n    slope ",
      "\n    units               integer 1 to 1000000 |    required   outputs; auto: what the data wants\n"
      "                        auto\n",
      "\nOPTIMIZERS\n",
      "\n    lr                  number > 0                required   learning rate\n",
      "\n  pytorch: uniform, +-1/sqrt(in)\n"};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
    if (strstr(out.at, expected[i]) == NULL) fail_msg("%s\nis not in\n%s", expected[i], out.at);
  for (const char *line = out.at; *line != '\0';) {
    const size_t length = strcspn(line, "\n");
    if (length > 100) fail_msg("a line of %zu columns: %.*s", length, (int)length, line);
    if (length > 0) assert_int_not_equal(line[length - 1], ' ');
    line += length + (line[length] == '\n');
  }
  nn_text_clear(&out);
}

static void a_choice_can_be_had_with_its_defaults(void **state) {
  (void)state;
  nn_choice choice = {0};
  assert_int_equal(nn_choice_default(&fake_leaky_schema, &fake_registry, &choice), NN_OK);
  assert_ptr_equal(choice.schema, &fake_leaky_schema);
  assert_true(((const fake_leaky *)choice.options)->slope == 0.01);
  nn_choice_clear(&choice);
  assert_null(choice.options);
  assert_int_equal(nn_choice_default(&fake_dense_schema, &fake_registry, &choice), NN_OK);
  const fake_dense *dense = choice.options;
  assert_true(dense->bias);
  assert_int_equal(dense->units, 0);
  assert_null(dense->init.schema);
  nn_choice_clear(&choice);
  assert_int_equal(nn_choice_default(&fake_given_schema, &fake_registry, &choice), NN_OK);
  assert_int_equal(((const fake_given *)choice.options)->names.count, 2);
  nn_choice_clear(&choice);
  assert_int_equal(nn_choice_default(&fake_pytorch_schema, &fake_registry, &choice), NN_OK);
  assert_null(choice.options);
  nn_choice_clear(&choice);
  nn_choice_clear(&choice);
}

static void a_default_that_nobody_registered_is_an_internal_error(void **state) {
  (void)state;
  nn_registry registry = fake_registry;
  registry.kinds[NN_KIND_SCHEDULE].count = 0;
  nn_config *config = NULL;
  assert_int_equal(nn_config_parse(MINIMAL, strlen(MINIMAL), "a", NULL, 0, &registry, &config), NN_ERR_INTERNAL);
  assert_null(config);
  want_in_message("the default of train.schedule cannot be read");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_default_is_spelled_out),
      cmocka_unit_test(what_is_written_reads_back_the_same),
      cmocka_unit_test(texts_of_all_kinds_read_back_the_same),
      cmocka_unit_test(numbers_read_back_to_the_last_bit),
      cmocka_unit_test(what_may_change_is_no_difference),
      cmocka_unit_test(all_else_is_told_old_and_new),
      cmocka_unit_test(differences_in_layers_and_arrays_are_pointed_at),
      cmocka_unit_test(long_values_are_cut_unless_they_differ_behind),
      cmocka_unit_test(the_reference_names_every_key_in_100_columns),
      cmocka_unit_test(a_choice_can_be_had_with_its_defaults),
      cmocka_unit_test(a_default_that_nobody_registered_is_an_internal_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
