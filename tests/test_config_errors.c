/* Complaints: where, in which order, how many; what was meant; keys against each other. */
#include <stdarg.h>
#include <stddef.h>

#include "config_fakes.h"

#define PLACE "dir/my.run.yaml:"

static void all_errors_come_in_one_message_in_the_order_of_the_file(void **state) {
  (void)state;
  static const char text[] = "data: {file: a.h5, scale: 0}\n"
                             "train:\n"
                             "  epochs: 1e3\n"
                             "  los: mse\n"
                             "  optimizer: {name: sgd, lr: -1, momentum: 1}\n"
                             "  batch_size: 1\n"
                             "  batch_size_per_rank: 1\n"
                             "run: {seed: -1}\n"
                             "model: {hidden: [1, x], hidden: [2]}\n";
  const char *sets[] = {"history.every=0", "run.name=a/b"};
  nn_config *config = NULL;
  assert_int_equal(parse_with(text, sets, 2, &config), NN_ERR_CONFIG);
  assert_string_equal(nn_error_last()->message,
                      PLACE "1:27: data.scale: '0' is out of range; write a number > 0\n" PLACE
                            "3:11: train.epochs: '1e3' is not an integer; write 1000\n" PLACE
                            "4:3: train.los: unknown key; did you mean 'loss'?\n" PLACE
                            "5:30: train.optimizer.lr: '-1' is out of range; write a number > 0\n" PLACE
                            "5:44: train.optimizer.momentum: '1' is out of range; write a number >= 0 and < 1\n" PLACE
                            "7:3: train.batch_size_per_rank: given beside batch_size; remove one of them\n" PLACE
                            "8:13: run.seed: '-1' is out of range; write an integer >= 0\n" PLACE
                            "9:21: model.hidden.1: 'x' is not an integer; write an integer >= 1\n" PLACE
                            "9:25: model.hidden: given twice, first at line 9; remove one of them\n"
                            "--set history.every=0: '0' is out of range; write an integer >= 1, or auto\n"
                            "--set run.name=a/b: a name with '/'; write the name of a folder");
}

static void what_is_missing_is_named_with_what_to_give(void **state) {
  (void)state;
  nn_config *config = NULL;
  assert_int_equal(parse_with("run: {seed: 1}\ntrain: {epochs: 1}\n", NULL, 0, &config), NN_ERR_CONFIG);
  assert_string_equal(
      nn_error_last()->message,
      PLACE "1:1: data.file: missing; give the HDF5 file with the samples (data.file), or data.inline\n" PLACE
            "1:1: model.hidden: missing; give the units of the hidden layers ([] for none), or model.layers\n" PLACE
            "2:1: train.loss: missing; give a loss\n" PLACE "2:1: train.optimizer: missing; give an optimizer\n" PLACE
            "2:1: train.batch_size: missing; give the samples in a minibatch over all ranks, or "
            "train.batch_size_per_rank");
  want_error("data: {inline: {x: [1]}}", PLACE "1:8: data.inline.y: missing; give a list of numbers");
}

static void a_mistyped_key_is_not_missing_too(void **state) {
  (void)state;
  nn_config *config = NULL;
  assert_int_equal(
      parse_with("dat: {}\nmodel: {hiden: [1]}\ntrain: {loss: mse, optimiser: adam, epoch: 1, batchsize: 8}", NULL, 0,
                 &config),
      NN_ERR_CONFIG);
  assert_string_equal(nn_error_last()->message,
                      PLACE "1:1: dat: unknown key; did you mean 'data'?\n" PLACE
                            "2:9: model.hiden: unknown key; did you mean 'hidden'?\n" PLACE
                            "3:20: train.optimiser: unknown key; did you mean 'optimizer'?\n" PLACE
                            "3:37: train.epoch: unknown key; did you mean 'epochs'?\n" PLACE
                            "3:47: train.batchsize: unknown key; did you mean 'batch_size'?");
}

static void an_unknown_key_is_sent_where_it_belongs(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"train: {lr: 0.1}", "1:9: train.lr: unknown key; 'lr' belongs to train.optimizer"},
      {"epochs: 5", "1:1: epochs: unknown key; 'epochs' belongs to train"},
      {"train: {Batch-Size: 5}", "train.Batch-Size: unknown key; did you mean 'batch_size'?"},
      {"train: {optimizer: SGD}", "train.optimizer: 'SGD' is not an optimizer; did you mean 'sgd'?"},
      {"train: {loss: CrossEntropy}", "train.loss: 'CrossEntropy' is not a loss; did you mean 'cross_entropy'?"},
      {"train: {batch: 5}", "train.batch: unknown key; did you mean 'batch_size'?"},
      {"train: {patience: 5}", "train.patience: unknown key; 'patience' belongs to train.early_stop"},
      {"data: {x: [1]}", "data.x: unknown key; 'x' belongs to data.inline"},
      {"model: {units: 5}", "model.units: unknown key; 'units' belongs to model.layers"},
      {"train: {seed: 5}", "train.seed: unknown key; 'seed' belongs to run"},
      {"train: {parallel: {threads: 2}}", "train.parallel: unknown key; 'parallel' is a section of its own"},
      {"train: {optimizer: {name: adam, epochs: 3}}", "train.optimizer.epochs: unknown key; 'epochs' belongs to train"},
      {"zebra: 5", "zebra: unknown key; valid here: run, data, model, train, parallel, checkpoint, history"},
      {"checkpoint: {zebra: 5}",
       "checkpoint.zebra: unknown key; valid here: every_epochs, every_steps, every_minutes, keep, best"},
      {"<<: {run: 5}", "<<: unknown key"},
      {"~: 1", "~: unknown key"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) want_error(cases[i][0], cases[i][1]);
}

static void long_texts_are_cut_in_messages(void **state) {
  (void)state;
  char text[3200] = "run: {seed: ";
  for (int i = 0; i < 300; i++) strcat(text, "\xc3\xa4");
  strcat(text, ", ");
  memset(text + strlen(text), 'k', 1000);
  strcat(text, ": 1}");
  want_error(text, "run.seed: '\xc3\xa4");
  want_in_message("\xc3\xa4…' is not an integer");
  want_in_message("run.kkkk");
  assert_true(strlen(nn_error_last()->message) < 1500);
  nn_config *config = NULL;
  char file[600] = "";
  memset(file, 'd', sizeof file - 1);
  memcpy(file + sizeof file - 8, "/a.yaml", 7);
  assert_int_equal(nn_config_parse("a: 1", 4, file, NULL, 0, &fake_registry, &config), NN_ERR_CONFIG);
  want_in_message("dddd/a.yaml:1:1: a: unknown key");
  assert_memory_equal(nn_error_last()->message, "…ddd", 4);
}

static void what_does_not_fit_is_counted(void **state) {
  (void)state;
  nn_text text = {0};
  nn_text_add(&text, "data: {inline: {y: [1], x: [");
  for (int i = 0; i < 5000; i++) nn_text_add(&text, "v%d,\n", i);
  nn_text_add(&text, "1]}}\n");
  nn_config *config = NULL;
  assert_int_equal(parse_with(text.at, NULL, 0, &config), NN_ERR_CONFIG);
  const char *message = nn_error_last()->message;
  assert_true(strlen(message) < NN_ERROR_MAX);
  assert_true(strlen(message) > NN_ERROR_MAX - 200);
  size_t lines = 1, more = 0;
  for (const char *at = message; *at != '\0'; at++) lines += *at == '\n';
  const char *tail = strrchr(message, '\n');
  assert_int_equal(sscanf(tail, "\n… and %zu more", &more), 1);
  /* 5000 of x, and six that are missing: loss, optimizer, epochs, batch_size, hidden; the rest is in order. */
  assert_int_equal(lines - 1 + more, 5005);
  want_in_message("data.inline.x.7: 'v7' is not a number");
  assert_string_equal(strchr(tail, 'm'), "more");
  nn_text_clear(&text);
}

static void the_count_is_whole_whatever_the_length_of_the_lines(void **state) {
  (void)state;
  nn_text text = {0};
  nn_text_add(&text, "train: {optimizer: {\n");
  for (int i = 0; i < 100; i++) nn_text_add(&text, "k%02d: 1,\n", i);
  nn_text_add(&text, "name: adam}}\n");
  char file[128] = "";
  for (size_t length = 1; length < sizeof file; length++) {
    size_t lines = 1, more = 0;
    nn_config *config = NULL;
    memset(file, 'f', length);
    assert_int_equal(nn_config_parse(text.at, text.length, file, NULL, 0, &fake_registry, &config), NN_ERR_CONFIG);
    const char *message = nn_error_last()->message, *tail = strrchr(message, '\n');
    for (const char *at = message; *at != '\0'; at++) lines += *at == '\n';
    assert_int_equal(sscanf(tail, "\n… and %zu more", &more), 1);
    assert_string_equal(tail + strlen(tail) - 5, " more");
    assert_int_equal(lines - 1 + more, 105); /* five more keys are missing */
  }
  nn_text_clear(&text);
}

static void hostile_texts_are_answered_quickly(void **state) {
  (void)state;
  nn_text text = {0};
  nn_text_add(&text, "model: {layers: [");
  for (int i = 0; i < 900; i++) {
    nn_text_add(&text, "{dense: {");
    for (int j = 0; j < 200; j++) nn_text_add(&text, "unknown_key_%d: 1, ", j);
    nn_text_add(&text, "u: 1}},\n");
  }
  nn_text_add(&text, "relu]}\n");
  const double start = nn_seconds();
  want_error(text.at, "model.layers.0.dense.unknown_key_0: unknown key; valid here: name, units, bias, init");
  want_in_message(" more");
  assert_true(nn_seconds() - start < 20);
  nn_text_clear(&text);
}

/* ---- keys against each other ---------------------------------------------------------------------------- */

static void want_check(const char *set, const char *also, const char *expected) {
  nn_config *config = NULL;
  const char *sets[] = {set, also};
  assert_int_equal(parse_with(MINIMAL, sets, also == NULL ? 1 : 2, &config), NN_ERR_CONFIG);
  want_in_message(expected);
  assert_null(strchr(nn_error_last()->message, '\n'));
}

static void keys_that_exclude_each_other_are_named(void **state) {
  (void)state;
  want_error("data: {file: a, inline: {x: [1], y: [1]}}", "1:17: data.inline: given beside file; remove one of them");
  want_error("model: {layers: [relu], hidden: [1]}", "1:25: model.hidden: given beside layers; remove one of them");
  want_error("model: {layers: [relu], activation: tanh}",
             "1:25: model.activation: goes with hidden only; remove it, or give hidden instead of layers");
  want_check("data.valid_fraction=0.1", "data.valid=test",
             "--set data.valid_fraction=0.1: cuts off a validation set, but valid: test does not use it; remove one");
  want_check("data.valid_fraction=0.1", "data.valid=none", "but valid: none does not use it");
  want_check("train.early_stop.patience=3", "data.valid=none",
             "--set train.early_stop.patience=3: early stopping needs a validation set, but data.valid is none");
}

static void class_weights_need_values_and_values_class_weights(void **state) {
  (void)state;
  want_check("data.class_weights=given", NULL,
             "--set data.class_weights=given: given, but where; set class_weight_values to a list");
  want_check("data.class_weight_values=1,2", NULL,
             "--set data.class_weight_values=1,2: used with class_weights: given only");
  want_check("data.class_weight_values=1,2", "data.class_weights=balanced", "used with class_weights: given only");
  want_check("data.class_weight_values=[[1,2]]", "data.class_weights=given", "a list of lists; write one number for");
  want_check("data.class_weight_values=-1,2", "data.class_weights=given", "'-1' is out of range; write a number >= 0");
}

static void what_needs_classes_says_so(void **state) {
  (void)state;
  want_check("data.target=value", "data.class_weights=balanced", "class labels, but data.target is value; change one");
  want_check("data.target=value", "train.top_k=5", "--set train.top_k=5: needs class labels, but data.target is value");
  want_check("data.target=value", "train.early_stop.metric=accuracy", "accuracy needs class labels");
  want_check("data.target=class", "data.normalize_targets=standard", "class labels cannot be normalised; remove it");
}

static void samples_in_the_configuration_fit_together(void **state) {
  (void)state;
  want_check("data.inline={x: [[1],[2]], y: [1]}", NULL,
             "data.inline.y: targets of 1 samples, but x has 2; give one for each");
  want_check("data.inline={x: [1], y: [1], test_x: [2]}", NULL, "data.inline.test_x: given without test_y; give both");
  want_check("data.inline={x: [1], y: [1], valid_y: [2]}", NULL,
             "data.inline.valid_y: given without valid_x; give both");
  want_check("data.inline={x: [1], y: [1]}", "data.valid=test", "there is no test set in data.inline; give test_x");
  want_check("data.inline={x: [1], y: [1], valid_x: [1], valid_y: [1]}", "data.valid_fraction=0.5",
             "there is a validation set in data.inline; remove one of them");
}

static void a_faulty_key_causes_no_second_complaint(void **state) {
  (void)state;
  want_check("data.class_weights=give", "data.class_weight_values=1,2", "did you mean 'given'?");
  want_check("data.inline={x: [a], y: [1]}", NULL, "data.inline.x.0: 'a' is not a number");
  want_check("data.inline={x: [1], y: [1], test_x: [b], test_y: [1]}", "data.valid=test", "'b' is not a number");
  want_check("data.class_weights=given", "data.class_weight_values=1,x", "'x' is not a number");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_errors_come_in_one_message_in_the_order_of_the_file),
      cmocka_unit_test(what_is_missing_is_named_with_what_to_give),
      cmocka_unit_test(a_mistyped_key_is_not_missing_too),
      cmocka_unit_test(an_unknown_key_is_sent_where_it_belongs),
      cmocka_unit_test(long_texts_are_cut_in_messages),
      cmocka_unit_test(what_does_not_fit_is_counted),
      cmocka_unit_test(the_count_is_whole_whatever_the_length_of_the_lines),
      cmocka_unit_test(hostile_texts_are_answered_quickly),
      cmocka_unit_test(keys_that_exclude_each_other_are_named),
      cmocka_unit_test(class_weights_need_values_and_values_class_weights),
      cmocka_unit_test(what_needs_classes_says_so),
      cmocka_unit_test(samples_in_the_configuration_fit_together),
      cmocka_unit_test(a_faulty_key_causes_no_second_complaint),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
