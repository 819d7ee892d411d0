/* Opening a data set: everything but the rows. */
#include "dataset.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const char *const default_names[NN_SET_COUNT][2] = {
    {"train/x", "train/y"}, {"valid/x", "valid/y"}, {"test/x", "test/y"}};
static const char *const key_names[NN_SET_COUNT] = {"train", "valid", "test"};

/* ---- the tables ---------------------------------------------------------------------------------- */

static void shape_words(const nn_h5_info *info, nn_text *out) {
  nn_text_add(out, "[");
  for (int i = 0; i < info->rank; i++) nn_text_add(out, "%s%llu", i > 0 ? ", " : "", (unsigned long long)info->dims[i]);
  nn_text_add(out, "]");
}

/* Fail with a message that ends in the dataset's shape. */
static nn_status shape_error(const nn_dataset *d, const char *name, const nn_h5_info *info, const char *what) {
  nn_text shape = {0};
  shape_words(info, &shape);
  const nn_status status =
      NN_FAIL(NN_ERR_DATA, "%s: %s has shape %s: %s", d->source, name, shape.at == NULL ? "?" : shape.at, what);
  nn_text_clear(&shape);
  return status;
}

/* What is stored under a name; a dataset that is not there is explained with the key that names it. */
static nn_status read_info(const nn_dataset *d, const char *name, const char *key, nn_h5_info *out) {
  const nn_status status = nn_h5_info_read(d->file, name, out);
  if (status == NN_OK || key == NULL || nn_h5_has(d->file, name)) return status;
  return NN_FAIL(status, "%s (data.%s says which dataset to take)", nn_error_last()->message, key);
}

static nn_status table_names(nn_dataset *d, nn_set set, const char *x, const char *y) {
  nn__table *t = &d->tables[set];
  NN_TRY(nn_string_copy(x != NULL ? x : default_names[set][0], &t->x_name));
  return nn_string_copy(y != NULL ? y : default_names[set][1], &t->y_name);
}

/* Look a set of a file up. Train must be there; others may be missing, both x and y, under their usual names. */
static nn_status table_in_file(nn_dataset *d, nn_set set, const char *x, const char *y) {
  NN_TRY(table_names(d, set, x, y));
  nn__table *t = &d->tables[set];
  const bool named = strcmp(t->x_name, default_names[set][0]) != 0 || strcmp(t->y_name, default_names[set][1]) != 0;
  const bool has_x = nn_h5_has(d->file, t->x_name), has_y = nn_h5_has(d->file, t->y_name);
  if (set != NN_SET_TRAIN && !named && !has_x && !has_y) return NN_OK;
  if (has_x != has_y)
    return NN_FAIL(NN_ERR_DATA, "%s: has %s but no %s: a set needs both (data.%s_%c says which dataset to take)",
                   d->source, has_x ? t->x_name : t->y_name, has_x ? t->y_name : t->x_name, key_names[set],
                   has_x ? 'y' : 'x');
  char key[16];
  snprintf(key, sizeof key, "%s_x", key_names[set]);
  NN_TRY(read_info(d, t->x_name, key, &t->x));
  NN_TRY(read_info(d, t->y_name, NULL, &t->y));
  t->present = t->has_y = true;
  return NN_OK;
}

static void tensor_info(const nn_tensor *tensor, nn_h5_info *out) {
  *out = (nn_h5_info){.type = NN_H5_F64, .rank = tensor->rank};
  for (int i = 0; i < tensor->rank; i++) out->dims[i] = tensor->dims[i];
}

static nn_status table_inline(nn_dataset *d, nn_set set, const nn_tensor *x, const nn_tensor *y) {
  static const char *const names[NN_SET_COUNT][2] = {{"x", "y"}, {"valid_x", "valid_y"}, {"test_x", "test_y"}};
  NN_TRY(table_names(d, set, names[set][0], names[set][1]));
  if (set != NN_SET_TRAIN && x->rank == 0 && y->rank == 0) return NN_OK;
  if (x->rank == 0 || y->rank == 0)
    return NN_FAIL(NN_ERR_DATA, "%s: has no %s: a set needs x and y", d->source, names[set][x->rank == 0 ? 0 : 1]);
  nn__table *t = &d->tables[set];
  t->x_in = x;
  t->y_in = y;
  tensor_info(x, &t->x);
  tensor_info(y, &t->y);
  t->present = t->has_y = true;
  return NN_OK;
}

/* Types, counts, and one shape for all sets. */
static nn_status check_table(nn_dataset *d, nn__table *t) {
  if (t->x.type == NN_H5_TEXT) return NN_FAIL(NN_ERR_DATA, "%s: %s holds text, not numbers", d->source, t->x_name);
  if (t->x.rank < 1 || t->x.rank > NN_SHAPE_RANK_MAX + 1)
    return shape_error(d, t->x_name, &t->x, "samples first, then 1 to 4 dimensions of a sample are expected");
  if (t->x.dims[0] == 0)
    return NN_FAIL(NN_ERR_DATA,
                   "%s: %s is empty: it has no samples; give it some, or leave out a set that is not needed", d->source,
                   t->x_name);
  if (t->x.dims[0] > UINT32_MAX)
    return NN_FAIL(NN_ERR_DATA, "%s: %s has %llu samples; at most %llu can be used", d->source, t->x_name,
                   (unsigned long long)t->x.dims[0], (unsigned long long)UINT32_MAX);
  t->rows = (size_t)t->x.dims[0];
  if (t->has_y && (t->y.rank < 1 || t->y.dims[0] != t->x.dims[0])) {
    const unsigned long long targets = t->y.rank < 1 ? 0 : (unsigned long long)t->y.dims[0];
    return NN_FAIL(NN_ERR_DATA, "%s: %s has %zu rows and %s has %llu: they must be one to one", d->source, t->x_name,
                   t->rows, t->y_name, targets);
  }
  nn_shape shape = {.rank = t->x.rank > 1 ? t->x.rank - 1 : 1, .dims = {1}};
  size_t width = 1, all = 0;
  for (int i = 1; i < t->x.rank; i++) {
    shape.dims[i - 1] = (size_t)t->x.dims[i];
    if (t->x.dims[i] == 0) return shape_error(d, t->x_name, &t->x, "its samples are empty");
    if (!nn_size_multiply(width, (size_t)t->x.dims[i], &width)) width = SIZE_MAX;
  }
  if (!nn_size_multiply(width, t->rows, &all) || all > SIZE_MAX / 64)
    return shape_error(d, t->x_name, &t->x, "that is more than can be addressed");
  const nn__table *train = &d->tables[NN_SET_TRAIN];
  const bool equal = shape.rank == d->shape.rank && memcmp(shape.dims, d->shape.dims, sizeof shape.dims) == 0;
  if (d->width != 0 && !equal) { /* member by member: padding between them may differ */
    char here[96], there[96];
    return NN_FAIL(NN_ERR_DATA, "%s: a sample of %s is %s, of %s %s: they must be the same", d->source, t->x_name,
                   nn_shape_text(&shape, here), train->x_name, nn_shape_text(&d->shape, there));
  }
  d->shape = shape;
  d->width = width;
  return NN_OK;
}

/* ---- targets --------------------------------------------------------------------------------------- */

static bool is_integer(nn_h5_type type) {
  return type != NN_H5_F32 && type != NN_H5_F64 && type != NN_H5_TEXT;
}

/* A flat list of whole, non-negative numbers reads as class labels; a column [[0], [1]] or anything else as values. */
static bool inline_classes(const nn_tensor *y) {
  if (y->rank != 1) return false;
  for (size_t i = 0; i < y->dims[0]; i++)
    if (y->at[i] < 0 || y->at[i] != floor(y->at[i])) return false;
  return true;
}

static nn_status check_target(const nn_dataset *d, const nn__table *t, bool classes, size_t width) {
  if (t->y.type == NN_H5_TEXT)
    return NN_FAIL(NN_ERR_DATA,
                   "%s: %s holds text; store the number of each class from 0 on, and the names as class_names",
                   d->source, t->y_name);
  const bool flat = t->y.rank == 1 || (t->y.rank == 2 && t->y.dims[1] == 1);
  if (classes && !flat)
    return shape_error(d, t->y_name, &t->y,
                       "a class label is one number a sample; give the position of the 1 (numpy: y.argmax(axis=1)), "
                       "or say data.target: value to fit the numbers themselves");
  if (classes) return NN_OK;
  if (t->y.rank > 2 || (t->y.rank == 2 && t->y.dims[1] == 0))
    return shape_error(d, t->y_name, &t->y, "[samples] or [samples, values] is expected");
  const size_t own = t->y.rank == 2 ? (size_t)t->y.dims[1] : 1;
  if (width != 0 && own != width)
    return NN_FAIL(NN_ERR_DATA, "%s: %s has %zu values a sample where %zu are expected", d->source, t->y_name, own,
                   width);
  return NN_OK;
}

/* The training set's y decides what all sets' are. */
static nn_status decide_target(nn_dataset *d, int mode) {
  const nn__table *train = &d->tables[NN_SET_TRAIN];
  bool classes = mode == NN_TARGET_CLASS;
  if (mode == NN_TARGET_AUTO) classes = train->y_in != NULL ? inline_classes(train->y_in) : is_integer(train->y.type);
  NN_TRY(check_target(d, train, classes, 0));
  d->target.classes = classes;
  d->target.width = classes ? 0 : train->y.rank == 2 ? (size_t)train->y.dims[1] : 1;
  for (int set = NN_SET_VALID; set < NN_SET_COUNT; set++)
    if (d->tables[set].present) NN_TRY(check_target(d, &d->tables[set], classes, d->target.width));
  return NN_OK;
}

static nn_status read_class_names(nn_dataset *d) {
  d->class_limit = NN__CLASSES_MAX;
  if (d->file == NULL || !nn_h5_has(d->file, "class_names")) return NN_OK;
  NN_TRY(nn_h5_read_texts(d->file, "class_names", NN__CLASSES_MAX, &d->names, &d->name_count));
  if (d->name_count == 0) return NN_FAIL(NN_ERR_DATA, "%s: class_names is empty", d->source);
  d->target.names = d->names;
  d->target.width = d->class_limit = d->name_count;
  return NN_OK;
}

/* ---- sets and memory ------------------------------------------------------------------------------- */

static void view_whole(nn_dataset *d, nn_set set, nn_set table) {
  d->views[set] = (nn__view){.table = &d->tables[table], .count = d->tables[table].rows};
}

static nn_status decide_sets(nn_dataset *d, const nn_data_config *config) {
  const char *mode = config->valid == NN_VALID_TEST ? "test" : "none";
  if (config->valid != NN_VALID_AUTO && config->valid_fraction > 0)
    return NN_FAIL(NN_ERR_CONFIG, "data.valid: %s and data.valid_fraction say different things: keep one of them",
                   mode);
  view_whole(d, NN_SET_TRAIN, NN_SET_TRAIN);
  if (d->tables[NN_SET_TEST].present) view_whole(d, NN_SET_TEST, NN_SET_TEST);
  if (config->valid == NN_VALID_TEST) {
    if (!d->tables[NN_SET_TEST].present)
      return NN_FAIL(NN_ERR_DATA, "%s: data.valid: test asks for the test set, and there is none (%s)", d->source,
                     d->tables[NN_SET_TEST].x_name);
    view_whole(d, NN_SET_VALID, NN_SET_TEST);
  } else if (d->tables[NN_SET_VALID].present) {
    view_whole(d, NN_SET_VALID, NN_SET_VALID);
  } else if (config->valid_fraction > 0 && config->valid == NN_VALID_AUTO) {
    nn__view *train = &d->views[NN_SET_TRAIN];
    if (train->count < 2)
      return NN_FAIL(NN_ERR_DATA, "%s: data.valid_fraction cannot take samples from a training set of 1", d->source);
    d->split_count = nn__split_size(config->valid_fraction, train->count);
    d->views[NN_SET_VALID] = (nn__view){.table = train->table, .count = d->split_count};
    train->count -= d->split_count;
  }
  return NN_OK;
}

static nn_status take(size_t *total, size_t count, size_t size, size_t *offset) {
  size_t bytes = 0;
  *offset = *total;
  if (!nn_size_multiply(count, size, &bytes) || bytes > SIZE_MAX / 2 - *total - NN_ALIGNMENT)
    return NN_FAIL(NN_ERR_MEMORY, "the data set is larger than what can be addressed");
  *total = (*total + bytes + NN_ALIGNMENT - 1) / NN_ALIGNMENT * NN_ALIGNMENT;
  return NN_OK;
}

static nn_status lay_out(nn_dataset *d) {
  for (int set = 0; set < NN_SET_COUNT; set++) {
    nn__table *t = &d->tables[set];
    if (!t->present) continue;
    const size_t y_row = !t->has_y ? 0 : d->target.classes ? sizeof(int32_t) : d->target.width * sizeof(float);
    NN_TRY(take(&d->shared_bytes, t->rows, nn__table_row_bytes(d, t), &t->x_offset));
    NN_TRY(take(&d->shared_bytes, t->rows, y_row, &t->y_offset));
    NN_TRY(take(&d->shared_bytes, nn__table_blocks(t), 2 * sizeof(uint64_t), &t->digest_offset));
  }
  return NN_OK;
}

/* ---- public ------------------------------------------------------------------------------------------ */

static nn_status new_dataset(const char *source, bool is_file, nn_dataset **out) {
  void *memory = NULL;
  if (nn_fault("allocation", 0))
    return NN_FAIL(NN_ERR_MEMORY, "out of memory: the data set (asked for by NNMPI_FAULT)");
  NN_TRY(nn_alloc(1, sizeof(nn_dataset), "a data set", &memory));
  nn_dataset *d = memory;
  d->normalizer.scale = 1;
  nn_status status = nn_string_copy(source, &d->source);
  if (status == NN_OK && is_file) status = nn_h5_open(source, NN_ERR_DATA, &d->file);
  if (status == NN_OK)
    *out = d;
  else
    nn_dataset_destroy(&d);
  return status;
}

static nn_status find_tables(nn_dataset *d, const nn_data_config *c) {
  const nn_inline_config *in = &c->samples;
  const bool wants_valid = c->valid == NN_VALID_AUTO;
  if (d->file == NULL) {
    NN_TRY(table_inline(d, NN_SET_TRAIN, &in->x, &in->y));
    if (wants_valid) NN_TRY(table_inline(d, NN_SET_VALID, &in->valid_x, &in->valid_y));
    NN_TRY(table_inline(d, NN_SET_TEST, &in->test_x, &in->test_y));
  } else {
    NN_TRY(table_in_file(d, NN_SET_TRAIN, c->train_x, c->train_y));
    if (wants_valid) NN_TRY(table_in_file(d, NN_SET_VALID, c->valid_x, c->valid_y));
    NN_TRY(table_in_file(d, NN_SET_TEST, c->test_x, c->test_y));
  }
  for (int set = 0; set < NN_SET_COUNT; set++)
    if (d->tables[set].present) NN_TRY(check_table(d, &d->tables[set]));
  return NN_OK;
}

static nn_status fill(nn_dataset *d, const nn_data_config *c) {
  NN_TRY(find_tables(d, c));
  NN_TRY(decide_target(d, c->target));
  if (d->target.classes) NN_TRY(read_class_names(d));
  if (d->target.classes && d->normalize_targets)
    return NN_FAIL(NN_ERR_CONFIG,
                   "data.normalize_targets is for values, and %s holds class labels: drop it, or say "
                   "data.target: value",
                   d->tables[NN_SET_TRAIN].y_name);
  if (!d->target.classes && d->weight_mode != NN_CLASS_WEIGHT_NONE)
    return NN_FAIL(NN_ERR_CONFIG,
                   "data.class_weights is for class labels, and %s holds values: drop it, or say "
                   "data.target: class",
                   d->tables[NN_SET_TRAIN].y_name);
  NN_TRY(decide_sets(d, c));
  return lay_out(d);
}

nn_status nn_dataset_open(const nn_data_config *config, uint64_t seed, nn_dataset **out) {
  if (config->file == NULL && config->samples.x.rank == 0)
    return NN_FAIL(NN_ERR_CONFIG, "no data: give data.file (HDF5), or samples as data.inline");
  if (!(config->scale >= (double)FLT_MIN && config->scale <= (double)FLT_MAX))
    return NN_FAIL(NN_ERR_CONFIG, "data.scale must be a positive number that float32 can hold");
  nn_dataset *d = NULL;
  NN_TRY(new_dataset(config->file == NULL ? "data.inline" : config->file, config->file != NULL, &d));
  d->seed = seed;
  d->shuffle = config->shuffle;
  d->normalize = config->normalize == NN_NORMALIZE_STANDARD;
  d->normalize_targets = config->normalize_targets == NN_NORMALIZE_STANDARD;
  d->normalizer.scale = config->scale;
  d->weight_mode = config->class_weights;
  d->weight_values = &config->class_weight_values;
  const nn_status status = fill(d, config);
  if (status == NN_OK)
    *out = d;
  else
    nn_dataset_destroy(&d);
  return status;
}

/* What a set is called: as in the run that trained the network (NULL: unknown), else as usual. Is it there? */
static bool find_set(const nn_dataset *d, nn_set set, const nn_data_config *c, const char *names[2]) {
  if (c != NULL) {
    const char *const own[NN_SET_COUNT][2] = {
        {c->train_x, c->train_y}, {c->valid_x, c->valid_y}, {c->test_x, c->test_y}};
    names[0] = own[set][0];
    names[1] = own[set][1] != NULL ? own[set][1] : default_names[set][1];
    if (names[0] != NULL && nn_h5_has(d->file, names[0])) return true;
  }
  memcpy(names, default_names[set], sizeof default_names[set]);
  return nn_h5_has(d->file, names[0]);
}

/* Which x and y `split` means: its own, or what is nearest to a test set. `d->drawn`: rows of train. */
static nn_status find_split(nn_dataset *d, const char *split, const nn_data_config *trained, const char *names[2]) {
  int set = NN_SET_TRAIN;
  if (split == NULL) {
    if (find_set(d, NN_SET_TEST, trained, names)) return NN_OK;
    names[0] = "x";
    names[1] = "y";
    if (nn_h5_has(d->file, "x") || find_set(d, NN_SET_VALID, trained, names) ||
        find_set(d, NN_SET_TRAIN, trained, names))
      return NN_OK;
    split = "test";
  }
  while (set < NN_SET_COUNT && strcmp(split, key_names[set]) != 0) set++;
  if (set == NN_SET_COUNT) return NN_FAIL(NN_ERR_USAGE, "\"%s\" is no set of a data set: train, valid or test", split);
  if (find_set(d, (nn_set)set, trained, names) || set != NN_SET_VALID || trained == NULL) return NN_OK;
  d->drawn = trained->valid == NN_VALID_AUTO && trained->valid_fraction > 0;
  if (d->drawn) (void)find_set(d, NN_SET_TRAIN, trained, names);
  if (trained->valid == NN_VALID_TEST) (void)find_set(d, NN_SET_TEST, trained, names);
  return NN_OK;
}

/* The samples that valid_fraction took from the training set. Who asks for them knows what is in the same file. */
static nn_status draw_valid(nn_dataset *d, const nn__table *train, double fraction) {
  if (train->rows < 2 || !train->has_y)
    return NN_FAIL(NN_ERR_DATA, "%s: the validation set cannot be drawn from %s, as it was in training: %s", d->source,
                   train->x_name, train->has_y ? "it has 1 sample" : "it has no targets");
  d->split_count = nn__split_size(fraction, train->rows);
  d->views[NN_SET_VALID] = (nn__view){.table = train, .count = d->split_count};
  d->views[NN_SET_TRAIN] = (nn__view){.table = train, .count = train->rows - d->split_count};
  return NN_OK;
}

/* The network was trained on certain names of classes: labels of a file with other names would mean something else. */
static nn_status check_names(nn_dataset *d, size_t classes) {
  NN_TRY(read_class_names(d));
  if (d->names != NULL && d->name_count != classes)
    return NN_FAIL(NN_ERR_DATA,
                   "%s: has %zu class names where the network knows %zu classes: its labels would not mean the same",
                   d->source, d->name_count, classes);
  d->class_limit = d->target.width = classes;
  return NN_OK;
}

static nn_status fill_set(nn_dataset *d, const char *split, bool targets, size_t classes, const nn_normalizer *n,
                          const nn_config *trained) {
  const char *names[2];
  NN_TRY(find_split(d, split, trained != NULL ? &trained->data : NULL, names));
  nn__table *t = &d->tables[d->drawn ? NN_SET_TRAIN : NN_SET_TEST];
  NN_TRY(nn_string_copy(names[0], &t->x_name));
  NN_TRY(nn_string_copy(names[1], &t->y_name));
  if (d->drawn && !targets)
    return NN_FAIL(
        NN_ERR_DATA,
        "%s: has no validation set of its own: the network's was drawn from %s (data.valid_fraction); --split "
        "train answers for all of its rows",
        d->source, t->x_name);
  NN_TRY(read_info(d, t->x_name, NULL, &t->x));
  t->present = true;
  t->has_y = targets && nn_h5_has(d->file, t->y_name);
  if (t->has_y) NN_TRY(read_info(d, t->y_name, NULL, &t->y));
  NN_TRY(check_table(d, t));
  if (n != NULL && n->width != 0 && n->width != d->width) {
    char shape[96];
    return NN_FAIL(NN_ERR_DATA, "%s: a sample of %s is %s (%zu numbers); the network takes %zu", d->source, t->x_name,
                   nn_shape_text(&d->shape, shape), d->width, n->width);
  }
  d->target.classes = classes > 0;
  if (t->has_y) {
    NN_TRY(check_target(d, t, classes > 0, n == NULL ? 0 : n->target_width));
    if (classes > 0)
      NN_TRY(check_names(d, classes));
    else
      d->target.width = t->y.rank == 2 ? (size_t)t->y.dims[1] : 1;
  }
  if (d->drawn) {
    d->seed = (uint64_t)trained->run.seed;
    NN_TRY(draw_valid(d, t, trained->data.valid_fraction));
  } else {
    view_whole(d, NN_SET_TEST, NN_SET_TEST);
  }
  return lay_out(d);
}

nn_status nn_dataset_open_set(const char *file, const char *split, bool targets, size_t classes,
                              const nn_normalizer *normalizer, const nn_config *trained, nn_dataset **out) {
  nn_dataset *d = NULL;
  NN_TRY(new_dataset(file, true, &d));
  NN_ASSERT(d != NULL);
  d->given_normalizer = true;
  nn_status status = fill_set(d, split, targets, classes, normalizer, trained);
  if (status == NN_OK && normalizer != NULL) {
    nn_normalizer_clear(&d->normalizer);
    status = nn_normalizer_copy(normalizer, &d->normalizer);
  }
  if (status == NN_OK)
    *out = d;
  else
    nn_dataset_destroy(&d);
  return status;
}
