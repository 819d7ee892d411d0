/* Optimizers and schedules as the configuration writes them. */
#include "nnmpi/layers.h"
#include "optim_testing.h"

static nn_config *config;

/* The status of a configuration with these optimizer and schedule; kept in `config` where it is a good one. */
static nn_status parse(const char *optimizer, const char *schedule) {
  nn_registry registry = {0};
  nn_text text = {0};
  nn_layers_register(&registry);
  nn_optim_register(&registry);
  nn_config_destroy(&config);
  nn_text_add(&text,
              "data: {file: a.h5}\nmodel: {hidden: [4], activation: relu}\n"
              "train: {loss: cross_entropy, epochs: 2, batch_size: 8, optimizer: %s, schedule: %s}\n",
              optimizer, schedule);
  const nn_status status = nn_config_parse(text.at, text.length, "t.yaml", NULL, 0, &registry, &config);
  nn_text_clear(&text);
  return status;
}

static nn_optim *create(void) {
  nn_optim *optim = NULL;
  assert_int_equal(
      nn_optim_create(&config->train.optimizer, &config->train.schedule, 16, &(nn_range){0, 16}, 1, &optim), NN_OK);
  return optim;
}

static int clear(void **state) {
  (void)state;
  nn_config_destroy(&config);
  return 0;
}

static void accepted(const char *optimizer, const char *schedule) {
  if (parse(optimizer, schedule) != NN_OK) fail_msg("%s, %s: %s", optimizer, schedule, nn_error_last()->message);
  nn_optim *optim = create();
  nn_optim_destroy(&optim);
}

static void refused(const char *optimizer, const char *schedule, const char *key) {
  if (parse(optimizer, schedule) != NN_ERR_CONFIG) fail_msg("%s, %s: is not refused", optimizer, schedule);
  if (strstr(nn_error_last()->message, key) == NULL)
    fail_msg("%s, %s: %s is not named: %s", optimizer, schedule, key, nn_error_last()->message);
}

static void every_optimizer_and_schedule_can_be_chosen_by_name_alone(void **state) {
  (void)state;
  accepted("sgd", "constant");
  accepted("adam", "cosine");
  accepted("adamw", "{name: step, every_epochs: 3}");
  accepted("rmsprop", "{name: step, every_epochs: 3, gamma: 0.5, warmup_epochs: 0.5}");
}

static void what_is_written_is_what_is_used(void **state) {
  (void)state;
  accepted("{name: sgd, lr: 0.25, momentum: 0.9, nesterov: true}", "{name: cosine, min_factor: 0.5}");
  nn_optim *optim = create();
  assert_string_equal(nn_optim_name(optim), "sgd");
  assert_int_equal(nn_optim_slot_count(optim), 1);
  assert_true(nn_optim_lr(optim, 0, 10, 5) == 0.25 && nn_optim_lr(optim, 10, 10, 5) == 0.125);
  nn_optim_destroy(&optim);
}

static void limits_belong_to_what_makes_sense(void **state) {
  (void)state;
  accepted("{name: sgd, lr: 0}", "constant");
  accepted("{name: sgd, momentum: 0.999999999}", "{name: cosine, min_factor: 1}");
  accepted("{name: adam, beta1: 0, beta2: 0, eps: 1e-30, weight_decay: 5}", "{name: step, every_epochs: 1, gamma: 1}");
  refused("{name: sgd, lr: -0.1}", "constant", "lr");
  refused("{name: sgd, momentum: 1}", "constant", "momentum");
  refused("{name: sgd, momentum: -0.1}", "constant", "momentum");
  refused("{name: sgd, weight_decay: -1}", "constant", "weight_decay");
  refused("{name: sgd, momentun: 0.9}", "constant", "momentum");
  refused("{name: adam, beta1: 1}", "constant", "beta1");
  refused("{name: adam, beta2: 1.5}", "constant", "beta2");
  refused("{name: adam, eps: 0}", "constant", "eps");
  refused("{name: adamw, weight_decay: x}", "constant", "weight_decay");
  refused("{name: rmsprop, alpha: 1}", "constant", "alpha");
  refused("{name: rmsprop, eps: 0}", "constant", "eps");
  refused("{name: rmsprop, beta1: 0.5}", "constant", "beta1");
  refused("sgb", "constant", "sgd");
  refused("sgd", "step", "every_epochs");
  refused("sgd", "{name: step, every_epochs: 0}", "every_epochs");
  refused("sgd", "{name: step, every_epochs: 1.5}", "every_epochs");
  refused("sgd", "{name: step, every_epochs: 1, gamma: 2}", "gamma");
  refused("sgd", "{name: cosine, min_factor: -1}", "min_factor");
  refused("sgd", "{name: constant, warmup_epochs: -1}", "warmup_epochs");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_optimizer_and_schedule_can_be_chosen_by_name_alone),
      cmocka_unit_test(what_is_written_is_what_is_used),
      cmocka_unit_test(limits_belong_to_what_makes_sense),
  };
  return cmocka_run_group_tests(tests, NULL, clear);
}
