/** @file vector.c
 *  exp, log, tanh, erf and arctan over arrays. */
#include "kernels/clones.h"
#include "kernels/polynomials.h"
#include "nnmpi/kernels.h"

#define NN__VECTOR(name)                                                                                               \
  NN__BODY void nn_vector_##name##_body(size_t count, const float *x, float *y) {                                      \
    NN__ELEMENTS                                                                                                       \
    for (size_t i = 0; i < count; i++) y[i] = nn__##name(x[i]);                                                        \
  }                                                                                                                    \
  NN__CLONES(void, nn_vector_##name, (size_t count, const float *x, float *y), (count, x, y))

NN__VECTOR(exp)
NN__VECTOR(log)
NN__VECTOR(tanh)
NN__VECTOR(erf)
NN__VECTOR(arctan)
