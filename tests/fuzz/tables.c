/* What the importers read: the first byte says whether the rest is a CSV file, or IDX images with labels behind them.
 */
#include "fuzz.h"

#include "nnmpi/data.h"

static void import_csv(const uint8_t *data, size_t size, const char *output) {
  fuzz_file file = fuzz_file_make(data, size, "", 0);
  const nn_import_csv_options options = {
      .file = file.path, .target = "1", .test_fraction = 0.2, .valid_fraction = 0.1, .seed = 1, .output = output};
  nn_text summary = {0};
  (void)fuzz_failed(nn_import_csv(&options, &summary));
  nn_text_clear(&summary);
  fuzz_file_remove(&file);
}

static void import_idx(const uint8_t *data, size_t size, const char *output) {
  const size_t images = size < 12 ? size : size - 12; /* labels of four samples stand at the end */
  fuzz_file x = fuzz_file_make(data, images, "", 0), y = fuzz_file_make(data + images, size - images, "", 0);
  const nn_import_idx_options options = {.images = x.path, .labels = y.path, .output = output};
  nn_text summary = {0};
  (void)fuzz_failed(nn_import_idx(&options, &summary));
  nn_text_clear(&summary);
  fuzz_file_remove(&x);
  fuzz_file_remove(&y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char output[64];
  if (size == 0) return 0;
  snprintf(output, sizeof output, "/dev/shm/nnmpi-fuzz-%ld.h5", (long)getpid());
  if (data[0] == 'c')
    import_csv(data + 1, size - 1, output);
  else
    import_idx(data + 1, size - 1, output);
  unlink(output);
  return 0;
}
