/* Keys against each other, once each is right by itself. A key that there is a complaint about already is left out. */
#include "config/internal.h"

#include <string.h>

/* A key by its path, from the root down; the last name is NULL. */
typedef struct key_path {
  const char *names[4];
} key_path;

#define KEY(...) ((key_path){{__VA_ARGS__, NULL}})

typedef struct checker {
  nn__binder *binder;
  const nn__node *root;
} checker;

/* Where the key is written, or the innermost section of the file around it. */
static nn__mark mark_of(const checker *c, key_path key) {
  nn__mark mark = c->binder->missing;
  const nn__node *map = c->root;
  for (const char *const *name = key.names; *name != NULL; name++) {
    const nn__entry *entry = nn__node_entry(map, *name);
    if (entry == NULL) break;
    if (entry->mark.source == 0 || name[1] == NULL) mark = entry->mark;
    map = entry->value;
  }
  return mark;
}

/* No complaint about it so far, neither about the sections around it. */
static bool is_sound(const checker *c, key_path key) {
  const nn__node *map = c->root;
  for (const char *const *name = key.names; *name != NULL; name++) {
    const nn__entry *entry = nn__node_entry(map, *name);
    if (entry == NULL) return nn__node_meant(map, *name) == NULL;
    if (entry->value->faulty || entry->value->type == NN__BROKEN) return false;
    map = entry->value;
  }
  return true;
}

/* Complain at `key`; not where `key` or `other`, which it does not go with, is not sound. */
static void refuse(const checker *c, key_path key, key_path other, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void refuse(const checker *c, key_path key, key_path other, const char *format, ...) {
  if (!is_sound(c, key) || !is_sound(c, other)) return;
  nn__path path = {0};
  for (const char *const *name = key.names; *name != NULL; name++) nn__path_push(&path, *name);
  char words[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(words, sizeof words, format, arguments);
  va_end(arguments);
  nn__complain(c->binder->errors, mark_of(c, key), path.at, "%s", words);
}

/* ---- exactly one of two ----------------------------------------------------------------------------------- */

static bool is_before(nn__mark a, nn__mark b) {
  if (a.source != b.source) return a.source < b.source;
  return a.line != b.line ? a.line < b.line : a.column < b.column;
}

static void check_pair(const checker *c, const nn__pair *pair) {
  const key_path first = KEY(pair->section, pair->first), second = KEY(pair->section, pair->second);
  const nn__node *map = nn__node_get(c->root, pair->section);
  if (!is_sound(c, KEY(pair->section))) return;
  const nn__entry *a = nn__node_meant(map, pair->first), *b = nn__node_meant(map, pair->second);
  if (a == NULL && b == NULL) refuse(c, first, second, "missing; %s", pair->advice);
  if (a != NULL && b != NULL) {
    const bool ordered = is_before(a->mark, b->mark);
    nn__path path = {0};
    nn__path_push(&path, pair->section);
    nn__path_push(&path, ordered ? pair->second : pair->first);
    nn__complain(c->binder->errors, ordered ? b->mark : a->mark, path.at, "given beside %s; remove one of them",
                 ordered ? pair->first : pair->second);
  }
  if (a == NULL && b != NULL && pair->companion != NULL && nn__node_get(map, pair->companion) != NULL)
    refuse(c, KEY(pair->section, pair->companion), second, "goes with %s only; remove it, or give %s instead of %s",
           pair->first, pair->first, pair->second);
}

/* ---- data ------------------------------------------------------------------------------------------------- */

static void check_samples(const checker *c, const nn_inline_config *samples) {
  static const char *const names[3][2] = {{"x", "y"}, {"valid_x", "valid_y"}, {"test_x", "test_y"}};
  const nn_tensor *sets[3][2] = {
      {&samples->x, &samples->y}, {&samples->valid_x, &samples->valid_y}, {&samples->test_x, &samples->test_y}};
  if (nn__node_get(nn__node_get(c->root, "data"), "inline") == NULL) return;
  for (int i = 0; i < 3; i++) {
    const nn_tensor *x = sets[i][0], *y = sets[i][1];
    const key_path key_x = KEY("data", "inline", names[i][0]), key_y = KEY("data", "inline", names[i][1]);
    if (i > 0 && x->rank > 0 && y->rank == 0) refuse(c, key_x, key_y, "given without %s; give both", names[i][1]);
    if (i > 0 && x->rank == 0 && y->rank > 0) refuse(c, key_y, key_x, "given without %s; give both", names[i][0]);
    if (x->rank > 0 && y->rank > 0 && x->dims[0] != y->dims[0])
      refuse(c, key_y, key_x, "targets of %zu samples, but %s has %zu; give one for each", y->dims[0], names[i][0],
             x->dims[0]);
  }
}

static void check_validation(const checker *c, const nn_config *config) {
  const nn_data_config *data = &config->data;
  const bool in_file = data->samples.x.rank == 0;
  const key_path valid = KEY("data", "valid"), fraction = KEY("data", "valid_fraction");
  if (data->valid_fraction > 0 && data->valid != NN_VALID_AUTO)
    refuse(c, fraction, valid, "cuts off a validation set, but valid: %s does not use it; remove one of them",
           data->valid == NN_VALID_TEST ? "test" : "none");
  if (data->valid_fraction > 0 && data->samples.valid_x.rank > 0)
    refuse(c, fraction, KEY("data", "inline", "valid_x"),
           "there is a validation set in data.inline; remove one of them");
  if (data->valid == NN_VALID_TEST && !in_file && data->samples.test_x.rank == 0)
    refuse(c, valid, KEY("data", "inline", "test_x"), "there is no test set in data.inline; give test_x and test_y");
  if (data->valid == NN_VALID_NONE && config->train.early_stop.patience > 0)
    refuse(c, KEY("train", "early_stop", "patience"), valid,
           "early stopping needs a validation set, but data.valid is none; change one of them");
}

static void check_class_weights(const checker *c, const nn_data_config *data) {
  const key_path words = KEY("data", "class_weights"), values = KEY("data", "class_weight_values");
  const bool given = data->class_weights == NN_CLASS_WEIGHT_GIVEN;
  if (given && data->class_weight_values.rank == 0)
    refuse(c, words, values, "given, but where; set class_weight_values to a list with a weight for each class");
  if (!given && data->class_weight_values.rank > 0)
    refuse(c, values, words, "used with class_weights: given only; set that, or remove the values");
  if (data->class_weight_values.rank > 1) refuse(c, values, words, "a list of lists; write one number for each class");
}

/* Keys that need class labels, or values, where data.target says the other. */
static void check_target(const checker *c, const nn_config *config) {
  const key_path target = KEY("data", "target");
  const char *classes = "needs class labels, but data.target is value; change one of them";
  if (config->data.target == NN_TARGET_VALUE) {
    if (config->data.class_weights != NN_CLASS_WEIGHT_NONE)
      refuse(c, KEY("data", "class_weights"), target, "%s", classes);
    if (config->train.top_k > 0) refuse(c, KEY("train", "top_k"), target, "%s", classes);
    if (config->train.early_stop.metric == NN_WATCH_ACCURACY)
      refuse(c, KEY("train", "early_stop", "metric"), target, "accuracy %s", classes);
  }
  if (config->data.target == NN_TARGET_CLASS && config->data.normalize_targets != NN_NORMALIZE_NONE)
    refuse(c, KEY("data", "normalize_targets"), target, "class labels cannot be normalised; remove it");
}

/* ---- run.name ------------------------------------------------------------------------------------------------ */

static const char *wrong_with_name(const char *name) {
  enum { NAME_MAX_BYTES = 200 /* file systems allow 255; a suffix must fit */ };
  const size_t length = strlen(name);
  for (size_t i = 0, bytes = 1; i < length; i += bytes) {
    const int32_t character = nn__utf8_next(name + i, length - i, &bytes);
    if (character == '/') return "a name with '/'";
    if (character < 0x20 || character == 0x7f || !nn__is_yaml_character(character))
      return "a name with control characters";
  }
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return "no name for a folder";
  return length > NAME_MAX_BYTES ? "too long a name for a folder" : NULL;
}

/* "configs/a.b.yaml" → "a.b". */
static nn_status name_from_file(const char *file, char **out) {
  const char *slash = strrchr(file, '/'), *base = slash == NULL ? file : slash + 1, *dot = strrchr(base, '.');
  const size_t length = dot == NULL || dot == base ? strlen(base) : (size_t)(dot - base);
  return nn_string_format(out, "%.*s", (int)length, base);
}

static void check_name(const checker *c, nn_run_config *run) {
  const key_path key = KEY("run", "name");
  if (!is_sound(c, key)) return;
  if (run->name != NULL) {
    const char *wrong = wrong_with_name(run->name);
    if (wrong != NULL) refuse(c, key, key, "%s; write the name of a folder", wrong);
    return;
  }
  if (name_from_file(c->binder->errors->file, &run->name) != NN_OK) {
    c->binder->status = NN_ERR_MEMORY;
    return;
  }
  if (run->name[0] == '\0' || wrong_with_name(run->name) != NULL)
    refuse(c, key, key, "missing, and the file's name cannot be used; give a name for the run's folder");
}

void nn__config_check(nn__binder *binder, const nn__node *root, nn_config *config) {
  const checker c = {binder, root};
  for (size_t i = 0; i < NN__PAIR_COUNT; i++) check_pair(&c, &nn__pairs[i]);
  check_samples(&c, &config->data.samples);
  check_validation(&c, config);
  check_class_weights(&c, &config->data);
  check_target(&c, config);
  check_name(&c, &config->run);
  if (config->model.layers.count > 0) nn_choice_clear(&config->model.activation); /* only `hidden` has one */
}
