/* train.allocation: a step allocates nothing. The linker sends every call of nnmpi's own code to malloc() and its kin
 * through the counters here (--wrap); libraries allocate as they like. */
#include "train_testing.h"

static size_t allocations;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

void *__wrap_malloc(size_t bytes) {
  allocations++;
  return __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes) {
  allocations++;
  return __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes) {
  allocations++;
  return __real_realloc(memory, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
  allocations++;
  return __real_aligned_alloc(alignment, bytes);
}

static size_t allocations_of_a_training(nn_comm *comm, int batch) {
  char yaml[2048];
  snprintf(yaml, sizeof yaml,
           "run: {name: batch-%d, folder: %s/runs}\n"
           "data: {file: %s/blobs.h5, valid: none}\n"
           "model: {layers: [{dense: {units: 8}}, relu, {dropout: {rate: 0.2}}, {dense: {units: 8}}, tanh, dense]}\n"
           "train: {loss: cross_entropy, epochs: 1, batch_size: %d, clip_norm: 1, optimizer: {name: adam, lr: 0.01}}\n"
           "parallel: {virtual_ranks: 4}\ncheckpoint: {every_epochs: 0}\n",
           batch, nn_scratch, nn_scratch, batch);
  const size_t before = allocations;
  assert_int_equal(nn_test_train(comm, yaml, NULL, NULL), NN_OK);
  return allocations - before;
}

static void twenty_times_the_steps_need_no_more_allocations(void **state) {
  nn_comm *comm = *state;
  char path[300];
  snprintf(path, sizeof path, "%s/blobs.h5", nn_scratch);
  if (nn_comm_rank(comm) == 0) nn_test_write_blobs(path, 400, 10, 12, 4);
  assert_int_equal(nn_comm_barrier(comm), NN_OK);
  const size_t few = allocations_of_a_training(comm, 80), many = allocations_of_a_training(comm, 4);
  assert_true(few > 0); /* the counters are in place */
  assert_int_equal(few, many);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(twenty_times_the_steps_need_no_more_allocations)};
  return cmocka_run_group_tests(tests, nn_test_open_scratch, nn_test_close_scratch);
}
