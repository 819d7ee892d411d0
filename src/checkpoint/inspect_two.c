/* Two checkpoints side by side: where they first differ, and by how much. */
#include "checkpoint/internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef struct comparison {
  nn_checkpoint *a, *b;
  int name_width;
  size_t tensors, different; /* in either file; of these */
  nn_text first, table;      /* the first difference; a line for each tensor that differs */
} comparison;

/* What sets the values of one tensor apart. */
typedef struct gap {
  size_t count, first;       /* elements with other bits; the first of them */
  size_t broken;             /* of these, where one of the two is not finite */
  double absolute, relative; /* largest |x − y| and |x − y| / max(|x|, |y|) among the others */
} gap;

static size_t elements_of(const nn_h5_info *info) {
  size_t elements = 1;
  for (int i = 0; i < info->rank; i++) elements *= (size_t)info->dims[i]; /* h5io has checked that it fits */
  return elements;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* By bits, as the digests do: 0 and -0 differ, and a NaN is equal to itself. */
static gap find_gap(size_t count, const float *x, const float *y) {
  gap g = {0};
  for (size_t i = 0; i < count; i++) {
    if (bits_of(x[i]) == bits_of(y[i])) continue;
    if (g.count++ == 0) g.first = i;
    const double a = (double)x[i], b = (double)y[i];
    if (!isfinite(a) || !isfinite(b)) {
      g.broken++;
      continue;
    }
    const double apart = fabs(a - b), size = fmax(fabs(a), fabs(b));
    g.absolute = fmax(g.absolute, apart);
    if (size > 0) g.relative = fmax(g.relative, apart / size);
  }
  return g;
}

/* "0.25 (3e800000)": the value, and its bits for values that print alike. */
static void add_value(float value, nn_text *out) {
  char number[32];
  if (isfinite(value))
    nn_text_add(out, "%s", nn_format_float(value, number));
  else
    nn_text_add(out, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
  nn_text_add(out, " (%08" PRIx32 ")", bits_of(value));
}

/* "[3, 17]" for element 3 × columns + 17. */
static void add_index(const nn_h5_info *info, size_t element, nn_text *out) {
  uint64_t at[NN_H5_RANK_MAX] = {0};
  char text[64];
  for (int d = info->rank - 1; d >= 0; d--) {
    at[d] = element % info->dims[d];
    element /= info->dims[d];
  }
  nn_text_add(out, "%s", nn__dims_text(info->rank, at, text));
}

static void add_row(comparison *c, const char *name, const char *what) {
  nn_text_add(&c->table, "  %-*s  %s\n", c->name_width, name, what);
}

static void note_values(comparison *c, const char *name, const nn_h5_info *info, const float *x, const float *y) {
  const size_t count = elements_of(info);
  const gap g = find_gap(count, x, y);
  char shown[64], absolute[32], relative[32];
  if (g.count == 0) return;
  if (c->different++ == 0) {
    nn_text_add(&c->first, "%s", name);
    add_index(info, g.first, &c->first);
    nn_text_add(&c->first, ": ");
    add_value(x[g.first], &c->first);
    nn_text_add(&c->first, " and ");
    add_value(y[g.first], &c->first);
  }
  snprintf(shown, sizeof shown, "%zu of %zu", g.count, count);
  nn_text_add(&c->table, "  %-*s  %20s  %10s  %10s", c->name_width, name, shown,
              nn__short_real(g.absolute, 4, absolute), nn__short_real(g.relative, 4, relative));
  if (g.broken > 0) nn_text_add(&c->table, "  and %zu not finite", g.broken);
  nn_text_add(&c->table, "\n");
}

static void note_other(comparison *c, const char *name, const char *what) {
  if (c->different++ == 0) nn_text_add(&c->first, "%s: %s", name, what);
  add_row(c, name, what);
}

/* A tensor of the first file, and its counterpart. */
static nn_status compare_tensor(void *context, const char *name, const nn_h5_info *info) {
  comparison *c = context;
  nn_h5_info other;
  void *x = NULL, *y = NULL;
  c->tensors++;
  if (!nn_h5_has(c->b->file, name)) {
    note_other(c, name, "only in the first");
    return NN_OK;
  }
  NN_TRY(nn_h5_info_read(c->b->file, name, &other));
  if (other.rank != info->rank || memcmp(other.dims, info->dims, (size_t)info->rank * sizeof *info->dims) != 0) {
    char here[64], there[64], what[160];
    snprintf(what, sizeof what, "%s and %s", nn__dims_text(info->rank, info->dims, here),
             nn__dims_text(other.rank, other.dims, there));
    note_other(c, name, what);
    return NN_OK;
  }
  const size_t count = elements_of(info);
  nn_status status = nn_alloc(count, sizeof(float), name, &x);
  if (status == NN_OK) status = nn_alloc(count, sizeof(float), name, &y);
  if (status == NN_OK) status = nn_h5_read(c->a->file, name, NN_H5_F32, count, x);
  if (status == NN_OK) status = nn_h5_read(c->b->file, name, NN_H5_F32, count, y);
  if (status == NN_OK) note_values(c, name, info, x, y);
  nn_free(x);
  nn_free(y);
  return status;
}

static nn_status note_only_second(void *context, const char *name, const nn_h5_info *info) {
  comparison *c = context;
  (void)info;
  if (nn_h5_has(c->a->file, name)) return NN_OK;
  c->tensors++;
  note_other(c, name, "only in the second");
  return NN_OK;
}

static nn_status measure(void *context, const char *name, const nn_h5_info *info) {
  comparison *c = context;
  (void)info;
  if ((int)strlen(name) > c->name_width) c->name_width = (int)strlen(name);
  return NN_OK;
}

static nn_status each(nn_checkpoint *checkpoint, const char *group, nn_h5_visit visit, comparison *c) {
  return nn_h5_has(checkpoint->file, group) ? nn_h5_each(checkpoint->file, group, visit, c) : NN_OK;
}

static nn_status compare_tensors(comparison *c) {
  static const char *const groups[] = {"parameters", "optimizer"};
  for (size_t g = 0; g < 2; g++) {
    NN_TRY(each(c->a, groups[g], measure, c));
    NN_TRY(each(c->b, groups[g], measure, c));
  }
  for (size_t g = 0; g < 2; g++) {
    NN_TRY(each(c->a, groups[g], compare_tensor, c));
    NN_TRY(each(c->b, groups[g], note_only_second, c));
  }
  return NN_OK;
}

/* ---- what is said besides ----------------------------------------------------------------------------------- */

static void add_line(nn_text *out, const char *what, const char *a, const char *b) {
  if (strcmp(a, b) == 0)
    nn_text_add(out, "  %-13s  %-16s  %s\n", what, a, b);
  else
    nn_text_add(out, "  %-13s  %-16s  %-16s  differs\n", what, a, b);
}

static void add_digests(nn_text *out, const char *what, uint64_t a, uint64_t b) {
  char here[32], there[32];
  snprintf(here, sizeof here, "%016" PRIx64, a);
  snprintf(there, sizeof there, "%016" PRIx64, b);
  add_line(out, what, here, there);
}

static void add_numbers(nn_text *out, const char *what, uint64_t a, uint64_t b) {
  char here[32], there[32];
  snprintf(here, sizeof here, "%" PRIu64, a);
  snprintf(there, sizeof there, "%" PRIu64, b);
  add_line(out, what, here, there);
}

static void add_text_attribute(const comparison *c, const char *object, const char *name, const char *what,
                               nn_text *out) {
  char *texts[2] = {NULL, NULL};
  nn_h5_file *files[2] = {c->a->file, c->b->file};
  for (size_t i = 0; i < 2; i++) {
    bool found = false;
    if (nn_h5_attribute_text(files[i], object, name, &texts[i], &found) != NN_OK || !found) texts[i] = NULL;
  }
  add_line(out, what, texts[0] != NULL ? texts[0] : "-", texts[1] != NULL ? texts[1] : "-");
  nn_free(texts[0]);
  nn_free(texts[1]);
}

/* Keys with other values, where this nnmpi understands both configurations. */
static nn_status add_configuration(const comparison *c, nn_text *out) {
  nn_registry registry = {0};
  nn_config *a = NULL, *b = NULL;
  nn_text keys = {0};
  size_t count = 0;
  nn_layers_register(&registry);
  nn_optim_register(&registry);
  nn_status status = NN_OK;
  if (nn_config_parse(c->a->config, strlen(c->a->config), c->a->path, NULL, 0, &registry, &a) == NN_OK &&
      nn_config_parse(c->b->config, strlen(c->b->config), c->b->path, NULL, 0, &registry, &b) == NN_OK)
    status = nn_config_compare(a, b, &keys, &count);
  if (count > 0) nn_text_add(out, "\nconfigurations differ in\n%s", keys.at != NULL ? keys.at : "");
  nn_config_destroy(&a);
  nn_config_destroy(&b);
  nn_text_clear(&keys);
  return status;
}

static void add_summary(const comparison *c, const nn_checkpoint_digests *a, const nn_checkpoint_digests *b,
                        nn_text *out) {
  nn_text_add(out, "\n  %-13s  %-16s  %s\n", "digests", "first", "second");
  add_digests(out, "parameters", a->parameters, b->parameters);
  add_digests(out, "optimizer", a->optimizer, b->optimizer);
  add_numbers(out, "step", c->a->progress.step, c->b->progress.step);
  add_digests(out, "state", a->state, b->state);
  nn_text_add(out, "\n  %-13s  %-16s  %s\n", "made by", "first", "second");
  add_text_attribute(c, "optimizer", "name", "optimizer", out);
  add_numbers(out, "virtual ranks", (uint64_t)c->a->virtual_ranks, (uint64_t)c->b->virtual_ranks);
  add_digests(out, "data", c->a->data_digest, c->b->data_digest);
  add_text_attribute(c, "software", "nnmpi", "nnmpi", out);
  add_text_attribute(c, "software", "commit", "commit", out);
  add_text_attribute(c, "software", "isa", "instructions", out);
}

static void add_differences(const comparison *c, nn_text *out) {
  if (c->different == 0) {
    nn_text_add(out, "\nall %zu tensors are the same\n", c->tensors);
    return;
  }
  nn_text_add(out, "\nfirst difference: %s\n\n", c->first.at != NULL ? c->first.at : "");
  nn_text_add(out, "  %-*s  %20s  %10s  %10s\n", c->name_width, "tensor", "different", "absolute", "relative");
  nn_text_add_bytes(out, c->table.at != NULL ? c->table.at : "", c->table.length);
  nn_text_add(out, "\n%zu of %zu tensors differ\n", c->different, c->tensors);
}

nn_status nn_inspect_two(const char *first, const char *second, bool *same, nn_text *out) {
  comparison c = {.name_width = 10};
  nn_checkpoint_digests a = {0}, b = {0};
  nn_status status = NN_OK;
  NN_TRY_DONE(nn_checkpoint_open(first, &c.a));
  NN_TRY_DONE(nn_checkpoint_open(second, &c.b));
  NN_TRY_DONE(nn_checkpoint_digest(c.a, &a));
  NN_TRY_DONE(nn_checkpoint_digest(c.b, &b));
  NN_TRY_DONE(compare_tensors(&c));
  NN_TRY_DONE(nn_text_status(&c.first));
  NN_TRY_DONE(nn_text_status(&c.table));
  *same = a.state == b.state;
  nn_text_add(out, "first   %s\nsecond  %s\n\nthe same state: %s\n", first, second, *same ? "yes" : "no");
  add_summary(&c, &a, &b, out);
  NN_TRY_DONE(add_configuration(&c, out));
  add_differences(&c, out);
  status = nn_text_status(out);
done:
  nn_text_clear(&c.first);
  nn_text_clear(&c.table);
  nn_checkpoint_close(&c.a);
  nn_checkpoint_close(&c.b);
  return status;
}
