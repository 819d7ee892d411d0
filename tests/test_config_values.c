/* Values: what is taken, what is refused, and the words with which it is refused. */
#include <stdarg.h>
#include <stddef.h>

#include "config_fakes.h"

#include <math.h>

/* A minimal configuration with one more key in a section of one line. */
static char *with_line(const char *line) {
  char *text = NULL;
  assert_int_equal(nn_string_format(&text, "%s%s\n", MINIMAL, line), NN_OK);
  return text;
}

static void want_line_error(const char *line, const char *expected) {
  char *text = with_line(line);
  want_error(text, expected);
  nn_free(text);
}

static nn_config *parse_line(const char *line) {
  char *text = with_line(line);
  nn_config *config = parse_good(text);
  nn_free(text);
  return config;
}

static void a_minimal_configuration_gets_every_default(void **state) {
  (void)state;
  nn_config *c = parse_good(MINIMAL);
  assert_string_equal(c->run.name, "my.run");
  assert_string_equal(c->run.folder, "runs");
  assert_int_equal(c->run.seed, 1);
  assert_int_equal(c->run.progress, NN_PROGRESS_AUTO);
  assert_string_equal(c->data.file, "a.h5");
  assert_int_equal(c->data.samples.x.rank, 0);
  assert_string_equal(c->data.train_x, "train/x");
  assert_string_equal(c->data.train_y, "train/y");
  assert_string_equal(c->data.valid_x, "valid/x");
  assert_string_equal(c->data.valid_y, "valid/y");
  assert_string_equal(c->data.test_x, "test/x");
  assert_string_equal(c->data.test_y, "test/y");
  assert_int_equal(c->data.valid, NN_VALID_AUTO);
  assert_true(c->data.valid_fraction == 0);
  assert_int_equal(c->data.target, NN_TARGET_AUTO);
  assert_true(c->data.scale == 1);
  assert_int_equal(c->data.normalize, NN_NORMALIZE_NONE);
  assert_int_equal(c->data.normalize_targets, NN_NORMALIZE_NONE);
  assert_true(c->data.shuffle);
  assert_int_equal(c->data.class_weights, NN_CLASS_WEIGHT_NONE);
  assert_int_equal(c->data.class_weight_values.rank, 0);
  assert_int_equal(c->model.hidden.count, 1);
  assert_int_equal(c->model.hidden.at[0], 4);
  assert_ptr_equal(c->model.activation.schema, &fake_relu_schema);
  assert_int_equal(c->model.activation.line, 0);
  assert_int_equal(c->model.layers.count, 0);
  assert_ptr_equal(c->model.init.schema, &fake_pytorch_schema);
  assert_null(c->model.init_from);
  assert_int_equal(c->model.freeze.count, 0);
  assert_ptr_equal(c->train.loss.schema, &fake_entropy_schema);
  assert_ptr_equal(c->train.optimizer.schema, &fake_adam_schema);
  assert_ptr_equal(c->train.schedule.schema, &fake_constant_schema);
  assert_int_equal(c->train.epochs, 3);
  assert_int_equal(c->train.batch_size, 8);
  assert_int_equal(c->train.batch_size_per_rank, 0);
  assert_true(c->train.clip_norm == 0);
  assert_int_equal(c->train.top_k, 0);
  assert_int_equal(c->train.early_stop.patience, 0);
  assert_true(c->train.early_stop.min_delta == 0);
  assert_int_equal(c->train.early_stop.metric, NN_WATCH_LOSS);
  assert_int_equal(c->parallel.threads, NN_AUTO);
  assert_int_equal(c->parallel.virtual_ranks, NN_AUTO);
  assert_int_equal(c->parallel.reduction, NN_REDUCTION_AUTO);
  assert_int_equal(c->checkpoint.every_epochs, 1);
  assert_int_equal(c->checkpoint.every_steps, 0);
  assert_true(c->checkpoint.every_minutes == 0);
  assert_int_equal(c->checkpoint.keep, 2);
  assert_true(c->checkpoint.best);
  assert_int_equal(c->history.every, NN_AUTO);
  assert_false(c->history.weights);
  nn_config_destroy(&c);
  assert_null(c);
  nn_config_destroy(&c);
}

static void written_values_arrive(void **state) {
  (void)state;
  nn_config *c = parse_good("run: {name: 'a b', folder: /tmp/x, seed: 0, progress: off}\n"
                            "data: {inline: {x: [[0, -1.5], [1e-3, 1]], y: [0, 1]}, valid_fraction: 0.25, scale: 255,\n"
                            "  shuffle: false, class_weights: given, class_weight_values: [1, 2.5]}\n"
                            "model:\n"
                            "  layers:\n"
                            "    - {dense: {units: 256, name: fc1, init: {name: normal, std: 0.1}}}\n"
                            "    - relu\n"
                            "    - tanh:\n"
                            "    - relu: {}\n"
                            "    - dense: {units: auto}\n"
                            "  freeze: [fc1, layers.4.bias]\n"
                            "train:\n"
                            "  loss: {name: cross_entropy, reduction: sum, label_smoothing: 0.1}\n"
                            "  optimizer: {name: sgd, lr: 0.01, nesterov: true}\n"
                            "  schedule: {name: step, every_epochs: 10}\n"
                            "  epochs: 0\n"
                            "  batch_size_per_rank: 4\n"
                            "parallel: {threads: 2, virtual_ranks: 8, reduction: tree}\n");
  assert_string_equal(c->run.name, "a b");
  assert_int_equal(c->run.progress, NN_PROGRESS_OFF);
  const nn_tensor *x = &c->data.samples.x;
  assert_int_equal(x->rank, 2);
  assert_int_equal(x->dims[0], 2);
  assert_int_equal(x->dims[1], 2);
  assert_true(x->at[1] == -1.5 && x->at[2] == 1e-3);
  assert_int_equal(c->data.samples.y.rank, 1);
  assert_true(c->data.class_weight_values.at[1] == 2.5);
  assert_false(c->data.shuffle);
  assert_int_equal(c->model.layers.count, 5);
  const nn_choice *first = &c->model.layers.at[0];
  const fake_dense *dense = first->options;
  assert_ptr_equal(first->schema, &fake_dense_schema);
  assert_int_equal(first->line, 6);
  assert_int_equal(first->column, 7);
  assert_string_equal(dense->name, "fc1");
  assert_int_equal(dense->units, 256);
  assert_true(dense->bias);
  assert_ptr_equal(dense->init.schema, &fake_normal_schema);
  assert_true(((const fake_normal *)dense->init.options)->std == 0.1);
  assert_ptr_equal(c->model.layers.at[2].schema, &fake_tanh_schema);
  assert_ptr_equal(c->model.layers.at[3].schema, &fake_relu_schema);
  assert_int_equal(((const fake_dense *)c->model.layers.at[4].options)->units, NN_AUTO);
  assert_null(((const fake_dense *)c->model.layers.at[4].options)->init.schema);
  assert_null(c->model.activation.schema);
  assert_int_equal(c->model.freeze.count, 2);
  assert_string_equal(c->model.freeze.at[1], "layers.4.bias");
  assert_int_equal(((const fake_loss *)c->train.loss.options)->reduction, 1);
  assert_true(((const fake_sgd *)c->train.optimizer.options)->nesterov);
  assert_int_equal(((const fake_schedule *)c->train.schedule.options)->every, 10);
  assert_int_equal(c->train.epochs, 0);
  assert_int_equal(c->train.batch_size, 0);
  assert_int_equal(c->train.batch_size_per_rank, 4);
  assert_int_equal(c->parallel.virtual_ranks, 8);
  nn_config_destroy(&c);
}

static void no_hidden_layers_are_a_network_too(void **state) {
  (void)state;
  nn_config *c = parse_good_set(MINIMAL, "model.hidden=");
  assert_int_equal(c->model.hidden.count, 0);
  nn_config_destroy(&c);
}

static void integers_are_strict(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"1e3", "'1e3' is not an integer; write 1000"},
      {"1.0", "'1.0' is not an integer; write 1"},
      {"2.5", "'2.5' is not an integer; write an integer >= 0"},
      {"010", "'010' has leading zeros; write 10"},
      {"-007", "'-007' has leading zeros; write -7"},
      {"0x10", "'0x10' is not an integer; write 16"},
      {"1_000", "'1_000' is not an integer; write 1000"},
      {"+5", "'+5' is not an integer; write 5"},
      {"\"5\"", "quoted, so it is text; write 5 without quotes"},
      {"'1e3'", "quoted, so it is text; write 1000 without quotes"},
      {"1e-3x", "'1e-3x' is not an integer; write an integer >= 0"},
      {".nan", "'.nan' is not finite"},
      {"nan", "'nan' is not finite"},
      {"-.inf", "'-.inf' is not finite"},
      {"99999999999999999999", "'99999999999999999999' is too large"},
      {"1e400", "'1e400' is not an integer"},
      {"-1", "'-1' is out of range; write an integer >= 0"},
      {"true", "'true' is not an integer"},
      {"auto", "'auto' is not an integer"},
      {"", "no value; write an integer >= 0, or remove the key"},
      {"~", "no value"},
      {"null", "no value"},
      {"[1]", "expected an integer >= 0, found a list"},
      {"{a: 1}", "expected an integer >= 0, found a mapping"},
      {"1 2", "'1 2' is not an integer"},
      {"0b1", "'0b1' is not an integer"},
      {"12:30", "'12:30' is not an integer"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char line[128], expected[192];
    snprintf(line, sizeof line, "run: {seed: %s}", cases[i][0]);
    snprintf(expected, sizeof expected, "dir/my.run.yaml:8:%d: run.seed: %s", 13, cases[i][1]);
    want_line_error(line, expected);
  }
}

static void numbers_are_strict(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"1e-3x", "'1e-3x' is not a number; write a number > 0"},
      {".nan", "'.nan' is not finite; write a number > 0"},
      {"NaN", "'NaN' is not finite"},
      {"inf", "'inf' is not finite"},
      {"-.Inf", "'-.Inf' is not finite"},
      {"1e999", "'1e999' is not a number"},
      {"0x10", "'0x10' is not a decimal number; write 16"},
      {"1_0.5", "'1_0.5' is not a decimal number; write 10.5"},
      {"010", "'010' has leading zeros; write 10"},
      {"00.5", "'00.5' has leading zeros; write 0.5"},
      {"'0.5'", "quoted, so it is text; write 0.5 without quotes"},
      {"0", "'0' is out of range; write a number > 0"},
      {"-1", "'-1' is out of range"},
      {"auto", "'auto' is not a number"},
      {"1,5", "data.5: unknown key"}, /* a flow mapping: {scale: 1, 5: } */
      {"", "no value; write a number > 0, or remove the key"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[256];
    snprintf(text, sizeof text, "data: {file: a, scale: %s}", cases[i][0]);
    want_error(text, cases[i][1]);
  }
  static const char *const good[] = {"1", "0.5", "1e-3", "1E+2", ".5", "5.", "0.001", "255"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    char set[64];
    snprintf(set, sizeof set, "data.scale=%s", good[i]);
    nn_config *c = parse_good_set(MINIMAL, set);
    assert_true(c->data.scale == strtod(good[i], NULL));
    nn_config_destroy(&c);
  }
}

static void ranges_may_be_open(void **state) {
  (void)state;
  want_line_error("data: {valid_fraction: 1}", "given twice");
  nn_config *config = NULL;
  const char *sets[] = {"data.valid_fraction=1", "data.scale=0", "train.epochs=-1"};
  assert_int_equal(parse_with(MINIMAL, sets, 3, &config), NN_ERR_CONFIG);
  want_in_message("--set data.valid_fraction=1: '1' is out of range; write a number >= 0 and < 1\n");
  want_in_message("--set data.scale=0: '0' is out of range; write a number > 0\n");
  want_in_message("--set train.epochs=-1: '-1' is out of range; write an integer >= 0");
}

static void booleans_are_true_or_false(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"yes", "'yes' is not true or false; write true"},
      {"no", "'no' is not true or false; write false"},
      {"On", "'On' is not true or false; write true"},
      {"off", "'off' is not true or false; write false"},
      {"TRUE", "'TRUE' is not true or false; write true"},
      {"False", "'False' is not true or false; write false"},
      {"1", "'1' is not true or false; write true"},
      {"0", "'0' is not true or false; write false"},
      {"'true'", "'true' is not true or false; write true without quotes"},
      {"maybe", "'maybe' is not true or false; write one of them"},
      {"", "no value; write true or false, or remove the key"},
      {"[true]", "expected true or false, found a list"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char line[128];
    snprintf(line, sizeof line, "history: {weights: %s}", cases[i][0]);
    want_line_error(line, cases[i][1]);
  }
}

static void texts_and_words_are_strict(void **state) {
  (void)state;
  want_line_error("run: {folder: }", "8:15: run.folder: no value; write a text, or remove the key");
  want_line_error("run: {folder: ''}", "run.folder: an empty text");
  want_line_error("run: {folder: [a]}", "run.folder: expected a text, found a list");
  want_line_error("run: {folder: \"a\\0b\"}", "run.folder: a text with a zero byte");
  want_line_error("run: {progress: of}", "run.progress: 'of' is not a choice; did you mean 'off'? One of auto, bar, ");
  want_line_error("run: {progress: 1}", "run.progress: '1' is not a choice; write one of auto, bar, lines, off");
  want_line_error("run: {progress: {a: b}}", "run.progress: expected one of auto, bar, lines, off, found a mapping");
  char line[1200] = "run: {folder: ";
  memset(line + strlen(line), 'a', 1025);
  strcat(line, "}");
  want_line_error(line, "run.folder: a text of more than 1024 bytes");
  nn_config *c = parse_line("run: {folder: 2024, name: 007, progress: 'bar'}");
  assert_string_equal(c->run.folder, "2024");
  assert_string_equal(c->run.name, "007");
  assert_int_equal(c->run.progress, NN_PROGRESS_BAR);
  nn_config_destroy(&c);
}

static void the_name_of_a_run_is_a_folder(void **state) {
  (void)state;
  want_line_error("run: {name: a/b}", "8:7: run.name: a name with '/'; write the name of a folder");
  want_line_error("run: {name: ..}", "run.name: no name for a folder");
  want_line_error("run: {name: \"a\\nb\"}", "run.name: a name with control characters");
  nn_config *config = NULL;
  static const char text[] = MINIMAL;
  assert_int_equal(nn_config_parse(text, strlen(text), "\xff.yaml", NULL, 0, &fake_registry, &config), NN_ERR_CONFIG);
  want_in_message("run.name: missing, and the file's name cannot be used");
  static const char *const files[][2] = {{"a/b/.yaml", ".yaml"}, {"x", "x"}, {"../c.d/e.yml", "e"}};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(nn_config_parse(text, strlen(text), files[i][0], NULL, 0, &fake_registry, &config), NN_OK);
    assert_string_equal(config->run.name, files[i][1]);
    nn_config_destroy(&config);
  }
}

static void lists_are_strict(void **state) {
  (void)state;
  want_set_error(MINIMAL, "model.hidden=[4, [5]]", "model.hidden.1: expected an integer >= 1, found a");
  want_set_error(MINIMAL, "model.hidden=4,0", "model.hidden.1: '0' is out of range");
  want_set_error(MINIMAL, "model.freeze=a,,b", "not valid YAML");
  want_set_error(MINIMAL, "model.freeze=a,~", "model.freeze.1: no value");
  want_error("model: {hidden: 256}", "1:17: model.hidden: expected a list of integers, found the single value '256'; "
                                     "write it as [value]");
  want_error("model: {hidden: }", "model.hidden: expected a list of integers, found no value");
  want_error("model: {hidden: {a: 1}}", "model.hidden: expected a list of integers, found a mapping");
  char text[4200] = "model: {hidden: [1";
  for (int i = 0; i < 1000; i++) strcat(text, ",1");
  strcat(text, "]}");
  want_error(text, "model.hidden: a list of 1001 elements; at most 1000 are allowed");
}

static void tensors_are_full_blocks_of_numbers(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"[[1, 2], [3]]", "data.inline.x.1: 1 elements, but the first list has 2; make all equally long"},
      {"[[1, 2], 3]", "data.inline.x.1: expected a list of numbers, found the single value '3'"},
      {"[1, [2]]", "data.inline.x.1: expected a number, found a list"},
      {"[1, a]", "data.inline.x.1: 'a' is not a number; write a number"},
      {"[1, '2']", "data.inline.x.1: quoted, so it is text; write 2 without quotes"},
      {"[1, ~]", "data.inline.x.1: no value"},
      {"[1, .nan]", "data.inline.x.1: '.nan' is not finite"},
      {"5", "data.inline.x: expected a list of numbers, found the single value '5'"},
      {"[]", "data.inline.x: an empty list"},
      {"[[], []]", "data.inline.x: an empty list"},
      {"[[[[[1]]]]]", "data.inline.x: lists nested deeper than 4"},
      {"{a: 1}", "data.inline.x: expected a list of numbers, found a mapping"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[128];
    snprintf(text, sizeof text, "data: {inline: {y: [1], x: %s}}", cases[i][0]);
    want_error(text, cases[i][1]);
  }
  nn_text text = {0};
  nn_text_add(&text, "data: {inline: {x: [0");
  for (int i = 0; i < 100000; i++) nn_text_add(&text, ",0");
  nn_text_add(&text, "]}}");
  want_error(text.at, "data.inline.x: more than 100000 numbers in a configuration; keep them in an HDF5 file");
  nn_text_clear(&text);
}

static void a_choice_is_a_name_or_a_mapping_with_a_name(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"sdg", "train.optimizer: 'sdg' is not an optimizer; did you mean 'sgd'?"},
      {"newton", "train.optimizer: 'newton' is not an optimizer; there are: sgd, adam"},
      {"", "train.optimizer: no value; write an optimizer"},
      {"[sgd]", "train.optimizer: expected an optimizer, found a list; write one name"},
      {"sgd", "train.optimizer.lr: missing; give a number > 0"},
      {"{name: sgd}", "train.optimizer.lr: missing; give a number > 0"},
      {"{lr: 0.1}", "train.optimizer: the name is missing; write {name: …} with an optimizer"},
      {"{sgd: {lr: 0.1}}", "train.optimizer: the name is missing; write {name: sgd, …}"},
      {"{name: [sgd]}", "train.optimizer.name: expected an optimizer, found a list"},
      {"{name: , lr: 1}", "train.optimizer.name: no value"},
      {"{name: sgd, lr: 0}", "train.optimizer.lr: '0' is out of range"},
      {"{name: sgd, lr: 1, beta1: 2}",
       "train.optimizer.beta1: unknown key; sgd has no 'beta1' (it is an option of adam)"},
      {"{name: sgd, lr: 1, momentun: 0}", "train.optimizer.momentun: unknown key; did you mean 'momentum'?"},
      {"{name: sgd, lr: 1, x1: 0}", "train.optimizer.x1: unknown key; valid here: lr, momentum, nesterov"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[128];
    snprintf(text, sizeof text, "train: {optimizer: %s}", cases[i][0]);
    want_error(text, cases[i][1]);
  }
  want_error("model: {init: {name: pytorch, std: 1}}",
             "model.init.std: unknown key; pytorch has no 'std' (it is an option of normal)");
  want_error("model: {init: {name: pytorch, zzz: 1}}", "model.init.zzz: unknown key; there are no options");
}

static void a_list_of_layers_has_one_layer_an_element(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"relu", "model.layers: expected a list with a layer in each element, found the single value 'relu'"},
      {"[]", "model.layers: an empty list; give at least one layer"},
      {"[relv]", "model.layers.0: 'relv' is not a layer; did you mean 'relu'?"},
      {"[{relv: {}}]", "model.layers.0.relv: 'relv' is not a layer; did you mean 'relu'?"},
      {"[~]", "model.layers.0: no value; write a layer"},
      {"[[relu]]", "model.layers.0: expected a layer, found a list"},
      {"[dense]", "model.layers.0.units: missing; give an integer from 1 to 1000000, or auto"},
      {"[{dense: 5}]", "model.layers.0.dense: expected options, found a single value; write {option: value}"},
      {"[{dense: [5]}]", "model.layers.0.dense: expected options, found a list"},
      {"[{dense: {unit: 5}}]", "model.layers.0.dense.unit: unknown key; did you mean 'units'?"},
      {"[{dense: {units: 0}}]", "model.layers.0.dense.units: '0' is out of range"},
      {"[{name: dense, units: 5}]", "model.layers.0: in a list, the layer is the key; write {dense: {…}}"},
      {"[{dense: , units: 5}]", "model.layers.0: 2 keys, where one layer is due; indent its options"},
      {"[{}]", "model.layers.0: 0 keys, where one layer is due"},
      {"[{dense: {units: 1, init: {name: given}}}]",
       "model.layers.0.dense.init.weight: missing; give a list of numbers"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[128];
    snprintf(text, sizeof text, "model: {layers: %s}", cases[i][0]);
    want_error(text, cases[i][1]);
  }
}

static void sections_hold_keys(void **state) {
  (void)state;
  want_line_error("history:", "8:9: history: the section is empty; write keys below it, indented, or remove it");
  want_line_error("history: 5", "8:10: history: expected a section with keys, found a single value");
  want_line_error("history: [every]", "history: expected a section with keys, found a list");
  nn_config *c = parse_line("history: {}");
  assert_int_equal(c->history.every, NN_AUTO);
  nn_config_destroy(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_minimal_configuration_gets_every_default),
      cmocka_unit_test(written_values_arrive),
      cmocka_unit_test(no_hidden_layers_are_a_network_too),
      cmocka_unit_test(integers_are_strict),
      cmocka_unit_test(numbers_are_strict),
      cmocka_unit_test(ranges_may_be_open),
      cmocka_unit_test(booleans_are_true_or_false),
      cmocka_unit_test(texts_and_words_are_strict),
      cmocka_unit_test(the_name_of_a_run_is_a_folder),
      cmocka_unit_test(lists_are_strict),
      cmocka_unit_test(tensors_are_full_blocks_of_numbers),
      cmocka_unit_test(a_choice_is_a_name_or_a_mapping_with_a_name),
      cmocka_unit_test(a_list_of_layers_has_one_layer_an_element),
      cmocka_unit_test(sections_hold_keys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
