/* Building networks: names, shapes, the arenas, freezing, descriptions, and what is said about networks that cannot
 * be. */
#include "model_testing.h"

static void expect_refused(net *n, nn_shape in, size_t outputs, const char *const *parts) {
  assert_int_equal(net_try(n, in, outputs), NN_ERR_CONFIG);
  assert_null(n->model);
  for (; *parts != NULL; parts++)
    if (strstr(nn_error_last()->message, *parts) == NULL)
      fail_msg("\"%s\" does not say \"%s\"", nn_error_last()->message, *parts);
  net_clear(n);
}
#define EXPECT_REFUSED(n, in, outputs, ...) expect_refused(n, in, outputs, (const char *const[]){__VA_ARGS__, NULL})

/* ---- layers and names ------------------------------------------------------------------------- */

static void hidden_stands_for_dense_and_activation_layers_numbered_as_pytorch_does(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_hidden(&n, 2, (const int64_t[]){256, 128}, "relu");
  net_build(&n, (nn_shape){.rank = 2, .dims = {28, 28}}, 10);
  static const char *const kinds[] = {"dense", "relu", "dense", "relu", "dense"};
  static const char *const tensors[] = {"layers.0.weight", "layers.0.bias",   "layers.2.weight",
                                        "layers.2.bias",   "layers.4.weight", "layers.4.bias"};
  static const size_t rows[] = {256, 256, 128, 128, 10, 10};
  assert_int_equal(nn_model_layer_count(n.model), 5);
  for (size_t i = 0; i < 5; i++) {
    assert_string_equal(nn_model_layer(n.model, i)->ops->schema.name, kinds[i]);
    assert_int_equal(nn_model_layer(n.model, i)->index, i);
  }
  assert_string_equal(nn_model_layer_name(n.model, 3), "layers.3");
  assert_int_equal(nn_model_tensor_count(n.model), 6);
  for (size_t t = 0; t < 6; t++) {
    assert_string_equal(nn_model_tensor_at(n.model, t)->name, tensors[t]);
    assert_int_equal(nn_model_tensor_at(n.model, t)->param->dims[0], rows[t]);
    assert_int_equal(nn_model_tensor_at(n.model, t)->layer, t / 2 * 2);
  }
  assert_int_equal(nn_model_outputs(n.model), 10);
  assert_int_equal(nn_model_trainable_count(n.model), 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10);
  net_clear(&n);
}

static void no_hidden_layers_leave_one_dense_layer(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_build(&n, vector_of(4), 3);
  assert_int_equal(nn_model_layer_count(n.model), 1);
  assert_int_equal(nn_model_trainable_count(n.model), 15);
  net_clear(&n);
}

static void layers_have_the_names_that_they_are_given(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_dense(&n, 5, "fc1");
  set_text(net_add(&n, "gelu"), "name", "middle");
  net_dense(&n, 0, NULL);
  net_add(&n, "softmax");
  net_build(&n, vector_of(4), 3);
  assert_string_equal(nn_model_layer_name(n.model, 0), "fc1");
  assert_string_equal(nn_model_layer_name(n.model, 1), "middle");
  assert_string_equal(nn_model_layer_name(n.model, 2), "layers.2");
  assert_string_equal(nn_model_tensor_at(n.model, 0)->name, "fc1.weight");
  assert_string_equal(nn_model_tensor_at(n.model, 3)->name, "layers.2.bias");
  assert_int_equal(nn_model_outputs(n.model), 3); /* auto, although softmax follows */
  net_clear(&n);
}

static void names_that_clash_or_cannot_be_in_a_file_are_refused(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_dense(&n, 5, "fc");
  net_dense(&n, 3, "fc");
  EXPECT_REFUSED(&n, vector_of(4), 3, "line 11", "layer fc (dense)", "layer 0 has that name already");
  net_start(&n);
  net_dense(&n, 5, "layers.1");
  net_dense(&n, 3, NULL);
  EXPECT_REFUSED(&n, vector_of(4), 3, "line 11", "layer layers.1", "layer 0 has that name already");
  static const char *const bad[] = {
      "", "a/b", "a b", ".", "..", "name-of-more-than-63-characters-which-is-too-long-for-a-table-of-layers"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    net_start(&n);
    net_dense(&n, 3, bad[i]);
    EXPECT_REFUSED(&n, vector_of(4), 3, "line 10", "a name has 1 to 63");
  }
}

static void networks_that_do_not_fit_say_which_layer_and_why(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_dense(&n, 10, NULL);
  EXPECT_REFUSED(&n, vector_of(4), 12, "line 10", "layers.0 (dense)", "puts out 10 values, the data has 12");
  net_start(&n);
  net_dense(&n, 0, NULL);
  net_add(&n, "relu");
  net_dense(&n, 0, NULL);
  EXPECT_REFUSED(&n, vector_of(4), 3, "line 10", "layers.0 (dense)", "needs `units` here");
  net_start(&n);
  net_add(&n, "relu");
  EXPECT_REFUSED(&n, vector_of(4), 3, "no layer has parameters", "dense");
  net_start(&n);
  net_dense(&n, 1 << 30, NULL);
  net_dense(&n, 1 << 30, NULL);
  net_dense(&n, 0, NULL);
  EXPECT_REFUSED(&n, vector_of(((size_t)1 << 31) - 9), 3, "more than can be addressed");
  net_start(&n);
  net_dense(&n, 3, NULL);
  net_hidden(&n, 1, (const int64_t[]){4}, "relu");
  EXPECT_REFUSED(&n, vector_of(4), 3, "`hidden` and `layers`");
}

static void two_classes_may_have_one_output_or_two(void **state) {
  (void)state;
  for (size_t units = 1; units <= 2; units++)
    for (size_t outputs = 1; outputs <= 2; outputs++) {
      net n;
      net_start(&n);
      net_dense(&n, (int64_t)units, NULL);
      net_build(&n, vector_of(4), outputs);
      assert_int_equal(nn_model_outputs(n.model), units);
      net_clear(&n);
    }
}

/* ---- the arenas ------------------------------------------------------------------------------- */

static void tensors_begin_on_cache_lines_and_what_lies_between_is_zero(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_hidden(&n, 3, (const int64_t[]){5, 16, 7}, "tanh");
  n.config.init = init_choice("constant");
  set_real(&n.config.init, "value", 2);
  set_real(&n.config.init, "bias", 3);
  net_build(&n, vector_of(3), 2);
  const size_t count = nn_model_param_count(n.model);
  assert_int_equal(count % 16, 0);
  float *params = random_floats(&(numbers){0}, count, 1);
  assert_int_equal(nn_model_init(n.model, 1, params), NN_OK);
  size_t end = 0, filled = 0;
  for (size_t t = 0; t < nn_model_tensor_count(n.model); t++) {
    const nn_param *param = nn_model_tensor_at(n.model, t)->param;
    assert_int_equal(param->offset % 16, 0);
    assert_true(param->offset >= end && param->offset < end + 16);
    end = param->offset + nn_param_size(param);
    for (size_t i = param->offset; i < end; i++) assert_true(params[i] == (param->is_bias ? 3.0f : 2.0f));
    filled += nn_param_size(param);
  }
  assert_true(end <= count && count < end + 16);
  size_t others = 0;
  for (size_t i = 0; i < count; i++) others += params[i] == 0 ? 1 : 0;
  assert_int_equal(others, count - filled);
  assert_int_equal(filled, nn_model_trainable_count(n.model));
  free(params);
  net_clear(&n);
}

static void a_layers_own_initialisation_goes_before_the_models(void **state) {
  (void)state;
  net n;
  net_start(&n);
  nn_choice own = init_choice("constant");
  set_real(&own, "value", 5);
  net_dense(&n, 2, "a");
  set_choice(net_dense(&n, 2, "b"), "init", own);
  n.config.init = init_choice("zeros");
  net_build(&n, vector_of(2), 2);
  float *params = zeros(nn_model_param_count(n.model));
  assert_int_equal(nn_model_init(n.model, 1, params), NN_OK);
  assert_true(params[net_tensor(&n, "a.weight")->param->offset] == 0);
  assert_true(params[net_tensor(&n, "b.weight")->param->offset] == 5);
  free(params);
  net_clear(&n);
}

static void an_initialisation_that_fails_says_where_it_stands(void **state) {
  (void)state;
  net n;
  net_start(&n);
  nn_choice own = init_choice("values");
  own.line = 33;
  set_tensor(&own, "weight", 1, 2, (const double[]){1, 2});
  set_choice(net_dense(&n, 2, "a"), "init", own);
  net_build(&n, vector_of(2), 2);
  float *params = zeros(nn_model_param_count(n.model));
  assert_int_equal(nn_model_init(n.model, 1, params), NN_ERR_CONFIG);
  assert_string_equal(nn_error_last()->message,
                      "model: line 33: init values: a.weight: expected shape [2, 2], given [1, 2]");
  free(params);
  net_clear(&n);
}

static void random_parameters_differ_between_tensors_and_seeds(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_hidden(&n, 1, (const int64_t[]){4}, "tanh");
  net_build(&n, vector_of(4), 4);
  const size_t count = nn_model_param_count(n.model);
  float *params = zeros(count), *again = zeros(count);
  assert_int_equal(nn_model_init(n.model, 1, params), NN_OK);
  assert_int_equal(nn_model_init(n.model, 1, again), NN_OK);
  assert_memory_equal(params, again, count * sizeof *params);
  const size_t second = net_tensor(&n, "layers.2.weight")->param->offset;
  assert_memory_not_equal(params, params + second, 16 * sizeof *params);
  assert_int_equal(nn_model_init(n.model, 2, again), NN_OK);
  assert_memory_not_equal(params, again, 16 * sizeof *params);
  free(params);
  free(again);
  net_clear(&n);
}

/* ---- freezing --------------------------------------------------------------------------------- */

/* Blocks that are next to each other in the arena, as ranges. */
static size_t ranges_of(const nn_model *model, nn_range *ranges) {
  size_t count = 0;
  for (size_t i = 0; i < nn_model_block_count(model); i++) {
    const nn_range range = nn_model_block_at(model, i)->range;
    if (count > 0 && ranges[count - 1].last == range.first)
      ranges[count - 1].last = range.last;
    else
      ranges[count++] = range;
  }
  return count;
}

static void frozen_parameters_are_left_out_of_the_blocks(void **state) {
  (void)state;
  net n;
  nn_range ranges[16];
  net_start(&n);
  net_dense(&n, 5, "a"); /* 4 x 5 and 5: 32 + 16 floats */
  net_dense(&n, 5, "b"); /* 5 x 5 and 5: 32 + 16 */
  net_dense(&n, 3, "c"); /* 5 x 3 and 3: 16 + 16 */
  net_build(&n, vector_of(4), 3);
  assert_int_equal(ranges_of(n.model, ranges), 1);
  assert_int_equal(ranges[0].first, 0);
  assert_int_equal(ranges[0].last, 128);
  assert_int_equal(nn_model_param_count(n.model), 128);
  nn_model_destroy(&n.model);

  net_freeze(&n, "b");
  net_freeze(&n, "c.bias");
  net_build(&n, vector_of(4), 3);
  assert_int_equal(ranges_of(n.model, ranges), 2);
  assert_int_equal(ranges[0].first, 0);
  assert_int_equal(ranges[0].last, 48);
  assert_int_equal(ranges[1].first, 96);
  assert_int_equal(ranges[1].last, 112);
  assert_int_equal(nn_model_trainable_count(n.model), 25 + 15);
  assert_true(net_tensor(&n, "b.weight")->frozen && net_tensor(&n, "c.bias")->frozen);
  assert_false(net_tensor(&n, "c.weight")->frozen);
  nn_model_destroy(&n.model);

  net_freeze(&n, "a");
  net_freeze(&n, "c");
  net_build(&n, vector_of(4), 3);
  assert_int_equal(nn_model_block_count(n.model), 0);
  assert_int_equal(nn_model_trainable_count(n.model), 0);
  net_clear(&n);
}

static void blocks_are_whole_rows_and_workers_share_them(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_dense(&n, 100, "a"); /* 784 x 100 */
  net_dense(&n, 3, "b");
  net_build(&n, vector_of(784), 3);
  const size_t count = nn_model_block_count(n.model);
  size_t row = 0, tensor = 0;
  assert_true(count > 4);
  for (size_t i = 0; i < count; i++) {
    const nn_model_block *block = nn_model_block_at(n.model, i);
    const nn_param *param = nn_model_tensor_at(n.model, block->tensor)->param;
    if (block->tensor != tensor) row = 0;
    tensor = block->tensor;
    assert_int_equal(block->first_row, row);
    assert_true(block->last_row > row && block->last_row <= param->dims[0]);
    assert_int_equal(block->range.first, param->offset + row * (nn_param_size(param) / param->dims[0]));
    row = block->last_row;
  }
  for (size_t size = 1; size <= 40; size++) {
    size_t next = 0, first = 0, last = 0, parts = 0;
    for (; nn_model_block_share(n.model, size, 0, parts, &first, &last); parts++)
      for (size_t id = 0; id < size; id++) {
        assert_true(nn_model_block_share(n.model, size, id, parts, &first, &last));
        assert_int_equal(first, next);
        assert_true(last >= first);
        next = last;
      }
    assert_int_equal(next, count);
    assert_true(!nn_model_block_share(n.model, size, size - 1, parts, &first, &last));
  }
  for (size_t most = 1; most <= 8; most++)
    for (size_t last = count, first; last > 0; last = first) {
      first = nn_model_blocks_together(n.model, 1000, most, 0, last);
      for (size_t least = first; least < last; least++)
        assert_in_range(nn_model_blocks_together(n.model, 1000, most, least, last), least, last - 1);
      assert_true(first < last && last <= first + most);
      assert_int_equal(nn_model_block_at(n.model, first)->tensor, nn_model_block_at(n.model, last - 1)->tensor);
      const size_t floats =
          nn_model_block_at(n.model, last - 1)->range.last - nn_model_block_at(n.model, first)->range.first;
      assert_true(floats <= nn_model_blocks_floats(n.model, most));
    }
  net_clear(&n);
}

/* Workers of a team divide a layer's outputs among them going forward: about the rows that they own here. */
static void workers_share_large_tensors_one_by_one_and_about_equally(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_hidden(&n, 3, (const int64_t[]){256, 128, 64}, "relu");
  net_build(&n, vector_of(784), 10);
  const size_t all = nn_model_trainable_count(n.model);
  for (size_t size = 2; size <= 16; size *= 2) {
    size_t most = 0;
    for (size_t id = 0; id < size; id++) {
      size_t mine = 0, first = 0, last = 0;
      for (size_t p = 0; nn_model_block_share(n.model, size, id, p, &first, &last); p++)
        for (; first < last; first++) {
          const nn_model_block *block = nn_model_block_at(n.model, first);
          mine += block->range.last - block->range.first;
          const size_t rows = nn_model_tensor_at(n.model, block->tensor)->param->dims[0];
          if (block->tensor > 0 || size > 4) continue; /* of more, some tensors have too few blocks */
          assert_true(block->last_row * size <= (id + 1) * rows + 8 * size);
          assert_true(block->first_row * size + 8 * size >= id * rows);
        }
      if (mine > most) most = mine;
    }
    assert_true(most * size <= all + all / 8 + 2 * 4096 * size);
  }
  net_clear(&n);
}

/* As the products of layers 256, 128 and 64 wide are divided among two threads. */
static void two_workers_have_half_of_every_wide_tensor(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_hidden(&n, 3, (const int64_t[]){256, 128, 64}, "relu");
  net_build(&n, vector_of(784), 10);
  for (size_t id = 0; id < 2; id++) {
    size_t rows[8] = {0}, first = 0, last = 0;
    for (size_t p = 0; nn_model_block_share(n.model, 2, id, p, &first, &last); p++)
      for (; first < last; first++) {
        const nn_model_block *block = nn_model_block_at(n.model, first);
        rows[block->tensor] += block->last_row - block->first_row;
      }
    assert_int_equal(rows[0], 128);
    assert_int_equal(rows[2], 64);
    assert_int_equal(rows[4], 32);
  }
  net_clear(&n);
}

/* 350 rows, of which 336 are multiplied at most: not 336 and 14, whose product would be slow. */
static void the_last_rows_of_a_share_are_multiplied_in_about_equal_parts(void **state) {
  (void)state;
  net n;
  net_start(&n);
  net_dense(&n, 1400, "a");
  net_dense(&n, 3, "b");
  net_build(&n, vector_of(4096), 3);
  const size_t height = nn_model_block_at(n.model, 0)->last_row;
  const size_t first = 10, last = first + 350 / height; /* of a thread's own: not from the tensor's first row on */
  const size_t middle = nn_model_blocks_together(n.model, 512, 336 / height, first, last);
  assert_in_range((middle - first) * height, 350 / 2 - 14, 350 / 2 + 14);
  assert_int_equal(nn_model_blocks_together(n.model, 512, 336 / height, first, middle), first);
  assert_int_equal(nn_model_blocks_together(n.model, 512, 20, first, last), last - 20); /* no room for more */
  net_clear(&n);
}

static void freezing_what_is_not_there_asks_what_was_meant(void **state) {
  (void)state;
  static const char *const names[][2] = {{"fc2", "no layer or parameter is named fc2: did you mean fc1?"},
                                         {"fc1.wieght", "did you mean fc1.weight?"},
                                         {"something", "no layer or parameter is named something"},
                                         {"layers.1", "layer layers.1 (relu) has no parameters"}};
  for (size_t i = 0; i < 4; i++) {
    net n;
    net_start(&n);
    net_dense(&n, 5, "fc1");
    net_add(&n, "relu");
    net_dense(&n, 3, "last");
    net_freeze(&n, "last");
    net_freeze(&n, names[i][0]);
    EXPECT_REFUSED(&n, vector_of(4), 3, "model.freeze", names[i][1]);
  }
}

/* ---- descriptions ----------------------------------------------------------------------------- */

static void the_signature_names_layers_and_shapes_and_nothing_else(void **state) {
  (void)state;
  nn_text text = {0}, other = {0};
  net n;
  net_start(&n);
  net_dense(&n, 5, "fc1");
  set_real(net_add(&n, "leaky_relu"), "slope", 0.1);
  set_bool(net_dense(&n, 3, NULL), "bias", false);
  net_build(&n, (nn_shape){.rank = 2, .dims = {2, 2}}, 3);
  assert_int_equal(nn_model_signature(n.model, &text), NN_OK);
  assert_string_equal(text.at, "input 2 x 2\n"
                               "fc1 dense 5: weight 5 x 4, bias 5\n"
                               "layers.1 leaky_relu 5\n"
                               "layers.2 dense 3: weight 3 x 5\n");
  nn_model_destroy(&n.model);
  set_real(&n.layers[1], "slope", 0.2);
  net_freeze(&n, "fc1");
  net_build(&n, (nn_shape){.rank = 2, .dims = {2, 2}}, 3);
  assert_int_equal(nn_model_signature(n.model, &other), NN_OK);
  assert_string_equal(text.at, other.at);
  nn_text_clear(&text);
  nn_text_clear(&other);
  net_clear(&n);
}

static void the_table_lists_layers_shapes_and_parameters(void **state) {
  (void)state;
  nn_text text = {0};
  net n;
  net_start(&n);
  net_dense(&n, 256, "first-layer");
  net_add(&n, "relu");
  net_dense(&n, 10, NULL);
  net_freeze(&n, "first-layer.bias");
  net_freeze(&n, "layers.2");
  net_build(&n, (nn_shape){.rank = 2, .dims = {28, 28}}, 10);
  assert_int_equal(nn_model_describe(n.model, &text), NN_OK);
  assert_string_equal(text.at, "  layer        kind    output      parameters\n"
                               "  input               28 x 28\n"
                               "  first-layer  dense      256         200,960  (bias frozen)\n"
                               "  layers.1     relu       256\n"
                               "  layers.2     dense       10           2,570  (frozen)\n"
                               "  203,530 parameters, 200,704 of them trained\n");
  nn_text_clear(&text);
  net_clear(&n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hidden_stands_for_dense_and_activation_layers_numbered_as_pytorch_does),
      cmocka_unit_test(no_hidden_layers_leave_one_dense_layer),
      cmocka_unit_test(layers_have_the_names_that_they_are_given),
      cmocka_unit_test(names_that_clash_or_cannot_be_in_a_file_are_refused),
      cmocka_unit_test(networks_that_do_not_fit_say_which_layer_and_why),
      cmocka_unit_test(two_classes_may_have_one_output_or_two),
      cmocka_unit_test(tensors_begin_on_cache_lines_and_what_lies_between_is_zero),
      cmocka_unit_test(a_layers_own_initialisation_goes_before_the_models),
      cmocka_unit_test(an_initialisation_that_fails_says_where_it_stands),
      cmocka_unit_test(random_parameters_differ_between_tensors_and_seeds),
      cmocka_unit_test(frozen_parameters_are_left_out_of_the_blocks),
      cmocka_unit_test(blocks_are_whole_rows_and_workers_share_them),
      cmocka_unit_test(workers_share_large_tensors_one_by_one_and_about_equally),
      cmocka_unit_test(two_workers_have_half_of_every_wide_tensor),
      cmocka_unit_test(the_last_rows_of_a_share_are_multiplied_in_about_equal_parts),
      cmocka_unit_test(freezing_what_is_not_there_asks_what_was_meant),
      cmocka_unit_test(the_signature_names_layers_and_shapes_and_nothing_else),
      cmocka_unit_test(the_table_lists_layers_shapes_and_parameters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
