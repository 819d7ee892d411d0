/** @file maps.c
 *  The element-wise activations and their derivatives. */
#include "kernels/clones.h"
#include "kernels/polynomials.h"
#include "nnmpi/kernels.h"

#define NN__1_PI 0x1.45f306p-2f
#define NN__1_SQRT_2PI 0x1.988454p-2f

/* Forward and backward of one value; what a derivative does not need stays unused. */

NN__BODY float relu(float x, float p) {
  (void)p;
  return x <= 0.0f ? 0.0f : x; /* NaN stays NaN */
}
/* Looks at y, so that it may be used after an in-place forward. */
NN__BODY float relu_slope(float x, float y, float p) {
  (void)x, (void)p;
  return y <= 0.0f ? 0.0f : 1.0f;
}

NN__BODY float leaky_relu(float x, float p) {
  return x > 0.0f ? x : p * x;
}
NN__BODY float leaky_relu_slope(float x, float y, float p) {
  (void)y;
  return x > 0.0f ? 1.0f : p;
}

NN__BODY float sigmoid(float x, float p) {
  (void)p;
  return nn__sigmoid(x);
}
NN__BODY float sigmoid_slope(float x, float y, float p) {
  (void)x, (void)p;
  return y * (1.0f - y);
}

NN__BODY float hyperbolic(float x, float p) {
  (void)p;
  return nn__tanh(x);
}
NN__BODY float hyperbolic_slope(float x, float y, float p) {
  (void)x, (void)p;
  return fmaf(-y, y, 1.0f);
}

NN__BODY float gelu(float x, float p) {
  (void)p;
  return x * nn__normal(x);
}
NN__BODY float gelu_slope(float x, float y, float p) {
  (void)y, (void)p;
  const float density = NN__1_SQRT_2PI * nn__exp(-0.5f * (x * x));
  return fmaf(x, density, nn__normal(x));
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(−|x|)) */
NN__BODY float softplus(float x, float p) {
  (void)p;
  return (x <= 0.0f ? 0.0f : x) + nn__log1p_unit(nn__exp(-fabsf(x)));
}
NN__BODY float softplus_slope(float x, float y, float p) {
  (void)y, (void)p;
  return nn__sigmoid(x);
}

/* arctan(x) / π + 1/2; far out on the left it is arctan(1 / |x|) / π, without cancellation. */
NN__BODY float arctangent(float x, float p) {
  (void)p;
  const float r = nn__arctan_folded(x) * NN__1_PI;
  const float far = x < 0.0f ? r : 1.0f - r;
  return fabsf(x) > 1.0f ? far : 0.5f + copysignf(r, x);
}
NN__BODY float arctangent_slope(float x, float y, float p) {
  (void)y, (void)p;
  return NN__1_PI / fmaf(x, x, 1.0f);
}

NN__BODY float step(float x, float p) {
  (void)p;
  return x >= 0.0f ? 1.0f : (x < 0.0f ? 0.0f : x); /* NaN stays NaN */
}

NN__BODY float identity(float x, float p) {
  (void)p;
  return x;
}

#define NN__FORWARD(name, function)                                                                                    \
  NN__BODY void nn__##name##_forward_body(size_t count, float p, const float *x, float *y) {                           \
    NN__ELEMENTS                                                                                                       \
    for (size_t i = 0; i < count; i++) y[i] = function(x[i], p);                                                       \
  }                                                                                                                    \
  NN__CLONES(void, nn__##name##_forward, (size_t count, float p, const float *x, float *y), (count, p, x, y))

#define NN__BACKWARD(name, function)                                                                                   \
  NN__BODY void nn__##name##_backward_body(size_t count, float p, const float *x, const float *y, const float *dy,     \
                                           float *dx) {                                                                \
    NN__ELEMENTS                                                                                                       \
    for (size_t i = 0; i < count; i++) dx[i] = dy[i] * function(x[i], y[i], p);                                        \
  }                                                                                                                    \
  NN__CLONES(void, nn__##name##_backward,                                                                              \
             (size_t count, float p, const float *x, const float *y, const float *dy, float *dx),                      \
             (count, p, x, y, dy, dx))

#define NN__MAP(name, function, in_place)                                                                              \
  NN__FORWARD(name, function)                                                                                          \
  NN__BACKWARD(name, function##_slope)                                                                                 \
  const nn_map nn_map_##name = {#name, nn__##name##_forward, nn__##name##_backward, in_place};

NN__MAP(relu, relu, true)
NN__MAP(leaky_relu, leaky_relu, true)
NN__MAP(sigmoid, sigmoid, true)
NN__MAP(tanh, hyperbolic, true)
NN__MAP(gelu, gelu, false)
NN__MAP(softplus, softplus, false)
NN__MAP(arctan, arctangent, false)

NN__FORWARD(step, step)
const nn_map nn_map_step = {"step", nn__step_forward, NULL, true};

NN__FORWARD(identity, identity)

static void identity_backward(size_t count, float p, const float *x, const float *y, const float *dy, float *dx) {
  (void)y;
  nn__identity_forward(count, p, dy, dx);
  (void)x;
}

const nn_map nn_map_identity = {"identity", nn__identity_forward, identity_backward, true};

/* A share of whole cache lines: threads do not write into each other's. */
enum { NN__MAP_GRAIN = 64 };

void nn_map_apply(const nn_team *team, const nn_map *map, float p, size_t count, const float *x, float *y) {
  size_t first, last;
  nn_team_share(team, count, NN__MAP_GRAIN, &first, &last);
  map->forward(last - first, p, x + first, y + first);
  nn_team_barrier(team);
}

void nn_map_apply_backward(const nn_team *team, const nn_map *map, float p, size_t count, const float *x,
                           const float *y, const float *dy, float *dx) {
  size_t first, last;
  nn_team_share(team, count, NN__MAP_GRAIN, &first, &last);
  if (map->backward != NULL)
    map->backward(last - first, p, x + first, y + first, dy + first, dx + first);
  else
    for (size_t i = first; i < last; i++) dx[i] = 0.0f;
  nn_team_barrier(team);
}
