/** @file peak.c
 *  The limits of this machine: FMA peak per core and for all cores at once, memory bandwidth, and how long what one
 * core wrote takes to another and back.
 *
 *  Lines for scripts: "peak_gflops_per_core X", "peak_gflops_all_cores X cores N", "bandwidth_gbytes_per_core X",
 *  "bandwidth_gbytes_all_cores X", "round_trip_ns X" (with --round-trip that line alone, in a fraction of a second).
 * Best of several samples each. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nnmpi/kernels.h"

enum { SAMPLES = 10, STREAM_FLOATS = 32 << 20, ROUND_TRIPS = 3000 };

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

/* The ball lies where the other thread looks. */
typedef struct {
  _Alignas(NN_ALIGNMENT) _Atomic int at;
  _Alignas(NN_ALIGNMENT) double nanoseconds;
} ball;

static void throw_and_catch(const nn_team *team, void *context) {
  ball *b = context;
  if (team->size < 2) return; /* OpenMP gave no second thread */
  nn_team_barrier(team);
  const double start = nn_seconds();
  for (int i = 0; i < ROUND_TRIPS; i++) {
    while (atomic_load_explicit(&b->at, memory_order_acquire) != team->id)
      ;
    atomic_store_explicit(&b->at, !team->id, memory_order_release);
  }
  if (team->id == 0) b->nanoseconds = (nn_seconds() - start) * 1e9 / ROUND_TRIPS;
  nn_team_barrier(team);
}

static double round_trip(void) {
  static ball b;
  double best = 0;
  for (int s = 0; s < SAMPLES; s++) {
    nn_team_run(2, throw_and_catch, &b);
    if (s == 0 || b.nanoseconds < best) best = b.nanoseconds;
  }
  return best;
}

int main(int argc, char **argv) {
  const int cores = nn_cpu_allowed();
  if (argc == 2 && strcmp(argv[1], "--round-trip") == 0) {
    if (cores < 2) {
      fprintf(stderr, "peak: a round trip needs two cores, one is allowed here\n");
      return NN_ERR_USAGE;
    }
    printf("round_trip_ns %.0f\n", round_trip());
    return 0;
  }
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
  if (cores > 1) printf("round_trip_ns %.0f\n", round_trip());
  free(l.rate), free(l.x), free(l.y);
  return 0;
}
