/** @file optim_testing.h
 *  What the tests of the optimizers share: choices from a text, arenas, a step on a team. */
#ifndef NNMPI_TESTS_OPTIM_TESTING_H
#define NNMPI_TESTS_OPTIM_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nnmpi/optim.h"

static inline void nn_test_set_key(const nn_key *key, void *options, const char *value) {
  void *member = (char *)options + key->offset;
  if (key->type == NN_KEY_REAL)
    assert_true(nn_parse_real(value, member));
  else if (key->type == NN_KEY_INT)
    assert_true(nn_parse_int(value, member));
  else if (key->type == NN_KEY_BOOL)
    *(bool *)member = strcmp(value, "true") == 0;
  else
    fail_msg("%s: a type that this helper does not know", key->name);
}

/** A choice from "sgd,lr=0.1,momentum=0.9", with the defaults of its table. Release with nn_test_choice_clear(). */
static inline nn_choice nn_test_choice(nn_kind kind, const char *text) {
  nn_registry registry = {0};
  nn_optim_register(&registry);
  char copy[256];
  snprintf(copy, sizeof copy, "%s", text);
  char *rest = NULL;
  const char *name = strtok_r(copy, ",", &rest);
  nn_choice choice = {0};
  for (size_t i = 0; i < registry.kinds[kind].count; i++)
    if (strcmp(registry.kinds[kind].at[i]->name, name) == 0) choice.schema = registry.kinds[kind].at[i];
  assert_non_null(choice.schema);
  assert_int_equal(nn_alloc(1, choice.schema->size, "options", &choice.options), NN_OK);
  for (const nn_key *key = choice.schema->keys; key->name != NULL; key++)
    if (key->fallback != NULL) nn_test_set_key(key, choice.options, key->fallback);
  for (char *pair; (pair = strtok_r(NULL, ",", &rest)) != NULL;) {
    char *value = strchr(pair, '=');
    assert_non_null(value);
    *value++ = '\0';
    const nn_key *key = choice.schema->keys;
    while (key->name != NULL && strcmp(key->name, pair) != 0) key++;
    if (key->name == NULL) fail_msg("%s has no key %s", name, pair);
    nn_test_set_key(key, choice.options, value);
  }
  return choice;
}

static inline void nn_test_choice_clear(nn_choice *choice) {
  nn_free(choice->options);
  *choice = (nn_choice){0};
}

/** Memory for `count` floats, filled with numbers in [−1, 1) of stream `stream`. */
static inline float *nn_test_floats(size_t count, uint64_t stream) {
  void *memory = NULL;
  assert_int_equal(nn_alloc(count, sizeof(float), "floats", &memory), NN_OK);
  float *x = memory;
  for (size_t i = 0; i < count; i++) x[i] = (float)(2 * nn_random_uniform(7, NN_RANDOM_WEIGHTS, stream, i) - 1);
  return x;
}

/** nn_optim_step() on a team of its own; returns the norm. */
typedef struct nn_test_step {
  nn_optim *optim;
  uint64_t step;
  double lr, clip_norm;
  const float *gradients;
  float *params;
  double norm;
} nn_test_step;

static inline void nn_test_step_on_team(const nn_team *team, void *context) {
  nn_test_step *s = context;
  nn_optim_step(s->optim, team, s->step, s->lr, s->clip_norm, s->gradients, s->params, &s->norm);
}

static inline double nn_test_step_run(int threads, nn_test_step step) {
  step.norm = -1;
  nn_team_run(threads, nn_test_step_on_team, &step);
  return step.norm;
}

#endif
