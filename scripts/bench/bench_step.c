/** @file bench_step.c
 *  A whole training on one thread, timed by its processor time, so that other programs disturb little.
 *
 *  bench_step CONFIG.yaml [KEY=VALUE …]. After each epoch the FMA peak is measured; a line for scripts on standard
 * output: "epoch E samples_per_second X peak_gflops Y samples_per_gflop Z", with Z = X / Y: what the peak of that
 * moment made of it. At the end the same figures of the median by Z: "median …". Everything of a user's run is counted:
 * batches, metrics, history, evaluation, files. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "nnmpi/train.h"

enum { EPOCHS_MAX = 1024 };

typedef struct {
  double rate, peak;
} sample;

typedef struct {
  double begin; /* of the epoch, processor time */
  size_t count;
  sample at[EPOCHS_MAX];
} stopwatch;

static double processor_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void print(const char *what, size_t number, const sample *s) {
  printf("%s %zu samples_per_second %.0f peak_gflops %.1f samples_per_gflop %.2f\n", what, number, s->rate, s->peak,
         s->rate / s->peak);
}

static void end_epoch(void *context, const nn_epoch_row *row, uint64_t epochs) {
  stopwatch *watch = context;
  (void)epochs;
  const double seconds = processor_seconds() - watch->begin;
  /* of the epoch's wall time the loop says how many samples it made */
  const sample s = {row->seconds * row->samples_per_second / seconds, nn_cpu_peak(0.02)};
  if (row->epoch > 1 && watch->count < EPOCHS_MAX) { /* the first one warms up */
    watch->at[watch->count++] = s;
    print("epoch", (size_t)row->epoch, &s);
  }
  watch->begin = processor_seconds();
}

static int by_share(const void *a, const void *b) {
  const sample *x = a, *y = b;
  const double p = x->rate / x->peak, q = y->rate / y->peak;
  return (p > q) - (p < q);
}

int main(int argc, char **argv) {
  char *text = NULL;
  size_t length = 0;
  nn_registry registry = {0};
  nn_config *config = NULL;
  nn_log *log = NULL;
  nn_train_result result;
  static stopwatch watch;
  if (argc < 2) {
    fprintf(stderr, "usage: bench_step CONFIG.yaml [KEY=VALUE ...]\n");
    return NN_ERR_USAGE;
  }
  nn_registry_fill(&registry);
  nn_status status = nn_file_read(argv[1], 1 << 20, &text, &length);
  if (status == NN_OK)
    status =
        nn_config_parse(text, length, argv[1], (const char *const *)argv + 2, (size_t)argc - 2, &registry, &config);
  if (status == NN_OK) status = nn_log_create(0, true, &log);
  if (status == NN_OK) {
    const nn_train_options options = {.restart = true, .observer = {.context = &watch, .epoch = end_epoch}};
    watch.begin = processor_seconds();
    status = nn_train(NULL, config, &registry, &options, log, &result);
  }
  if (status != NN_OK) fprintf(stderr, "bench_step: %s\n", nn_error_last()->message);
  if (watch.count > 0) {
    qsort(watch.at, watch.count, sizeof watch.at[0], by_share);
    print("median", watch.count, &watch.at[watch.count / 2]);
  }
  nn_log_destroy(&log);
  nn_config_destroy(&config);
  nn_free(text);
  return (int)status;
}
