/** @file tests/config_fakes.h
 *  A small registry of alternatives that do nothing, and helpers for the tests of the configuration. */
#ifndef NN_TESTS_CONFIG_FAKES_H
#define NN_TESTS_CONFIG_FAKES_H

#include "nnmpi/config.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fake_layer {
  char *name;
} fake_layer;

typedef struct fake_dense {
  char *name;
  int64_t units;
  bool bias;
  nn_choice init;
} fake_dense;

typedef struct fake_leaky {
  char *name;
  double slope;
} fake_leaky;

typedef struct fake_loss {
  int reduction;
  double smoothing;
} fake_loss;

typedef struct fake_normal {
  double mean, std;
} fake_normal;

typedef struct fake_given {
  nn_tensor weight;
  nn_texts names;
} fake_given;

typedef struct fake_sgd {
  double lr, momentum;
  bool nesterov;
} fake_sgd;

typedef struct fake_adam {
  double lr, beta1, beta2;
} fake_adam;

typedef struct fake_schedule {
  double warmup;
  int64_t every;
} fake_schedule;

static const char *const fake_reductions[] = {"mean", "sum", NULL};

#define FAKE_NAME                                                                                                      \
  { .name = "name", .type = NN_KEY_TEXT, .offset = 0, .help = "name in files and messages" }

static const nn_key fake_layer_keys[] = {FAKE_NAME, {0}};
static const nn_key fake_dense_keys[] = {FAKE_NAME,
                                         {.name = "units",
                                          .type = NN_KEY_INT,
                                          .offset = offsetof(fake_dense, units),
                                          .flags = NN_KEY_AUTO | NN_KEY_REQUIRED,
                                          .min = 1,
                                          .max = 1e6,
                                          .help = "outputs; auto: what the data wants"},
                                         {.name = "bias",
                                          .type = NN_KEY_BOOL,
                                          .offset = offsetof(fake_dense, bias),
                                          .fallback = "true",
                                          .help = "add a bias"},
                                         {.name = "init",
                                          .type = NN_KEY_CHOICE,
                                          .offset = offsetof(fake_dense, init),
                                          .kind = NN_KIND_INIT,
                                          .help = "initialisation; default: model.init"},
                                         {0}};
static const nn_key fake_leaky_keys[] = {FAKE_NAME,
                                         {.name = "slope",
                                          .type = NN_KEY_REAL,
                                          .offset = offsetof(fake_leaky, slope),
                                          .fallback = "0.01",
                                          .help = "factor of negative inputs"},
                                         {0}};
static const nn_key fake_loss_keys[] = {{.name = "reduction",
                                         .type = NN_KEY_WORD,
                                         .offset = offsetof(fake_loss, reduction),
                                         .fallback = "mean",
                                         .words = fake_reductions,
                                         .help = "over the samples of a minibatch"},
                                        {.name = "label_smoothing",
                                         .type = NN_KEY_REAL,
                                         .offset = offsetof(fake_loss, smoothing),
                                         .flags = NN_KEY_OPEN_MAX,
                                         .fallback = "0",
                                         .min = 0,
                                         .max = 1,
                                         .help = "share given to all classes alike"},
                                        {0}};
static const nn_key fake_normal_keys[] = {
    {.name = "mean", .type = NN_KEY_REAL, .offset = offsetof(fake_normal, mean), .fallback = "0", .help = "mean"},
    {.name = "std",
     .type = NN_KEY_REAL,
     .offset = offsetof(fake_normal, std),
     .flags = NN_KEY_OPEN_MIN,
     .fallback = "0.05",
     .min = 0,
     .max = 1e9,
     .help = "standard deviation"},
    {0}};
static const nn_key fake_given_keys[] = {{.name = "weight",
                                          .type = NN_KEY_TENSOR,
                                          .offset = offsetof(fake_given, weight),
                                          .flags = NN_KEY_REQUIRED,
                                          .help = "the weights, [out][in]"},
                                         {.name = "names",
                                          .type = NN_KEY_TEXTS,
                                          .offset = offsetof(fake_given, names),
                                          .fallback = "[a, b]",
                                          .help = "names"},
                                         {0}};
static const nn_key fake_sgd_keys[] = {{.name = "lr",
                                        .type = NN_KEY_REAL,
                                        .offset = offsetof(fake_sgd, lr),
                                        .flags = NN_KEY_REQUIRED | NN_KEY_OPEN_MIN,
                                        .min = 0,
                                        .max = 1e9,
                                        .help = "learning rate"},
                                       {.name = "momentum",
                                        .type = NN_KEY_REAL,
                                        .offset = offsetof(fake_sgd, momentum),
                                        .flags = NN_KEY_OPEN_MAX,
                                        .fallback = "0",
                                        .min = 0,
                                        .max = 1,
                                        .help = "share of the step before"},
                                       {.name = "nesterov",
                                        .type = NN_KEY_BOOL,
                                        .offset = offsetof(fake_sgd, nesterov),
                                        .fallback = "false",
                                        .help = "look ahead"},
                                       {0}};
static const nn_key fake_adam_keys[] = {
    {.name = "lr",
     .type = NN_KEY_REAL,
     .offset = offsetof(fake_adam, lr),
     .flags = NN_KEY_OPEN_MIN,
     .fallback = "0.001",
     .min = 0,
     .max = 1e9,
     .help = "learning rate"},
    {.name = "beta1", .type = NN_KEY_REAL, .offset = offsetof(fake_adam, beta1), .fallback = "0.9", .help = "decay"},
    {.name = "beta2", .type = NN_KEY_REAL, .offset = offsetof(fake_adam, beta2), .fallback = "0.999", .help = "decay"},
    {0}};
static const nn_key fake_schedule_keys[] = {{.name = "warmup_epochs",
                                             .type = NN_KEY_REAL,
                                             .offset = offsetof(fake_schedule, warmup),
                                             .fallback = "0",
                                             .min = 0,
                                             .max = 1e6,
                                             .help = "epochs until the full rate"},
                                            {0}};
static const nn_key fake_step_keys[] = {{.name = "warmup_epochs",
                                         .type = NN_KEY_REAL,
                                         .offset = offsetof(fake_schedule, warmup),
                                         .fallback = "0",
                                         .min = 0,
                                         .max = 1e6,
                                         .help = "epochs until the full rate"},
                                        {.name = "every_epochs",
                                         .type = NN_KEY_INT,
                                         .offset = offsetof(fake_schedule, every),
                                         .flags = NN_KEY_REQUIRED,
                                         .min = 1,
                                         .max = 1e6,
                                         .help = "epochs between drops"},
                                        {0}};

static const nn_schema fake_dense_schema = {"dense", "y = x W' + b", sizeof(fake_dense), fake_dense_keys};
static const nn_schema fake_relu_schema = {"relu", "max(0, x)", sizeof(fake_layer), fake_layer_keys};
static const nn_schema fake_tanh_schema = {"tanh", "tanh(x)", sizeof(fake_layer), fake_layer_keys};
static const nn_schema fake_leaky_schema = {"leaky_relu", "x or slope x", sizeof(fake_leaky), fake_leaky_keys};
static const nn_schema fake_entropy_schema = {"cross_entropy", "of softmax", sizeof(fake_loss), fake_loss_keys};
static const nn_schema fake_mse_schema = {"mse", "mean squared error", sizeof(fake_loss), fake_loss_keys};
static const nn_schema fake_pytorch_schema = {"pytorch", "uniform, +-1/sqrt(in)", 0, NULL};
static const nn_schema fake_normal_schema = {"normal", "normal", sizeof(fake_normal), fake_normal_keys};
static const nn_schema fake_given_schema = {"given", "written here", sizeof(fake_given), fake_given_keys};
static const nn_schema fake_sgd_schema = {"sgd", "stochastic gradient descent", sizeof(fake_sgd), fake_sgd_keys};
static const nn_schema fake_adam_schema = {"adam", "Adam", sizeof(fake_adam), fake_adam_keys};
static const nn_schema fake_constant_schema = {"constant", "as it is", sizeof(fake_schedule), fake_schedule_keys};
static const nn_schema fake_step_schema = {"step", "in steps", sizeof(fake_schedule), fake_step_keys};

static const nn_schema *const fake_layers[] = {&fake_dense_schema, &fake_relu_schema, &fake_tanh_schema,
                                               &fake_leaky_schema};
static const nn_schema *const fake_losses[] = {&fake_entropy_schema, &fake_mse_schema};
static const nn_schema *const fake_inits[] = {&fake_pytorch_schema, &fake_normal_schema, &fake_given_schema};
static const nn_schema *const fake_optimizers[] = {&fake_sgd_schema, &fake_adam_schema};
static const nn_schema *const fake_schedules[] = {&fake_constant_schema, &fake_step_schema};

static const nn_registry fake_registry = {
    {{fake_layers, 4}, {fake_losses, 2}, {fake_inits, 3}, {fake_optimizers, 2}, {fake_schedules, 2}}};

/** A configuration with what is required and nothing else; lines 1 to 6. */
#define MINIMAL                                                                                                        \
  "data: {file: a.h5}\n"                                                                                               \
  "model: {hidden: [4]}\n"                                                                                             \
  "train:\n"                                                                                                           \
  "  loss: cross_entropy\n"                                                                                            \
  "  optimizer: adam\n"                                                                                                \
  "  epochs: 3\n"                                                                                                      \
  "  batch_size: 8\n"

static inline nn_status parse_with(const char *text, const char *const *sets, size_t count, nn_config **out) {
  return nn_config_parse(text, strlen(text), "dir/my.run.yaml", sets, count, &fake_registry, out);
}

/** Parse, or fail the test with the message. */
static inline nn_config *parse_good(const char *text) {
  nn_config *config = NULL;
  if (parse_with(text, NULL, 0, &config) != NN_OK) fail_msg("%s", nn_error_last()->message);
  return config;
}

static inline nn_config *parse_good_set(const char *text, const char *set) {
  nn_config *config = NULL;
  if (parse_with(text, &set, 1, &config) != NN_OK) fail_msg("%s", nn_error_last()->message);
  return config;
}

/** The message must contain `expected`. */
static inline void want_in_message(const char *expected) {
  const char *message = nn_error_last()->message;
  if (strstr(message, expected) == NULL) fail_msg("expected:\n%s\nin the message:\n%s", expected, message);
}

/** Parsing must fail with NN_ERR_CONFIG, and with exactly this message where it does not begin with "…". */
static inline void want_error(const char *text, const char *expected) {
  nn_config *config = NULL;
  assert_int_equal(parse_with(text, NULL, 0, &config), NN_ERR_CONFIG);
  assert_null(config);
  want_in_message(expected);
}

static inline void want_set_error(const char *text, const char *set, const char *expected) {
  nn_config *config = NULL;
  assert_int_equal(parse_with(text, &set, 1, &config), NN_ERR_CONFIG);
  assert_null(config);
  want_in_message(expected);
}

#endif
