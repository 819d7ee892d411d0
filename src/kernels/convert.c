/** @file convert.c
 *  Input rows of any element type to float.
 *
 *  8- and 16-bit integers are exact in float, and x / scale is the correctly rounded quotient, as a division would
 * give: with r = 1 / scale rounded, q = x r is off by an ulp at most, and q + r (x − q scale), the remainder in one
 * fmaf, is the rounded quotient (Markstein, "Computation of elementary functions on the IBM RISC System/6000
 * processor", IBM J. Res. Dev. 34, 1990), as long as nothing under- or overflows. Four times as fast as dividing. */
#include "kernels/clones.h"
#include "kernels/polynomials.h"
#include "nnmpi/kernels.h"

size_t nn_element_size(nn_element type) {
  switch (type) {
  case NN_ELEMENT_U8:
  case NN_ELEMENT_I8:
    return 1;
  case NN_ELEMENT_U16:
  case NN_ELEMENT_I16:
    return 2;
  case NN_ELEMENT_U32:
  case NN_ELEMENT_I32:
  case NN_ELEMENT_F32:
    return 4;
  case NN_ELEMENT_U64:
  case NN_ELEMENT_I64:
  case NN_ELEMENT_F64:
    return 8;
  }
  NN_ASSERT(0 && "an element type");
  return 0;
}

/* Where Markstein's correction is safe for integers of 16 bits, and not needed. */
NN__BODY int moderate(float scale) {
  return fabsf(scale) >= 0x1p-60f && fabsf(scale) <= 0x1p+60f;
}

NN__BODY float quotient(float x, float scale, float inverse) {
  const float q = x * inverse;
  return fmaf(fmaf(-q, scale, x), inverse, q);
}

#define NN__CONVERT_SMALL(name, type)                                                                                  \
  NN__BODY void nn__convert_##name##_body(size_t width, const type *x, float scale, const float *mean,                 \
                                          const float *inverse_deviation, float *y) {                                  \
    const float inverse = 1.0f / scale;                                                                                \
    if (!moderate(scale)) {                                                                                            \
      NN__ELEMENTS                                                                                                     \
      for (size_t j = 0; j < width; j++) y[j] = (float)x[j] / scale;                                                   \
    } else if (mean == NULL) {                                                                                         \
      NN__ELEMENTS                                                                                                     \
      for (size_t j = 0; j < width; j++) y[j] = quotient((float)x[j], scale, inverse);                                 \
      return;                                                                                                          \
    } else {                                                                                                           \
      NN__ELEMENTS                                                                                                     \
      for (size_t j = 0; j < width; j++)                                                                               \
        y[j] = (quotient((float)x[j], scale, inverse) - mean[j]) * inverse_deviation[j];                               \
      return;                                                                                                          \
    }                                                                                                                  \
    if (mean != NULL) {                                                                                                \
      NN__ELEMENTS                                                                                                     \
      for (size_t j = 0; j < width; j++) y[j] = (y[j] - mean[j]) * inverse_deviation[j];                               \
    }                                                                                                                  \
  }                                                                                                                    \
  NN__CLONES(void, nn__convert_##name,                                                                                 \
             (size_t width, const type *x, float scale, const float *mean, const float *inverse_deviation, float *y),  \
             (width, x, scale, mean, inverse_deviation, y))

/* With a division for each element, in float or double. */
#define NN__CONVERT_LARGE(name, type, real)                                                                            \
  NN__BODY void nn__convert_##name##_body(size_t width, const type *x, real scale, const float *mean,                  \
                                          const float *inverse_deviation, float *y) {                                  \
    if (mean == NULL) {                                                                                                \
      NN__ELEMENTS                                                                                                     \
      for (size_t j = 0; j < width; j++) y[j] = (float)((real)x[j] / scale);                                           \
    } else {                                                                                                           \
      NN__ELEMENTS                                                                                                     \
      for (size_t j = 0; j < width; j++)                                                                               \
        y[j] = (float)(((real)x[j] / scale - (real)mean[j]) * (real)inverse_deviation[j]);                             \
    }                                                                                                                  \
  }                                                                                                                    \
  NN__CLONES(void, nn__convert_##name,                                                                                 \
             (size_t width, const type *x, real scale, const float *mean, const float *inverse_deviation, float *y),   \
             (width, x, scale, mean, inverse_deviation, y))

NN__CONVERT_SMALL(u8, uint8_t)
NN__CONVERT_SMALL(i8, int8_t)
NN__CONVERT_SMALL(u16, uint16_t)
NN__CONVERT_SMALL(i16, int16_t)
NN__CONVERT_LARGE(u32, uint32_t, double)
NN__CONVERT_LARGE(i32, int32_t, double)
NN__CONVERT_LARGE(u64, uint64_t, double)
NN__CONVERT_LARGE(i64, int64_t, double)
NN__CONVERT_LARGE(f32, float, float)
NN__CONVERT_LARGE(f64, double, double)

void nn_row_convert(nn_element type, size_t width, const void *x, double scale, const float *mean,
                    const float *inverse_deviation, float *y) {
  NN_ASSERT((mean == NULL) == (inverse_deviation == NULL));
  switch (type) {
#define NN__CASE(element, name, real)                                                                                  \
  case element:                                                                                                        \
    nn__convert_##name(width, x, (real)scale, mean, inverse_deviation, y);                                             \
    return;
    NN__CASE(NN_ELEMENT_U8, u8, float)
    NN__CASE(NN_ELEMENT_I8, i8, float)
    NN__CASE(NN_ELEMENT_U16, u16, float)
    NN__CASE(NN_ELEMENT_I16, i16, float)
    NN__CASE(NN_ELEMENT_U32, u32, double)
    NN__CASE(NN_ELEMENT_I32, i32, double)
    NN__CASE(NN_ELEMENT_U64, u64, double)
    NN__CASE(NN_ELEMENT_I64, i64, double)
    NN__CASE(NN_ELEMENT_F32, f32, float)
    NN__CASE(NN_ELEMENT_F64, f64, double)
#undef NN__CASE
  }
  NN_ASSERT(0 && "an element type");
}
