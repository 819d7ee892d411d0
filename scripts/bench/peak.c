/** @file peak.c
 *  The limits of this machine: FMA peak per core and for all cores at once, memory bandwidth.
 *
 *  Lines for scripts: "peak_gflops_per_core X", "peak_gflops_all_cores X cores N", "bandwidth_gbytes_per_core X",
 *  "bandwidth_gbytes_all_cores X". Best of several samples each. */
#include <stdio.h>
#include <stdlib.h>

#include "nnmpi/kernels.h"

enum { SAMPLES = 10, STREAM_FLOATS = 32 << 20 };

typedef struct {
  double *rate;         /* per thread, of the sample */
  float *x, *y;         /* bandwidth: y = x, STREAM_FLOATS each */
  double start, finish; /* of thread 0 */
} limits;

static void fma_all(const nn_team *team, void *context) {
  limits *l = context;
  nn_team_barrier(team);
  l->rate[team->id] = nn_cpu_peak(0.05);
  nn_team_barrier(team);
}

/* y += x reads two arrays and writes one. The first call also places the pages. */
static void stream_all(const nn_team *team, void *context) {
  limits *l = context;
  nn_team_barrier(team);
  if (team->id == 0) l->start = nn_seconds();
  nn_add(team, STREAM_FLOATS, l->x, l->y);
  if (team->id == 0) l->finish = nn_seconds();
}

static double fma_rate(int threads, limits *l) {
  double best = 0.0;
  for (int s = 0; s < SAMPLES; s++) {
    nn_team_run(threads, fma_all, l);
    double sum = 0.0;
    for (int t = 0; t < threads; t++) sum += l->rate[t];
    best = sum > best ? sum : best;
  }
  return best;
}

static double stream_rate(int threads, limits *l) {
  double best = 0.0;
  for (int s = 0; s < SAMPLES; s++) {
    nn_team_run(threads, stream_all, l);
    const double rate = 3.0 * sizeof(float) * STREAM_FLOATS / (l->finish - l->start) * 1e-9;
    best = rate > best ? rate : best;
  }
  return best;
}

int main(void) {
  const int cores = nn_cpu_allowed();
  limits l = {.rate = calloc((size_t)cores, sizeof(double)),
              .x = calloc(STREAM_FLOATS, sizeof(float)),
              .y = calloc(STREAM_FLOATS, sizeof(float))};
  if (l.rate == NULL || l.x == NULL || l.y == NULL) {
    fprintf(stderr, "peak: out of memory\n");
    return NN_ERR_MEMORY;
  }
  printf("fma_isa %s\n", nn_cpu_peak_isa());
  printf("kernels_isa %s\n", nn_cpu_isa());
  printf("peak_gflops_per_core %.1f\n", fma_rate(1, &l));
  printf("peak_gflops_all_cores %.1f cores %d\n", fma_rate(cores, &l), cores);
  printf("bandwidth_gbytes_per_core %.1f\n", stream_rate(1, &l));
  printf("bandwidth_gbytes_all_cores %.1f\n", stream_rate(cores, &l));
  free(l.rate), free(l.x), free(l.y);
  return 0;
}
