/* train.bad: bad input and failures of one rank. Every rank comes to the same status with one message, none hangs. Run
 * at 1, 2 and 3 ranks, many cases in one start. */
#include "train_testing.h"

enum { ROWS = 60, FEATURES = 5, CLASSES = 3 };

/* What is wrong with the data set of a case. */
typedef enum flaw {
  NONE,
  MISSING,
  NOT_HDF5,
  TRUNCATED,
  EMPTY_FILE,
  FEWER_LABELS,
  NEGATIVE_LABEL,
  NOT_A_NUMBER,
  INFINITE,
  NO_ROWS,
  OTHER_TEST_SHAPE,
  NO_LABELS
} flaw;

typedef struct bad_case {
  const char *name;
  flaw flaw;
  const char *model, *train, *rest; /* in place of a good one where not NULL */
  const char *fault;                /* point for NNMPI_FAULT; the rank is every rank in turn */
  nn_status status;
  const char *words; /* that the message must contain */
  const char *data;  /* added to the data section */
} bad_case;

static const bad_case cases[] = {
    {"missing file", MISSING, NULL, NULL, NULL, NULL, NN_ERR_DATA, "data.h5", NULL},
    {"not HDF5", NOT_HDF5, NULL, NULL, NULL, NULL, NN_ERR_DATA, "HDF5", NULL},
    {"truncated", TRUNCATED, NULL, NULL, NULL, NULL, NN_ERR_DATA, "data.h5", NULL},
    {"empty file", EMPTY_FILE, NULL, NULL, NULL, NULL, NN_ERR_DATA, "data.h5", NULL},
    {"fewer labels than rows", FEWER_LABELS, NULL, NULL, NULL, NULL, NN_ERR_DATA, "train/y", NULL},
    {"negative label", NEGATIVE_LABEL, NULL, NULL, NULL, NULL, NN_ERR_DATA, "-1", NULL},
    {"NaN", NOT_A_NUMBER, NULL, NULL, NULL, NULL, NN_ERR_DATA, "train/x", NULL},
    {"infinity", INFINITE, NULL, NULL, NULL, NULL, NN_ERR_DATA, "train/x", NULL},
    {"no rows", NO_ROWS, NULL, NULL, NULL, NULL, NN_ERR_DATA, "train/x", NULL},
    {"another shape in test", OTHER_TEST_SHAPE, NULL, NULL, NULL, NULL, NN_ERR_DATA, "test/x", NULL},
    {"no labels", NO_LABELS, NULL, NULL, NULL, NULL, NN_ERR_DATA, "train/y", NULL},
    {"fewer samples than ranks", NONE, NULL, NULL, "parallel: {virtual_ranks: 61}", NULL, NN_ERR_DATA, "fewer", NULL},
    {"batch below the ranks", NONE, NULL, "loss: cross_entropy, epochs: 1, batch_size: 3, optimizer: sgd",
     "parallel: {virtual_ranks: 4}", NULL, NN_ERR_CONFIG, "batch_size", NULL},
    {"outputs that do not fit", NONE, "layers: [{dense: {units: 2}}]", NULL, NULL, NULL, NN_ERR_CONFIG, "3", NULL},
    {"a loss for labels with values", NONE, NULL, NULL, NULL, NULL, NN_ERR_CONFIG, "cross_entropy", ", target: value"},
    {"an activation that the loss has built in", NONE, "layers: [dense, softmax]", NULL, NULL, NULL, NN_ERR_CONFIG,
     "layers.1 (softmax)", NULL},
    {"top-k beyond the outputs", NONE, NULL, "loss: cross_entropy, top_k: 4, epochs: 1, batch_size: 10, optimizer: sgd",
     NULL, NULL, NN_ERR_CONFIG, "top_k", NULL},
    {"freezing nothing", NONE, "hidden: [4], freeze: [fc9]", NULL, NULL, NULL, NN_ERR_CONFIG, "fc9", NULL},
    {"weights from a missing file", NONE, "hidden: [4], init_from: /nowhere/a.h5", NULL, NULL, NULL, NN_ERR_CHECKPOINT,
     "/nowhere/a.h5", NULL},
    {"divergence", NONE, NULL, "loss: cross_entropy, epochs: 9, batch_size: 10, optimizer: {name: sgd, lr: 1e30}", NULL,
     NULL, NN_ERR_DIVERGED, "learning rate", NULL},
    {"one rank cannot open", NONE, NULL, NULL, NULL, "open", NN_ERR_DATA, "data.h5", NULL},
    {"one rank cannot read", NONE, NULL, NULL, NULL, "read", NN_ERR_DATA, "data.h5", NULL},
    {"one rank has no memory for data", NONE, NULL, NULL, NULL, "allocation", NN_ERR_MEMORY, "memory", NULL},
    {"one rank has no memory for parameters", NONE, NULL, NULL, NULL, "allocate", NN_ERR_MEMORY, "memory", NULL},
    {"one rank fails in a step", NONE, NULL, NULL, NULL, "step:2", NN_ERR_INTERNAL, "step 2", NULL},
};

static void write_floats(nn_h5_image *image, const char *name, uint64_t rows, uint64_t features, flaw wrong) {
  float x[ROWS * (FEATURES + 1)];
  for (size_t i = 0; i < ROWS * (FEATURES + 1); i++) x[i] = (float)nn_random_normal(1, NN_RANDOM_WEIGHTS, 0, i);
  if (wrong == NOT_A_NUMBER) x[7 * FEATURES + 2] = NAN;
  if (wrong == INFINITE) x[ROWS * FEATURES - 1] = -INFINITY;
  const uint64_t dims[2] = {rows, features};
  assert_int_equal(nn_h5_image_write(image, name, NN_H5_F32, 2, dims, 0, x), NN_OK);
}

static void write_labels(nn_h5_image *image, const char *name, uint64_t rows, flaw wrong) {
  int32_t y[ROWS];
  for (int i = 0; i < ROWS; i++) y[i] = i % CLASSES;
  if (wrong == NEGATIVE_LABEL) y[41] = -1;
  assert_int_equal(nn_h5_image_write(image, name, NN_H5_I32, 1, &rows, 0, y), NN_OK);
}

static void write_data(const char *path, flaw wrong) {
  const nn_bytes text = {"these are not the bytes of a data set\n", 38};
  (void)unlink(path);
  if (wrong == MISSING) return;
  if (wrong == NOT_HDF5 || wrong == EMPTY_FILE) {
    assert_int_equal(nn_file_replace(path, &text, wrong == NOT_HDF5), NN_OK);
    return;
  }
  nn_h5_image *image = NULL;
  assert_int_equal(nn_h5_image_create(&image), NN_OK);
  write_floats(image, "train/x", wrong == NO_ROWS ? 0 : ROWS, FEATURES, wrong);
  if (wrong != NO_LABELS)
    write_labels(image, "train/y", wrong == NO_ROWS ? 0 : wrong == FEWER_LABELS ? ROWS - 1 : ROWS, wrong);
  write_floats(image, "test/x", ROWS / 2, wrong == OTHER_TEST_SHAPE ? FEATURES + 1 : FEATURES, NONE);
  write_labels(image, "test/y", ROWS / 2, NONE);
  assert_int_equal(nn_h5_image_save(image, path), NN_OK);
  nn_h5_image_destroy(&image);
  if (wrong == TRUNCATED) assert_int_equal(truncate(path, 3000), 0);
}

static void run_case(nn_comm *comm, const bad_case *c, int number, int failing_rank) {
  char yaml[2048], path[300], fault[64];
  nn_train_result result;
  snprintf(path, sizeof path, "%s/data.h5", nn_scratch);
  assert_int_equal(nn_comm_barrier(comm), NN_OK);
  if (nn_comm_rank(comm) == 0) write_data(path, c->flaw);
  assert_int_equal(nn_comm_barrier(comm), NN_OK);
  snprintf(yaml, sizeof yaml,
           "run: {name: case-%d-%d, folder: %s/runs}\ndata: {file: %s%s}\nmodel: {%s}\ntrain: {%s}\n%s\n", number,
           failing_rank, nn_scratch, path, c->data != NULL ? c->data : "", c->model != NULL ? c->model : "hidden: [4]",
           c->train != NULL ? c->train
                            : "loss: cross_entropy, epochs: 2, batch_size: 10, optimizer: {name: sgd, lr: 0.1}",
           c->rest != NULL ? c->rest : "");
  if (c->fault != NULL) {
    snprintf(fault, sizeof fault, "%s@%d", c->fault, failing_rank);
    setenv("NNMPI_FAULT", fault, 1);
  }
  const nn_status status = nn_test_train(comm, yaml, NULL, &result);
  unsetenv("NNMPI_FAULT");
  const nn_error error = *nn_error_last();
  nn_test_same_everywhere(comm, status);
  if (status != c->status)
    fail_msg("%s: status %d (%s), not %d", c->name, (int)status, status == NN_OK ? "" : error.message, (int)c->status);
  if (strstr(error.message, c->words) == NULL) fail_msg("%s: '%s' does not say '%s'", c->name, error.message, c->words);
  if (c->fault != NULL && error.rank != failing_rank)
    fail_msg("%s: rank %d was named, not %d", c->name, error.rank, failing_rank);
}

static void every_failure_is_one_message_and_one_status_on_all_ranks(void **state) {
  nn_comm *comm = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int rank = 0; rank < (cases[i].fault == NULL ? 1 : nn_comm_size(comm)); rank++)
      run_case(comm, &cases[i], (int)i, rank);
}

/* The checkpoint's writer fails: training goes on to its end, which says so. */
static void a_checkpoint_that_cannot_be_written_does_not_end_a_training(void **state) {
  nn_comm *comm = *state;
  char path[300], yaml[2048];
  nn_train_result result;
  snprintf(path, sizeof path, "%s/data.h5", nn_scratch);
  if (nn_comm_rank(comm) == 0) write_data(path, NONE);
  assert_int_equal(nn_comm_barrier(comm), NN_OK);
  snprintf(yaml, sizeof yaml,
           "run: {name: full, folder: %s/runs}\ndata: {file: %s}\nmodel: {hidden: [4]}\n"
           "train: {loss: cross_entropy, epochs: 2, batch_size: 10, optimizer: {name: sgd, lr: 0.1}}\n",
           nn_scratch, path);
  setenv("NNMPI_FAULT", "checkpoint:12@0", 1); /* the last of twelve steps */
  nn_status status = nn_test_train(comm, yaml, NULL, &result);
  unsetenv("NNMPI_FAULT");
  nn_test_same_everywhere(comm, status);
  assert_int_equal(status, NN_ERR_IO);
  assert_int_equal(result.steps, 12);
  /* the checkpoint of the epoch before is untouched: the run continues from there */
  status = nn_test_train(comm, yaml, NULL, &result);
  assert_int_equal(status, NN_OK);
  assert_int_equal(result.steps, 12);
  assert_false(result.was_finished);
}

/* A run folder below a file: nobody can write there, not even root. */
static void an_unwritable_run_folder_is_refused_before_training(void **state) {
  nn_comm *comm = *state;
  char path[300], yaml[2048];
  snprintf(path, sizeof path, "%s/data.h5", nn_scratch);
  if (nn_comm_rank(comm) == 0) write_data(path, NONE);
  assert_int_equal(nn_comm_barrier(comm), NN_OK);
  snprintf(yaml, sizeof yaml,
           "run: {name: a, folder: %s}\ndata: {file: %s}\nmodel: {hidden: [4]}\n"
           "train: {loss: cross_entropy, epochs: 2, batch_size: 10, optimizer: sgd}\n",
           path, path);
  const nn_status status = nn_test_train(comm, yaml, NULL, NULL);
  nn_test_same_everywhere(comm, status);
  assert_int_equal(status, NN_ERR_IO);
  assert_non_null(strstr(nn_error_last()->message, path));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_failure_is_one_message_and_one_status_on_all_ranks),
      cmocka_unit_test(a_checkpoint_that_cannot_be_written_does_not_end_a_training),
      cmocka_unit_test(an_unwritable_run_folder_is_refused_before_training),
  };
  return cmocka_run_group_tests(tests, nn_test_open_scratch, nn_test_close_scratch);
}
