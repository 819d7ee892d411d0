/* `--set key.path=value`. */
#include <stdarg.h>
#include <stddef.h>

#include "config_fakes.h"

#define LAYERED                                                                                                        \
  "data: {file: a.h5}\n"                                                                                               \
  "model: {layers: [{dense: {units: 3}}, relu, {tanh: }, {leaky_relu: {slope: 0.2}}]}\n"                               \
  "train: {loss: mse, optimizer: {name: sgd, lr: 0.5, momentum: 0.9}, epochs: 1, batch_size: 2}\n"

static void values_of_every_type_can_be_set(void **state) {
  (void)state;
  const char *sets[] = {"run.name=b c",
                        "run.seed=7",
                        "run.progress=lines",
                        "data.scale=255",
                        "data.shuffle=false",
                        "data.file=/x/with # and: {braces}, [a].h5",
                        "model.hidden=256,64",
                        "model.freeze=fc1, fc2.bias",
                        "data.class_weights=given",
                        "data.class_weight_values=1,2.5,3",
                        "train.epochs= 12 ",
                        "parallel.virtual_ranks=auto"};
  nn_config *c = NULL;
  assert_int_equal(parse_with(MINIMAL, sets, sizeof sets / sizeof *sets, &c), NN_OK);
  assert_string_equal(c->run.name, "b c");
  assert_int_equal(c->run.seed, 7);
  assert_int_equal(c->run.progress, NN_PROGRESS_LINES);
  assert_true(c->data.scale == 255);
  assert_false(c->data.shuffle);
  assert_string_equal(c->data.file, "/x/with # and: {braces}, [a].h5");
  assert_int_equal(c->model.hidden.count, 2);
  assert_int_equal(c->model.hidden.at[1], 64);
  assert_int_equal(c->model.freeze.count, 2);
  assert_string_equal(c->model.freeze.at[1], "fc2.bias");
  assert_int_equal(c->data.class_weight_values.dims[0], 3);
  assert_int_equal(c->train.epochs, 12);
  nn_config_destroy(&c);
}

static void a_list_may_be_one_value_none_or_in_brackets(void **state) {
  (void)state;
  static const struct {
    const char *set;
    size_t count;
  } cases[] = {{"model.hidden=256", 1}, {"model.hidden=", 0}, {"model.hidden=[]", 0}, {"model.hidden=[1, 2, 3]", 3}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nn_config *c = parse_good_set(MINIMAL, cases[i].set);
    assert_int_equal(c->model.hidden.count, cases[i].count);
    nn_config_destroy(&c);
  }
  want_set_error(MINIMAL, "data.class_weight_values=", "data.class_weight_values=: an empty list");
}

static void quotes_are_those_of_yaml(void **state) {
  (void)state;
  nn_config *c = parse_good_set(MINIMAL, "run.name=\"a\\u00e4 '\"");
  assert_string_equal(c->run.name, "a\xc3\xa4 '");
  nn_config_destroy(&c);
  want_set_error(MINIMAL, "train.epochs='5'", "--set train.epochs='5': quoted, so it is text; write 5 without quotes");
  want_set_error(MINIMAL, "run.name='a", "--set run.name='a: not valid YAML: found unexpected end of stream");
}

static void the_last_of_several_wins(void **state) {
  (void)state;
  const char *sets[] = {"train.epochs=5", "train.epochs=6"};
  nn_config *c = NULL;
  assert_int_equal(parse_with(MINIMAL, sets, 2, &c), NN_OK);
  assert_int_equal(c->train.epochs, 6);
  nn_config_destroy(&c);
}

static void a_faulty_value_of_the_file_can_be_replaced(void **state) {
  (void)state;
  nn_config *c = parse_good_set(MINIMAL "run: {seed: 1e3}\n", "run.seed=3");
  assert_int_equal(c->run.seed, 3);
  assert_string_equal(c->run.name, "my.run");
  nn_config_destroy(&c);
}

static void absent_sections_are_made(void **state) {
  (void)state;
  nn_config *c = parse_good_set(MINIMAL, "train.early_stop.patience=4");
  assert_int_equal(c->train.early_stop.patience, 4);
  nn_config_destroy(&c);
  c = parse_good_set(MINIMAL "history:\n", "history.every=10");
  assert_int_equal(c->history.every, 10);
  nn_config_destroy(&c);
  want_set_error("data: 5\n", "data.scale=2", "dir/my.run.yaml:1:7: data: expected a section with keys");
}

static void choices_are_replaced_or_reached_into(void **state) {
  (void)state;
  nn_config *c = parse_good_set(LAYERED, "train.optimizer.lr=0.1");
  const fake_sgd *sgd = c->train.optimizer.options;
  assert_true(sgd->lr == 0.1 && sgd->momentum == 0.9);
  assert_int_equal(c->train.optimizer.line, 3);
  nn_config_destroy(&c);
  c = parse_good_set(LAYERED, "train.optimizer=adam");
  assert_ptr_equal(c->train.optimizer.schema, &fake_adam_schema);
  assert_int_equal(c->train.optimizer.line, 0);
  nn_config_destroy(&c);
  c = parse_good_set(LAYERED, "train.optimizer={name: sgd, lr: 2}");
  assert_true(((const fake_sgd *)c->train.optimizer.options)->momentum == 0);
  nn_config_destroy(&c);
  c = parse_good_set(MINIMAL, "train.optimizer.lr=0.1");
  assert_ptr_equal(c->train.optimizer.schema, &fake_adam_schema);
  assert_true(((const fake_adam *)c->train.optimizer.options)->lr == 0.1);
  nn_config_destroy(&c);
  c = parse_good_set(MINIMAL, "train.schedule.warmup_epochs=2");
  assert_ptr_equal(c->train.schedule.schema, &fake_constant_schema);
  assert_true(((const fake_schedule *)c->train.schedule.options)->warmup == 2);
  nn_config_destroy(&c);
  const char *sets[] = {"train.schedule.name=step", "train.schedule.every_epochs=3", "model.activation=tanh"};
  assert_int_equal(parse_with(MINIMAL, sets, 3, &c), NN_OK);
  assert_ptr_equal(c->train.schedule.schema, &fake_step_schema);
  assert_ptr_equal(c->model.activation.schema, &fake_tanh_schema);
  nn_config_destroy(&c);
}

static void layers_are_reached_by_their_index(void **state) {
  (void)state;
  const char *sets[] = {"model.layers.0.dense.units=5",    "model.layers.0.dense.init.name=normal",
                        "model.layers.0.dense.init.std=2", "model.layers.1.relu.name=r",
                        "model.layers.2.tanh.name=t",      "model.layers.3=relu"};
  nn_config *c = NULL;
  assert_int_equal(parse_with(LAYERED, sets, 6, &c), NN_OK);
  const fake_dense *dense = c->model.layers.at[0].options;
  assert_int_equal(dense->units, 5);
  assert_true(((const fake_normal *)dense->init.options)->std == 2);
  assert_string_equal(((const fake_layer *)c->model.layers.at[1].options)->name, "r");
  assert_string_equal(((const fake_layer *)c->model.layers.at[2].options)->name, "t");
  assert_ptr_equal(c->model.layers.at[3].schema, &fake_relu_schema);
  nn_config_destroy(&c);
  c = parse_good_set(LAYERED, "model.layers={dense: {units: 2}},relu");
  assert_int_equal(c->model.layers.count, 2);
  nn_config_destroy(&c);
  c = parse_good_set(LAYERED, "model.layers.1.relu={name: z}");
  assert_string_equal(((const fake_layer *)c->model.layers.at[1].options)->name, "z");
  nn_config_destroy(&c);
  want_set_error(LAYERED, "model.layers.4.relu.name=x",
                 "--set model.layers.4.relu.name=x: there is no element 4; layers has 4, counted from 0");
  want_set_error(LAYERED, "model.layers.fc1.units=5", "there is no element fc1; layers has 4, counted from 0");
  want_set_error(LAYERED, "model.layers.0.relu.name=x", "element 0 of layers is 'dense', not 'relu'");
  want_set_error(MINIMAL, "model.layers.0.dense.units=5", "there is no element 0; layers has 0");
  want_set_error(LAYERED, "model.layers.0.dense.unit=5",
                 "--set model.layers.0.dense.unit=5: unknown key; did you mean 'units'?");
}

static void the_later_of_two_that_exclude_each_other_wins(void **state) {
  (void)state;
  nn_config *c = parse_good_set(MINIMAL, "train.batch_size_per_rank=4");
  assert_int_equal(c->train.batch_size, 0);
  assert_int_equal(c->train.batch_size_per_rank, 4);
  nn_config_destroy(&c);
  const char *sets[] = {"train.batch_size_per_rank=4", "train.batch_size=16"};
  assert_int_equal(parse_with(MINIMAL, sets, 2, &c), NN_OK);
  assert_int_equal(c->train.batch_size, 16);
  assert_int_equal(c->train.batch_size_per_rank, 0);
  nn_config_destroy(&c);
  c = parse_good_set(LAYERED, "model.hidden=4");
  assert_int_equal(c->model.layers.count, 0);
  assert_ptr_equal(c->model.activation.schema, &fake_relu_schema);
  nn_config_destroy(&c);
  c = parse_good_set("model: {hidden: [1], activation: tanh}\n"
                     "data: {file: a}\ntrain: {loss: mse, optimizer: adam, epochs: 1, batch_size: 2}\n",
                     "model.layers=relu");
  assert_int_equal(c->model.layers.count, 1);
  assert_null(c->model.activation.schema);
  nn_config_destroy(&c);
  const char *samples[] = {"data.inline.x=[[0,0],[0,1]]", "data.inline.y=0,1"};
  assert_int_equal(parse_with(MINIMAL, samples, 2, &c), NN_OK);
  assert_null(c->data.file);
  assert_int_equal(c->data.samples.x.rank, 2);
  assert_int_equal(c->data.samples.y.rank, 1);
  nn_config_destroy(&c);
}

static void what_is_wrong_names_the_argument(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"train.epochs=1e3", "--set train.epochs=1e3: '1e3' is not an integer; write 1000"},
      {"train.epochs=", "--set train.epochs=: no value; write an integer >= 0, or remove the key"},
      {"train.epochs=5 # five", "--set train.epochs=5 # five: '5 # five' is not an integer"},
      {"train.epochs=[5]", "--set train.epochs=[5]: expected an integer >= 0, found a list"},
      {"train.epochs=\xff", "byte 0xff is not UTF-8"},
      {"trian.epochs=5", "--set trian.epochs=5: trian: unknown key; did you mean 'train'?"},
      {"train.epoch=5", "--set train.epoch=5: unknown key; did you mean 'epochs'?"},
      {"lr=5", "--set lr=5: unknown key; 'lr' belongs to train.optimizer"},
      {"train.epochs.x=5", "--set train.epochs.x=5: epochs is a value and has no keys; set it as a whole"},
      {"model.hidden.0=5", "hidden is a value and has no keys; set it as a whole"},
      {"train..epochs=5", "--set train..epochs=5: an empty name in the path; write key.path=value"},
      {"train.=5", "an empty name in the path"},
      {"train=5", "--set train=5: expected a section with keys, found a single value"},
      {"train.optimizer.momentum=1", "--set train.optimizer.momentum=1: unknown key; adam has no 'momentum' (it is an"},
      {"train.optimizer=sdg", "--set train.optimizer=sdg: 'sdg' is not an optimizer; did you mean 'sgd'?"},
      {"train.optimizer=sgd", "--set train.optimizer=sgd: train.optimizer.lr: missing; give a number > 0"},
      {"train.optimizer.name=sgd", "train.optimizer.lr: missing; give a number > 0"},
      {"train.optimizer=", "--set train.optimizer=: no value; write an optimizer"},
      {"data.inline.x=[1,2", "--set data.inline.x=[1,2: not valid YAML"},
      {"model.hidden=1],[2", "--set model.hidden=1],[2: not valid YAML"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) want_set_error(MINIMAL, cases[i][0], cases[i][1]);
  want_set_error(MINIMAL, "data.inline.x.3=5", "--set data.inline.x.3=5: x is a value and has no keys");
  assert_null(strchr(nn_error_last()->message, '\n')); /* neither about y, nor about file and inline */
  want_set_error("data: {file: a}\n", "train.optimizer.lr=1", "optimizer is not given; set optimizer={name: …, …}");
  char long_name[300] = "run.";
  memset(long_name + 4, 'k', 200);
  strcat(long_name, "=1");
  want_set_error(MINIMAL, long_name, "too long a name in the path");
  want_set_error(MINIMAL, "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q=1", "too long a path");
  nn_config *c = parse_good_set(MINIMAL, "run.name=&a");
  assert_string_equal(c->run.name, "&a");
  nn_config_destroy(&c);
}

static void what_is_no_assignment_is_a_usage_error(void **state) {
  (void)state;
  static const char *const sets[] = {"train.epochs", "", "=5"};
  for (size_t i = 0; i < 3; i++) {
    nn_config *config = NULL;
    assert_int_equal(parse_with(MINIMAL, &sets[i], 1, &config), NN_ERR_USAGE);
    assert_null(config);
    want_in_message("expected key.path=value, as in --set train.epochs=10");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_of_every_type_can_be_set),
      cmocka_unit_test(a_list_may_be_one_value_none_or_in_brackets),
      cmocka_unit_test(quotes_are_those_of_yaml),
      cmocka_unit_test(the_last_of_several_wins),
      cmocka_unit_test(a_faulty_value_of_the_file_can_be_replaced),
      cmocka_unit_test(absent_sections_are_made),
      cmocka_unit_test(choices_are_replaced_or_reached_into),
      cmocka_unit_test(layers_are_reached_by_their_index),
      cmocka_unit_test(the_later_of_two_that_exclude_each_other_wins),
      cmocka_unit_test(what_is_wrong_names_the_argument),
      cmocka_unit_test(what_is_no_assignment_is_a_usage_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
