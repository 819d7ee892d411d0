/** @file checkpoint_testing.h
 *  What the tests of checkpoints share: a small run with everything that a checkpoint holds. */
#ifndef NNMPI_TESTS_CHECKPOINT_TESTING_H
#define NNMPI_TESTS_CHECKPOINT_TESTING_H

#include "h5_testing.h"

#include "nnmpi/checkpoint.h"
#include <math.h>

/** A run in its third epoch, with odd numbers everywhere. */
typedef struct small_run {
  nn_registry registry;
  nn_config *config;
  nn_text text; /* the resolved configuration */
  nn_model *model;
  float *params;
  nn_optim *optim;
  nn_history *history;
  nn_normalizer normalizer;
  nn_shape shape;
  nn_target_info target;
  nn_progress_state progress;
  nn_checkpoint_parts parts;
} small_run;

static inline float *new_floats(size_t count) {
  void *memory = NULL;
  assert_ok(nn_alloc(count, sizeof(float), "floats", &memory));
  return memory;
}

/** Values for the tensors of an arena; the padding between them stays 0. */
static inline void fill_arena(const nn_model *model, uint64_t seed, float *arena) {
  for (size_t t = 0; t < nn_model_tensor_count(model); t++) {
    const nn_param *param = nn_model_tensor_at(model, t)->param;
    for (size_t i = 0; i < nn_param_size(param); i++)
      arena[param->offset + i] = (float)nn_random_normal(seed, NN_RANDOM_WEIGHTS, t, i);
  }
}

static inline void run_begin(small_run *r, const char *config, nn_shape shape, nn_target_info target) {
  *r = (small_run){.shape = shape, .target = target, .normalizer = {.scale = 255}};
  nn_range ranges[64];
  nn_layers_register(&r->registry);
  nn_optim_register(&r->registry);
  assert_ok(nn_config_parse(config, strlen(config), "small.yaml", NULL, 0, &r->registry, &r->config));
  assert_ok(nn_config_write(r->config, &r->text));
  assert_ok(nn_model_create(&r->config->model, &r->registry, &r->shape, r->target.width, &r->model));
  const size_t count = nn_model_param_count(r->model);
  r->params = new_floats(count);
  fill_arena(r->model, 7, r->params);
  const size_t range_count = nn_model_block_count(r->model);
  assert_true(range_count <= 64);
  for (size_t i = 0; i < range_count; i++) ranges[i] = nn_model_block_at(r->model, i)->range;
  assert_ok(
      nn_optim_create(&r->config->train.optimizer, &r->config->train.schedule, count, ranges, range_count, &r->optim));
  for (int s = 0; s < nn_optim_slot_count(r->optim); s++)
    fill_arena(r->model, 100 + (uint64_t)s, nn_optim_slot(r->optim, s));
  assert_ok(nn_history_create(&r->config->history, 30, r->model, &r->history));
  for (uint64_t e = 1; e <= 2; e++) {
    const nn_epoch_row row = {.epoch = e,
                              .step = 10 * e,
                              .lr = 0.1,
                              .seconds = 1.5,
                              .samples_per_second = 1234.5,
                              .train = {.loss = 1 / (double)(e + 2), .accuracy = 0.5 + 0.1 * (double)e},
                              .valid = nn_metrics_none};
    assert_ok(nn_history_epoch(r->history, &row, r->params));
  }
  r->progress = (nn_progress_state){.step = 23,
                                    .epoch = 2,
                                    .position = 24,
                                    .best_value = 1.0 / 3,
                                    .best_epoch = 1,
                                    .best_step = 10,
                                    .stale = 1,
                                    .stopped_early = false};
  for (size_t i = 0; i < 16; i++) r->progress.epoch_sums[i] = sqrt((double)i) * (i % 2 == 0 ? 1e-300 : -1e300);
  r->progress.epoch_sums[5] = (double)NAN;
  r->parts = (nn_checkpoint_parts){.config = r->text.at,
                                   .model = r->model,
                                   .params = r->params,
                                   .optim = r->optim,
                                   .history = r->history,
                                   .normalizer = &r->normalizer,
                                   .shape = &r->shape,
                                   .target = &r->target,
                                   .data_digest = UINT64_C(0x00fedcba98765432),
                                   .virtual_ranks = 4,
                                   .progress = &r->progress};
}

static inline void run_end(small_run *r) {
  nn_history_destroy(&r->history);
  nn_optim_destroy(&r->optim);
  nn_free(r->params);
  nn_model_destroy(&r->model);
  nn_config_destroy(&r->config);
  nn_text_clear(&r->text);
  nn_normalizer_clear(&r->normalizer);
}

static char *const animals[] = {(char *)(uintptr_t) "cat", (char *)(uintptr_t) "dog", (char *)(uintptr_t) "Größe"};

#define SMALL_CONFIG(hidden, activation, optimizer)                                                                    \
  "run: {name: small}\n"                                                                                               \
  "data: {file: small.h5, scale: 255}\n"                                                                               \
  "model: {hidden: " hidden ", activation: " activation "}\n"                                                          \
  "train: {loss: cross_entropy, epochs: 3, batch_size: 8, optimizer: " optimizer "}\n"

/** 6 × 2 inputs, [7, 5], three classes, Adam. */
static inline void small_begin(small_run *r) {
  run_begin(r, SMALL_CONFIG("[7, 5]", "relu", "{name: adam, lr: 0.001}"), (nn_shape){.rank = 2, .dims = {6, 2}},
            (nn_target_info){.classes = true, .width = 3, .names = animals});
}

#endif
