/* A checkpoint in words. */
#include "checkpoint/internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* "1 step", "2 steps". */
static void add_count(nn_text *out, uint64_t count, const char *what) {
  nn_text_add(out, "%" PRIu64 " %s%s", count, what, NN_PLURAL(count));
}

static void add_progress(const nn_checkpoint *c, const nn_trained *trained, nn_text *out) {
  const nn_progress_state *p = &c->progress;
  char number[32];
  nn_text_add(out, "  reached    ");
  add_count(out, p->step, "step");
  nn_text_add(out, ", ");
  add_count(out, p->epoch, "epoch");
  nn_text_add(out, " completed");
  if (p->position > 0) {
    nn_text_add(out, ", and ");
    add_count(out, p->position, "sample");
    nn_text_add(out, " of the next");
  }
  nn_text_add(out, "%s\n  best       ", p->stopped_early ? "; stopped early, no improvement" : "");
  if (isnan(p->best_value)) {
    nn_text_add(out, "none yet\n");
    return;
  }
  const char *metric = "value";
  if (trained != NULL) metric = trained->config->train.early_stop.metric == NN_WATCH_ACCURACY ? "accuracy" : "loss";
  nn_text_add(out, "%s %s after epoch %" PRIu64 " (step %" PRIu64 ")", metric, nn__short_real(p->best_value, 6, number),
              p->best_epoch, p->best_step);
  if (p->stale > 0) {
    nn_text_add(out, ", ");
    add_count(out, p->stale, "evaluation");
    nn_text_add(out, " ago");
  }
  nn_text_add(out, "\n");
}

static void add_data(const nn_checkpoint *c, nn_text *out) {
  enum { NAMES_SHOWN = 12 };
  const nn_target_info *target = &c->target;
  char shape[96], number[32];
  nn_text_add(out, "  data       samples of %s", nn_shape_text(&c->shape, shape));
  if (c->normalizer.scale < 1 || c->normalizer.scale > 1)
    nn_text_add(out, ", divided by %s", nn_format_real(c->normalizer.scale, number));
  if (c->normalizer.mean != NULL) nn_text_add(out, ", normalised");
  nn_text_add(out, "; ");
  if (target->classes)
    nn_text_add(out, "%zu class%s", target->width, target->width == 1 ? "" : "es");
  else
    add_count(out, target->width, "value");
  if (c->normalizer.target_mean != NULL) nn_text_add(out, ", normalised");
  nn_text_add(out, "; digest %016" PRIx64 "\n", c->data_digest);
  if (target->names == NULL) return;
  nn_text_add(out, "  classes    ");
  for (size_t i = 0; i < target->width && i < NAMES_SHOWN; i++) {
    nn_text_add(out, "%s", i > 0 ? ", " : "");
    nn_text_add_escaped(out, target->names[i]);
  }
  if (target->width > NAMES_SHOWN) nn_text_add(out, ", and %zu more", target->width - NAMES_SHOWN);
  nn_text_add(out, "\n");
}

/* The attribute, or "?". */
static void add_software(nn_h5_file *file, const char *name, const char *before, nn_text *out) {
  char *text = NULL;
  bool found = false;
  if (nn_h5_attribute_text(file, "software", name, &text, &found) != NN_OK || !found) text = NULL;
  nn_text_add(out, "%s", before);
  nn_text_add_escaped(out, text != NULL ? text : "?");
  nn_free(text);
}

static nn_status add_state(nn_checkpoint *c, nn_text *out) {
  nn_checkpoint_digests digests;
  char *optimizer = NULL;
  bool found = false;
  NN_TRY(nn_checkpoint_digest(c, &digests));
  NN_TRY(nn_h5_attribute_text(c->file, "optimizer", "name", &optimizer, &found));
  nn_text_add(out, "  parts      %d virtual rank%s\n", c->virtual_ranks, NN_PLURAL(c->virtual_ranks));
  nn_text_add(out, "  written    ");
  add_software(c->file, "nnmpi", "by nnmpi ", out);
  add_software(c->file, "commit", " (", out);
  add_software(c->file, "files", "), ", out);
  add_software(c->file, "isa", ", ", out);
  nn_text_add(out, "\n\ndigests\n  parameters %016" PRIx64 "\n", digests.parameters);
  if (found) {
    nn_text_add(out, "  optimizer  %016" PRIx64 "  (", digests.optimizer);
    nn_text_add_escaped(out, optimizer);
    nn_text_add(out, ")\n");
  }
  nn_text_add(out, "  state      %016" PRIx64 "  (both, and the step)\n", digests.state);
  nn_free(optimizer);
  return NN_OK;
}

/* ---- tensors ---------------------------------------------------------------------------------------------- */

typedef struct table {
  nn_h5_file *file;
  nn_text *out;
  int name_width, dims_width; /* of the columns; 0 while measuring */
  bool measuring;
} table;

static int wider(int width, size_t length) {
  return (int)length > width ? (int)length : width;
}

/* Smallest, largest, mean and deviation of finite values: a first look at whether a network is alive. */
static void add_statistics(const float *values, size_t count, nn_text *out) {
  double low = INFINITY, high = -INFINITY, sum = 0, squares = 0;
  size_t broken = 0;
  char number[32];
  for (size_t i = 0; i < count; i++) {
    const double v = (double)values[i];
    if (!isfinite(v)) {
      broken++;
      continue;
    }
    low = v < low ? v : low;
    high = v > high ? v : high;
    sum += v;
    squares += v * v;
  }
  const double n = (double)(count - broken), mean = n > 0 ? sum / n : 0;
  const double variance = n > 0 ? squares / n - mean * mean : 0;
  const double shown[4] = {low, high, mean, sqrt(variance > 0 ? variance : 0)};
  for (size_t k = 0; k < 4 && n > 0; k++) nn_text_add(out, "  %10s", nn__short_real(shown[k], 4, number));
  if (broken > 0) nn_text_add(out, "  %zu not finite", broken);
}

static nn_status table_row(void *context, const char *name, const nn_h5_info *info) {
  table *t = context;
  const char *short_name = name + strlen("parameters/");
  char dims[64];
  nn__dims_text(info->rank, info->dims, dims);
  if (t->measuring) {
    t->name_width = wider(t->name_width, strlen(short_name));
    t->dims_width = wider(t->dims_width, strlen(dims));
    return NN_OK;
  }
  size_t count = 1;
  void *values = NULL;
  for (int i = 0; i < info->rank; i++) count *= (size_t)info->dims[i];
  NN_TRY(nn_alloc(count, sizeof(float), name, &values));
  const nn_status status = nn_h5_read(t->file, name, NN_H5_F32, count, values);
  if (status == NN_OK) {
    nn_text_add(t->out, "  %-*s  %-*s", t->name_width, short_name, t->dims_width, dims);
    add_statistics(values, count, t->out);
    nn_text_add(t->out, "\n");
  }
  nn_free(values);
  return status;
}

static nn_status add_parameters(nn_checkpoint *c, nn_text *out) {
  table t = {.file = c->file, .out = out, .name_width = 10, .dims_width = 5, .measuring = true};
  if (!nn_h5_has(c->file, "parameters")) return NN_OK;
  NN_TRY(nn_h5_each(c->file, "parameters", table_row, &t));
  t.measuring = false;
  nn_text_add(out, "\n  %-*s  %-*s  %10s  %10s  %10s  %10s\n", t.name_width, "parameters", t.dims_width, "shape",
              "lowest", "highest", "mean", "deviation");
  return nn_h5_each(c->file, "parameters", table_row, &t);
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

static void add_indented(const char *text, nn_text *out) {
  while (*text != '\0') {
    const size_t line = strcspn(text, "\n");
    nn_text_add(out, "  ");
    nn_text_add_bytes(out, text, line);
    nn_text_add(out, "\n");
    text += line + (text[line] == '\n');
  }
}

nn_status nn__inspect_checkpoint(const char *path, nn_text *out) {
  nn_checkpoint *c = NULL;
  nn_trained *trained = NULL;
  NN_TRY(nn_checkpoint_open(path, &c));
  nn_status status = NN_OK;
  /* a network that this nnmpi cannot build (a layer it does not know) is still worth looking at */
  if (nn_trained_load(path, &trained) != NN_OK) trained = NULL;
  nn_text_add(out, "%s: a checkpoint of nnmpi\n", path);
  add_progress(c, trained, out);
  add_data(c, out);
  NN_TRY_DONE(add_state(c, out));
  nn_text_add(out, "\nnetwork\n");
  if (trained != NULL)
    NN_TRY_DONE(nn_model_describe(trained->model, out));
  else
    add_indented(c->signature, out);
  NN_TRY_DONE(add_parameters(c, out));
  nn_text_add(out, "\nconfiguration\n");
  add_indented(c->config, out);
  status = nn_text_status(out);
done:
  nn_trained_destroy(&trained);
  nn_checkpoint_close(&c);
  return status;
}
