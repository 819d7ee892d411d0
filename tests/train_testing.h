/* For tests that train: a scratch folder, small data sets, and training from a text. */
#ifndef NNMPI_TRAIN_TESTING_H
#define NNMPI_TRAIN_TESTING_H

#include "mpi_test.h"

#include "nnmpi/h5io.h"
#include "nnmpi/train.h"

#include <inttypes.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

/* A scratch folder that all ranks share; ends with the job. */
static char nn_scratch[256];

static int nn_test_open_scratch(void **state) {
  if (nn_test_open_comm(state) != 0) return -1;
  nn_comm *comm = *state;
  long id = (long)getpid();
  if (nn_comm_broadcast(comm, &id, sizeof id) != NN_OK) return -1;
  const char *parent = getenv("TMPDIR");
  snprintf(nn_scratch, sizeof nn_scratch, "%s/nnmpi-test-%ld", parent == NULL ? "/tmp" : parent, id);
  if (nn_comm_rank(comm) == 0 && nn_directory_create(nn_scratch) != NN_OK) return -1;
  return nn_comm_barrier(comm) == NN_OK ? 0 : -1;
}

static int nn_test_close_scratch(void **state) {
  nn_comm *comm = *state;
  char command[300];
  if (nn_comm_barrier(comm) != NN_OK) return -1;
  snprintf(command, sizeof command, "rm -rf '%s'", nn_scratch);
  if (nn_comm_rank(comm) == 0 && system(command) != 0) return -1;
  return nn_test_close_comm(state);
}

/* Classes that a small network can tell apart: blobs of `features` bytes around a centre for each class. One process
 * writes. */
static inline void nn_test_write_blobs(const char *path, size_t train, size_t test, size_t features, int classes) {
  static const char *const names[2][2] = {{"train/x", "train/y"}, {"test/x", "test/y"}};
  nn_h5_image *image = NULL;
  assert_int_equal(nn_h5_image_create(&image), NN_OK);
  for (uint64_t s = 0; s < 2; s++) {
    const size_t count = s == 0 ? train : test;
    uint8_t *x = malloc(count * features), *y = malloc(count);
    for (size_t r = 0; r < count; r++) {
      y[r] = (uint8_t)(r % (size_t)classes);
      for (size_t j = 0; j < features; j++) {
        const double centre = 60 + 130 * nn_random_uniform(1, NN_RANDOM_WEIGHTS, y[r], j);
        x[r * features + j] = (uint8_t)(centre + 60 * (nn_random_uniform(2 + s, NN_RANDOM_ORDER, r, j) - 0.5));
      }
    }
    const uint64_t dims[2] = {count, features};
    assert_int_equal(nn_h5_image_write(image, names[s][0], NN_H5_U8, 2, dims, 0, x), NN_OK);
    assert_int_equal(nn_h5_image_write(image, names[s][1], NN_H5_U8, 1, dims, 0, y), NN_OK);
    free(x);
    free(y);
  }
  assert_int_equal(nn_h5_image_save(image, path), NN_OK);
  nn_h5_image_destroy(&image);
}

/* Train from a text; `comm` NULL: this process alone. The status of parsing or training. */
static inline nn_status nn_test_train(nn_comm *comm, const char *yaml, const nn_train_options *options,
                                      nn_train_result *result) {
  nn_registry registry;
  nn_config *config = NULL;
  nn_train_options plain = {0};
  nn_train_result unused;
  nn_registry_fill(&registry);
  nn_status status = nn_config_parse(yaml, strlen(yaml), "test.yaml", NULL, 0, &registry, &config);
  status = nn_comm_agree(comm, status);
  if (status == NN_OK)
    status =
        nn_train(comm, config, &registry, options == NULL ? &plain : options, NULL, result == NULL ? &unused : result);
  nn_config_destroy(&config);
  return status;
}

/* Every rank came to the same status. */
static inline void nn_test_same_everywhere(nn_comm *comm, nn_status status) {
  int all[64], mine = (int)status;
  assert_int_equal(nn_comm_gather_all(comm, &mine, sizeof mine, all), NN_OK);
  for (int r = 0; r < nn_comm_size(comm); r++) assert_int_equal(all[r], mine);
}

#endif
