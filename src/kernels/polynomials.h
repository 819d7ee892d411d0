/** @file polynomials.h
 *  exp, log, tanh, erf, arctan and their kin for one float, without branches, tables or calls, so that a loop over them
 *  vectorises and gives the same bits whichever way it was compiled.
 *
 *  Coefficients: minimax fits of our own, by scripts/dev/minimax.py. Arguments are clamped by `x > limit ? limit : x`,
 *  which lets NaN through. */
#ifndef NNMPI_KERNELS_POLYNOMIALS_H
#define NNMPI_KERNELS_POLYNOMIALS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/clones.h"

#define NN__LOG2_E 0x1.715476p+0f
#define NN__LN2_HIGH 0x1.62e4p-1f /* the upper 16 bits of ln 2: exact times an exponent */
#define NN__LN2_LOW 0x1.7f7d1cp-20f
#define NN__SHIFT 0x1.8p+23f /* adding it leaves the nearest integer in the low bits */

NN__BODY uint32_t nn__bits(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

NN__BODY float nn__float(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* 2^k for −126 ≤ k ≤ 127 */
NN__BODY float nn__power2(int32_t k) {
  return nn__float((uint32_t)(k + 127) << 23);
}

/* x = k ln 2 + r with |r| ≤ ln 2 / 2; returns exp(r) − 1. For |x| < 2^21. */
NN__BODY float nn__exp_reduced(float x, int32_t *k) {
  const float t = fmaf(x, NN__LOG2_E, NN__SHIFT);
  const float n = t - NN__SHIFT;
  *k = (int32_t)(nn__bits(t) - nn__bits(NN__SHIFT));
  const float r = fmaf(n, -NN__LN2_LOW, fmaf(n, -NN__LN2_HIGH, x));
  float q = 0x1.6ab0e6p-10f;
  q = fmaf(q, r, 0x1.122c7ap-7f);
  q = fmaf(q, r, 0x1.55579ep-5f);
  q = fmaf(q, r, 0x1.5554aap-3f);
  q = fmaf(q, r, 0x1.fffffep-2f);
  return fmaf(r * r, q, r);
}

NN__BODY float nn__exp(float x) {
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  int32_t k;
  const float p = nn__exp_reduced(x, &k) + 1.0f;
  /* in two steps, so that results below 2^-126 are rounded once, and those above 2^128 are infinite */
  const int32_t half = k >> 1;
  return p * nn__power2(half) * nn__power2(k - half);
}

/* log(2^k (1 + f)) for sqrt(1/2) ≤ 1 + f ≤ sqrt(2) */
NN__BODY float nn__log_reduced(float k, float f) {
  const float s = f * f;
  float p = -0x1.376b70p-4f;
  p = fmaf(p, f, 0x1.0486cep-3f);
  p = fmaf(p, f, -0x1.0d383ap-3f);
  p = fmaf(p, f, 0x1.22d1d0p-3f);
  p = fmaf(p, f, -0x1.547226p-3f);
  p = fmaf(p, f, 0x1.99a036p-3f);
  p = fmaf(p, f, -0x1.000228p-2f);
  p = fmaf(p, f, 0x1.555554p-2f);
  const float low = fmaf(s * f, p, fmaf(s, -0.5f, k * NN__LN2_LOW));
  return fmaf(k, NN__LN2_HIGH, f + low);
}

NN__BODY float nn__log(float x) {
  const float root_half = 0x1.6a09e6p-1f;
  const int small = x < 0x1p-126f;
  const float y = small ? x * 0x1p+23f : x;
  const int32_t e = (int32_t)(nn__bits(y) - nn__bits(root_half)) >> 23;
  const float f = nn__float(nn__bits(y) - ((uint32_t)e << 23)) - 1.0f;
  float result = nn__log_reduced((float)e - (small ? 23.0f : 0.0f), f);
  result = x == INFINITY ? INFINITY : result;
  result = x == 0.0f ? -INFINITY : result;
  result = x < 0.0f ? NAN : result;
  return x != x ? x : result;
}

/* log(1 + z) for 0 ≤ z ≤ 1 */
NN__BODY float nn__log1p_unit(float z) {
  const int upper = z > 0x1.a8279ap-2f; /* sqrt(2) − 1: then 1 + z = 2 (1 + (z − 1) / 2) */
  return nn__log_reduced(upper ? 1.0f : 0.0f, upper ? 0.5f * (z - 1.0f) : z);
}

/* With E = exp(2|x|) − 1, tanh|x| = E / (E + 2). */
NN__BODY float nn__tanh(float x) {
  float a = fabsf(x);
  a = a > 10.0f ? 10.0f : a;
  int32_t k;
  const float p = nn__exp_reduced(2.0f * a, &k);
  const float scale = nn__power2(k);
  const float e = fmaf(scale, p, scale - 1.0f);
  return copysignf(e / (e + 2.0f), x);
}

/* erf(a) for 0 ≤ a ≤ 1 */
NN__BODY float nn__erf_small(float a) {
  const float s = a * a;
  float e = 0x1.4771fcp-14f;
  e = fmaf(e, s, -0x1.a3515ep-11f);
  e = fmaf(e, s, 0x1.53f224p-8f);
  e = fmaf(e, s, -0x1.b7f71ap-6f);
  e = fmaf(e, s, 0x1.ce2ce6p-4f);
  e = fmaf(e, s, -0x1.81273ep-2f);
  e = fmaf(e, s, 0x1.06eba8p-3f);
  return fmaf(a, e, a);
}

/* 1 − erf(a) for a ≥ 1; its relative error grows like a² × 2^-24 */
NN__BODY float nn__erfc_large(float a) {
  a = a > 10.1f ? 10.1f : a;
  float g = 0x1.15a47cp-29f;
  g = fmaf(g, a, -0x1.0d7750p-23f);
  g = fmaf(g, a, 0x1.d1f39cp-19f);
  g = fmaf(g, a, -0x1.db5e50p-15f);
  g = fmaf(g, a, 0x1.4027aep-11f);
  g = fmaf(g, a, -0x1.2ec174p-8f);
  g = fmaf(g, a, 0x1.a3795cp-6f);
  g = fmaf(g, a, -0x1.ba9334p-4f);
  g = fmaf(g, a, -0x1.44dc0ap-1f);
  g = fmaf(g, a, -0x1.20e0fcp+0f);
  g = fmaf(g, a, -0x1.66e2a2p-13f);
  return nn__exp(g);
}

NN__BODY float nn__erf(float x) {
  const float a = fabsf(x);
  const float small = nn__erf_small(a), large = 1.0f - nn__erfc_large(a);
  return copysignf(a > 1.0f ? large : small, x);
}

/* The distribution function of the standard normal: Φ(x) = (1 + erf(x / √2)) / 2, without cancellation for x < 0. */
NN__BODY float nn__normal(float x) {
  const float t = x * 0x1.6a09e6p-1f;
  const float a = fabsf(t);
  const float small = fmaf(0.5f, copysignf(nn__erf_small(a), t), 0.5f);
  const float tail = 0.5f * nn__erfc_large(a);
  return a > 1.0f ? (t > 0.0f ? 1.0f - tail : tail) : small;
}

/* arctan(t) for 0 ≤ t ≤ 1 */
NN__BODY float nn__arctan_unit(float t) {
  const float s = t * t;
  float a = -0x1.d8db1cp-10f;
  a = fmaf(a, s, 0x1.667e48p-7f);
  a = fmaf(a, s, -0x1.ff11fap-6f);
  a = fmaf(a, s, 0x1.dab1aep-5f);
  a = fmaf(a, s, -0x1.582108p-4f);
  a = fmaf(a, s, 0x1.c09080p-4f);
  a = fmaf(a, s, -0x1.2420aap-3f);
  a = fmaf(a, s, 0x1.9991e4p-3f);
  a = fmaf(a, s, -0x1.55553ep-2f);
  return fmaf(t * s, a, t);
}

/* arctan|x| for |x| ≤ 1, else arctan(1 / |x|) = π/2 − arctan|x| */
NN__BODY float nn__arctan_folded(float x) {
  const float a = fabsf(x);
  const int far = a > 1.0f;
  return nn__arctan_unit((far ? 1.0f : a) / (far ? a : 1.0f));
}

NN__BODY float nn__arctan(float x) {
  const float r = nn__arctan_folded(x);
  const float far = (0x1.921fb6p+0f - r) - 0x1.777a5cp-25f; /* π/2 in two floats */
  return copysignf(fabsf(x) > 1.0f ? far : r, x);
}

/* 1 / (1 + exp(−x)), relatively accurate on both sides */
NN__BODY float nn__sigmoid(float x) {
  const float z = nn__exp(-fabsf(x));
  return (x < 0.0f ? z : 1.0f) / (1.0f + z);
}

#endif
