/* nnmpi import csv: sets drawn from a table, written. */
#include "import.h"

#include "dataset.h"

#include <string.h>

/* Rows of each set, ascending. */
typedef struct drawing {
  uint32_t *rows[NN_SET_COUNT];
  size_t counts[NN_SET_COUNT];
} drawing;

static const char *const set_names[NN_SET_COUNT] = {"train", "valid", "test"};

/* ---- drawing --------------------------------------------------------------------------------------------- */

/* Take `wanted` rows out of the training set into `set`. */
static nn_status draw_set(const nn__csv_target *target, uint64_t seed, nn__split_use use, nn_set set, size_t wanted,
                          drawing *d) {
  const size_t count = d->counts[NN_SET_TRAIN];
  const uint32_t *from = d->rows[NN_SET_TRAIN];
  void *labels = NULL, *taken = NULL, *rest = NULL;
  nn_status status = NN_OK;
  NN_TRY_DONE(nn_alloc(count, sizeof(int32_t), "drawing a set", &labels));
  NN_TRY_DONE(nn_alloc(wanted, sizeof(uint32_t), "drawing a set", &taken));
  NN_TRY_DONE(nn_alloc(count - wanted, sizeof(uint32_t), "drawing a set", &rest));
  for (size_t i = 0; target->classes && i < count; i++) ((int32_t *)labels)[i] = target->labels[from[i]];
  NN_TRY_DONE(nn__split(seed, use, target->classes ? labels : NULL, target->count, count, wanted, taken, rest));
  for (size_t i = 0; i < wanted; i++) ((uint32_t *)taken)[i] = from[((uint32_t *)taken)[i]];
  for (size_t i = 0; i < count - wanted; i++) ((uint32_t *)rest)[i] = from[((uint32_t *)rest)[i]];
  nn_free(d->rows[NN_SET_TRAIN]);
  d->rows[NN_SET_TRAIN] = rest;
  d->counts[NN_SET_TRAIN] = count - wanted;
  d->rows[set] = taken;
  d->counts[set] = wanted;
  taken = rest = NULL;
done:
  nn_free(labels);
  nn_free(taken);
  nn_free(rest);
  return status;
}

static nn_status draw(const nn_import_csv_options *o, const nn__csv_table *t, const nn__csv_target *target,
                      drawing *d) {
  void *all = NULL;
  NN_TRY(nn_alloc(t->rows, sizeof(uint32_t), "drawing the sets", &all));
  d->rows[NN_SET_TRAIN] = all;
  d->counts[NN_SET_TRAIN] = t->rows;
  for (size_t i = 0; i < t->rows; i++) d->rows[NN_SET_TRAIN][i] = (uint32_t)i;
  const size_t needed = 1u + (o->test_fraction > 0) + (o->valid_fraction > 0);
  if (t->rows < needed)
    return NN_FAIL(NN_ERR_DATA, "%s: has %zu row%s: too few for %zu sets; --test-fraction 0 makes no test set", o->file,
                   t->rows, NN_PLURAL(t->rows), needed);
  size_t test = o->test_fraction > 0 ? nn__split_size(o->test_fraction, t->rows) : 0;
  if (test + needed - 1 > t->rows) test = t->rows - needed + 1;
  size_t valid = o->valid_fraction > 0 ? nn__split_size(o->valid_fraction, t->rows) : 0;
  if (test + valid >= t->rows) valid = t->rows - test - 1;
  if (test > 0) NN_TRY(draw_set(target, o->seed, NN__SPLIT_CSV_TEST, NN_SET_TEST, test, d));
  if (valid > 0) NN_TRY(draw_set(target, o->seed, NN__SPLIT_CSV_VALID, NN_SET_VALID, valid, d));
  return NN_OK;
}

/* ---- writing --------------------------------------------------------------------------------------------- */

/* Rows of an array of `width` 4-byte numbers, in pieces. */
static nn_status write_rows(nn_h5_image *image, const char *name, nn_h5_type type, int rank, const void *from,
                            size_t width, const uint32_t *rows, size_t count) {
  void *memory = NULL;
  const size_t most = NN__IMPORT_PIECE / (4 * width) + 1, piece = most < count ? most : count;
  NN_TRY(nn_h5_image_dataset(image, name, type, rank, (const uint64_t[]){count, width}, NN__IMPORT_DEFLATE));
  NN_TRY(nn_alloc(piece, 4 * width, "writing a set", &memory));
  nn_status status = NN_OK;
  for (size_t first = 0; status == NN_OK && first < count; first += piece) {
    const size_t some = count - first < piece ? count - first : piece;
    for (size_t i = 0; i < some; i++)
      memcpy((char *)memory + 4 * width * i, (const char *)from + 4 * width * rows[first + i], 4 * width);
    status = nn_h5_image_write_rows(image, name, first, some, memory);
  }
  nn_free(memory);
  return status;
}

static nn_status write_set(nn_h5_image *image, const nn__csv_table *t, const nn__csv_target *target, nn_set set,
                           const drawing *d) {
  char name[16];
  if (d->counts[set] == 0) return NN_OK;
  snprintf(name, sizeof name, "%s/x", set_names[set]);
  NN_TRY(write_rows(image, name, NN_H5_F32, 2, t->features, t->columns - 1, d->rows[set], d->counts[set]));
  snprintf(name, sizeof name, "%s/y", set_names[set]);
  if (target->classes) return write_rows(image, name, NN_H5_I32, 1, target->labels, 1, d->rows[set], d->counts[set]);
  return write_rows(image, name, NN_H5_F32, 1, target->values, 1, d->rows[set], d->counts[set]);
}

static nn_status write_names(nn_h5_image *image, const nn__csv_table *t, const nn__csv_target *target) {
  void *memory = NULL;
  NN_TRY(nn_alloc(t->columns, sizeof(char *), "the names of features", &memory));
  const char **names = memory;
  size_t count = 0;
  for (size_t i = 0; i < t->columns; i++)
    if (i != t->target) names[count++] = t->names[i];
  nn_status status = nn_h5_image_texts(image, "feature_names", names, count);
  nn_free(memory);
  if (status == NN_OK) status = nn_h5_image_attribute_text(image, "/", "target", t->names[t->target]);
  if (status == NN_OK && target->names != NULL)
    status = nn_h5_image_texts(image, "class_names", (const char *const *)target->names, target->count);
  return status;
}

static nn_status write_all(const char *output, const nn__csv_table *t, const nn__csv_target *target, const drawing *d) {
  nn_h5_image *image = NULL;
  nn_status status = NN_OK;
  NN_TRY(nn__import_begin(&image));
  NN_TRY_DONE(write_names(image, t, target));
  for (int set = 0; set < NN_SET_COUNT; set++) NN_TRY_DONE(write_set(image, t, target, (nn_set)set, d));
  NN_TRY_DONE(nn__import_save(image, output));
done:
  nn_h5_image_destroy(&image);
  return status;
}

/* ---- the summary ------------------------------------------------------------------------------------------- */

static nn_status tell_classes(const nn__csv_table *t, const nn__csv_target *target, nn_text *out) {
  enum { MOST = 12 };
  void *memory = NULL;
  NN_TRY(nn_alloc(target->count, sizeof(size_t), "counting classes", &memory));
  size_t *counts = memory;
  for (size_t i = 0; i < t->rows; i++) counts[target->labels[i]]++;
  nn_text_add(out, "%zu class%s (%s): ", target->count, target->count == 1 ? "" : "es", target->rule);
  for (size_t c = 0; c < target->count && c < MOST; c++) {
    char cell[48], number[24];
    snprintf(number, sizeof number, "%zu", c);
    nn_text_add(out, "%s%s (%zu)", c > 0 ? ", " : "",
                nn__csv_excerpt(target->names == NULL ? number : target->names[c], cell), counts[c]);
  }
  if (target->count > MOST) nn_text_add(out, " and %zu more", target->count - MOST);
  nn_free(memory);
  return NN_OK;
}

static void tell_values(const nn__csv_table *t, const nn__csv_target *target, nn_text *out) {
  char low[32], high[32];
  size_t lowest = 0, highest = 0;
  for (size_t i = 1; i < t->rows; i++) {
    if (target->values[i] < target->values[lowest]) lowest = i;
    if (target->values[i] > target->values[highest]) highest = i;
  }
  nn_text_add(out, "values (%s) from %s to %s", target->rule,
              nn__element_text(NN_ELEMENT_F32, target->values, lowest, low),
              nn__element_text(NN_ELEMENT_F32, target->values, highest, high));
}

static nn_status tell(const nn_import_csv_options *o, const nn__csv_table *t, const nn__csv_target *target,
                      const drawing *d, nn_text *out) {
  enum { MOST = 12 };
  char cell[48];
  const char *separated = t->csv.delimiter == ',' ? "comma" : t->csv.delimiter == ';' ? "semicolon" : "tab";
  nn_text_add(out, "%s: %zu row%s, %s-separated, %s names in line 1\n", o->file, t->rows, NN_PLURAL(t->rows), separated,
              t->header ? "with" : "without");
  nn_text_add(out, "  %zu feature%s: ", t->columns - 1, t->columns == 2 ? "" : "s");
  for (size_t i = 0, told = 0; i < t->columns && told < MOST; i++)
    if (i != t->target) nn_text_add(out, "%s%s", told++ > 0 ? ", " : "", nn__csv_excerpt(t->names[i], cell));
  if (t->columns - 1 > MOST) nn_text_add(out, " and %zu more", t->columns - 1 - MOST);
  nn_text_add(out, "\n  target %s: ", nn__csv_excerpt(t->names[t->target], cell));
  if (target->classes)
    NN_TRY(tell_classes(t, target, out));
  else
    tell_values(t, target, out);
  nn_text_add(out, "\n%s:", o->output);
  for (int set = 0, told = 0; set < NN_SET_COUNT; set++)
    if (d->counts[set] > 0) nn_text_add(out, "%s %s %zu", told++ > 0 ? "," : "", set_names[set], d->counts[set]);
  nn_text_add(out, " samples\n");
  return nn_text_status(out);
}

nn_status nn_import_csv(const nn_import_csv_options *options, nn_text *summary) {
  const double f = options->valid_fraction, g = options->test_fraction;
  if (!(f >= 0 && g >= 0 && f + g < 1))
    return NN_FAIL(NN_ERR_USAGE, "the fractions for validation and test must not be negative, and leave something for "
                                 "training");
  nn__csv_table table = {0};
  nn__csv_target target = {0};
  drawing drawn = {0};
  nn_status status = NN_OK;
  NN_TRY_DONE(nn__csv_table_read(options->file, options->target, &table));
  NN_TRY_DONE(nn__csv_target_read(&table, options->target_mode, &target));
  NN_TRY_DONE(draw(options, &table, &target, &drawn));
  NN_TRY_DONE(write_all(options->output, &table, &target, &drawn));
  NN_TRY_DONE(tell(options, &table, &target, &drawn, summary));
done:
  for (int set = 0; set < NN_SET_COUNT; set++) nn_free(drawn.rows[set]);
  nn__csv_target_clear(&target);
  nn__csv_table_close(&table);
  return status;
}
