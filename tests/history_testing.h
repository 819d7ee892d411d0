/** @file history_testing.h
 *  What the tests of the history share: rows that tell their number, histories filled with them. */
#ifndef NNMPI_TESTS_HISTORY_TESTING_H
#define NNMPI_TESTS_HISTORY_TESTING_H

#include "h5_testing.h"
#include "nnmpi/history.h"

#include <math.h>

enum { STEPS_PER_EPOCH = 20 };

/** Steps as in a classification; everything follows from the number. */
static inline nn_step_row step_row(uint64_t step) {
  const float s = (float)step;
  return (nn_step_row){.step = step,
                       .loss = 2 / (1 + s / 7),
                       .lr = 0.01f,
                       .gradient_norm = 1 / s,
                       .seconds_compute = 1e-3f * s,
                       .seconds_reduce = 2e-3f,
                       .seconds_load = 3e-5f};
}

static inline nn_epoch_row epoch_row(uint64_t epoch) {
  const double e = (double)epoch;
  nn_epoch_row row = {.epoch = epoch,
                      .step = epoch * STEPS_PER_EPOCH,
                      .lr = 0.01,
                      .seconds = 1.25 + e / 3,
                      .samples_per_second = 1000 / 3.0,
                      .train = nn_metrics_none,
                      .valid = nn_metrics_none};
  row.train.loss = 1 / e;
  row.train.accuracy = 1 - 1 / (3 * e);
  row.valid.loss = 1.1 / e;
  row.valid.accuracy = 1 - 1 / (2 * e);
  return row;
}

/** A history of `epochs` epochs, of a run of `total` of them. */
static inline nn_history *history_of(const nn_history_config *config, uint64_t epochs, uint64_t total) {
  nn_history *history = NULL;
  assert_ok(nn_history_create(config, total * STEPS_PER_EPOCH, NULL, &history));
  for (uint64_t e = 1; e <= epochs; e++) {
    for (uint64_t s = (e - 1) * STEPS_PER_EPOCH + 1; s <= e * STEPS_PER_EPOCH; s++) {
      const nn_step_row row = step_row(s);
      nn_history_step(history, &row);
    }
    const nn_epoch_row row = epoch_row(e);
    assert_ok(nn_history_epoch(history, &row, NULL));
  }
  return history;
}

static inline void assert_epochs(const nn_history *history, uint64_t epochs) {
  assert_int_equal(nn_history_epoch_count(history), epochs);
  for (uint64_t e = 1; e <= epochs; e++) {
    const nn_epoch_row expected = epoch_row(e), *row = nn_history_epoch_at(history, e - 1);
    assert_int_equal(row->epoch, e);
    assert_int_equal(row->step, expected.step);
    assert_true(row->lr == expected.lr && row->seconds == expected.seconds);
    assert_true(row->samples_per_second == expected.samples_per_second);
    assert_true(row->train.loss == expected.train.loss && row->train.accuracy == expected.train.accuracy);
    assert_true(row->valid.loss == expected.valid.loss && row->valid.accuracy == expected.valid.accuracy);
    assert_true(isnan(row->train.top_k) && isnan(row->valid.top_k) && isnan(row->train.mae) && isnan(row->valid.r2));
  }
}

/** A history file as others see it: opened, for nn_h5_close(). */
static inline nn_h5_file *open_history(const char *path) {
  void *image = NULL;
  size_t bytes = 0;
  nn_h5_file *file = NULL;
  assert_ok(nn_h5_load_checked(path, NN_ERR_IO, &image, &bytes));
  assert_ok(nn_h5_open_image(image, bytes, path, NN_ERR_IO, &file));
  nn_free(image);
  return file;
}

/** Rows of a dataset. */
static inline uint64_t rows_of(nn_h5_file *file, const char *name) {
  nn_h5_info info;
  assert_ok(nn_h5_info_read(file, name, &info));
  return info.rank > 0 ? info.dims[0] : 1;
}

/** The steps that a saved history holds must be 1, 1 + every, … up to `last`. */
static inline void assert_steps(const char *path, uint64_t every, uint64_t last) {
  nn_h5_file *file = open_history(path);
  const size_t rows = (size_t)((last - 1) / every + 1);
  assert_int_equal(rows_of(file, "steps/step"), rows);
  uint64_t *steps = calloc(rows, sizeof *steps);
  float *losses = calloc(rows, sizeof *losses), *norms = calloc(rows, sizeof *norms);
  assert_ok(nn_h5_read(file, "steps/step", NN_H5_U64, rows, steps));
  assert_ok(nn_h5_read(file, "steps/loss", NN_H5_F32, rows, losses));
  assert_ok(nn_h5_read(file, "steps/gradient_norm", NN_H5_F32, rows, norms));
  for (size_t i = 0; i < rows; i++) {
    const nn_step_row expected = step_row(1 + i * every);
    assert_int_equal(steps[i], expected.step);
    assert_true(losses[i] == expected.loss && norms[i] == expected.gradient_norm);
  }
  free(steps);
  free(losses);
  free(norms);
  nn_h5_close(&file);
}

/** The run folder of the scene, with its history.h5, is drawn by scripts/plot_history.py; a picture comes out. */
static inline void assert_drawn(scene *s, const char *options) {
  static const unsigned char png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  char command[1536], *picture = NULL;
  size_t bytes = 0;
  if (s->python == NULL) {
    print_message("skipped: no python3 with h5py (Debian: python3-h5py python3-matplotlib)\n");
    skip();
  }
  snprintf(command, sizeof command, "'%s' -c 'import matplotlib' 2>/dev/null", s->python);
  if (system(command) != 0) {
    print_message("skipped: no matplotlib (Debian: python3-matplotlib)\n");
    skip();
  }
  snprintf(command, sizeof command, "MPLCONFIGDIR='%s' '%s' '%s/../../scripts/plot_history.py' '%s' %s -o '%s/a.png'",
           s->folder, s->python, NN_TEST_DATA, s->folder, options, s->folder);
  assert_int_equal(system(command), 0);
  assert_ok(nn_file_read(at(s, "a.png"), 1 << 24, &picture, &bytes));
  assert_true(bytes > 10000);
  assert_memory_equal(picture, png, sizeof png);
  nn_free(picture);
}

#endif
