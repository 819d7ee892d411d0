/* What `nnmpi inspect` says about each kind of file, and what other programs see in a checkpoint. */
#include "checkpoint_testing.h"

#include "h5io/h5io_count.h"

#define assert_says(text, ...)                                                                                         \
  do {                                                                                                                 \
    const char *const words_[] = {__VA_ARGS__};                                                                        \
    for (size_t word_ = 0; word_ < sizeof words_ / sizeof *words_; word_++)                                            \
      if (strstr((text), words_[word_]) == NULL) {                                                                     \
        print_message("%s\n", (text));                                                                                 \
        fail_msg("\"%s\" is missing", words_[word_]);                                                                  \
      }                                                                                                                \
  } while (0)

static void a_checkpoint_is_told_in_full(void **state) {
  scene *s = *state;
  small_run r;
  nn_text out = {0};
  nn_checkpoint *c = NULL;
  nn_checkpoint_digests digests;
  char digest[32];
  small_begin(&r);
  r.params[nn_model_tensor_at(r.model, 1)->param->offset] = (float)INFINITY;
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "c.h5")));
  assert_ok(nn_checkpoint_open(s->path, &c));
  assert_ok(nn_checkpoint_digest(c, &digests));
  nn_checkpoint_close(&c);
  assert_ok(nn_inspect(s->path, &out));
  assert_says(out.at, "c.h5: a checkpoint of nnmpi\n", "23 steps, 2 epochs completed, and 24 samples of the next",
              "loss 0.333333 after epoch 1 (step 10), 1 evaluation ago", "samples of 6 x 2, divided by 255; 3 classes",
              "digest 00fedcba98765432", "cat, dog, Größe", "4 virtual ranks", nn_version(), nn_h5_library(), "(adam)",
              "149 parameters", "layers.2.weight  [5, 7] ", "1 not finite", "\n    hidden: [7, 5]\n");
  snprintf(digest, sizeof digest, "%016llx", (unsigned long long)digests.parameters);
  assert_says(out.at, digest);
  snprintf(digest, sizeof digest, "%016llx", (unsigned long long)digests.state);
  assert_says(out.at, digest);
  nn_text_clear(&out);

  r.progress = (nn_progress_state){.step = 1, .epoch = 1, .best_value = (double)NAN, .stopped_early = true};
  r.parts.config = "a configuration of the future\n"; /* then the signature stands for the network */
  r.parts.optim = NULL;
  assert_ok(nn_checkpoint_save(&r.parts, s->path));
  assert_ok(nn_inspect(s->path, &out));
  assert_says(out.at, "1 step, 1 epoch completed; stopped early", "best       none yet",
              "layers.2 dense 5: weight 5 x 7", "\n  a configuration of the future\n");
  assert_null(strstr(out.at, "adam"));
  nn_text_clear(&out);
  run_end(&r);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void a_history_is_told_by_its_last_rows(void **state) {
  scene *s = *state;
  small_run r;
  nn_text out = {0};
  small_begin(&r);
  for (uint64_t step = 1; step <= 12; step++) {
    const nn_step_row row = {.step = step, .loss = 1 / (float)step, .lr = 0.1f};
    nn_history_step(r.history, &row);
  }
  assert_ok(nn_history_save(r.history, at(s, "h.h5")));
  assert_ok(nn_inspect(s->path, &out));
  assert_says(out.at, "h.h5: a history of nnmpi\n", "\n2 epochs\n",
              "\n      epoch       step  train_loss  train_accuracy", "\n          2         20        0.25 ",
              "\n12 recorded steps, the last ones:\n", "\n       step       loss         lr",
              "\n         12  0.0833333        0.1");
  assert_null(strstr(out.at, "\n          4       0.25"));
  nn_text_clear(&out);
  run_end(&r);
}

static nn_h5_image *small_data(bool names) {
  nn_h5_image *image = NULL;
  const float x[6] = {0.1f, -2, 3, 4, (float)NAN, 6};
  const uint8_t y[3] = {2, 0, 2};
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "train/x", NN_H5_F32, 2, (const uint64_t[]){3, 2}, 0, x));
  assert_ok(nn_h5_image_write(image, "train/y", NN_H5_U8, 1, (const uint64_t[]){3}, 0, y));
  assert_ok(nn_h5_image_write(image, "test/x", NN_H5_F32, 2, (const uint64_t[]){0, 2}, 0, x));
  if (names) assert_ok(nn_h5_image_texts(image, "class_names", (const char *const *)animals, 3));
  return image;
}

static void a_data_set_is_told_with_ranges_and_classes(void **state) {
  scene *s = *state;
  nn_text out = {0};
  nn_h5_image *image = small_data(true);
  assert_ok(nn_h5_image_attribute_text(image, "/", "format", "nnmpi dataset"));
  assert_ok(nn_h5_image_save(image, at(s, "d.h5")));
  nn_h5_image_destroy(&image);
  assert_ok(nn_inspect(s->path, &out));
  assert_says(out.at, "d.h5: a data set\n", "train/x      [3, 2]  float32  -2 … 6, 1 NaN or infinite\n",
              "train/y      [3]     uint8    0 … 2; 3 classes\n", "       0  cat             1   33.3 %\n",
              "       2  Größe           2   66.7 %\n", "test/x       [0, 2]  float32  empty\n",
              "class_names  [3]     text     cat, dog, Größe\n");
  nn_text_clear(&out);

  /* the same by another program, without our trailer */
  const nn_bytes *parts = NULL;
  size_t count = 0;
  image = small_data(false);
  assert_ok(nn_h5_image_finish(image, &parts, &count));
  assert_int_equal(count, 1);
  write_whole(at(s, "e.h5"), parts->at, parts->count);
  nn_h5_image_destroy(&image);
  assert_ok(nn_inspect(s->path, &out));
  assert_says(out.at, "e.h5: a data set\n", "train/y  [3]     uint8    0 … 2; 3 classes\n",
              "       1           0    0.0 %\n");
  nn_text_clear(&out);
  assert_int_equal(nn__h5_open_count(), 0);
}

static bool compared_as_same(scene *s, nn_text *out) {
  char first[512], second[512];
  bool same = false;
  snprintf(first, sizeof first, "%s", at(s, "a.h5"));
  snprintf(second, sizeof second, "%s", at(s, "b.h5"));
  nn_text_clear(out);
  assert_ok(nn_inspect_two(first, second, &same, out));
  return same;
}

static void two_checkpoints_are_compared_to_the_last_bit(void **state) {
  scene *s = *state;
  small_run r;
  nn_text out = {0};
  small_begin(&r);
  float *weight = r.params + nn_model_tensor_at(r.model, 2)->param->offset; /* [5, 7] */
  float *moment = nn_optim_slot(r.optim, 1) + nn_model_tensor_at(r.model, 1)->param->offset;
  weight[0] = 0;
  weight[10] = 0.25f;
  weight[11] = 8;
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "a.h5")));
  r.parts.virtual_ranks = 5; /* is shown, but no part of the state */
  r.progress.best_value = 7;
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "b.h5")));
  assert_true(compared_as_same(s, &out));
  assert_says(out.at, "a.h5\n", "b.h5\n", "the same state: yes",
              "virtual ranks  4                 5                 differs", "\nall 18 tensors are the same\n");
  assert_null(strstr(out.at, "first difference"));

  weight[10] = 0.250000060f; /* two units in the last place */
  weight[11] = 4;
  weight[20] = (float)NAN;
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "b.h5")));
  assert_false(compared_as_same(s, &out));
  assert_says(out.at, "the same state: no",
              "first difference: parameters/layers.2.weight[1, 3]: 0.25 (3e800000) and 0.25000006 (3e800002)\n",
              "parameters/layers.2.weight  ", "            3 of 35           4         0.5  and 1 not finite\n",
              "1 of 18 tensors differ");

  weight[10] = 0.25f;
  weight[11] = 8;
  weight[20] = r.params[nn_model_tensor_at(r.model, 2)->param->offset + 20];
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "a.h5"))); /* the same NaN in both: no difference */
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "b.h5")));
  assert_true(compared_as_same(s, &out));
  weight[0] = -0.0f;
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "b.h5")));
  assert_false(compared_as_same(s, &out));
  assert_says(out.at, "layers.2.weight[0, 0]: 0 (00000000) and -0 (80000000)");

  weight[0] = 0;
  moment[0] += 1;
  r.progress.step++;
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "b.h5")));
  assert_false(compared_as_same(s, &out));
  assert_says(out.at, "first difference: optimizer/exp_avg_sq/",
              "  step           23                24                differs");
  nn_text_clear(&out);
  run_end(&r);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void checkpoints_of_two_networks_are_compared_by_shapes(void **state) {
  scene *s = *state;
  small_run r;
  nn_text out = {0};
  bool same = true;
  char first[512];
  small_begin(&r);
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "a.h5")));
  run_end(&r);
  run_begin(&r, SMALL_CONFIG("[7]", "relu", "{name: sgd, lr: 0.1}"), (nn_shape){.rank = 2, .dims = {6, 2}},
            (nn_target_info){.classes = true, .width = 3, .names = animals});
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "b.h5")));
  assert_false(compared_as_same(s, &out));
  assert_says(out.at, "model.hidden: [7, 5] -> [7]", "  parameters/layers.2.bias             ", "  [5] and [3]\n",
              "only in the first", "optimizer/exp_avg/layers.0.weight");
  run_end(&r);
  nn_text_clear(&out);
  snprintf(first, sizeof first, "%s", at(s, "a.h5"));
  assert_fails(nn_inspect_two(first, at(s, "none.h5"), &same, &out), NN_ERR_CHECKPOINT, "none.h5", "no such file");
  write_whole(at(s, "text.h5"), "a,b\n1,2\n", 8);
  assert_fails(nn_inspect_two(first, s->path, &same, &out), NN_ERR_CHECKPOINT, "text.h5");
  nn_text_clear(&out);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void what_cannot_be_inspected_says_why(void **state) {
  scene *s = *state;
  small_run r;
  nn_text out = {0};
  char *bytes = NULL;
  size_t count = 0;
  small_begin(&r);
  assert_ok(nn_checkpoint_save(&r.parts, at(s, "c.h5")));
  assert_ok(nn_file_read(s->path, 1 << 20, &bytes, &count));
  write_whole(at(s, "untrailed.h5"), bytes, count - 24);
  assert_fails(nn_inspect(s->path, &out), NN_ERR_CHECKPOINT, "untrailed.h5", "looks like a checkpoint", "checksum");
  write_whole(at(s, "cut.h5"), bytes, count / 2);
  assert_fails(nn_inspect(s->path, &out), NN_ERR_DATA, "cut.h5", "is truncated");
  bytes[count / 2] ^= 16;
  write_whole(at(s, "flipped.h5"), bytes, count);
  assert_fails(nn_inspect(s->path, &out), NN_ERR_CHECKPOINT, "flipped.h5", "checksum does not match");
  assert_fails(nn_inspect(at(s, "none.h5"), &out), NN_ERR_CHECKPOINT, "none.h5", "no such file");
  write_whole(at(s, "text.h5"), "a,b\n1,2\n", 8);
  assert_fails(nn_inspect(s->path, &out), NN_ERR_DATA, "text.h5", "not an HDF5 file");
  nn_free(bytes);
  nn_text_clear(&out);
  run_end(&r);
  assert_int_equal(nn__h5_open_count(), 0);
}

static void h5py_reads_a_checkpoint(void **state) {
  scene *s = *state;
  small_run r;
  small_begin(&r);
  const nn_status status = nn_checkpoint_save(&r.parts, at(s, "for_h5py.h5"));
  run_end(&r);
  assert_int_equal(status, NN_OK);
  run_python(s, "checkpoint_read.py", s->path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_checkpoint_is_told_in_full),
      cmocka_unit_test(a_history_is_told_by_its_last_rows),
      cmocka_unit_test(a_data_set_is_told_with_ranges_and_classes),
      cmocka_unit_test(two_checkpoints_are_compared_to_the_last_bit),
      cmocka_unit_test(checkpoints_of_two_networks_are_compared_by_shapes),
      cmocka_unit_test(what_cannot_be_inspected_says_why),
      cmocka_unit_test(h5py_reads_a_checkpoint),
  };
  return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
