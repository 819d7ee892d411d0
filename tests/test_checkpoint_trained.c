/* A network loaded from its checkpoint answers as the one that was saved. */
#include "checkpoint_testing.h"

#include "h5io/h5io_count.h"

enum { ROWS = 600 }; /* two whole pieces and a short one */

static float *some_inputs(size_t count) {
  float *x = new_floats(count);
  for (size_t i = 0; i < count; i++) x[i] = (float)nn_random_below(3, NN_RANDOM_SPLIT, 0, i, 256);
  return x;
}

/* One sample through dense layers and ReLU, in double. */
static void forward_by_hand(const small_run *r, const float *x, double *y) {
  double now[64] = {0}, next[64] = {0};
  size_t width = nn_shape_size(&r->shape);
  for (size_t j = 0; j < width; j++) {
    now[j] = (double)x[j] / r->normalizer.scale;
    if (r->normalizer.mean != NULL)
      now[j] = (now[j] - (double)r->normalizer.mean[j]) * (double)r->normalizer.inverse_deviation[j];
  }
  for (size_t t = 0; t < nn_model_tensor_count(r->model); t += 2) {
    const nn_param *w = nn_model_tensor_at(r->model, t)->param, *b = nn_model_tensor_at(r->model, t + 1)->param;
    for (size_t o = 0; o < w->dims[0]; o++) {
      next[o] = (double)r->params[b->offset + o];
      for (size_t i = 0; i < width; i++) next[o] += (double)r->params[w->offset + o * width + i] * now[i];
    }
    width = w->dims[0];
    for (size_t o = 0; o < width; o++) now[o] = t + 2 < nn_model_tensor_count(r->model) && next[o] < 0 ? 0 : next[o];
  }
  memcpy(y, now, width * sizeof *y);
}

static nn_trained *saved_and_loaded(scene *s, const small_run *r) {
  nn_trained *trained = NULL;
  assert_ok(nn_checkpoint_save(&r->parts, at(s, "trained.h5")));
  assert_ok(nn_trained_load(s->path, &trained));
  return trained;
}

static void classes_get_probabilities_and_names(void **state) {
  scene *s = *state;
  small_run r;
  small_begin(&r);
  r.normalizer.width = 12;
  r.normalizer.mean = new_floats(12);
  r.normalizer.inverse_deviation = new_floats(12);
  for (size_t i = 0; i < 12; i++) {
    r.normalizer.mean[i] = 0.5f;
    r.normalizer.inverse_deviation[i] = 3;
  }
  nn_trained *trained = saved_and_loaded(s, &r);
  float *x = some_inputs(ROWS * 12), *answers = new_floats(ROWS * 3);
  assert_ok(nn_trained_predict(trained, 2, ROWS, x, answers));
  for (size_t k = 0; k < ROWS; k++) {
    double y[64], sum = 0;
    forward_by_hand(&r, x + k * 12, y);
    for (size_t j = 0; j < 3; j++) sum += exp(y[j]);
    size_t best = 0;
    for (size_t j = 0; j < 3; j++) {
      assert_true(fabs((double)answers[k * 3 + j] - exp(y[j]) / sum) < 1e-4);
      if (answers[k * 3 + j] > answers[k * 3 + best]) best = j;
    }
    float probability = 0;
    assert_int_equal(nn_trained_class(trained, answers + k * 3, &probability), best);
    assert_true(probability == answers[k * 3 + best]);
  }
  assert_string_equal(trained->target.names[2], "Größe");
  assert_string_equal(trained->config->run.name, "small");
  nn_trained_destroy(&trained);
  assert_null(trained);
  nn_free(x);
  nn_free(answers);
  run_end(&r);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void answers_do_not_depend_on_how_many_are_asked_or_on_threads(void **state) {
  scene *s = *state;
  small_run r;
  small_begin(&r);
  nn_trained *trained = saved_and_loaded(s, &r);
  float *x = some_inputs(ROWS * 12), *all = new_floats(ROWS * 3), *some = new_floats(ROWS * 3);
  assert_ok(nn_trained_predict(trained, 1, ROWS, x, all));
  for (int threads = 2; threads <= 3; threads++) {
    memset(some, 0, ROWS * 3 * sizeof(float));
    assert_ok(nn_trained_predict(trained, threads, ROWS, x, some));
    assert_memory_equal(some, all, ROWS * 3 * sizeof(float));
  }
  memset(some, 0, ROWS * 3 * sizeof(float));
  assert_ok(nn_trained_predict(trained, 2, 2 * NN_PREDICT_ROWS, x, some));
  assert_memory_equal(some, all, 2 * NN_PREDICT_ROWS * 3 * sizeof(float));
  assert_true(some[2 * NN_PREDICT_ROWS * 3] == 0);
  assert_ok(nn_trained_predict(trained, 2, 0, x, some));
  nn_trained_destroy(&trained);
  nn_free(x);
  nn_free(all);
  nn_free(some);
  run_end(&r);
}

static void values_come_back_in_their_unit(void **state) {
  scene *s = *state;
  small_run r;
  void *memory = NULL;
  run_begin(&r,
            "run: {name: values}\ndata: {file: small.h5}\nmodel: {hidden: [6], activation: relu}\n"
            "train: {loss: mse, epochs: 3, batch_size: 8, optimizer: {name: sgd, lr: 0.1}}\n",
            (nn_shape){.rank = 1, .dims = {4}}, (nn_target_info){.width = 2});
  r.normalizer.target_width = 2;
  assert_ok(nn_alloc(2, sizeof(double), "mean", &memory));
  r.normalizer.target_mean = memory;
  assert_ok(nn_alloc(2, sizeof(double), "deviation", &memory));
  r.normalizer.target_deviation = memory;
  r.normalizer.target_mean[0] = 1000;
  r.normalizer.target_mean[1] = -3;
  r.normalizer.target_deviation[0] = 50;
  r.normalizer.target_deviation[1] = 0.25;
  nn_trained *trained = saved_and_loaded(s, &r);
  float *x = some_inputs(300 * 4), *answers = new_floats(300 * 2);
  assert_ok(nn_trained_predict(trained, 2, 300, x, answers));
  for (size_t k = 0; k < 300; k++) {
    double y[64];
    forward_by_hand(&r, x + k * 4, y);
    assert_true(fabs((double)answers[k * 2] - (1000 + 50 * y[0])) < 1e-2);
    assert_true(fabs((double)answers[k * 2 + 1] - (0.25 * y[1] - 3)) < 1e-4);
  }
  nn_trained_destroy(&trained);
  nn_free(x);
  nn_free(answers);
  run_end(&r);
}

/* Loss of two classes told apart by one output. */
static void one_output(scene *s, const char *config, bool logits) {
  small_run r;
  run_begin(&r, config, (nn_shape){.rank = 1, .dims = {4}}, (nn_target_info){.classes = true, .width = 2});
  nn_trained *trained = saved_and_loaded(s, &r);
  float *x = some_inputs(300 * 4), *answers = new_floats(300);
  assert_ok(nn_trained_predict(trained, 1, 300, x, answers));
  for (size_t k = 0; k < 300; k++) {
    double y[64];
    float probability = 0;
    forward_by_hand(&r, x + k * 4, y);
    const double expected = logits ? 1 / (1 + exp(-y[0])) : y[0];
    assert_true(fabs((double)answers[k] - expected) < 1e-4);
    const int32_t class = nn_trained_class(trained, &answers[k], &probability);
    assert_int_equal(class, answers[k] >= 0.5f);
    if (logits)
      assert_true(probability == (class == 1 ? answers[k] : 1 - answers[k]));
    else
      assert_true(isnan(probability));
  }
  nn_trained_destroy(&trained);
  nn_free(x);
  nn_free(answers);
  run_end(&r);
}

static void one_output_tells_two_classes_apart(void **state) {
#define ONE(loss)                                                                                                      \
  "run: {name: one}\ndata: {file: small.h5}\n"                                                                         \
  "model: {layers: [{dense: {units: 5}}, relu, {dense: {units: 1}}]}\n"                                                \
  "train: {loss: " loss ", epochs: 3, batch_size: 8, optimizer: {name: sgd, lr: 0.1}}\n"
  one_output(*state, ONE("bce_with_logits"), true);
  one_output(*state, ONE("mse"), false);
#undef ONE
}

static void what_cannot_be_loaded_says_why(void **state) {
  scene *s = *state;
  small_run r;
  nn_trained *trained = NULL;
  small_begin(&r);
  r.parts.config = "run: {nmae: small}\n";
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "wrong.h5")));
  assert_fails(nn_trained_load(s->path, &trained), NN_ERR_CONFIG, "wrong.h5", "nmae");
  small_run other;
  run_begin(&other, SMALL_CONFIG("[9]", "relu", "sgd"), r.shape, r.target);
  r.parts.config = other.text.at;
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "wrong.h5")));
  assert_fails(nn_trained_load(s->path, &trained), NN_ERR_CHECKPOINT, "wrong.h5", "another network");
  assert_fails(nn_trained_load(at(s, "none.h5"), &trained), NN_ERR_CHECKPOINT, "none.h5", "no such file");
  assert_null(trained);
  run_end(&other);
  run_end(&r);
  assert_int_equal(nn__h5_open_count(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(classes_get_probabilities_and_names),
      cmocka_unit_test(answers_do_not_depend_on_how_many_are_asked_or_on_threads),
      cmocka_unit_test(values_come_back_in_their_unit),
      cmocka_unit_test(one_output_tells_two_classes_apart),
      cmocka_unit_test(what_cannot_be_loaded_says_why),
  };
  return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
