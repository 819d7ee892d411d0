/* The reference of all keys, in 100 columns. */
#include "config/internal.h"

#include <math.h>
#include <string.h>

enum { KEY_AT = 2, VALUE_AT = 24, DEFAULT_AT = 50, HELP_AT = 61, WIDTH = 100 };

/* ---- cells --------------------------------------------------------------------------------------------------- */

/* The next piece of `*text` that fits `width`, cut at a space; moves `*text` on to what follows. */
static size_t next_line(const char **text, size_t width, const char **line) {
  *line = *text;
  size_t length = strlen(*text);
  if (length > width) {
    length = width;
    while (length > 0 && (*text)[length] != ' ') length--;
    if (length == 0) length = width; /* a word wider than the cell */
  }
  *text += length;
  while (**text == ' ') (*text)++;
  return length;
}

/* A row of cells, each wrapped in its column. */
static void add_row(nn_text *out, const char *key, const char *value, const char *fallback, const char *help) {
  static const int starts[] = {KEY_AT, VALUE_AT, DEFAULT_AT, HELP_AT, WIDTH};
  const char *rest[] = {key, value, fallback, help};
  bool more = true;
  while (more) {
    int column = 0;
    more = false;
    for (int i = 0; i < 4; i++) {
      const char *line = NULL;
      const int gap = i < 3 ? 1 : 0;
      const size_t length = next_line(&rest[i], (size_t)(starts[i + 1] - starts[i] - gap), &line);
      if (*rest[i] != '\0') more = true;
      if (length == 0) continue;
      nn_text_add(out, "%*s%.*s", starts[i] - column, "", (int)length, line);
      column = starts[i] + (int)length;
    }
    nn_text_add(out, "\n");
  }
}

static void add_paragraph(nn_text *out, int indent, const char *words) {
  while (*words != '\0') {
    const char *line = NULL;
    const size_t length = next_line(&words, (size_t)(WIDTH - indent), &line);
    nn_text_add(out, "%*s%.*s\n", indent, "", (int)length, line);
  }
}

/* ---- what a key takes ---------------------------------------------------------------------------------------- */

static void add_number(nn_text *out, double value) {
  char number[32];
  if (value == floor(value) && fabs(value) < 1e15)
    nn_text_add(out, "%lld", (long long)value);
  else
    nn_text_add(out, "%s", nn_format_real(value, number));
}

/* "integer 1 ... 4096 | auto", "number > 0". */
static void add_range(nn_text *out, const nn_key *key, const char *noun) {
  const bool none = key->min >= 0 && key->min <= 0 && key->max >= 0 && key->max <= 0;
  const bool above = !none && key->min > -NN__NO_BOUND, below = !none && key->max < NN__NO_BOUND;
  const bool closed = (key->flags & (NN_KEY_OPEN_MIN | NN_KEY_OPEN_MAX)) == 0;
  nn_text_add(out, "%s", noun);
  if (above && below && closed) {
    nn_text_add(out, " ");
    add_number(out, key->min);
    nn_text_add(out, " to ");
    add_number(out, key->max);
  } else {
    if (above) nn_text_add(out, (key->flags & NN_KEY_OPEN_MIN) != 0 ? " > " : " >= ");
    if (above) add_number(out, key->min);
    if (below) nn_text_add(out, "%s", above ? "," : "");
    if (below) nn_text_add(out, (key->flags & NN_KEY_OPEN_MAX) != 0 ? " < " : " <= ");
    if (below) add_number(out, key->max);
  }
  if ((key->flags & NN_KEY_AUTO) != 0) nn_text_add(out, " | auto");
}

static void add_type(nn_text *out, const nn_key *key) {
  switch (key->type) {
  case NN_KEY_BOOL:
    nn_text_add(out, "true | false");
    break;
  case NN_KEY_INT:
    add_range(out, key, "integer");
    break;
  case NN_KEY_REAL:
    add_range(out, key, "number");
    break;
  case NN_KEY_TEXT:
    nn_text_add(out, "text");
    break;
  case NN_KEY_WORD:
    for (int i = 0; key->words[i] != NULL; i++) nn_text_add(out, "%s%s", i > 0 ? " | " : "", key->words[i]);
    break;
  case NN_KEY_INTS:
    add_range(out, key, "list of integers");
    break;
  case NN_KEY_TEXTS:
    nn_text_add(out, "list of texts");
    break;
  case NN_KEY_TENSOR:
  case NN_KEY_TENSORS:
    add_range(out, key, "list of numbers");
    break;
  case NN_KEY_SECTION:
    nn_text_add(out, "section");
    break;
  case NN_KEY_CHOICE:
    nn_text_add(out, "%s", nn__kind_name(key->kind));
    break;
  case NN_KEY_CHOICES:
    nn_text_add(out, "list with %s each", nn__kind_a_name(key->kind));
    break;
  }
}

static void add_key(nn_text *out, const nn_key *key, const char *prefix) {
  nn_text name = {0}, type = {0};
  nn_text_add(&name, "%s%s%s", prefix, key->name, (key->flags & NN_KEY_MAY_CHANGE) != 0 ? "*" : "");
  add_type(&type, key);
  const char *fallback = (key->flags & NN_KEY_REQUIRED) != 0 ? "required" : key->fallback != NULL ? key->fallback : "";
  if (!name.out_of_memory && !type.out_of_memory)
    add_row(out, name.at, type.at, fallback, key->help != NULL ? key->help : "");
  out->out_of_memory |= name.out_of_memory || type.out_of_memory;
  nn_text_clear(&name);
  nn_text_clear(&type);
}

/* The keys of a section, those of the sections in it as `inner.key`. */
static void add_keys(nn_text *out, const nn_schema *schema, const char *prefix) {
  for (const nn_key *key = schema->keys; key != NULL && key->name != NULL; key++) {
    if (key->type != NN_KEY_SECTION) {
      add_key(out, key, prefix);
      continue;
    }
    char inner[128];
    const int length = snprintf(inner, sizeof inner, "%s%s.", prefix, key->name);
    NN_ASSERT(length > 0 && (size_t)length < sizeof inner); /* names of our own tables */
    add_keys(out, key->section, inner);
  }
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static bool same_words(const char *a, const char *b) {
  return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whether every alternative of the kind has this option, so that it need not be told each time. */
static bool is_common(const nn_registry *registry, nn_kind kind, const nn_key *key) {
  for (size_t i = 0; i < registry->kinds[kind].count; i++) {
    const nn_key *other = nn__key_find(registry->kinds[kind].at[i], key->name);
    if (other == NULL || other->type != key->type || !same_words(other->fallback, key->fallback) ||
        !same_words(other->help, key->help))
      return false;
  }
  return registry->kinds[kind].count > 1;
}

/* The options of an alternative that all have, or those that not all have; returns how many. */
static int add_options(nn_text *out, const nn_registry *registry, nn_kind kind, const nn_schema *schema, bool common) {
  int count = 0;
  for (const nn_key *key = schema->keys; key != NULL && key->name != NULL; key++) {
    if (is_common(registry, kind, key) != common) continue;
    if (out != NULL) add_key(out, key, "  ");
    count++;
  }
  return count;
}

static void add_kind(nn_text *out, const nn_registry *registry, nn_kind kind) {
  static const char *const titles[NN_KIND_COUNT][2] = {
      {"LAYERS", "for model.layers: NAME, or {NAME: {option: value}}; for model.activation: NAME, or {name: NAME, "
                 "option: value}"},
      {"LOSSES", "for train.loss: NAME, or {name: NAME, option: value}"},
      {"INITIALISATIONS", "for model.init and the layers' own: NAME, or {name: NAME, option: value}"},
      {"OPTIMIZERS", "for train.optimizer: NAME, or {name: NAME, option: value}"},
      {"SCHEDULES", "for train.schedule: NAME, or {name: NAME, option: value}"}};
  const size_t count = registry->kinds[kind].count;
  if (count == 0) return;
  nn_text_add(out, "\n%s\n", titles[kind][0]);
  add_paragraph(out, 0, titles[kind][1]);
  if (add_options(NULL, registry, kind, registry->kinds[kind].at[0], true) > 0) {
    nn_text_add(out, "\n  each of them:\n");
    add_options(out, registry, kind, registry->kinds[kind].at[0], true);
  }
  bool apart = true; /* an empty line sets alternatives with options apart */
  for (size_t i = 0; i < count; i++) {
    const nn_schema *schema = registry->kinds[kind].at[i];
    const bool has_options = add_options(NULL, registry, kind, schema, false) > 0;
    if (apart || has_options) nn_text_add(out, "\n");
    nn_text line = {0};
    nn_text_add(&line, "%s: %s", schema->name, schema->help != NULL ? schema->help : "");
    if (!line.out_of_memory) add_paragraph(out, KEY_AT, line.at);
    out->out_of_memory |= line.out_of_memory;
    nn_text_clear(&line);
    add_options(out, registry, kind, schema, false);
    apart = has_options;
  }
}

nn_status nn_config_help(const nn_registry *registry, nn_text *out) {
  nn_text_add(out, "THE CONFIGURATION\n\n");
  add_paragraph(out, 0,
                "A YAML file with the sections run, data, model, train, parallel, checkpoint and history. Keys that "
                "are not written have their default. Every key can be given on the command line too, as --set "
                "train.epochs=10, --set model.hidden=256,64, --set train.optimizer.lr=0.1 or --set "
                "model.layers.0.dense.units=5. Keys with * may differ when a run is continued.");
  nn_text_add(out, "\n");
  add_row(out, "KEY", "VALUE", "DEFAULT", "WHAT IT IS");
  for (const nn_key *key = nn__config_schema.keys; key->name != NULL; key++) {
    nn_text_add(out, "\n%s:  # %s\n", key->name, key->section->help);
    add_keys(out, key->section, "");
  }
  for (int kind = 0; kind < NN_KIND_COUNT; kind++) add_kind(out, registry, (nn_kind)kind);
  return nn_text_status(out);
}
