/* Checkpoints whose checksum is right whatever they hold, so that everything behind it is reached: loaded as for
 * predicting, resumed from, compared, inspected. */
#include "fuzz.h"

#include "nnmpi/checkpoint.h"

#include <zlib.h>

/* The trailer as h5io.h describes it. */
static void trailer_for(const uint8_t *image, uint64_t size, uint8_t trailer[24]) {
  memcpy(trailer, "nnmpi\x01\r\n", 8);
  for (int i = 0; i < 8; i++) trailer[8 + i] = (uint8_t)(size >> (8 * i));
  const uint32_t crc = (uint32_t)crc32_z(0, image, size);
  for (int i = 0; i < 4; i++) trailer[16 + i] = (uint8_t)(crc >> (8 * i));
  const uint32_t own = (uint32_t)crc32_z(0, trailer, 20);
  for (int i = 0; i < 4; i++) trailer[20 + i] = (uint8_t)(own >> (8 * i));
}

static void resume_from(const nn_trained *trained, nn_checkpoint *checkpoint) {
  nn_text text = {0};
  if (nn_model_param_count(trained->model) > 1 << 20) return;
  (void)fuzz_failed(nn_checkpoint_restore(checkpoint, trained->model, trained->params, NULL));
  (void)fuzz_failed(nn_checkpoint_take(checkpoint, trained->model, trained->params, &text));
  nn_text_clear(&text);
}

static void predict_with(const nn_trained *trained) {
  float x[64] = {0}, y[64];
  if (nn_shape_size(&trained->shape) > 64 || nn_model_outputs(trained->model) > 64) return;
  if (nn_workspace_bytes(trained->model, NN_PREDICT_ROWS, NN_WORKSPACE_FORWARD, 1) > 1 << 26) return;
  if (!fuzz_failed(nn_trained_predict(trained, 1, 1, x, y))) (void)nn_trained_class(trained, y, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t trailer[24];
  trailer_for(data, size, trailer);
  fuzz_file file = fuzz_file_make(data, size, trailer, sizeof trailer);
  nn_checkpoint *checkpoint = NULL;
  nn_checkpoint_digests digests;
  nn_trained *trained = NULL;
  nn_text text = {0};
  bool same = false;
  if (!fuzz_failed(nn_checkpoint_open(file.path, &checkpoint)))
    (void)fuzz_failed(nn_checkpoint_digest(checkpoint, &digests));
  if (checkpoint != NULL && !fuzz_failed(nn_trained_load(file.path, &trained))) {
    resume_from(trained, checkpoint);
    predict_with(trained);
  }
  nn_trained_destroy(&trained);
  nn_checkpoint_close(&checkpoint);
  (void)fuzz_failed(nn_inspect(file.path, &text));
  (void)fuzz_failed(nn_inspect_two(file.path, file.path, &same, &text));
  nn_text_clear(&text);
  fuzz_file_remove(&file);
  return 0;
}
