/* How stored numbers become inputs, and outputs the user's numbers. */
#include "dataset.h"

#include <string.h>

void nn_normalizer_clear(nn_normalizer *normalizer) {
  nn_free(normalizer->mean);
  nn_free(normalizer->inverse_deviation);
  nn_free(normalizer->target_mean);
  nn_free(normalizer->target_deviation);
  *normalizer = (nn_normalizer){.scale = 1};
}

static nn_status copy(const void *from, size_t count, size_t size, void **to) {
  if (from == NULL) return NN_OK;
  NN_TRY(nn_alloc(count, size, "the normalisation of the data set", to));
  memcpy(*to, from, count * size);
  return NN_OK;
}

nn_status nn_normalizer_copy(const nn_normalizer *from, nn_normalizer *to) {
  nn_status status = NN_OK;
  void *mean = NULL, *inverse = NULL, *target_mean = NULL, *target_deviation = NULL;
  NN_TRY_DONE(copy(from->mean, from->width, sizeof(float), &mean));
  NN_TRY_DONE(copy(from->inverse_deviation, from->width, sizeof(float), &inverse));
  NN_TRY_DONE(copy(from->target_mean, from->target_width, sizeof(double), &target_mean));
  NN_TRY_DONE(copy(from->target_deviation, from->target_width, sizeof(double), &target_deviation));
  *to = (nn_normalizer){from->width, from->target_width, from->scale, mean, inverse, target_mean, target_deviation};
  return NN_OK;
done:
  nn_free(mean);
  nn_free(inverse);
  nn_free(target_mean);
  nn_free(target_deviation);
  return status;
}

void nn_normalizer_restore(const nn_normalizer *normalizer, size_t rows, float *outputs) {
  if (normalizer->target_mean == NULL) return;
  const size_t width = normalizer->target_width;
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < width; j++) {
      float *at = &outputs[r * width + j];
      *at = (float)((double)*at * normalizer->target_deviation[j] + normalizer->target_mean[j]);
    }
}
