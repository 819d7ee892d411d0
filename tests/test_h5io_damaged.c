/* Data sets damaged in every way: a message, never a crash. Attributes are not read here: HDF5 1.10 itself reads behind
 * its buffers where they are damaged, so they are for files with a checked trailer. */
#include "h5_testing.h"

#include "h5io/h5io_count.h"
#include "nnmpi/h5io.h"

/* HDF5 asks for absurd amounts of memory, is refused, and forgets to free some of what it had: that is not ours. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "allocator_may_return_null=1";
}
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
  return "leak:libhdf5\n";
}

static nn_status read_one(void *context, const char *name, const nn_h5_info *info) {
  nn_h5_file *file = context;
  uint64_t elements = 1;
  for (int i = 0; i < info->rank; i++) elements *= info->dims[i];
  if (info->type == NN_H5_TEXT) {
    char **texts = NULL;
    size_t count = 0;
    if (nn_h5_read_texts(file, name, 100, &texts, &count) == NN_OK) nn_h5_texts_free(&texts, count);
  } else if (elements < 100000) {
    double *values = malloc(sizeof(double) * (elements + 1));
    assert_non_null(values);
    (void)nn_h5_read(file, name, NN_H5_F64, elements, values);
    (void)nn_h5_read_rows(file, name, 0, info->rank > 0 ? info->dims[0] : 1, values);
    free(values);
  }
  return NN_OK;
}

static void read_everything(nn_h5_file *file) {
  nn_text refused = {0};
  (void)nn_h5_each(file, "/", read_one, file);
  (void)nn_h5_refused(file, &refused);
  nn_text_clear(&refused);
}

static void damaged_files_never_crash_the_reader(void **state) {
  scene *s = *state;
  nn_h5_file *file = NULL;
  const char *wish = getenv("NNMPI_TEST_TRIALS"); /* more of them, by hand */
  const uint64_t trials = wish != NULL ? strtoull(wish, NULL, 10) : 300;
  run_python(s, "h5io_strange_files.py", s->folder);
  char *bytes = NULL;
  size_t count = 0;
  assert_ok(nn_file_read(at(s, "numbers.h5"), 1 << 20, &bytes, &count));
  for (uint64_t trial = 0; trial < trials; trial++) {
    char *changed = malloc(count);
    assert_non_null(changed);
    memcpy(changed, bytes, count);
    size_t length = count;
    for (uint64_t i = 0; i <= trial % 4; i++) /* most of what matters stands in front */
      changed[nn_random_below(1, NN_RANDOM_SPLIT, trial, i, trial % 2 ? count : 2048)] =
          (char)nn_random_bits(2, NN_RANDOM_SPLIT, trial, i);
    if (trial % 5 == 0) length = nn_random_below(3, NN_RANDOM_SPLIT, trial, 0, count);
    write_whole(at(s, "changed.h5"), changed, length);
    free(changed);
    if (nn_h5_open(s->path, NN_ERR_DATA, &file) != NN_OK) continue;
    read_everything(file);
    assert_int_equal(nn__h5_open_count(), 1);
    nn_h5_close(&file);
  }
  nn_free(bytes);
  assert_int_equal(nn__h5_open_count(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(damaged_files_never_crash_the_reader),
  };
  return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
