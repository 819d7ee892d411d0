/* Powers and cosines from +, −, × alone. The C library's own differ in the last bit between versions and processors;
 * a rank on another node would then take another step, and replicas would drift apart. */
#include "optim/internal.h"

double nn__power(double base, uint64_t exponent) {
  double power = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) power *= base;
    base *= base;
  }
  return power;
}

/* Taylor series around 0, for |x| ≤ π / 4: the first term left out is below 1e-17. */
static double sine_near_zero(double x) {
  const double s = x * x;
  double sum = 0;
  for (int n = 17; n >= 3; n -= 2) sum = (sum + 1) * (-s / ((double)n * (double)(n - 1)));
  return x * (sum + 1);
}

static double cosine_near_zero(double x) {
  const double s = x * x;
  double sum = 0;
  for (int n = 18; n >= 2; n -= 2) sum = (sum + 1) * (-s / ((double)n * (double)(n - 1)));
  return sum + 1;
}

double nn__cosine_half_turns(double t) {
  const double pi = 3.14159265358979323846;
  if (t > 0.5) return -nn__cosine_half_turns(1 - t);
  return t > 0.25 ? sine_near_zero(pi * (0.5 - t)) : cosine_near_zero(pi * t);
}
