/** @file bench_gemm.c
 *  Products at the sizes of networks: nn_gemm() against oneDNN's sgemm with its own threading, and against the peak
 *  measured in the same run.
 *
 *  bench_gemm [rounds] [small|large|all]. Systems take turns within a round; the best of all rounds counts. A line for
 *  scripts: "peak_gflops_per_core X"; then a table. With one thread, processor time is counted instead of the clock, so
 *  that other programs disturb less. */
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nnmpi/kernels.h"

typedef struct {
  const char *set, *what;
  nn_transpose ta, tb;
  size_t m, n, k;
} shape;

/* A dense layer: forward y = x W', gradient of the weights dW = dy' x, of the input dx = dy W. */
#define FORWARD(set, rows, in, out)                                                                                    \
  { set, "forward", NN_N, NN_T, rows, out, in }
#define WEIGHTS(set, rows, in, out)                                                                                    \
  { set, "weights", NN_T, NN_N, out, in, rows }
#define INPUT(set, rows, in, out)                                                                                      \
  { set, "input", NN_N, NN_N, rows, in, out }
#define NETWORK(set, rows)                                                                                             \
  FORWARD(set, rows, 784, 256), FORWARD(set, rows, 256, 128), FORWARD(set, rows, 128, 64), FORWARD(set, rows, 64, 10), \
      WEIGHTS(set, rows, 784, 256), WEIGHTS(set, rows, 256, 128), WEIGHTS(set, rows, 128, 64),                         \
      WEIGHTS(set, rows, 64, 10), INPUT(set, rows, 256, 128), INPUT(set, rows, 128, 64), INPUT(set, rows, 64, 10)

static const shape shapes[] = {
    NETWORK("small", 64),
    NETWORK("small", 8),
    FORWARD("small", 1, 784, 32),
    WEIGHTS("small", 1, 784, 32),
    INPUT("small", 1, 784, 32),
    FORWARD("small", 64, 128, 512),
    WEIGHTS("small", 64, 128, 512),
    INPUT("small", 64, 128, 512),
    NETWORK("large", 1024),
    FORWARD("large", 512, 784, 4096),
    WEIGHTS("large", 512, 784, 4096),
    FORWARD("large", 512, 4096, 4096),
    WEIGHTS("large", 512, 4096, 4096),
    INPUT("large", 512, 4096, 4096),
    FORWARD("large", 512, 4096, 10),
    WEIGHTS("large", 512, 4096, 10),
    INPUT("large", 512, 4096, 10),
};

typedef struct {
  const shape *s;
  size_t times;
  const float *a, *b;
  float *c;
} task;

static void repeat(const nn_team *team, void *context) {
  const task *t = context;
  for (size_t i = 0; i < t->times; i++) nn_gemm(team, t->s->ta, t->s->tb, t->s->m, t->s->n, t->s->k, t->a, t->b, t->c);
}

static void repeat_onednn(const task *t, int threads) {
  const shape *s = t->s;
  const dnnl_dim_t lda = (dnnl_dim_t)(s->ta == NN_N ? s->k : s->m), ldb = (dnnl_dim_t)(s->tb == NN_N ? s->n : s->k);
  omp_set_num_threads(threads);
  for (size_t i = 0; i < t->times; i++)
    dnnl_sgemm(s->ta == NN_N ? 'N' : 'T', s->tb == NN_N ? 'N' : 'T', (dnnl_dim_t)s->m, (dnnl_dim_t)s->n,
               (dnnl_dim_t)s->k, 1.0f, t->a, lda, t->b, ldb, 0.0f, t->c, (dnnl_dim_t)s->n);
}

static double seconds(int threads) {
  if (threads > 1) return nn_seconds();
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static float *numbers(size_t count, uint64_t stream) {
  void *memory = NULL;
  if (nn_alloc(count, sizeof(float), "benchmark", &memory) != NN_OK) exit(NN_ERR_MEMORY);
  float *x = memory;
  for (size_t i = 0; i < count; i++) x[i] = (float)nn_random_uniform(1, NN_RANDOM_WEIGHTS, stream, i) - 0.5f;
  return x;
}

/* GF/s of both, best of `rounds`. */
static void measure(const task *t, int threads, int rounds, double *ours, double *onednn) {
  const double flops = 2.0 * (double)t->s->m * (double)t->s->n * (double)t->s->k * (double)t->times;
  *ours = *onednn = 0.0;
  for (int r = 0; r < rounds; r++) {
    double start = seconds(threads);
    nn_team_run(threads, repeat, (void *)(uintptr_t)t);
    double rate = flops / (seconds(threads) - start) * 1e-9;
    *ours = rate > *ours ? rate : *ours;
    start = seconds(threads);
    repeat_onednn(t, threads);
    rate = flops / (seconds(threads) - start) * 1e-9;
    *onednn = rate > *onednn ? rate : *onednn;
  }
}

static double peak_of_one_core(int samples) {
  double best = 0.0;
  for (int i = 0; i < samples; i++) {
    const double rate = nn_cpu_peak(0.02);
    best = rate > best ? rate : best;
  }
  return best;
}

int main(int argc, char **argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 15;
  const char *set = argc > 2 ? argv[2] : "all";
  const int cores = nn_cpu_allowed();
  const double peak = peak_of_one_core(20);
  printf("peak_gflops_per_core %.1f (%s), cores %d, oneDNN %d.%d\n", peak, nn_cpu_peak_isa(), cores,
         dnnl_version()->major, dnnl_version()->minor);
  printf("%-8s %6s %6s %6s %8s | %8s %6s | %8s %6s\n", "product", "m", "n", "k", "threads", "GF/s", "share", "oneDNN",
         "ratio");
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    const shape *s = &shapes[i];
    if (strcmp(set, "all") != 0 && strcmp(set, s->set) != 0) continue;
    float *a = numbers(s->m * s->k, 1), *b = numbers(s->k * s->n, 2), *c = numbers(s->m * s->n, 3);
    const double work = 2.0 * (double)s->m * (double)s->n * (double)s->k;
    const task t = {.s = s, .times = (size_t)(2e8 / work) + 1, .a = a, .b = b, .c = c};
    for (int threads = 1; threads <= cores; threads = threads < cores && 2 * threads > cores ? cores : 2 * threads) {
      double ours, onednn;
      measure(&t, threads, rounds, &ours, &onednn);
      printf("%-8s %6zu %6zu %6zu %8d | %8.1f %5.1f%% | %8.1f %6.2f\n", s->what, s->m, s->n, s->k, threads, ours,
             100.0 * ours / (peak * threads), onednn, ours / onednn);
      fflush(stdout);
    }
    nn_free(a), nn_free(b), nn_free(c);
  }
  return 0;
}
