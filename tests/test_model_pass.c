/* Forward and backward of whole networks: against finite differences and PyTorch, on teams of several sizes, with
 * frozen layers; the memory they need. */
#include "golden.h"
#include "model_testing.h"

#include <math.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* A network with every kind of layer that has a gradient everywhere. */
static void build_smooth(net *n, size_t in, size_t outputs) {
  net_start(n);
  net_dense(n, 7, NULL);
  net_add(n, "tanh");
  net_dense(n, 6, NULL);
  net_add(n, "gelu");
  net_add(n, "dropout");
  set_bool(net_dense(n, 5, NULL), "bias", false);
  net_add(n, "softplus");
  net_dense(n, 0, NULL);
  net_build(n, vector_of(in), outputs);
}

/* ---- gradients -------------------------------------------------------------------------------- */

static void a_networks_gradient_is_that_of_finite_differences(void **state) {
  (void)state;
  static const char *const losses[] = {"cross_entropy", "mse", "half_sse", "bce_with_logits"};
  for (size_t k = 0; k < 4; k++) {
    net n;
    trial t;
    numbers random = {.stream = 80 + k};
    build_smooth(&n, 5, 3);
    trial_open(&t, n.model, losses[k], 4, &random);
    (void)trial_run(&t, 2);
    t.gradient = false;
    for (size_t i = 0; i < nn_model_param_count(n.model); i++) {
      const float kept = t.params[i], up = kept + 0x1p-6f, down = kept - 0x1p-6f;
      t.params[i] = up;
      const double above = trial_run(&t, 1);
      t.params[i] = down;
      const double below = trial_run(&t, 1);
      t.params[i] = kept;
      const double expected = (above - below) / ((double)up - (double)down), actual = (double)t.grads[i];
      if (!(fabs(actual - expected) <= 1e-4 * (1 + fabs(expected))))
        fail_msg("%s: gradient %zu is %.7g, differences give %.7g", losses[k], i, actual, expected);
    }
    trial_close(&t);
    net_clear(&n);
  }
}

/* ---- PyTorch ---------------------------------------------------------------------------------- */

enum { NAME_MAX_BYTES = 160 };

static void golden_name(char name[NAME_MAX_BYTES], const char *group, const char *tensor) {
  snprintf(name, NAME_MAX_BYTES, "%s/%s", group, tensor);
}

static void check_tensors(const golden *g, const net *n, const char *group, const float *arena) {
  char name[NAME_MAX_BYTES];
  for (size_t i = 0; i < nn_model_tensor_count(n->model); i++) {
    const nn_model_tensor *tensor = nn_model_tensor_at(n->model, i);
    golden_name(name, group, tensor->name);
    golden_check(g, name, nn_param_size(tensor->param), arena + tensor->param->offset, 3e-6);
  }
}

static void three_steps_of_gradient_descent_are_those_of_pytorch(void **state) {
  (void)state;
  enum { ROWS = 9, IN = 6, OUT = 3, STEPS = 3 };
  golden g;
  net n;
  trial t;
  char name[NAME_MAX_BYTES];
  golden_open(&g, NN_TEST_DATA "/model.golden");
  net_start(&n);
  net_dense(&n, 8, NULL);
  net_add(&n, "relu");
  net_dense(&n, 5, NULL);
  net_add(&n, "tanh");
  net_dense(&n, 0, NULL);
  net_build(&n, vector_of(IN), OUT);
  trial_open(&t, n.model, "cross_entropy", ROWS, &(numbers){0});
  memcpy(nn_workspace_input(t.workspace, ROWS, 0), golden_get(&g, "x", ROWS * IN), ROWS * IN * sizeof(float));
  for (size_t r = 0; r < ROWS; r++) t.labels[r] = (int32_t)golden_get(&g, "labels", ROWS)[r];
  for (size_t i = 0; i < nn_model_tensor_count(n.model); i++) {
    const nn_model_tensor *tensor = nn_model_tensor_at(n.model, i);
    const size_t size = nn_param_size(tensor->param);
    golden_name(name, "0", tensor->name);
    memcpy(t.params + tensor->param->offset, golden_get(&g, name, size), size * sizeof(float));
  }
  for (int step = 0; step <= STEPS; step++) {
    char group[8];
    snprintf(group, sizeof group, "%d", step);
    check_tensors(&g, &n, group, t.params);
    const float loss = (float)trial_run(&t, 2);
    golden_name(name, group, "loss");
    golden_check(&g, name, 1, &loss, 2e-6);
    golden_name(name, group, "y");
    golden_check(&g, name, ROWS * OUT, nn_workspace_output(t.workspace), 3e-6);
    if (step == 0) check_tensors(&g, &n, "gradient", t.grads);
    for (size_t i = 0; i < nn_model_param_count(n.model); i++) t.params[i] -= 0.5f * t.grads[i];
  }
  trial_close(&t);
  net_clear(&n);
  golden_close(&g);
}

/* ---- threads ---------------------------------------------------------------------------------- */

static void a_network_gives_the_same_bits_on_any_number_of_threads(void **state) {
  (void)state;
  net n;
  trial t;
  net_start(&n);
  net_dense(&n, 300, NULL);
  net_add(&n, "relu");
  net_add(&n, "dropout");
  net_dense(&n, 77, NULL);
  net_add(&n, "softmax");
  net_dense(&n, 0, NULL);
  net_build(&n, vector_of(130), 10);
  trial_open(&t, n.model, "cross_entropy", 61, &(numbers){.stream = 90});
  const size_t params = nn_model_param_count(n.model), outputs = t.rows * nn_model_outputs(n.model);
  const double loss = trial_run(&t, 1);
  float *grads = copy_floats(t.grads, params), *y = copy_floats(nn_workspace_output(t.workspace), outputs);
  for (int threads = 2; threads <= 3; threads++) {
    memset(t.grads, 0, params * sizeof *grads);
    assert_true(trial_run(&t, threads) == loss);
    assert_memory_equal(t.grads, grads, params * sizeof *grads);
    assert_memory_equal(nn_workspace_output(t.workspace), y, outputs * sizeof *y);
  }
  free(grads);
  free(y);
  trial_close(&t);
  net_clear(&n);
}

static void a_workspace_takes_fewer_rows_than_it_was_made_for(void **state) {
  (void)state;
  net n;
  trial large, small;
  build_smooth(&n, 5, 3);
  trial_open(&large, n.model, "cross_entropy", 8, &(numbers){.stream = 91});
  trial_open(&small, n.model, "cross_entropy", 3, &(numbers){.stream = 91});
  large.rows = 3;
  for (size_t r = 0; r < 3; r++) large.weights[r] = small.weights[r];
  memcpy(large.labels, small.labels, 3 * sizeof *small.labels);
  assert_true(trial_run(&large, 1) == trial_run(&small, 1));
  assert_memory_equal(large.grads, small.grads, nn_model_param_count(n.model) * sizeof(float));
  trial_close(&large);
  trial_close(&small);
  net_clear(&n);
}

typedef struct piece_of_pass {
  const trial *t;
  size_t row, rows;
  float *grads;
} piece_of_pass;

static void make_piece(const nn_team *team, void *context) {
  const piece_of_pass *p = context;
  const nn_pass pass = {.team = team, .rows = p->t->rows, .params = p->t->params};
  for (size_t i = 0; i < nn_model_block_count(p->t->model); i++)
    nn_model_gradient(p->t->model, p->t->workspace, &pass, p->row, p->rows, i, i + 1,
                      p->grads + nn_model_block_at(p->t->model, i)->range.first);
}

static void pieces_that_go_together_have_the_gradients_of_pieces_apart(void **state) {
  (void)state;
  net n;
  trial together, apart;
  build_smooth(&n, 130, 3);
  assert_true(nn_model_takes_pieces(n.model));
  const size_t params = nn_model_param_count(n.model);
  trial_open(&together, n.model, "cross_entropy", 40, &(numbers){.stream = 92});
  trial_open(&apart, n.model, "cross_entropy", 40, &(numbers){.stream = 92});
  trial_run(&together, 1);
  for (size_t row = 0; row < 40; row += 8) {
    trial piece = apart;
    piece.rows = 8;
    piece.labels += row, piece.weights += row, piece.samples += row;
    memcpy(nn_workspace_input(piece.workspace, 8, 0), nn_workspace_input(together.workspace, 40, 0) + row * 130,
           8 * 130 * sizeof(float));
    trial_run(&piece, 1);
    piece_of_pass of = {&together, row, 8, together.grads};
    nn_team_run(1, make_piece, &of);
    assert_memory_equal(together.grads, apart.grads, params * sizeof(float));
  }
  piece_of_pass none = {&together, 0, 0, together.grads};
  nn_team_run(1, make_piece, &none);
  for (size_t i = 0; i < params; i++) assert_true(together.grads[i] == 0);
  trial_close(&together);
  trial_close(&apart);
  net_clear(&n);
}

/* ---- what a workspace keeps --------------------------------------------------------------------- */

/* What a watched workspace gives, one that keeps less gives bit for bit. */
static void compare_workspaces(const nn_model *model, size_t rows) {
  trial watched, other;
  trial_open_for(&watched, model, "cross_entropy", rows, &(numbers){.stream = 94}, NN_WORKSPACE_WATCHED, 1);
  trial_open(&other, model, "cross_entropy", rows, &(numbers){.stream = 94});
  assert_true(trial_run(&watched, 1) == trial_run(&other, 1));
  assert_memory_equal(watched.grads, other.grads, nn_model_param_count(model) * sizeof(float));
  assert_memory_equal(nn_workspace_output(watched.workspace), nn_workspace_output(other.workspace),
                      rows * nn_model_outputs(model) * sizeof(float));
  trial_close(&watched);
  trial_close(&other);
}

static void an_activation_takes_the_place_of_its_input_where_that_changes_no_bit(void **state) {
  (void)state;
  static const struct {
    const char *name;
    double slope;
    bool in_place;
  } activations[] = {
      {"identity", 0, true},       {"relu", 0, true},    {"leaky_relu", 0.1, true}, {"leaky_relu", 0, true},
      {"leaky_relu", -0.5, false}, {"sigmoid", 0, true}, {"tanh", 0, true},         {"gelu", 0, false},
      {"softplus", 0, false},      {"arctan", 0, false}, {"step", 0, true}};
  for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
    for (size_t rows = 1; rows <= 33; rows += 32) {
      net n;
      net_start(&n);
      net_dense(&n, 40, NULL);
      nn_choice *choice = net_add(&n, activations[i].name);
      if (strcmp(activations[i].name, "leaky_relu") == 0) set_real(choice, "slope", activations[i].slope);
      net_dense(&n, 0, NULL);
      net_build(&n, vector_of(30), 10);
      const size_t spared = nn_workspace_bytes(n.model, rows, NN_WORKSPACE_WATCHED, 1) -
                            nn_workspace_bytes(n.model, rows, NN_WORKSPACE_TRAINING, 1);
      assert_int_equal(spared, activations[i].in_place ? (rows * 40 + 15) / 16 * 64 : 0);
      compare_workspaces(n.model, rows);
      net_clear(&n);
    }
}

static void each_thread_has_inputs_of_its_own_while_they_are_few(void **state) {
  (void)state;
  enum { IN = 1000, THREADS = 3, MOST = 300 };
  net n;
  net_start(&n);
  net_dense(&n, 64, NULL);
  net_add(&n, "tanh");
  net_dense(&n, 0, NULL);
  net_build(&n, vector_of(IN), 10);
  static const struct {
    size_t rows;
    bool each;
  } passes[] = {{1, true}, {262, true}, {263, false}, {MOST, false}};
  trial large;
  trial_open_for(&large, n.model, "cross_entropy", MOST, &(numbers){.stream = 94}, NN_WORKSPACE_TRAINING, THREADS);
  for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
    const size_t rows = passes[i].rows;
    trial exact;
    trial_open_for(&exact, n.model, "cross_entropy", rows, &(numbers){.stream = 94}, NN_WORKSPACE_WATCHED, 1);
    assert_int_equal(nn_workspace_each(large.workspace, rows), passes[i].each);
    large.rows = rows;
    memcpy(large.labels, exact.labels, rows * sizeof *exact.labels);
    memcpy(large.weights, exact.weights, rows * sizeof *exact.weights);
    /* what a thread does not read may be anything */
    float *shared = nn_workspace_input(large.workspace, MOST, 0);
    for (size_t k = 0; k < (size_t)MOST * IN; k++) shared[k] = NAN;
    for (int thread = 0; thread < (passes[i].each ? THREADS : 1); thread++)
      memcpy(nn_workspace_input(large.workspace, rows, thread), nn_workspace_input(exact.workspace, rows, 0),
             rows * IN * sizeof(float));
    assert_true(trial_run(&exact, 1) == trial_run(&large, THREADS));
    assert_memory_equal(exact.grads, large.grads, nn_model_param_count(n.model) * sizeof(float));
    trial_close(&exact);
  }
  /* and what each of them does read is its own */
  for (int broken = 0; broken < THREADS; broken++) {
    large.rows = 262;
    for (int thread = 0; thread < THREADS; thread++) {
      float *x = nn_workspace_input(large.workspace, large.rows, thread);
      for (size_t k = 0; k < large.rows * IN; k++) x[k] = thread == broken ? NAN : 0.5f;
    }
    assert_true(isnan(trial_run(&large, THREADS)));
  }
  trial_close(&large);
  net_clear(&n);
}

/* ---- frozen layers ---------------------------------------------------------------------------- */

static void frozen_layers_get_no_gradient_and_change_no_others(void **state) {
  (void)state;
  static const char *const frozen[][3] = {
      {"layers.0"}, {"layers.2"}, {"layers.7"}, {"layers.0", "layers.2", "layers.5"}};
  net free_net;
  trial all;
  build_smooth(&free_net, 5, 3);
  trial_open(&all, free_net.model, "cross_entropy", 4, &(numbers){.stream = 92});
  (void)trial_run(&all, 2);
  for (size_t k = 0; k < 4; k++) {
    net n;
    trial t;
    build_smooth(&n, 5, 3);
    nn_model_destroy(&n.model);
    for (size_t i = 0; i < 3 && frozen[k][i] != NULL; i++) net_freeze(&n, frozen[k][i]);
    net_build(&n, vector_of(5), 3);
    trial_open(&t, n.model, "cross_entropy", 4, &(numbers){.stream = 92});
    (void)trial_run(&t, 2);
    for (size_t i = 0; i < nn_model_tensor_count(n.model); i++) {
      const nn_model_tensor *tensor = nn_model_tensor_at(n.model, i);
      const size_t at = tensor->param->offset;
      for (size_t j = 0; j < nn_param_size(tensor->param); j++)
        assert_true(t.grads[at + j] == (tensor->frozen ? 0 : all.grads[at + j]));
    }
    trial_close(&t);
    net_clear(&n);
  }
  trial_close(&all);
  net_clear(&free_net);
}

static void a_wholly_frozen_network_goes_through_backward(void **state) {
  (void)state;
  net n;
  trial t;
  net_start(&n);
  net_dense(&n, 0, "only");
  net_freeze(&n, "only");
  net_build(&n, vector_of(5), 3);
  trial_open(&t, n.model, "cross_entropy", 4, &(numbers){.stream = 93});
  assert_true(trial_run(&t, 2) > 0);
  for (size_t i = 0; i < nn_model_param_count(n.model); i++) assert_true(t.grads[i] == 0);
  trial_close(&t);
  net_clear(&n);
}

/* ---- watching --------------------------------------------------------------------------------- */

typedef struct seen {
  size_t count, layers[8];
  float bias[16]; /* sum over the rows of the gradient of the last dense layer's output: its bias' gradient */
  size_t rows, width, watched;
} seen;

static void watch(void *context, size_t layer, const float *gradient) {
  seen *s = context;
  s->layers[s->count++] = layer;
  if (layer != s->watched) return;
  for (size_t r = 0; r < s->rows; r++)
    for (size_t j = 0; j < s->width; j++) s->bias[j] += gradient[r * s->width + j];
}

static void a_watcher_sees_the_gradient_of_every_layers_output(void **state) {
  (void)state;
  net n;
  trial t;
  build_smooth(&n, 5, 3);
  trial_open(&t, n.model, "cross_entropy", 4, &(numbers){.stream = 94});
  seen s = {.rows = 4, .width = 6, .watched = 2};
  nn_workspace_watch(t.workspace, watch, &s);
  (void)trial_run(&t, 3);
  assert_int_equal(s.count, 8);
  for (size_t i = 0; i < 8; i++) assert_int_equal(s.layers[i], 7 - i);
  const float *bias = t.grads + net_tensor(&n, "layers.2.bias")->param->offset;
  for (size_t j = 0; j < 6; j++) assert_true(fabs((double)(s.bias[j] - bias[j])) < 1e-6);
  trial_close(&t);
  net_clear(&n);
}

/* ---- memory ----------------------------------------------------------------------------------- */

/* Bytes of input, outputs, factors of dropout and the outputs' gradients; an activation writes its over the one above.
 */
static size_t needed(const nn_model *model, size_t rows, bool training) {
  const size_t count = nn_model_layer_count(model);
  size_t floats = nn_shape_size(&nn_model_layer(model, 0)->in);
  for (size_t i = 0; i < count; i++) {
    const nn_layer *layer = nn_model_layer(model, i);
    const size_t width = nn_shape_size(&layer->out);
    const bool shared = i + 1 < count && nn_model_layer(model, i + 1)->ops->elementwise;
    floats += width + layer->work_per_row + (training && !shared ? width : 0);
  }
  return rows * floats * sizeof(float);
}

static void a_workspace_is_one_block_of_the_size_that_was_said(void **state) {
  (void)state;
  net n;
  build_smooth(&n, 5, 3);
  size_t last = 0;
  for (int training = 0; training <= 1; training++)
    for (size_t rows = 1; rows <= 4096; rows *= 8) {
      const nn_workspace_use use = training ? NN_WORKSPACE_WATCHED : NN_WORKSPACE_FORWARD;
      const size_t said = nn_workspace_bytes(n.model, rows, use, 1);
      nn_workspace *workspace = NULL;
      assert_true(said >= needed(n.model, rows, training));
      assert_true(said <= needed(n.model, rows, training) + 4096); /* pointers, and beginning on cache lines */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
      const struct mallinfo2 before = mallinfo2();
#endif
      assert_int_equal(nn_workspace_create(n.model, rows, use, 1, &workspace), NN_OK);
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
      const struct mallinfo2 after = mallinfo2();
      const size_t used = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
      /* The allocator rounds to pages; small blocks come from a cache of its own, which it counts as used. */
      if (said > 1 << 15) assert_true(used >= said && used <= said + 8192);
#endif
      /* all of it can be used, and is apart */
      float *input = nn_workspace_input(workspace, rows, 0);
      for (size_t i = 0; i < rows * 5; i++) input[i] = 1;
      for (size_t layer = 0; layer < nn_model_layer_count(n.model); layer++)
        assert_true(nn_workspace_activation(workspace, layer)[0] == 0);
      if (training) assert_true(nn_workspace_output_gradient(workspace)[rows * 3 - 1] == 0);
      assert_true(said > last || rows == 1);
      last = said;
      nn_workspace_destroy(&workspace);
      assert_null(workspace);
      nn_workspace_destroy(&workspace);
    }
  assert_true(nn_workspace_bytes(n.model, 100, NN_WORKSPACE_WATCHED, 1) >
              nn_workspace_bytes(n.model, 100, NN_WORKSPACE_FORWARD, 1));
  nn_workspace *workspace = NULL;
  assert_int_equal(nn_workspace_create(n.model, SIZE_MAX / 8, NN_WORKSPACE_TRAINING, 1, &workspace), NN_ERR_MEMORY);
  assert_null(workspace);
  net_clear(&n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_networks_gradient_is_that_of_finite_differences),
      cmocka_unit_test(three_steps_of_gradient_descent_are_those_of_pytorch),
      cmocka_unit_test(a_network_gives_the_same_bits_on_any_number_of_threads),
      cmocka_unit_test(a_workspace_takes_fewer_rows_than_it_was_made_for),
      cmocka_unit_test(pieces_that_go_together_have_the_gradients_of_pieces_apart),
      cmocka_unit_test(an_activation_takes_the_place_of_its_input_where_that_changes_no_bit),
      cmocka_unit_test(each_thread_has_inputs_of_its_own_while_they_are_few),
      cmocka_unit_test(frozen_layers_get_no_gradient_and_change_no_others),
      cmocka_unit_test(a_wholly_frozen_network_goes_through_backward),
      cmocka_unit_test(a_watcher_sees_the_gradient_of_every_layers_output),
      cmocka_unit_test(a_workspace_is_one_block_of_the_size_that_was_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
