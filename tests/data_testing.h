/** @file data_testing.h
 *  What the tests of data sets share: small files, loading in parts, gathering on teams. */
#ifndef NNMPI_TESTS_DATA_TESTING_H
#define NNMPI_TESTS_DATA_TESTING_H

#include "h5_testing.h"

#include "nnmpi/data.h"
#include "nnmpi/h5io.h"
#include <math.h>

/** The defaults of the configuration, for a file. */
static inline nn_data_config settings(const char *file) {
  return (nn_data_config){.file = (char *)(uintptr_t)file, .scale = 1, .shuffle = true};
}

/** A file in the making, with a training set of 4 samples of 3 floats, and labels 0, 1, 0, 2. */
static inline nn_h5_image *small_image(void) {
  static const float x[4][3] = {{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {9, 10, 11}};
  static const uint8_t y[4] = {0, 1, 0, 2};
  nn_h5_image *image = NULL;
  assert_ok(nn_h5_image_create(&image));
  assert_ok(nn_h5_image_write(image, "train/x", NN_H5_F32, 2, (const uint64_t[]){4, 3}, 0, x));
  assert_ok(nn_h5_image_write(image, "train/y", NN_H5_U8, 1, (const uint64_t[]){4}, 0, y));
  return image;
}

static inline void save(nn_h5_image **image, const char *path) {
  assert_ok(nn_h5_image_save(*image, path));
  nn_h5_image_destroy(image);
}

/** An open data set and the memory that its rows live in. */
typedef struct loaded {
  nn_dataset *set;
  void *shared;
} loaded;

static inline nn_status load_rows(loaded *l, int parts) {
  assert_ok(nn_alloc(nn_dataset_shared_bytes(l->set), 1, "rows", &l->shared));
  for (int part = parts - 1; part >= 0; part--) /* no part waits for another */
    NN_TRY(nn_dataset_load(l->set, l->shared, part, parts));
  return nn_dataset_finish(l->set);
}

static inline nn_status load(const nn_data_config *config, uint64_t seed, int parts, loaded *out) {
  *out = (loaded){0};
  NN_TRY(nn_dataset_open(config, seed, &out->set));
  return load_rows(out, parts);
}

static inline void unload(loaded *l) {
  nn_dataset_destroy(&l->set);
  assert_null(l->set);
  nn_free(l->shared);
  l->shared = NULL;
}

typedef struct gathering {
  const nn_dataset *set;
  nn_set which;
  const uint32_t *ids;
  size_t rows;
  float *x;
  int32_t *labels;
  float *values;
} gathering;

static inline void gather_on_team(const nn_team *team, void *context) {
  const gathering *g = context;
  nn_dataset_gather(g->set, g->which, team, g->ids, g->rows, g->x, g->labels, g->values);
}

static inline void gather(const nn_dataset *set, nn_set which, int threads, const uint32_t *ids, size_t rows, float *x,
                          int32_t *labels, float *values) {
  gathering g = {set, which, ids, rows, x, labels, values};
  nn_team_run(threads, gather_on_team, &g);
}

/** All samples of a set in order; memory for free(). */
static inline float *all_x(const nn_dataset *set, nn_set which, int threads) {
  const size_t count = nn_dataset_count(set, which), width = nn_shape_size(nn_dataset_shape(set));
  float *x = malloc(count * width * sizeof *x);
  uint32_t *ids = malloc(count * sizeof *ids);
  assert_non_null(x);
  assert_non_null(ids);
  for (size_t i = 0; i < count; i++) ids[i] = (uint32_t)i;
  gather(set, which, threads, ids, count, x, NULL, NULL);
  free(ids);
  return x;
}

#endif
