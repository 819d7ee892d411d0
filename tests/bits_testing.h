/* For tests that compare runs to the last bit: data sets of every kind, runs by all ranks or by one process, and
 * comparison of everything that a run leaves behind but seconds and names. */
#ifndef NNMPI_BITS_TESTING_H
#define NNMPI_BITS_TESTING_H

#include "train_testing.h"

/* ---- data -------------------------------------------------------------------------------------------------- */

enum { BITS_FEATURES = 12, BITS_TRAIN = 205, BITS_TEST = 600 /* three blocks of evaluation */ };

/* <scratch>/<name>.h5. `classes` 0: two values for each sample; `shape`: of a sample, its product BITS_FEATURES.
 * Classes are of unequal size, values of very different magnitude. */
static inline void bits_write_data(const char *name, int classes, int rank, const uint64_t *shape) {
  static const char *const sets[2] = {"train", "test"};
  nn_h5_image *image = NULL;
  char path[400], dataset[32];
  assert_int_equal(nn_h5_image_create(&image), NN_OK);
  for (uint64_t s = 0; s < 2; s++) {
    const uint64_t count = s == 0 ? BITS_TRAIN : BITS_TEST;
    uint64_t dims[3] = {count, 0, 0}, target_dims[2] = {count, 2};
    float *x = malloc(count * BITS_FEATURES * sizeof *x), *values = malloc(count * 2 * sizeof *values);
    uint8_t *labels = malloc(count);
    for (int d = 0; d < rank; d++) dims[d + 1] = shape[d];
    for (uint64_t r = 0; r < count; r++) {
      const double u = nn_random_uniform(11 + s, NN_RANDOM_SPLIT, r, 0);
      labels[r] = (uint8_t)(classes > 0 ? (r < (uint64_t)classes ? (double)r : u * u * classes) : 0);
      for (uint64_t j = 0; j < BITS_FEATURES; j++)
        x[r * BITS_FEATURES + j] = (float)((double)(j + 1) * (nn_random_uniform(1, NN_RANDOM_WEIGHTS, labels[r], j) +
                                                              nn_random_uniform(2 + s, NN_RANDOM_ORDER, r, j)));
      values[2 * r] = x[r * BITS_FEATURES] - x[r * BITS_FEATURES + 3];
      values[2 * r + 1] = 300 + 20 * x[r * BITS_FEATURES + 1] * x[r * BITS_FEATURES + 2];
    }
    snprintf(dataset, sizeof dataset, "%s/x", sets[s]);
    assert_int_equal(nn_h5_image_write(image, dataset, NN_H5_F32, rank + 1, dims, 0, x), NN_OK);
    snprintf(dataset, sizeof dataset, "%s/y", sets[s]);
    if (classes > 0)
      assert_int_equal(nn_h5_image_write(image, dataset, NN_H5_U8, 1, dims, 0, labels), NN_OK);
    else
      assert_int_equal(nn_h5_image_write(image, dataset, NN_H5_F32, 2, target_dims, 0, values), NN_OK);
    free(x);
    free(values);
    free(labels);
  }
  snprintf(path, sizeof path, "%s/%s.h5", nn_scratch, name);
  assert_int_equal(nn_h5_image_save(image, path), NN_OK);
  nn_h5_image_destroy(&image);
}

/* Scratch folder in memory where there is such a place (nothing here is about disks), and all data sets. */
static inline int bits_open(void **state) {
  if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0);
  unsetenv("OMP_NUM_THREADS"); /* the configurations say how many threads */
  if (nn_test_open_scratch(state) != 0) return -1;
  nn_comm *comm = *state;
  if (nn_comm_rank(comm) == 0) {
    bits_write_data("classes", 4, 1, (const uint64_t[]){BITS_FEATURES});
    bits_write_data("two", 2, 1, (const uint64_t[]){BITS_FEATURES});
    bits_write_data("sequences", 3, 2, (const uint64_t[]){4, BITS_FEATURES / 4});
    bits_write_data("values", 0, 1, (const uint64_t[]){BITS_FEATURES});
  }
  return nn_comm_barrier(comm) == NN_OK ? 0 : -1;
}

/* ---- runs --------------------------------------------------------------------------------------------------- */

typedef struct bits_case {
  const char *name;
  const char *data;  /* name of the data set */
  const char *extra; /* of section data: ", valid: test" */
  const char *model, *train;
} bits_case;

/* What a failure says: the case that is under way. */
static char bits_about[200];

/* Run `who` of a case. */
static inline void bits_configure(char yaml[2048], const bits_case *c, const char *who, int virtual_ranks,
                                  const char *parallel) {
  snprintf(yaml, 2048,
           "run: {name: %s-%s, folder: %s/runs, seed: 7}\n"
           "data: {file: %s/%s.h5%s}\n"
           "model: {%s}\n"
           "train: {%s}\n"
           "parallel: {virtual_ranks: %d%s}\n"
           "history: {weights: true}\n",
           c->name, who, nn_scratch, nn_scratch, c->data, c->extra, c->model, c->train, virtual_ranks, parallel);
}

/* Train by the ranks of `comm` (NULL: this process) to the end; or `steps` steps, where not 0, each in a run of its own
 * that is asked to stop at once. */
static inline nn_status bits_try(nn_comm *comm, const char *yaml, uint64_t steps, nn_train_result *result) {
  volatile sig_atomic_t stop = 1;
  const nn_train_options stopping = {.stop = &stop};
  if (steps == 0) return nn_test_train(comm, yaml, NULL, result);
  for (uint64_t i = 0; i < steps; i++) {
    const nn_status status = nn_test_train(comm, yaml, &stopping, result);
    if (status != NN_STOPPED) return status == NN_OK ? NN_FAIL(NN_ERR_INTERNAL, "did not stop") : status;
  }
  return NN_OK;
}

static inline void bits_train(nn_comm *comm, const char *yaml, uint64_t steps, nn_train_result *result) {
  if (bits_try(comm, yaml, steps, result) != NN_OK) fail_msg("%s: %s\n%s", bits_about, nn_error_last()->message, yaml);
}

/* The same by rank 0 as one process without MPI, while the others wait. */
static inline void bits_train_alone(nn_comm *comm, const char *yaml, uint64_t steps, nn_train_result *result) {
  nn_status status = NN_OK;
  if (nn_comm_rank(comm) == 0) status = bits_try(NULL, yaml, steps, result);
  if (nn_comm_agree(comm, status) != NN_OK) fail_msg("%s: %s\n%s", bits_about, nn_error_last()->message, yaml);
}

/* ---- comparison: on rank 0, the verdict everywhere ------------------------------------------------------------ */

typedef struct bits_comparison {
  nn_h5_file *a, *b;
  const char *what; /* the first thing that differs; NULL: nothing yet */
  char differing[200];
  int compared;
} bits_comparison;

static inline void bits_note(bits_comparison *c, const char *what, const char *name) {
  if (c->what != NULL) return;
  snprintf(c->differing, sizeof c->differing, "%.60s %.130s", what, name);
  c->what = c->differing;
}

/* The only columns that depend on how fast it went. */
static inline bool bits_is_time(const char *name) {
  return strstr(name, "seconds") != NULL || strstr(name, "samples_per_second") != NULL;
}

static inline nn_status bits_compare_dataset(void *context, const char *name, const nn_h5_info *info) {
  bits_comparison *c = context;
  nn_h5_info other;
  size_t bytes = nn_h5_type_size(info->type);
  if (bits_is_time(name)) return NN_OK;
  NN_TRY(nn_h5_info_read(c->b, name, &other));
  if (other.rank != info->rank || other.type != info->type ||
      memcmp(other.dims, info->dims, (size_t)info->rank * sizeof *info->dims) != 0) {
    bits_note(c, "shape of", name);
    return NN_OK;
  }
  for (int d = 0; d < info->rank; d++) bytes *= (size_t)info->dims[d];
  char *x = malloc(bytes + 1), *y = malloc(bytes + 1);
  nn_status status = nn_h5_read_rows(c->a, name, 0, info->dims[0], x);
  if (status == NN_OK) status = nn_h5_read_rows(c->b, name, 0, info->dims[0], y);
  if (status == NN_OK && memcmp(x, y, bytes) != 0) bits_note(c, "values of", name);
  c->compared++;
  free(x);
  free(y);
  return status;
}

static inline nn_status bits_count_dataset(void *context, const char *name, const nn_h5_info *info) {
  (void)info;
  *(int *)context += !bits_is_time(name);
  return NN_OK;
}

/* All datasets of the groups, of both files. */
static inline nn_status bits_compare_h5(bits_comparison *c, const char *a, const char *b, const char *const *groups) {
  int there = 0;
  nn_status status = nn_h5_open(a, NN_ERR_DATA, &c->a);
  if (status == NN_OK) status = nn_h5_open(b, NN_ERR_DATA, &c->b);
  c->compared = 0;
  for (; *groups != NULL && status == NN_OK; groups++) {
    status = nn_h5_each(c->a, *groups, bits_compare_dataset, c);
    if (status == NN_OK) status = nn_h5_each(c->b, *groups, bits_count_dataset, &there);
  }
  if (status == NN_OK && (c->compared != there || there == 0)) bits_note(c, "number of datasets of", b);
  nn_h5_close(&c->a);
  nn_h5_close(&c->b);
  return status;
}

/* Byte for byte, but for field `skip` of each line (from 0; −1: nothing is skipped). */
static inline nn_status bits_compare_text(bits_comparison *c, const char *a, const char *b, int skip) {
  char *x = NULL, *y = NULL;
  size_t count = 0;
  nn_status status = nn_file_read(a, 1 << 24, &x, &count);
  if (status == NN_OK) status = nn_file_read(b, 1 << 24, &y, &count);
  const char *p = x, *q = y;
  for (int field = 0; status == NN_OK && (*p != '\0' || *q != '\0');) {
    const size_t m = strcspn(p, ",\n"), n = strcspn(q, ",\n");
    if (p[m] != q[n] || (field != skip && (m != n || memcmp(p, q, m) != 0))) {
      bits_note(c, "text of", a);
      break;
    }
    field = p[m] == '\n' ? 0 : field + 1;
    p += m + (p[m] != '\0');
    q += n + (q[n] != '\0');
  }
  nn_free(x);
  nn_free(y);
  return status;
}

static inline nn_status bits_newest(const char *folder, nn_checkpoint **out) {
  nn_text report = {0};
  const nn_status status = nn_checkpoint_newest(folder, &report, out);
  nn_text_clear(&report);
  return status == NN_OK && *out == NULL ? NN_FAIL(NN_ERR_DATA, "%s: no checkpoint", folder) : status;
}

static inline void bits_compare_progress(bits_comparison *c, const nn_progress_state *p, const nn_progress_state *q) {
  if (p->step != q->step || p->epoch != q->epoch || p->position != q->position) bits_note(c, "the step of", "the runs");
  if (memcmp(p->epoch_sums, q->epoch_sums, sizeof p->epoch_sums) != 0) bits_note(c, "the sums of", "the epoch");
  if (memcmp(&p->best_value, &q->best_value, sizeof p->best_value) != 0 || p->best_epoch != q->best_epoch ||
      p->best_step != q->best_step || p->stale != q->stale || p->stopped_early != q->stopped_early)
    bits_note(c, "the best of", "the runs");
}

/* Everything that two runs left behind. */
static inline nn_status bits_compare_runs(bits_comparison *c, const char *first, const char *second) {
  static const char *const history[] = {"steps", "epochs", "weights", NULL};
  static const char *const state[] = {"parameters", "progress", "history/epochs", "data", NULL};
  static const char *const best[] = {"parameters", "progress", NULL};
  char a[600], b[600], x[700], y[700];
  nn_checkpoint *p = NULL, *q = NULL;
  nn_checkpoint_digests d = {0}, e = {0};
  snprintf(a, sizeof a, "%s/runs/%s", nn_scratch, first);
  snprintf(b, sizeof b, "%s/runs/%s", nn_scratch, second);
  nn_status status = bits_newest(a, &p);
  if (status == NN_OK) status = bits_newest(b, &q);
  if (status == NN_OK) status = nn_checkpoint_digest(p, &d);
  if (status == NN_OK) status = nn_checkpoint_digest(q, &e);
  if (status == NN_OK) {
    bits_compare_progress(c, nn_checkpoint_progress(p), nn_checkpoint_progress(q));
    if (d.parameters != e.parameters) bits_note(c, "digest of", "the parameters");
    if (d.optimizer != e.optimizer) bits_note(c, "digest of", "the optimizer");
    if (d.state != e.state) bits_note(c, "digest of", "the state");
    snprintf(x, sizeof x, "%s/checkpoints/step-%09" PRIu64 ".h5", a, nn_checkpoint_progress(p)->step);
    snprintf(y, sizeof y, "%s/checkpoints/step-%09" PRIu64 ".h5", b, nn_checkpoint_progress(p)->step);
  }
  nn_checkpoint_close(&p);
  nn_checkpoint_close(&q);
  if (status == NN_OK && c->what == NULL) status = bits_compare_h5(c, x, y, state);
  snprintf(x, sizeof x, "%s/checkpoints/best.h5", a);
  snprintf(y, sizeof y, "%s/checkpoints/best.h5", b);
  if (status == NN_OK) status = bits_compare_h5(c, x, y, best);
  snprintf(x, sizeof x, "%s/history.h5", a);
  snprintf(y, sizeof y, "%s/history.h5", b);
  if (status == NN_OK) status = bits_compare_h5(c, x, y, history);
  snprintf(x, sizeof x, "%s/metrics.csv", a);
  snprintf(y, sizeof y, "%s/metrics.csv", b);
  if (status == NN_OK) status = bits_compare_text(c, x, y, 7); /* epoch,step,loss,…,lr,seconds */
  return status;
}

/* Rank 0 has compared; every rank fails or goes on. */
static inline void bits_verdict(nn_comm *comm, nn_status status, bits_comparison *c) {
  char text[400] = "";
  if (nn_comm_rank(comm) == 0 && status != NN_OK)
    snprintf(text, sizeof text, "%.390s", nn_error_last()->message);
  else if (nn_comm_rank(comm) == 0 && c->what != NULL)
    snprintf(text, sizeof text, "these differ: %s", c->what);
  assert_int_equal(nn_comm_broadcast(comm, text, sizeof text), NN_OK);
  if (text[0] != '\0') fail_msg("%s: %s", bits_about, text);
}

static inline void bits_assert_same_runs(nn_comm *comm, const bits_case *c, const char *first, const char *second) {
  bits_comparison comparison = {0};
  nn_status status = NN_OK;
  char a[100], b[100];
  snprintf(a, sizeof a, "%s-%s", c->name, first);
  snprintf(b, sizeof b, "%s-%s", c->name, second);
  if (nn_comm_rank(comm) == 0) status = bits_compare_runs(&comparison, a, b);
  bits_verdict(comm, status, &comparison);
}

/* Metrics of the test set, which every rank has, against rank 0's `reference`. */
static inline void bits_assert_same_result(nn_comm *comm, const nn_train_result *result,
                                           const nn_train_result *reference) {
  nn_metrics metrics[3] = {reference->train, reference->valid, reference->test};
  const nn_metrics mine[3] = {result->train, result->valid, result->test};
  assert_int_equal(nn_comm_broadcast(comm, metrics, sizeof metrics), NN_OK);
  int differs = memcmp(metrics, mine, sizeof mine) != 0, all[64];
  assert_int_equal(nn_comm_gather_all(comm, &differs, sizeof differs, all), NN_OK);
  for (int r = 0; r < nn_comm_size(comm); r++)
    if (all[r] != 0) fail_msg("%s: the final metrics differ on rank %d", bits_about, r);
}

#endif
