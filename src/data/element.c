/* Numbers of any stored type: as doubles, as text, checked, digested. */
#include "dataset.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define NN__CONVERT(TYPE)                                                                                              \
  do {                                                                                                                 \
    const TYPE *from = x;                                                                                              \
    for (size_t i = 0; i < count; i++) out[i] = (double)from[i];                                                       \
  } while (0)

void nn__elements_to_real(nn_element type, size_t count, const void *x, double *out) {
  switch (type) {
  case NN_ELEMENT_U8:
    NN__CONVERT(uint8_t);
    return;
  case NN_ELEMENT_I8:
    NN__CONVERT(int8_t);
    return;
  case NN_ELEMENT_U16:
    NN__CONVERT(uint16_t);
    return;
  case NN_ELEMENT_I16:
    NN__CONVERT(int16_t);
    return;
  case NN_ELEMENT_U32:
    NN__CONVERT(uint32_t);
    return;
  case NN_ELEMENT_I32:
    NN__CONVERT(int32_t);
    return;
  case NN_ELEMENT_U64:
    NN__CONVERT(uint64_t);
    return;
  case NN_ELEMENT_I64:
    NN__CONVERT(int64_t);
    return;
  case NN_ELEMENT_F32:
    NN__CONVERT(float);
    return;
  case NN_ELEMENT_F64:
    NN__CONVERT(double);
    return;
  }
  NN_ASSERT(false);
}

char *nn__element_text(nn_element type, const void *x, size_t index, char buffer[32]) {
  const unsigned char *at = (const unsigned char *)x + index * nn_element_size(type);
  double real = 0;
  if (type == NN_ELEMENT_U64) {
    uint64_t value = 0;
    memcpy(&value, at, sizeof value);
    snprintf(buffer, 32, "%" PRIu64, value);
  } else if (type == NN_ELEMENT_I64) {
    int64_t value = 0;
    memcpy(&value, at, sizeof value);
    snprintf(buffer, 32, "%" PRId64, value);
  } else if (type == NN_ELEMENT_F32) {
    float value = 0;
    memcpy(&value, at, sizeof value);
    for (int digits = 1; digits <= 9; digits++) { /* nine tell any two floats apart */
      snprintf(buffer, 32, "%.*g", digits, (double)value);
      char *comma = strchr(buffer, ','); /* a locale's decimal point */
      if (comma != NULL) *comma = '.';
      if (nn_parse_real(buffer, &real) && !((float)real < value) && !((float)real > value)) break;
    }
  } else {
    nn__elements_to_real(type, 1, at, &real);
    nn_format_real(real, buffer);
  }
  return buffer;
}

double nn__element_max(nn_element type) {
  switch (type) {
  case NN_ELEMENT_U8:
    return UINT8_MAX;
  case NN_ELEMENT_I8:
    return -(double)INT8_MIN;
  case NN_ELEMENT_U16:
    return UINT16_MAX;
  case NN_ELEMENT_I16:
    return -(double)INT16_MIN;
  case NN_ELEMENT_U32:
    return UINT32_MAX;
  case NN_ELEMENT_I32:
    return -(double)INT32_MIN;
  case NN_ELEMENT_U64:
    return (double)UINT64_MAX;
  case NN_ELEMENT_I64:
    return -(double)INT64_MIN;
  case NN_ELEMENT_F32:
    return FLT_MAX;
  case NN_ELEMENT_F64:
    return DBL_MAX;
  }
  NN_ASSERT(false);
}

bool nn__elements_within(nn_element type, size_t count, const void *x, double limit) {
  int outside = 0;
  if (type == NN_ELEMENT_F32) {
    const float *at = x;
    const float bound = limit < (double)FLT_MAX ? (float)limit : FLT_MAX;
    for (size_t i = 0; i < count; i++) outside |= !(fabsf(at[i]) <= bound);
  } else {
    NN_ASSERT(type == NN_ELEMENT_F64);
    const double *at = x;
    for (size_t i = 0; i < count; i++) outside |= !(fabs(at[i]) <= limit);
  }
  return outside == 0;
}

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
  return hash << 29 | hash >> 35; /* else the highest bits of a word would never reach the lower ones */
}

uint64_t nn__block_digest(const void *bytes, size_t count) {
  /* four lanes side by side: one chain would wait for its own product at every word. Each step can be undone, so
   * that a single difference is never lost. */
  enum { LANES = 4, STRIDE = LANES * 8 };
  uint64_t lanes[LANES] = {1, 2, 3, 4};
  const unsigned char *at = bytes;
  size_t left = count;
  for (; left >= STRIDE; left -= STRIDE, at += STRIDE) {
    uint64_t words[LANES];
    memcpy(words, at, sizeof words);
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = mix(lanes[lane], words[lane]);
  }
  uint64_t tail[LANES] = {0};
  memcpy(tail, at, left);
  for (int lane = 0; lane < LANES; lane++) lanes[lane] = mix(lanes[lane], tail[lane]);
  uint64_t digest = count;
  for (int lane = 0; lane < LANES; lane++) digest = mix(digest, lanes[lane]);
  return digest;
}
