/* Tensors under names that no table lists (NN_KEY_TENSORS): read, complained about, written, compared, set. */
#include "config_fakes.h"

typedef struct fake_named {
  nn_tensor weight;
  nn_tensors others;
} fake_named;

static const nn_key named_keys[] = {
    {.name = "weight", .type = NN_KEY_TENSOR, .offset = offsetof(fake_named, weight), .help = "the weights"},
    {.name = "<parameter>", .type = NN_KEY_TENSORS, .offset = offsetof(fake_named, others), .help = "any other one"},
    {0}};
static const nn_schema named_schema = {"named", "by names", sizeof(fake_named), named_keys};
static const nn_schema *const named_inits[] = {&fake_pytorch_schema, &named_schema};
static const nn_registry named_registry = {
    {{fake_layers, 4}, {fake_losses, 2}, {named_inits, 2}, {fake_optimizers, 2}, {fake_schedules, 2}}};

static nn_status parse_named(const char *init, const char *set, nn_config **out) {
  char text[1024];
  snprintf(text, sizeof text,
           "data: {file: a.h5}\n"
           "model: {hidden: [4], init: %s}\n"
           "train: {loss: mse, optimizer: adam, epochs: 3, batch_size: 8}\n",
           init);
  return nn_config_parse(text, strlen(text), "a.yaml", set == NULL ? NULL : &set, set == NULL ? 0 : 1, &named_registry,
                         out);
}

static nn_config *named(const char *init, const char *set) {
  nn_config *config = NULL;
  if (parse_named(init, set, &config) != NN_OK) fail_msg("%s", nn_error_last()->message);
  return config;
}

static const fake_named *options_of(const nn_config *config) {
  assert_ptr_equal(config->model.init.schema, &named_schema);
  return config->model.init.options;
}

static void names_that_no_table_lists_are_kept_in_their_order(void **state) {
  (void)state;
  nn_config *config = named("{gain: [1, 2], name: named, weight: [[3]], \"a b\": [[4, 5], [6, 7]]}", NULL);
  const fake_named *o = options_of(config);
  assert_int_equal(o->weight.rank, 2);
  assert_int_equal(o->others.count, 2);
  assert_string_equal(o->others.names[0], "gain");
  assert_int_equal(o->others.at[0].rank, 1);
  assert_true(o->others.at[0].at[1] == 2);
  assert_string_equal(o->others.names[1], "a b");
  assert_int_equal(o->others.at[1].dims[1], 2);
  assert_true(o->others.at[1].at[3] == 7);
  nn_config_destroy(&config);
  config = named("named", NULL);
  assert_int_equal(options_of(config)->others.count, 0);
  nn_config_destroy(&config);
}

static void want_refused(const char *init, const char *set, const char *message) {
  nn_config *config = NULL;
  assert_int_equal(parse_named(init, set, &config), NN_ERR_CONFIG);
  assert_null(config);
  want_in_message(message);
}

static void what_is_no_tensor_is_refused_by_its_name(void **state) {
  (void)state;
  want_refused("{name: named, gain: 3}", NULL, "a.yaml:2:48: model.init.gain: expected a list of numbers, found the");
  want_refused("{name: named, gain: [1, x], shift: {a: 1}}", NULL, "model.init.gain.1: 'x' is not a number");
  want_refused("{name: named, gain: [1, x], shift: {a: 1}}", NULL, "model.init.shift: expected a list of numbers");
  want_refused("{name: named, gain: [1], gain: [2]}", NULL, "model.init.gain");
}

static void they_can_be_set_from_outside(void **state) {
  (void)state;
  nn_config *config = named("{name: named, gain: [1, 2]}", "model.init.gain=[[5],[6]]");
  assert_int_equal(options_of(config)->others.count, 1);
  assert_int_equal(options_of(config)->others.at[0].rank, 2);
  assert_true(options_of(config)->others.at[0].at[1] == 6);
  nn_config_destroy(&config);
  config = named("named", "model.init.shift=1,2,3");
  assert_string_equal(options_of(config)->others.names[0], "shift");
  assert_int_equal(options_of(config)->others.at[0].dims[0], 3);
  nn_config_destroy(&config);
}

static void written_they_can_be_read_again(void **state) {
  (void)state;
  nn_config *config = named("{gain: [0.1, 2], name: named, weight: [[3]], \"a b\": [[4, 5], [6, 7]]}", NULL),
            *again = NULL;
  nn_text text = {0}, differences = {0};
  size_t count = 7;
  assert_int_equal(nn_config_write(config, &text), NN_OK);
  assert_non_null(strstr(text.at, "init: {name: named, weight: [[3]], gain: [0.1, 2], \"a b\": [[4, 5], [6, 7]]}\n"));
  if (nn_config_parse(text.at, text.length, "again.yaml", NULL, 0, &named_registry, &again) != NN_OK)
    fail_msg("%s", nn_error_last()->message);
  assert_int_equal(options_of(again)->others.count, 2);
  assert_int_equal(nn_config_compare(config, again, &differences, &count), NN_OK);
  /* the written one says where the data of a run is, which is no difference here */
  assert_null(strstr(differences.at != NULL ? differences.at : "", "model.init"));
  nn_text_clear(&text);
  nn_text_clear(&differences);
  nn_config_destroy(&config);
  nn_config_destroy(&again);
}

static void differences_are_told_by_name_whatever_the_order(void **state) {
  (void)state;
  nn_config *old = named("{name: named, b: [1, 2], a: [3], gone: [4]}", NULL);
  nn_config *now = named("{name: named, a: [3], b: [1, 5], come: [6]}", NULL);
  nn_text text = {0};
  size_t count = 0;
  assert_int_equal(nn_config_compare(old, now, &text, &count), NN_OK);
  assert_int_equal(count, 3);
  assert_string_equal(text.at, "  model.init.b.1: 2 -> 5\n"
                               "  model.init.gone: [4] -> (not given)\n"
                               "  model.init.come: (not given) -> [6]\n");
  nn_text_clear(&text);
  nn_config_destroy(&old);
  nn_config_destroy(&now);
}

static void the_reference_tells_of_them(void **state) {
  (void)state;
  nn_text text = {0};
  assert_int_equal(nn_config_help(&named_registry, &text), NN_OK);
  assert_non_null(strstr(text.at, "    <parameter>         list of numbers"));
  nn_text_clear(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_that_no_table_lists_are_kept_in_their_order),
      cmocka_unit_test(what_is_no_tensor_is_refused_by_its_name),
      cmocka_unit_test(they_can_be_set_from_outside),
      cmocka_unit_test(written_they_can_be_read_again),
      cmocka_unit_test(differences_are_told_by_name_whatever_the_order),
      cmocka_unit_test(the_reference_tells_of_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
