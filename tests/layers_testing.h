/** @file layers_testing.h
 *  What the tests of layers and model share: options set by their keys' names, numbers, running a layer on a team. */
#ifndef NNMPI_TESTS_LAYERS_TESTING_H
#define NNMPI_TESTS_LAYERS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nnmpi/layers.h"

/* ---- choices ---------------------------------------------------------------------------------- */

static inline nn_registry testing_registry(void) {
  nn_registry registry = {0};
  nn_layers_register(&registry);
  return registry;
}

static inline nn_choice choice_of(const nn_schema *schema) {
  const nn_registry registry = testing_registry();
  nn_choice choice = {0};
  assert_int_equal(nn_choice_default(schema, &registry, &choice), NN_OK);
  return choice;
}

static inline nn_choice layer_choice(const char *name) {
  return choice_of(&nn_layer_find(name)->schema);
}
static inline nn_choice init_choice(const char *name) {
  return choice_of(&nn_init_find(name)->schema);
}
static inline nn_choice loss_choice(const char *name) {
  return choice_of(&nn_loss_find(name)->schema);
}

/** The member that a key fills. */
static inline void *option_at(const nn_choice *choice, const char *name, nn_key_type type) {
  for (const nn_key *key = choice->schema->keys; key->name != NULL; key++)
    if (strcmp(key->name, name) == 0) {
      assert_int_equal(key->type, type);
      return (char *)choice->options + key->offset;
    }
  fail_msg("%s has no key %s", choice->schema->name, name);
  return NULL;
}

static inline void set_int(const nn_choice *choice, const char *name, int64_t value) {
  *(int64_t *)option_at(choice, name, NN_KEY_INT) = value;
}
static inline void set_real(const nn_choice *choice, const char *name, double value) {
  *(double *)option_at(choice, name, NN_KEY_REAL) = value;
}
static inline void set_bool(const nn_choice *choice, const char *name, bool value) {
  *(bool *)option_at(choice, name, NN_KEY_BOOL) = value;
}
static inline void set_word(const nn_choice *choice, const char *name, int value) {
  *(int *)option_at(choice, name, NN_KEY_WORD) = value;
}
static inline void set_text(const nn_choice *choice, const char *name, const char *value) {
  char **at = option_at(choice, name, NN_KEY_TEXT);
  nn_free(*at);
  assert_int_equal(nn_string_copy(value, at), NN_OK);
}
/** The inner choice, e.g. init, becomes `value`, which is given away. */
static inline void set_choice(const nn_choice *choice, const char *name, nn_choice value) {
  nn_choice *at = option_at(choice, name, NN_KEY_CHOICE);
  nn_choice_clear(at);
  *at = value;
}
/** `columns` 0: a vector. */
static inline void set_tensor(const nn_choice *choice, const char *name, size_t rows, size_t columns,
                              const double *values) {
  nn_tensor *at = option_at(choice, name, NN_KEY_TENSOR);
  const size_t count = rows * (columns > 0 ? columns : 1);
  void *memory = NULL;
  nn_free(at->at);
  assert_int_equal(nn_alloc(count, sizeof(double), "a test", &memory), NN_OK);
  memcpy(memory, values, count * sizeof(double));
  *at = (nn_tensor){.rank = columns > 0 ? 2 : 1, .dims = {rows, columns}, .at = memory};
}

/* ---- numbers ---------------------------------------------------------------------------------- */

/** A stream of random numbers of its own for every test. */
typedef struct numbers {
  uint64_t stream, next;
} numbers;

static inline double number(numbers *n) {
  return nn_random_uniform(31, NN_RANDOM_WEIGHTS, n->stream, n->next++);
}
static inline size_t number_below(numbers *n, size_t limit) {
  return (size_t)(number(n) * (double)limit);
}
/** Zeroed, exactly as large as asked for, so that a sanitizer sees every step beyond it. */
static inline float *zeros(size_t count) {
  float *x = calloc(count > 0 ? count : 1, sizeof *x);
  assert_non_null(x);
  return x;
}
/** In (−scale, scale), none closer to 0 than a sixteenth of it: away from the kinks of relu and its kin. */
static inline float *random_floats(numbers *n, size_t count, double scale) {
  float *x = zeros(count);
  for (size_t i = 0; i < count; i++) {
    const double size = scale * (0.0625 + 0.9375 * number(n));
    x[i] = (float)(number(n) < 0.5 ? -size : size);
  }
  return x;
}
static inline float *copy_floats(const float *x, size_t count) {
  float *copy = zeros(count);
  memcpy(copy, x, count * sizeof *x);
  return copy;
}
static inline uint32_t *sample_ids(size_t rows, uint32_t first) {
  uint32_t *ids = malloc(rows * sizeof *ids);
  assert_non_null(ids);
  for (size_t r = 0; r < rows; r++) ids[r] = first + (uint32_t)(7 * r);
  return ids;
}

/* ---- one layer on its own --------------------------------------------------------------------- */

/** A layer with arenas, data and everything that a pass needs. */
typedef struct bench {
  nn_choice choice;
  nn_layer *layer;
  size_t rows, in, out, params; /* params: floats of the arena */
  float *x, *y, *dy, *dx, *param, *grad, *work;
  uint32_t *samples;
  nn_pass pass;
} bench;

/** Makes the layer (its options are given away) for `rows` samples, with random numbers everywhere; dy is what
 *  multiplies y in the functional J = sum dy y. False where the layer does not take such inputs. */
static inline bool bench_open(bench *b, nn_choice choice, nn_shape in, size_t outputs, size_t rows, numbers *n) {
  const nn_layer_ops *ops = nn_layer_find(choice.schema->name);
  *b = (bench){.choice = choice, .rows = rows, .in = nn_shape_size(&in)};
  if (ops->create(choice.options, &in, outputs, &b->layer) != NN_OK) {
    nn_choice_clear(&b->choice);
    return false;
  }
  b->out = nn_shape_size(&b->layer->out);
  for (int p = 0; p < b->layer->param_count; p++) {
    b->layer->params[p].offset = b->params;
    b->params += nn_param_size(&b->layer->params[p]) + 3;
  }
  b->layer->index = 2;
  b->x = random_floats(n, rows * b->in, 1.5);
  b->y = zeros(rows * b->out);
  b->dy = random_floats(n, rows * b->out, 1);
  b->dx = zeros(rows * b->in);
  b->param = random_floats(n, b->params, 1);
  b->grad = zeros(b->params);
  b->work = zeros(rows * b->layer->work_per_row + b->layer->work_fixed);
  b->samples = sample_ids(rows, 5);
  b->pass = (nn_pass){
      .rows = rows, .training = true, .seed = 9, .step = 3, .samples = b->samples, .params = b->param, .work = b->work};
  return true;
}

static inline void bench_close(bench *b) {
  nn_layer_destroy(&b->layer);
  nn_choice_clear(&b->choice);
  float *all[] = {b->x, b->y, b->dy, b->dx, b->param, b->grad, b->work};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  free(b->samples);
}

static inline void bench_forward_on(const nn_team *team, void *context) {
  const bench *b = context;
  nn_pass pass = b->pass;
  pass.team = team;
  b->layer->ops->forward(b->layer, &pass, b->x, b->y);
}

static inline void bench_backward_on(const nn_team *team, void *context) {
  const bench *b = context;
  nn_pass pass = b->pass;
  pass.team = team;
  b->layer->ops->backward(b->layer, &pass, b->x, b->y, b->dy, b->dx);
  /* rows of each parameter's gradient in three parts, each by a thread of its own */
  for (int p = 0; p < b->layer->param_count; p++) {
    const nn_param *param = &b->layer->params[p];
    const size_t rows = param->dims[0], width = nn_param_size(param) / rows;
    for (size_t part = 0; part < 3; part++) {
      const size_t first = rows * part / 3, last = rows * (part + 1) / 3;
      if (last > first && part % (size_t)team->size == (size_t)team->id)
        b->layer->ops->gradient(b->layer, &pass, b->x, b->dy, p, first, last, b->grad + param->offset + first * width);
    }
  }
}

static inline void bench_forward(bench *b, int threads) {
  nn_team_run(threads, bench_forward_on, b);
}
/** After a forward pass, as backward may use up what that left. */
static inline void bench_backward(bench *b, int threads) {
  bench_forward(b, threads);
  nn_team_run(threads, bench_backward_on, b);
}

/** J = sum dy y, in double. */
static inline double bench_functional(bench *b) {
  double sum = 0;
  bench_forward(b, 1);
  for (size_t i = 0; i < b->rows * b->out; i++) sum += (double)b->dy[i] * (double)b->y[i];
  return sum;
}

#endif
