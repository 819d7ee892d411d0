/* Data sets from strangers: opened, loaded and finished as for training, one set as for predicting, and inspected. */
#include "fuzz.h"

#include "nnmpi/checkpoint.h"

enum { BYTES_MAX = 1 << 24 };

static void load(nn_dataset *dataset) {
  const size_t bytes = nn_dataset_shared_bytes(dataset);
  void *shared = NULL;
  if (bytes > BYTES_MAX) return; /* as large as the file says: the memory is there or not */
  if (fuzz_failed(nn_alloc(bytes, 1, "the data set", &shared))) return;
  if (!fuzz_failed(nn_dataset_load(dataset, shared, 0, 2)) && !fuzz_failed(nn_dataset_load(dataset, shared, 1, 2)))
    (void)fuzz_failed(nn_dataset_finish(dataset));
  nn_dataset_destroy(&dataset);
  nn_free(shared);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_file file = fuzz_file_make(data, size, "", 0);
  nn_data_config config = {.file = file.path, .scale = 1, .shuffle = true, .normalize = NN_NORMALIZE_STANDARD};
  nn_dataset *dataset = NULL;
  nn_text text = {0};
  if (!fuzz_failed(nn_dataset_open(&config, 1, &dataset))) {
    load(dataset);
    dataset = NULL;
  }
  if (!fuzz_failed(nn_dataset_open(&config, 1, &dataset))) (void)fuzz_failed(nn_dataset_peek(dataset));
  nn_dataset_destroy(&dataset);
  if (!fuzz_failed(nn_dataset_open_set(file.path, NULL, true, 3, NULL, NULL, &dataset))) load(dataset);
  (void)fuzz_failed(nn_inspect(file.path, &text));
  nn_text_clear(&text);
  fuzz_file_remove(&file);
  return 0;
}
